// Sends a campaign in BullMQ's usual way: one job per recipient, one worker with high concurrency, keep-alive
// connections to Meta.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";

const job = JSON.parse(process.argv[2]);
const { Queue, Worker } = createRequire(path.join(job.modules, "package.json"))("bullmq");
const connection = { host: "127.0.0.1", port: job.redis_port, maxRetriesPerRequest: null };
const agent = new Agent({ keepAlive: true, maxSockets: job.concurrency });

/** @param {object} message @returns {Promise<string>} the wamid */
function send(message) {
  return new Promise((resolve, reject) => {
    const body = JSON.stringify(message);
    const call = request(
      job.url,
      {
        agent,
        method: "POST",
        headers: {
          authorization: `Bearer ${job.token}`,
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        let text = "";
        response
          .setEncoding("utf8")
          .on("data", (chunk) => (text += chunk))
          .on("end", () => {
            if (response.statusCode !== 200) reject(new Error(text));
            else resolve(JSON.parse(text).messages[0].id);
          });
      },
    );
    call.once("error", reject).end(body);
  });
}

const queue = new Queue("broadcast", { connection });
const PAGE = 1000;
for (let from = 0; from < job.recipients; from += PAGE) {
  await queue.addBulk(
    Array.from({ length: Math.min(PAGE, job.recipients - from) }, (_, i) => ({
      name: "send",
      data: { to: String(6_281_500_000_000 + from + i), id: randomUUID() },
      opts: { attempts: 4, removeOnComplete: true },
    })),
  );
}

const before = process.cpuUsage();
const began = performance.now();
let done = 0;
await new Promise((resolve, reject) => {
  const worker = new Worker(
    "broadcast",
    async (/** @type {any} */ { data }) =>
      send({
        messaging_product: "whatsapp",
        recipient_type: "individual",
        to: data.to,
        type: "template",
        biz_opaque_callback_data: data.id,
        template: {
          name: job.template.name,
          language: { code: job.template.language },
          components: [{ type: "body", parameters: [{ type: "text", text: "Rina Kusuma" }] }],
        },
      }),
    { connection, concurrency: job.concurrency },
  );
  worker.on("failed", (/** @type {any} */ _, /** @type {Error} */ error) => reject(error));
  worker.on("error", reject);
  worker.on("completed", () => {
    done += 1;
    if (done === job.recipients) resolve(undefined);
  });
});
const seconds = (performance.now() - began) / 1000;
const used = process.cpuUsage(before);
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) * 1024;
process.send?.({ seconds, cpu: (used.user + used.system) / 1e6, peak }, () => process.exit(0));
