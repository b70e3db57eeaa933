// A local Supabase for tests, with its own ports, its own folder, and the small project in fixture-migrations.
import { mkdtempSync, rmSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@supabase/supabase-js";
import { freePorts } from "../launch/ports.mjs";
import { connect } from "./database.mjs";
import { opaqueKey, roleKey } from "./keys.mjs";
import { SUPERUSER } from "./postgres.mjs";

const SERVER = fileURLToPath(new URL("server.mjs", import.meta.url));
const JWT_SECRET = "a-secret-of-tests-that-is-long-enough-for-hs256";
const PASSWORD = "password-of-tests";

export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-stack-test-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** @param {string} folder @param {object} [changes] to the configuration */
export async function projectConfig(folder, changes = {}) {
  const ports = await freePorts();
  return {
    port: ports.supabase,
    postgres_port: ports.postgres,
    postgres_password: "p'w \"1",
    data_dir: folder,
    durable: false,
    migrations_dir: fileURLToPath(new URL("fixture-migrations", import.meta.url)),
    jwt_secret: JWT_SECRET,
    anon_key: roleKey("anon", JWT_SECRET, 1_700_000_000),
    service_role_key: roleKey("service_role", JWT_SECRET, 1_700_000_000),
    publishable_key: opaqueKey("publishable"),
    secret_key: opaqueKey("secret"),
    site_url: "http://localhost:3000",
    ...changes,
  };
}

/**
 * @param {Awaited<ReturnType<typeof projectConfig>>} config
 * @returns {Promise<{ config: typeof config, url: string, process: import("node:child_process").ChildProcess, exited: Promise<number | null>, stop: () => Promise<number | null>, ask: (line: string) => Promise<any> }>}
 *   `ask` says a line and gives the event that answers it
 */
export async function startProject(config) {
  const child = spawn(process.execPath, [SERVER], { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {});
  /** @type {Promise<number | null>} */
  const exited = new Promise((resolve) => child.once("close", resolve));
  /** @type {(event: any) => void} */
  let answered = () => {};
  await new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const event = JSON.parse(line);
      if (event.event === "ready") resolve(undefined);
      else if (event.event !== "error") answered(event);
      else reject(new Error(event.message));
    });
    void exited.then((code) => reject(new Error(`ended with ${code}`)));
    child.stdin.write(`${JSON.stringify(config)}\n`);
  });
  return {
    config,
    url: `http://127.0.0.1:${config.port}`,
    process: child,
    exited,
    ask: (line) =>
      new Promise((resolve) => {
        answered = resolve;
        child.stdin.write(`${line}\n`);
      }),
    stop: () => {
      child.kill("SIGTERM");
      return exited;
    },
  };
}

/** @param {{ url: string }} project @param {string} key @param {object} [options] */
export function client({ url }, key, options = {}) {
  return createClient(url, key, { auth: { persistSession: false, autoRefreshToken: false }, ...options });
}

/** Creates a new user and signs them in. @param {Awaited<ReturnType<typeof startProject>>} project @param {string} name */
export async function signedIn(project, name) {
  const email = `${name}@example.test`;
  const admin = client(project, project.config.service_role_key);
  const created = await admin.auth.admin.createUser({ email, password: PASSWORD, email_confirm: true });
  if (created.error) throw created.error;
  const supabase = client(project, project.config.anon_key);
  const { data, error } = await supabase.auth.signInWithPassword({ email, password: PASSWORD });
  if (error) throw error;
  return { supabase, email, password: PASSWORD, id: created.data.user.id, session: data.session };
}

/** A connection as the superuser. @param {{ postgres_password: string, postgres_port: number }} config */
export function superuser(config) {
  return connect(
    `postgresql://${SUPERUSER}:${encodeURIComponent(config.postgres_password)}@127.0.0.1:${config.postgres_port}/postgres`,
    { max: 2 },
  );
}
