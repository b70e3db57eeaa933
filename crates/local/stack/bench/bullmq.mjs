// The same campaign sent by BullMQ and Redis, for comparison: `npm run bench -- sender bullmq`. Neither is a
// dependency. This script downloads them into node_modules/.cache.
import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TEMPLATES, TENANTS } from "../launch/demo-tenants.mjs";
import { ROOT } from "../stack.mjs";
import { Skipped } from "./figure.mjs";
import { META_TOKEN } from "./function-process.mjs";
import { cpuSeconds, memory, requireProc } from "./process-facts.mjs";
import { startRedis } from "./redis.mjs";
import { startMeta } from "./stand-ins.mjs";

const VERSION = "6.7.0";
const RECIPIENTS = 20_000;
/** The same number of concurrent sends as our sender. */
const CONCURRENCY = 256;
const WORKER = fileURLToPath(new URL("bullmq-worker.mjs", import.meta.url));
const MB = 1e6;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function bullmq() {
  requireProc();
  const modules = installed();
  const redis = await startRedis();
  const meta = await startMeta();
  const [{ name, language }] = TEMPLATES;
  try {
    const before = cpuSeconds(redis.pid);
    const { seconds, cpu, peak } = await runsWorker({
      modules,
      redis_port: redis.port,
      recipients: RECIPIENTS,
      concurrency: CONCURRENCY,
      token: META_TOKEN,
      template: { name, language },
      url: `${meta.url}/v25.0/${TENANTS[0].number.phone_number_id}/messages`,
    });
    const redisCpu = cpuSeconds(redis.pid) - before;
    const { accepted, duplicates } = await meta.summary();
    if (accepted !== RECIPIENTS || duplicates !== 0)
      throw new Error(`Meta accepted ${accepted} of ${RECIPIENTS}, ${duplicates} twice`);
    return [
      {
        what: `BullMQ ${VERSION} against the same Meta`,
        prototype: "1.5 k/s",
        value: RECIPIENTS / seconds,
        unit: "messages/s",
      },
      { what: "CPU per message of BullMQ, with Redis", value: ((cpu + redisCpu) / RECIPIENTS) * 1e6, unit: "µs" },
      {
        what: "memory of BullMQ at its peak, with Redis",
        value: (peak + memory(redis.pid).peak) / MB,
        unit: "MB",
        digits: 1,
      },
    ];
  } finally {
    await meta.stop();
    await redis.stop();
  }
}

/** @param {object} job @returns {Promise<{ seconds: number, cpu: number, peak: number }>} the worker process's own figures */
function runsWorker(job) {
  return new Promise((resolve, reject) => {
    const child = fork(WORKER, [JSON.stringify(job)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    child.once("message", (result) => resolve(/** @type {any} */ (result)));
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`BullMQ's worker ended with ${code}`)));
  });
}

/** @returns {string} the folder where BullMQ is installed */
function installed() {
  const folder = path.join(ROOT, "node_modules", ".cache", "bench-bullmq");
  if (!existsSync(path.join(folder, "node_modules", "ioredis"))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "package.json"), JSON.stringify({ private: true, type: "module" }));
    try {
      execFileSync(
        "npm",
        ["install", "--no-audit", "--no-fund", "--ignore-scripts", `bullmq@${VERSION}`, "ioredis@5"],
        { cwd: folder, stdio: "ignore" },
      );
    } catch {
      throw new Skipped(`npm cannot install bullmq@${VERSION}`);
    }
  }
  return folder;
}
