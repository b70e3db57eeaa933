// Measures the processor time of a webhook that makes one call to the database.
import { sendRepeatedly } from "./connection.mjs";
import { startFunction } from "./function-process.mjs";
import { cpuSeconds, requireProc } from "./process-facts.mjs";
import { startPostgrest } from "./stand-ins.mjs";
import { textWebhooks } from "./webhook-request.mjs";

const CONNECTIONS = 32;
const WARM_UP = 2000;
const REQUESTS = 10_000;
const ROUNDS = 5;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function webhookCpu() {
  requireProc();
  const postgrest = await startPostgrest();
  const requests = textWebhooks(1000, { signed: true });
  try {
    const started = await startFunction("whatsapp-webhook", { environment: { SUPABASE_URL: postgrest.url } });
    const ask = (/** @type {number} */ count) =>
      sendRepeatedly({ port: started.port, requests, count, connections: CONNECTIONS, status: 200 });
    await ask(WARM_UP);
    const microseconds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const before = cpuSeconds(started.pid);
      await ask(REQUESTS);
      microseconds.push(((cpuSeconds(started.pid) - before) / REQUESTS) * 1e6);
    }
    await started.stop();
    // Other load on the machine only adds time, so the smallest value is closest to the function's own time.
    return [
      {
        what: "CPU per webhook, one call, 32 connections",
        prototype: "59 µs",
        most: 100,
        value: Math.min(...microseconds),
        unit: "µs",
      },
    ];
  } finally {
    await postgrest.stop();
  }
}
