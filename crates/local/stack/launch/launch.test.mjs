import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { verifyToken } from "../supabase/keys.mjs";
import { readArguments } from "./arguments.mjs";
import { configure } from "./configuration.mjs";
import { TEMPLATES, USERS } from "./demo-tenants.mjs";
import { lockData } from "./data-lock.mjs";
import { isInstalled } from "./install.mjs";
import { portsFrom } from "./ports.mjs";
import { keepSecrets } from "./secrets.mjs";

/** @param {import("node:test").TestContext} t */
function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), "crm-launch-test-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** @param {string} dataDir @param {Record<string, string>} [given] */
function configured(dataDir, given = {}) {
  return configure({
    root: "/repo",
    dataDir,
    ports: portsFrom(3000),
    secrets: keepSecrets(dataDir),
    functionsDir: "/repo/target/release",
    fresh: false,
    cron: true,
    durable: true,
    given,
  });
}

test("options are read in both spellings, and an invalid option is named", () => {
  assert.deepEqual(readArguments([]), {
    fresh: false,
    cron: true,
    demo: true,
    port: 3000,
    data: ".local",
    build: true,
    functions: true,
    product: "server",
    watch: false,
    help: false,
  });
  const all = readArguments([
    "--fresh",
    "--no-cron",
    "--no-demo",
    "--port",
    "4000",
    "--data=/tmp/x",
    "--skip-build",
    "--functions",
  ]);
  assert.deepEqual(all, {
    fresh: true,
    cron: false,
    demo: false,
    port: 4000,
    data: "/tmp/x",
    build: false,
    functions: true,
    product: "functions",
    watch: false,
    help: false,
  });
  assert.equal(readArguments(["--watch"]).watch, true);
  assert.throws(() => readArguments(["--watch", "--functions"]), /--watch serves all routes from one process/);
  assert.equal(readArguments(["--port=80"]).port, 80);
  for (const args of [["--port"], ["--port="], ["--port", "--fresh"]])
    assert.throws(() => readArguments(args), /--port needs a value/);
  for (const port of ["0", "65532", "3e3", "x", "-1"])
    assert.throws(() => readArguments([`--port=${port}`]), /--port needs a number/);
  for (const odd of ["--frehs", "--fresh=yes", "start"]) assert.throws(() => readArguments([odd]), /unknown option/);
});

test("secrets keep their values, and only the owner may read the file", (t) => {
  const dataDir = folder(t);
  const first = keepSecrets(dataDir);
  assert.deepEqual(keepSecrets(dataDir), first);
  assert.equal(Buffer.from(first.token_encryption_key, "base64").length, 32);
  writeFileSync(path.join(dataDir, "secrets.json"), "{");
  assert.throws(() => keepSecrets(dataDir), /secrets\.json is damaged/);
});

test("by default the launcher runs every part, and signs the keys with its own secret", (t) => {
  const { addresses, supabase, functions, usedPorts } = configured(folder(t));
  assert.deepEqual(Object.keys(addresses), [
    "app_url",
    "supabase_url",
    "anon_key",
    "service_role_key",
    "database_url",
    "meta_url",
    "upstash_url",
    "upstash_token",
    "app_secret",
    "verify_token",
    "cron_secret",
    "users",
  ]);
  assert.deepEqual(usedPorts, { app: 3000, supabase: 3001, meta: 3002, upstash: 3003, postgres: 3004 });
  const { environment } = functions;
  const checked = verifyToken(environment.SUPABASE_SERVICE_ROLE_KEY, environment.SUPABASE_JWT_SECRET);
  assert.ok("claims" in checked && checked.claims.role === "service_role");
  assert.equal(supabase?.jwt_secret, environment.SUPABASE_JWT_SECRET);
  assert.equal(environment.META_GRAPH_BASE_URL, "http://127.0.0.1:3002");
  assert.equal(functions.meta.webhook_url, "http://127.0.0.1:3000/api/whatsapp/webhook");
  assert.equal(functions.meta.templates.length, 2 * TEMPLATES.length);
  assert.equal(new Set(functions.meta.templates.map((template) => template.id)).size, functions.meta.templates.length);
});

test("each function runs in its own binary, or all run in the server that is named", (t) => {
  const dataDir = folder(t);
  const settings = {
    root: "/repo",
    dataDir,
    ports: portsFrom(3000),
    secrets: keepSecrets(dataDir),
    functionsDir: "/repo/target/fast",
    fresh: false,
    cron: true,
    durable: true,
    given: {},
  };
  assert.equal(configure(settings).functions.server, null);
  assert.equal(
    configure({ ...settings, server: "/repo/target/fast/crm-server" }).functions.server,
    "/repo/target/fast/crm-server",
  );
});

test("an environment variable wins, and the launcher starts no Meta or Redis that is configured elsewhere", (t) => {
  const { addresses, functions, usedPorts } = configured(folder(t), {
    META_GRAPH_BASE_URL: "http://localhost:9/",
    META_APP_SECRET: "new, old",
    META_WHATSAPP_TOKEN: "token",
    CRON_SECRET: "tick",
    UPSTASH_REDIS_REST_URL: "https://redis.example",
    UPSTASH_REDIS_REST_TOKEN: "r",
    META_GRAPH_VERSION: "v26.0",
    SENTRY_DSN: "https://sentry.example",
    META_WHATSAPP_PHONE_NUMBER_ID: "",
  });
  assert.equal(functions.meta_port, null);
  assert.equal(functions.upstash_port, null);
  assert.deepEqual(usedPorts, { app: 3000, supabase: 3001, postgres: 3004 });
  assert.equal(addresses.meta_url, "http://localhost:9");
  assert.equal(addresses.app_secret, "new");
  assert.equal(addresses.cron_secret, "tick");
  assert.equal(functions.environment.META_APP_SECRET, "new, old");
  assert.equal(functions.environment.META_WHATSAPP_TOKEN, "token");
  assert.equal(functions.environment.META_GRAPH_VERSION, "v26.0");
  assert.equal(functions.environment.SENTRY_DSN, "https://sentry.example");
  assert.equal(functions.environment.UPSTASH_REDIS_REST_URL, "https://redis.example");
  // A variable that is set but empty counts as unset.
  assert.equal(functions.environment.META_WHATSAPP_PHONE_NUMBER_ID, "555000000000001");
});

test("another Supabase project needs its keys", (t) => {
  const dataDir = folder(t);
  assert.throws(
    () => configured(dataDir, { SUPABASE_URL: "https://x.supabase.co" }),
    /SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY/,
  );
  const keys = { SUPABASE_ANON_KEY: "a", SUPABASE_SERVICE_ROLE_KEY: "s" };
  const { addresses, supabase, functions } = configured(dataDir, {
    NEXT_PUBLIC_SUPABASE_URL: "https://x.supabase.co/",
    ...keys,
  });
  assert.equal(supabase, null);
  assert.equal(addresses.supabase_url, "https://x.supabase.co");
  assert.equal(addresses.database_url, null);
  assert.equal(functions.environment.SUPABASE_JWT_SECRET, undefined);
  assert.equal(functions.environment.SUPABASE_SERVICE_ROLE_KEY, "s");
});

test("the demo log-ins are an admin, a manager, two agents and the admin of another tenant", () => {
  const [first, second] = [...new Set(USERS.map((user) => user.tenant_id))];
  assert.deepEqual(
    USERS.filter((user) => user.tenant_id === first)
      .map((user) => user.role)
      .sort(),
    ["admin", "agent", "agent", "manager", "super_admin"],
  );
  assert.deepEqual(
    USERS.filter((user) => user.tenant_id === second).map((user) => user.role),
    ["admin", "super_admin"],
  );
});

test("only one live process holds a folder", (t) => {
  const dataDir = folder(t);
  const unlock = lockData(dataDir);
  assert.throws(() => lockData(dataDir), new RegExp(`already running on .* \\(process ${process.pid}\\)`));
  unlock();
  for (const left of ['{"pid":4194304,"started":"1"}', `{"pid":${process.pid},"started":"another life"}`, "", "{}"]) {
    writeFileSync(path.join(dataDir, "stack.lock"), left);
    lockData(dataDir)();
  }
});

test("packages count as installed if they match the lock file", (t) => {
  const root = folder(t);
  const write = (/** @type {string} */ file, /** @type {object} */ packages) => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), JSON.stringify({ packages: { "": {}, ...packages } }));
  };
  const lock = { "node_modules/a": { version: "1.0.0" }, "node_modules/mac": { version: "1.0.0", optional: true } };
  write("package-lock.json", lock);
  assert.equal(isInstalled(root), false);
  write("node_modules/.package-lock.json", { "node_modules/a": { version: "1.0.0" } });
  assert.equal(isInstalled(root), false, "node itself is missing");
  mkdirSync(path.join(root, "node_modules/.bin"));
  writeFileSync(path.join(root, "node_modules/.bin/node"), "");
  assert.equal(isInstalled(root), true);
  write("package-lock.json", { ...lock, "node_modules/a": { version: "1.0.1" } });
  assert.equal(isInstalled(root), false);
  write("package-lock.json", { ...lock, "node_modules/b": { version: "1.0.0" } });
  assert.equal(isInstalled(root), false);
});
