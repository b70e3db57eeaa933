import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createClient } from "@supabase/supabase-js";
import { freePorts } from "./launch/ports.mjs";

const START = fileURLToPath(new URL("start.mjs", import.meta.url));

/** @type {string} */
let dataDir;
/** @type {number} */
let port;
before(async () => {
  dataDir = mkdtempSync(path.join(tmpdir(), "crm-start-test-"));
  port = await freeRow();
});
after(() => rmSync(dataDir, { recursive: true, force: true }));

/** @type {import("node:child_process").ChildProcess[]} */
const running = [];
afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

/** Five free ports in a row. @returns {Promise<number>} */
async function freeRow() {
  for (;;) {
    const { app } = await freePorts();
    const servers = await Promise.allSettled(
      [0, 1, 2, 3, 4].map(
        (i) =>
          new Promise((resolve, reject) => {
            const server = createServer()
              .once("error", reject)
              .listen(app + i, "127.0.0.1", () => resolve(server));
          }),
      ),
    );
    for (const server of servers) if (server.status === "fulfilled") server.value.close();
    if (app < 60_000 && servers.every((server) => server.status === "fulfilled")) return app;
  }
}

/** @param {string[]} more @param {Record<string, string>} [environment] */
function launch(more = [], environment = {}) {
  const args = [START, "--without-functions", "--data", dataDir, `--port=${port}`, ...more];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, ...environment },
  });
  running.push(child);
  let out = "";
  let err = "";
  const text = { out: () => out, err: () => err };
  child.stderr.on("data", (data) => (err += data));
  /** @type {Promise<number | null>} */
  const exited = new Promise((resolve) => child.once("close", resolve));
  const ready = new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => {
      out += data;
      if (out.includes("Ready in")) resolve(undefined);
    });
    void exited.then((code) => reject(new Error(`ended with ${code}: ${err}`)));
  });
  ready.catch(() => {});
  return { child, ready, exited, text };
}

const stackFile = () => path.join(dataDir, "stack.json");
const readStack = () => JSON.parse(readFileSync(stackFile(), "utf8"));
const postgresPid = () =>
  Number.parseInt(readFileSync(path.join(dataDir, "supabase", "postgres", "postmaster.pid"), "utf8"), 10);

/** @param {number} pid */
async function gone(pid) {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await pause(10);
  }
}

test("a start prints its addresses, follows its contract and ends cleanly", async () => {
  writeFileSync(stackFile(), JSON.stringify({ pid: 4_194_304, app_url: "stale" }));
  const first = launch();
  await first.ready;
  const stack = readStack();
  assert.deepEqual(Object.keys(stack).sort(), [
    "anon_key",
    "app_secret",
    "app_url",
    "cron_secret",
    "database_url",
    "meta_url",
    "pid",
    "service_role_key",
    "supabase_url",
    "upstash_token",
    "upstash_url",
    "users",
    "verify_token",
  ]);
  assert.equal(stack.pid, first.child.pid);
  assert.equal(stack.app_url, `http://127.0.0.1:${port}`);
  assert.match(first.text.out(), /admin@kopi\.test/);

  for (const { email, password, role, tenant_id } of stack.users) {
    const supabase = createClient(stack.supabase_url, stack.anon_key, {
      auth: { persistSession: false, autoRefreshToken: false },
    });
    assert.equal((await supabase.auth.signInWithPassword({ email, password })).error, null);
    const { data } = await supabase.rpc("current_access");
    assert.equal(data.tenant.id, tenant_id);
    assert.deepEqual(
      data.roles.map((/** @type {any} */ each) => each.key),
      [role],
    );
  }
  const service = createClient(stack.supabase_url, stack.service_role_key, { auth: { persistSession: false } });
  assert.equal((await service.from("conversations").select("id", { count: "exact", head: true })).count, 3);

  const second = launch();
  assert.equal(await second.exited, 1);
  assert.match(second.text.err(), new RegExp(`^a stack is already running on .*\\(process ${stack.pid}\\).*\\n$`));
  assert.equal(existsSync(stackFile()), true);

  const postgres = postgresPid();
  first.child.kill("SIGTERM");
  assert.equal(await first.exited, 0);
  assert.equal(existsSync(stackFile()), false);
  await gone(postgres);

  const again = launch();
  await again.ready;
  assert.equal(readStack().anon_key, stack.anon_key);
  assert.equal(
    (await service.from("conversations").select("id", { count: "exact", head: true })).count,
    3,
    "a second seeding adds nothing",
  );
  again.child.kill("SIGINT");
  assert.equal(await again.exited, 0);
});

test("--fresh empties the data, --no-demo adds no demo data, and all parts end with a killed launcher", async () => {
  const { child, ready, exited } = launch(["--fresh", "--no-demo", "--no-cron"]);
  await ready;
  const { supabase_url: url, service_role_key: key } = readStack();
  const service = createClient(url, key, { auth: { persistSession: false } });
  const counts = await Promise.all(
    ["conversations", "broadcast_templates", "whatsapp_sessions", "profiles"].map(
      async (table) => (await service.from(table).select("*", { count: "exact", head: true })).count,
    ),
  );
  assert.deepEqual(counts, [0, 0, 2, 7]);
  const postgres = postgresPid();
  child.kill("SIGKILL");
  await exited;
  await gone(postgres);
  assert.equal(existsSync(stackFile()), true, "no process was left to remove it");

  const next = launch();
  await next.ready;
  assert.equal(readStack().pid, next.child.pid);
  next.child.kill("SIGTERM");
  assert.equal(await next.exited, 0);
});

test("a start that is stopped leaves nothing behind, and can be repeated", async () => {
  for (const step of ["Starting Postgres", "Seeding"]) {
    const { child, exited, text } = launch(["--fresh"]);
    while (!text.out().includes(step)) await pause(5);
    child.kill("SIGTERM");
    assert.equal(await exited, 0);
    assert.equal(existsSync(stackFile()), false);
    assert.equal(existsSync(path.join(dataDir, "supabase", "postgres", "postmaster.pid")), false);
  }
});

test("a mistake that a person can correct is one line and status 1", async () => {
  const blocker = createServer().listen(port + 3, "127.0.0.1");
  const busy = launch();
  assert.equal(await busy.exited, 1);
  assert.equal(busy.text.err(), `port ${port + 3} (upstash) is in use: choose another with --port\n`);
  blocker.close();

  const odd = launch(["--prot=1"]);
  assert.equal(await odd.exited, 1);
  assert.match(odd.text.err(), /^unknown option --prot=1 .*\n$/);

  const keyless = launch([], { SUPABASE_URL: "http://127.0.0.1:9" });
  assert.equal(await keyless.exited, 1);
  assert.match(keyless.text.err(), /^SUPABASE_URL is set: .*\n$/);

  writeFileSync(path.join(dataDir, "supabase", "postgres", "PG_VERSION"), "12\n");
  const foreign = launch();
  assert.equal(await foreign.exited, 1);
  assert.match(foreign.text.err(), /^\S+ holds data of Postgres 12.*--fresh.*\n$/);

  const impossible = launch(["--data", path.join(dataDir, "secrets.json", "below")]);
  assert.equal(await impossible.exited, 1);
  assert.match(impossible.text.err(), /^ENOTDIR: .*secrets\.json.*\n$/);
});
