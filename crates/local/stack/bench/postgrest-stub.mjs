// A stub that answers the functions' calls like PostgREST, at once and without a database. It is a separate process, so
// that its work does not count as theirs. It is configured, started and stopped like every part of the stack.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { TEMPLATES } from "../launch/demo-tenants.mjs";

const [{ name, language, components }] = TEMPLATES;
const TEMPLATE_ID = randomUUID();

/** @param {{ port: number, numbers: { session_id: string, phone_number_id: string, messages_per_second: number }[], recipients: number }} config */
function stub({ numbers, recipients }) {
  const left = new Map(numbers.map(({ session_id }, i) => [session_id, Math.floor((recipients + i) / numbers.length)]));
  let handedOut = 0;
  /** @type {Record<string, number>} */
  const outcomes = {};

  /** @type {Record<string, (call: any) => unknown>} */
  const functions = {
    worker_health: () => ({}),
    ingest_webhook: () => ({ campaigns: [] }),
    announce_campaigns: () => [],
    begin_sender_run: () => ({ busy: 0, sessions: numbers }),
    release_sender: () => null,
    number_access: () => ({ token: null, own_token: false, held: false, trial: false, failures: 0 }),
    finish_sender_run: () => null,
    claim_recipients({ session_id, batch_size }) {
      const size = Math.min(batch_size, left.get(session_id) ?? 0);
      left.set(session_id, (left.get(session_id) ?? 0) - size);
      return {
        claim_id: randomUUID(),
        next_due_ms: null,
        templates: size === 0 ? {} : { [TEMPLATE_ID]: { name, language, parameter_format: "POSITIONAL", components } },
        recipients: Array.from({ length: size }, () => ({
          recipient_id: randomUUID(),
          message_id: randomUUID(),
          wa_id: String(6_281_500_000_000 + handedOut++),
          variables: ["Rina Kusuma"],
          attempts: 1,
          template_id: TEMPLATE_ID,
        })),
      };
    },
    record_recipients({ results }) {
      for (const { outcome } of results) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      return [];
    },
    recorded_outcomes: () => outcomes,
  };
  return functions;
}

/** @param {any} config */
function serve(config) {
  const functions = stub(config);
  const server = createServer((request, response) => {
    /** @type {Buffer[]} */
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const called = functions[String(request.url).replace("/rest/v1/rpc/", "")];
      // The body is read only for calls whose answer depends on it.
      const answer = called?.length ? called(JSON.parse(Buffer.concat(chunks).toString())) : called?.({});
      const body = JSON.stringify(called ? answer : { message: `no such function: ${request.url}` });
      response
        .writeHead(called ? 200 : 404, {
          "content-type": "application/json; charset=utf-8",
          "content-length": Buffer.byteLength(body),
        })
        .end(body);
    });
  });
  server.keepAliveTimeout = 120_000;
  server.listen(config.port, "127.0.0.1", () => process.stdout.write('{"event":"ready"}\n'));
}

const input = createInterface({ input: process.stdin });
input.once("line", (line) => serve(JSON.parse(line)));
input.once("close", () => process.exit(0));
