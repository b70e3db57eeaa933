// Measures the campaign sender and its memory against a Meta simulator that answers at once.
import { randomUUID } from "node:crypto";
import { TENANTS } from "../launch/demo-tenants.mjs";
import { Connection, request } from "./connection.mjs";
import { CRON_SECRET, startFunction } from "./function-process.mjs";
import { cpuSeconds, memory, requireProc } from "./process-facts.mjs";
import { startMeta, startPostgrest } from "./stand-ins.mjs";

const RECIPIENTS = 100_000;
const PER_SECOND = 1_000_000;
const PATH = "/api/cron/process-broadcasts";
const MB = 1e6;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function sender() {
  requireProc();
  const meta = await startMeta();
  const number = {
    session_id: randomUUID(),
    phone_number_id: TENANTS[0].number.phone_number_id,
    messages_per_second: PER_SECOND,
  };
  const postgrest = await startPostgrest({ numbers: [number], recipients: RECIPIENTS });
  try {
    const started = await startFunction("cron-process-broadcasts", {
      environment: { SUPABASE_URL: postgrest.url, META_GRAPH_BASE_URL: meta.url },
    });
    const connection = await Connection.open(started.port);
    const refused = await connection.ask(request("GET", PATH));
    if (refused.status !== 401) throw new Error(`cron without its secret was answered ${refused.status}`);
    const rest = memory(started.pid).now;

    const before = { cpu: cpuSeconds(started.pid), at: performance.now() };
    const answer = await connection.ask(request("GET", PATH, { headers: { authorization: `Bearer ${CRON_SECRET}` } }));
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = cpuSeconds(started.pid) - before.cpu;
    const { peak } = memory(started.pid);
    connection.close();
    await started.stop();

    const sent = await agreed(answer, await postgrest.outcomes(), await meta.summary());
    return [
      {
        what: "sender against a Meta that answers at once",
        prototype: "10-13 k/s",
        least: 5000,
        value: sent / seconds,
        unit: "messages/s",
      },
      { what: "CPU per message of the sender", prototype: "33-48 µs", value: (cpu / sent) * 1e6, unit: "µs" },
      { what: "memory of the sender at rest", prototype: "2.7 MB", most: 8, value: rest / MB, unit: "MB", digits: 1 },
      {
        what: "memory of the sender at its peak",
        prototype: "8.6 MB",
        most: 32,
        value: peak / MB,
        unit: "MB",
        digits: 1,
      },
    ];
  } finally {
    await postgrest.stop();
    await meta.stop();
  }
}

/**
 * The number of sent messages, if all three sources agree.
 * @param {import("./connection.mjs").Answer} answer @param {Record<string, number>} recorded @param {{ accepted: number, duplicates: number }} ledger
 */
async function agreed(answer, recorded, ledger) {
  const report = JSON.parse(answer.body.toString());
  const sent = report.numbers?.[0]?.sent;
  const agree =
    answer.status === 200 &&
    sent > 0 &&
    recorded.sent === sent &&
    Object.keys(recorded).length === 1 &&
    ledger.accepted === sent &&
    ledger.duplicates === 0;
  if (!agree)
    throw new Error(
      `the sender says ${answer.body}, its records ${JSON.stringify(recorded)}, Meta ${JSON.stringify(ledger)}`,
    );
  return sent;
}
