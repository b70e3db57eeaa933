// Measures the time from the start of a function to its first answer.
import { Connection, request } from "./connection.mjs";
import { median } from "./figure.mjs";
import { startFunction } from "./function-process.mjs";
import { startPostgrest } from "./stand-ins.mjs";

const RUNS = 20;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function spawn() {
  const postgrest = await startPostgrest();
  try {
    const environment = { SUPABASE_URL: postgrest.url };
    const without = await firstAnswers("not-found", { path: "/api/nowhere", status: 404, environment });
    const withClient = await firstAnswers("health", { path: "/api/health", status: 200, environment });
    return [
      {
        what: "spawn to first answer, calling nothing",
        prototype: "3.8 ms",
        most: 6,
        value: median(without),
        unit: "ms",
        digits: 1,
      },
      {
        what: "spawn to first answer, with a database call",
        prototype: "10.4 ms",
        most: 15,
        value: median(withClient),
        unit: "ms",
        digits: 1,
      },
    ];
  } finally {
    await postgrest.stop();
  }
}

/** @param {string} name @param {{ path: string, status: number, environment: Record<string, string> }} question @returns {Promise<number[]>} milliseconds */
async function firstAnswers(name, { path, status, environment }) {
  const times = [];
  for (let i = 0; i < RUNS; i++) {
    let began = 0;
    const started = await startFunction(name, { environment, onSpawn: () => (began = performance.now()) });
    const connection = await Connection.open(started.port);
    const answer = await connection.ask(request("GET", path));
    times.push(performance.now() - began);
    connection.close();
    await started.stop();
    if (answer.status !== status) throw new Error(`${name} answered ${answer.status} ${answer.body}`);
  }
  return times;
}
