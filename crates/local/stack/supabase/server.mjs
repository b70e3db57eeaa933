// The local Supabase as one process: Postgres, PostgREST, Auth, Storage and Realtime on one origin.
//
// It reads its configuration as one line of JSON from stdin and prints {"event":"ready"} when all services answer. It
// ends on SIGTERM, SIGINT or the end of stdin, and stops its Postgres.
//
// The line `migrate` on stdin applies migrations that were added meanwhile. The answer is {"event":"migrated"} with the
// applied files, the files that changed after they were applied, and the failure if there is one.
import { once } from "node:events";
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { authAdmin } from "./auth-admin.mjs";
import { callerFinder } from "./callers.mjs";
import { connect } from "./database.mjs";
import { createGateway } from "./gateway.mjs";
import { mailbox } from "./mails.mjs";
import { applyMigrations, readMigrations } from "./migrations.mjs";
import { startPostgres, SUPERUSER } from "./postgres.mjs";
import { preRequest } from "./pre-request.mjs";
import { startRealtime } from "../realtime/realtime.mjs";
import { requestSettings } from "./request-settings.mjs";
import { renewingPool } from "./renewing-pool.mjs";
import { rpcCaller } from "./rpc.mjs";
import { StackError } from "./stack-error.mjs";

/**
 * @typedef {object} Configuration
 * @property {number} port
 * @property {number} postgres_port
 * @property {string} postgres_password
 * @property {string} data_dir
 * @property {boolean} [fresh] begin with an empty database
 * @property {boolean} [durable] false: fast, and lost with the machine
 * @property {number} [time_limit_scale] multiplies the time limits of requests; 1, as on a hosted project, unless set
 * @property {string} migrations_dir
 * @property {string} jwt_secret
 * @property {string} anon_key
 * @property {string} service_role_key
 * @property {string} [publishable_key]
 * @property {string} [secret_key]
 * @property {string} [supabase_url]
 * @property {string} site_url
 * @property {string | null} [database_url] a server to use instead of our own, as its superuser
 */

/** Cleanup steps, run in reverse order. @type {(() => Promise<unknown> | unknown)[]} */
const undo = [];
// The server gives up after Postgres has ended this many times in a row within this time of its start.
const [SHORT_LIFE, SHORT_LIVES] = [10_000, 5];

let ending = false;
let running = false;

/** @param {object} event */
const report = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);

/** @param {number} code @returns {Promise<never>} */
async function end(code) {
  if (!ending) {
    ending = true;
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (error) {
        console.error(`stopping: ${/** @type {Error} */ (error).message}`);
      }
    }
    process.exit(code);
  }
  return new Promise(() => {});
}

/** @param {unknown} error */
async function fail(error) {
  if (ending) return;
  const known = error instanceof StackError || /** @type {any} */ (error)?.code !== undefined;
  report({
    event: "error",
    message: known ? /** @type {Error} */ (error).message : String(/** @type {any} */ (error)?.stack ?? error),
  });
  await end(1);
}

process.on("SIGTERM", () => void end(0));
process.on("SIGINT", () => void end(0));
// A database that is briefly away comes back. The callers have already received an error.
const LOST_CONNECTION = /^(CONNECTION_\w+|ECONN\w+|EPIPE|08\w{3}|57P0[123]|55000)$/;
const unexpected = (/** @type {any} */ error) => {
  if (running && LOST_CONNECTION.test(error?.code ?? ""))
    console.error(`the database is unreachable: ${error.message}`);
  else void fail(error);
};
process.on("uncaughtException", unexpected);
process.on("unhandledRejection", unexpected);
keepErrorsShort();

const lines = createInterface({ input: process.stdin });
lines.once("line", (line) => {
  run(JSON.parse(line)).catch(fail);
});
lines.once("close", () => void end(0));

/** @param {Configuration} config */
async function run(config) {
  const own = !config.database_url;
  // Lite is large, so it is loaded while Postgres starts.
  const loading = Promise.all([import("./lite.mjs"), import("./platform.mjs")]);
  loading.catch(() => {});
  const databaseUrl = config.database_url ?? (await startOwnPostgres(config));
  const ours = { max: 20, max_lifetime: null, connection: { application_name: "supabase-local" } };
  const { sql } = renewingPool({ most: ours.max, open: (onclose) => connect(databaseUrl, { ...ours, onclose }) });
  undo.push(() => sql.end({ timeout: 1 }));
  const listener = connect(databaseUrl, { ...ours, max: 1 });
  undo.push(() => listener.end({ timeout: 1 }));
  const [{ startLite }, { preparePlatform }] = await loading;
  await checkDatabase(sql, config, own);
  await preparePlatform(sql, own ? config.postgres_password : null);
  const { changed } = await migrate(config, databaseUrl, own);
  for (const file of changed) console.error(`${file} has changed since it was applied: start with --fresh to apply it`);

  const supabaseUrl = config.supabase_url ?? `http://127.0.0.1:${config.port}`;
  const callers = callerFinder(config);
  const before = preRequest(sql);
  const settings = requestSettings(sql, config.time_limit_scale ?? 1);
  const mails = mailbox(sql, { supabaseUrl, siteUrl: config.site_url });
  const lite = await startLite({
    sql,
    preRequest: before,
    settings,
    mails,
    databaseUrl,
    jwtSecret: config.jwt_secret,
    supabaseUrl,
    siteUrl: config.site_url,
    storageFolder: path.join(config.data_dir, "storage"),
  });
  undo.push(() => lite.stop());
  const rpc = rpcCaller(sql, before, settings);
  const realtime = await startRealtime({
    sql,
    databaseUrl,
    jwtSecret: config.jwt_secret,
    claimsOfKey: callers.claimsOfKey,
  });
  // Realtime stops before the connections and Postgres, because a server waits for its last replication client.
  undo.push(() => realtime.stop());
  await listener.listen("pgrst", () => {
    before.reload();
    settings.reload();
    rpc.reload();
    void lite.reloadSchema();
  });

  const gateway = createGateway({ callers, lite, rpc, authAdmin: authAdmin(sql, mails), mails, realtime });
  gateway.on("upgrade", realtime.handleUpgrade);
  gateway.listen(config.port, "127.0.0.1");
  try {
    await once(gateway, "listening");
  } catch (error) {
    const inUse = /** @type {any} */ (error).code === "EADDRINUSE";
    throw new StackError(
      inUse
        ? `port ${config.port} (Supabase) is in use: choose another with --port`
        : /** @type {Error} */ (error).message,
    );
  }
  undo.push(() => {
    gateway.close();
    gateway.closeAllConnections();
  });
  if (ending) return;
  running = true;
  report({ event: "ready" });
  lines.on("line", (line) => {
    if (line === "migrate") void migrateAgain(sql, config, databaseUrl, own);
  });
}

/** Applies migrations that were added while the server runs. @param {import("postgres").Sql} sql @param {Configuration} config @param {string} databaseUrl @param {boolean} own */
async function migrateAgain(sql, config, databaseUrl, own) {
  try {
    const { applied, changed } = await migrate(config, databaseUrl, own);
    if (applied.length > 0) await sql`notify pgrst, 'reload schema'`;
    report({ event: "migrated", applied, changed, failure: null });
  } catch (error) {
    report({ event: "migrated", applied: [], changed: [], failure: /** @type {Error} */ (error).message });
  }
}

/** @param {Configuration} config @returns {Promise<string>} the superuser's address */
async function startOwnPostgres(config) {
  const dataDir = path.join(config.data_dir, "postgres");
  if (config.fresh)
    for (const folder of ["postgres", "storage"])
      rmSync(path.join(config.data_dir, folder), { recursive: true, force: true });
  mkdirSync(config.data_dir, { recursive: true });
  const options = {
    dataDir,
    port: config.postgres_port,
    password: config.postgres_password,
    logFile: path.join(config.data_dir, "postgres.log"),
    durable: config.durable,
  };
  let server = await startPostgres(options);
  undo.push(() => server.stop());
  void keepRunning().catch(fail);

  // Restarts a Postgres that was killed, as in a hosted project. If it does not stay up, the server stops.
  async function keepRunning() {
    for (let shortLives = 0; ;) {
      const started = Date.now();
      await server.exited;
      if (ending) return;
      shortLives = Date.now() - started < SHORT_LIFE ? shortLives + 1 : 0;
      if (!running || shortLives === SHORT_LIVES)
        throw new StackError(`Postgres has ended unexpectedly: see ${options.logFile}`);
      console.error("Postgres has ended unexpectedly and is being restarted");
      server = await startPostgres(options);
    }
  }
  return `postgresql://${SUPERUSER}:${encodeURIComponent(config.postgres_password)}@127.0.0.1:${config.postgres_port}/postgres`;
}

/** Checks that this database is usable. @param {import("postgres").Sql} sql @param {Configuration} config @param {boolean} own */
async function checkDatabase(sql, config, own) {
  let facts;
  try {
    [facts] =
      await sql`select current_setting('wal_level') as wal, rolsuper as superuser from pg_roles where rolname = current_user`;
  } catch (error) {
    const { code, message } = /** @type {any} */ (error);
    if (own && code === "28P01")
      throw new StackError(
        `the database in ${config.data_dir} was made with another password than secrets.json holds: start with --fresh to begin anew`,
      );
    throw new StackError(`the database refuses the connection: ${message || code}`);
  }
  if (facts.wal !== "logical" || !facts.superuser)
    throw new StackError("SUPABASE_DB_URL must name a superuser of a server with wal_level=logical");
  if (config.fresh && !own)
    throw new StackError("--fresh cannot empty the server of SUPABASE_DB_URL: empty it by other means");
}

/** @param {Configuration} config @param {string} databaseUrl @param {boolean} own */
async function migrate(config, databaseUrl, own) {
  const migrations = readMigrations(config.migrations_dir);
  // A server that is not ours has no role `postgres` that is known to differ from its superuser.
  const owner = connect(own ? databaseUrl.replace(`//${SUPERUSER}:`, "//postgres:") : databaseUrl, { max: 1 });
  try {
    return await applyMigrations(owner, migrations);
  } finally {
    await owner.end({ timeout: 1 });
  }
}

/**
 * Shortens Lite's log. Lite prints complete database errors, including rows of customers. These belong in the answer to the
 * client, not in a log.
 */
function keepErrorsShort() {
  const print = console.error.bind(console);
  console.warn = () => {};
  console.error = (...parts) => {
    if (parts.some((part) => part !== null && typeof part === "object" && ("code" in part || "relation" in part)))
      return;
    print(parts.map((part) => (part instanceof Error ? part.message : String(part))).join(" "));
  };
}
