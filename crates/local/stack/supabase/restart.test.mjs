import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SUPERUSER } from "./postgres.mjs";
import { client, projectConfig, signedIn, startProject, superuser, temporaryFolder } from "./test-project.mjs";

/** @type {(() => unknown)[]} */
const cleanups = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** @param {object} [changes] */
async function newConfig(changes) {
  const place = temporaryFolder();
  cleanups.push(place.remove);
  return projectConfig(place.folder, changes);
}

/** @param {Awaited<ReturnType<typeof projectConfig>>} config */
async function start(config) {
  const project = await startProject(config);
  cleanups.push(() => project.process.kill("SIGKILL"));
  return project;
}

/** @param {{ data_dir: string }} config */
const lockFile = (config) => path.join(config.data_dir, "postgres", "postmaster.pid");

/** @param {number} pid */
async function ended(pid) {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await pause(10);
  }
}

test("a killed server leaves no Postgres behind, and the next start finds its data", async () => {
  const config = await newConfig({ durable: true });
  const first = await start(config);
  const ada = await signedIn(first, "ada");
  assert.equal((await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "kept" })).error, null);
  const postgres = Number.parseInt(readFileSync(lockFile(config), "utf8"), 10);
  first.process.kill("SIGKILL");
  await first.exited;
  await ended(postgres);

  const second = await start(config);
  const session = await client(second, config.anon_key).auth.signInWithPassword(ada);
  assert.equal(session.error, null);
  const service = client(second, config.service_role_key);
  assert.deepEqual((await service.from("notes").select("body")).data, [{ body: "kept" }]);
  assert.equal(await second.stop(), 0);
  assert.equal(existsSync(lockFile(config)), false);
});

test("the data is recovered after Postgres and its keeper are killed too", async () => {
  const config = await newConfig({ durable: true });
  const first = await start(config);
  const ada = await signedIn(first, "ada");
  assert.equal((await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "recovered" })).error, null);
  const postgres = Number.parseInt(readFileSync(lockFile(config), "utf8"), 10);
  first.process.kill("SIGSTOP");
  process.kill(postgres, "SIGKILL");
  first.process.kill("SIGKILL");
  await first.exited;

  const second = await start(config);
  assert.deepEqual((await client(second, config.service_role_key).from("notes").select("body")).data, [
    { body: "recovered" },
  ]);
  assert.equal(await second.stop(), 0);
});

test("a killed Postgres is restarted with its data", async () => {
  const project = await start(await newConfig());
  const ada = await signedIn(project, "ada");
  assert.equal((await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "kept" })).error, null);
  for (const round of [1, 2]) {
    const killed = Number.parseInt(readFileSync(lockFile(project.config), "utf8"), 10);
    // Every request in the meantime is answered, with an error or with the row.
    const asked = Array.from({ length: 60 }, () => ada.supabase.from("notes").select("body"));
    process.kill(killed, "SIGKILL");
    for (const { data, error } of await Promise.all(asked))
      assert.ok(error !== null || data[0].body === "kept", `round ${round}`);
    for (;;) {
      const { data } = await ada.supabase.from("notes").select("body");
      if (data?.[0]?.body === "kept") break;
      await pause(50);
    }
  }
  assert.equal(await project.stop(), 0);
});

test("the server ends with its stdin", async () => {
  const project = await start(await newConfig());
  project.process.stdin?.end();
  assert.equal(await project.exited, 0);
  assert.equal(existsSync(lockFile(project.config)), false);
});

test("an interrupted initdb is repeated, and a lock that names another process is replaced", async () => {
  const config = await newConfig();
  const half = path.join(config.data_dir, "postgres.half");
  mkdirSync(path.join(half, "base"), { recursive: true });
  writeFileSync(path.join(half, "PG_VERSION"), "17\n");
  const first = await start(config);
  assert.equal(existsSync(half), false);
  await first.stop();
  writeFileSync(
    lockFile(config),
    `${process.pid}\n${config.data_dir}/postgres\n1\n${config.postgres_port}\n\n127.0.0.1\n\nready   \n`,
  );
  const second = await start(config);
  assert.equal(await second.stop(), 0);
});

test("a foreign or damaged data folder is reported in one line", async () => {
  const config = await newConfig();
  const folder = path.join(config.data_dir, "postgres");
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "something"), "");
  await assert.rejects(
    startProject(config),
    (/** @type {Error} */ error) =>
      /is not a Postgres data folder/.test(error.message) && !error.message.includes("\n"),
  );
  writeFileSync(path.join(folder, "PG_VERSION"), "16\n");
  await assert.rejects(startProject(config), /holds data of Postgres 16, this is Postgres 17/);
  writeFileSync(path.join(folder, "PG_VERSION"), "17\n");
  await assert.rejects(
    startProject(config),
    (/** @type {Error} */ error) =>
      /Postgres did not start with .*--fresh/.test(error.message) && !error.message.includes("\n"),
  );
  const fresh = await start({ ...config, fresh: true });
  assert.equal(await fresh.stop(), 0);
});

test("a port in use is reported", async () => {
  const config = await newConfig();
  const blocker = createServer().listen(config.port, "127.0.0.1");
  cleanups.push(() => blocker.close());
  await assert.rejects(startProject(config), new RegExp(`port ${config.port} \\(Supabase\\) is in use`));
  const other = await newConfig({ postgres_port: config.port });
  await assert.rejects(startProject(other), new RegExp(`port ${config.port} \\(Postgres\\) is in use`));
});

test("a wrong database password is reported", async () => {
  const config = await newConfig();
  await (await start(config)).stop();
  await assert.rejects(startProject({ ...config, postgres_password: "another" }), /another password/);
});

test("a failing migration is rolled back and reports its file, position and reason", async () => {
  const config = await newConfig();
  const folder = path.join(config.data_dir, "migrations");
  mkdirSync(folder);
  writeFileSync(path.join(folder, "1_good.sql"), "create table public.good (id int);");
  writeFileSync(
    path.join(folder, "2_bad.sql"),
    "create table public.half (id int);\ncomment on table public.half is 'ä';\nselect  nonsense from public.half;",
  );
  const changed = { ...config, migrations_dir: folder };
  await assert.rejects(startProject(changed), /2_bad\.sql:3:9: column "nonsense" does not exist \[42703\]/);
  // This migration needs the superuser, so a hosted project would refuse it.
  writeFileSync(
    path.join(folder, "2_bad.sql"),
    "create table public.half (id int); alter system set work_mem = '8MB';",
  );
  await assert.rejects(startProject(changed), /2_bad\.sql/);
  writeFileSync(path.join(folder, "2_bad.sql"), "create table public.half (id int);");
  const project = await start(changed);
  const sql = superuser(config);
  const tables = await sql`select tablename from pg_tables where schemaname = 'public' order by 1`;
  await sql.end();
  assert.deepEqual(
    tables.map((row) => row.tablename),
    ["good", "half"],
  );
  await project.stop();
});

test("a migration that is added is applied while everything runs, one that fails leaves nothing, one that changes is named", async () => {
  const config = await newConfig();
  const folder = path.join(config.data_dir, "migrations");
  mkdirSync(folder);
  const [first, second] = ["1_first.sql", "2_second.sql"].map((name) => path.join(folder, name));
  writeFileSync(first, "create table public.ones (id int); grant select on public.ones to anon;");
  const project = await start({ ...config, migrations_dir: folder });
  const anonymous = client(project, config.anon_key);
  assert.deepEqual((await anonymous.from("ones").select("id")).data, []);

  writeFileSync(second, "create table public.twos (id int); select nothing;");
  const failed = await project.ask("migrate");
  assert.match(failed.failure, /2_second\.sql:1:\d+: column "nothing" does not exist/);
  writeFileSync(second, "create table public.twos (id int); grant select on public.twos to anon;");
  writeFileSync(first, "create table public.ones (id bigint);");
  assert.deepEqual(await project.ask("migrate"), {
    event: "migrated",
    applied: [second],
    changed: [first],
    failure: null,
  });
  for (;;) {
    const { data } = await anonymous.from("twos").select("id");
    if (data) break;
    await pause(10);
  }
  assert.deepEqual((await project.ask("migrate")).applied, []);
  assert.equal(await project.stop(), 0);
});

test("an existing server can be used by its address", async () => {
  const host = await start(await newConfig({ migrations_dir: "/nonexistent" }));
  const url = `postgresql://${SUPERUSER}:${encodeURIComponent(host.config.postgres_password)}@127.0.0.1:${host.config.postgres_port}/postgres`;
  const guest = await start(await newConfig({ database_url: url }));
  assert.equal(existsSync(path.join(guest.config.data_dir, "postgres")), false);
  const ada = await signedIn(guest, "ada");
  assert.equal((await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "elsewhere" })).error, null);
  assert.equal(await guest.stop(), 0);
  assert.equal(await host.stop(), 0);
});
