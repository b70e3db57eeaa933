import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { findApp, readArguments, replay } from "./replay.mjs";

/** @type {any[]} */
const asked = [];
/** @type {any[]} */
const answers = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    asked.push([request.method, request.url, request.headers.authorization, JSON.parse(body)]);
    const [status, answer] = answers.shift();
    response.writeHead(status).end(JSON.stringify(answer));
  });
});
await new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(undefined)));
after(() => server.close());
const app = { url: `http://127.0.0.1:${/** @type {any} */ (server.address()).port}`, secret: "cron" };

test("deliveries are requested until none are left", async () => {
  answers.push(
    [200, { replayed: 10, refused: [7], next_after: 12 }],
    [200, { replayed: 1, refused: [], next_after: null }],
  );
  const wanted = /** @type {any} */ (readArguments(["--from", "2026-11-22T07:00+07:00", "--to=2026-11-22"]));
  assert.equal(await replay(app, wanted), "11 deliveries stored once more; refused, and left as they were: 7");
  const range = { from: "2026-11-22T00:00:00.000Z", to: "2026-11-22T00:00:00.000Z" };
  assert.deepEqual(
    asked,
    [null, 12].map((from) => ["POST", "/api/cron/replay-webhooks", "Bearer cron", { ...range, after: from }]),
  );
});

test("a refusal of the app is reported", async () => {
  answers.push([401, { error: { code: "unauthorized" } }]);
  await assert.rejects(replay(app, { id: 1 }), /answered 401 .*unauthorized/);
});

test("contradictory options are refused", () => {
  assert.deepEqual(readArguments(["--id", "12"]), { id: 12 });
  assert.equal(readArguments(["--help"]), "help");
  for (const args of [
    [],
    ["--id", "x"],
    ["--id", "1", "--from", "2026-11-22"],
    ["--id", "1", "--to", "2026-11-22"],
    ["--from", "soon"],
    ["--all"],
    ["--to", "2026-11-22"],
  ]) {
    assert.throws(() => readArguments(args), /--help/, `${args}`);
  }
});

test("the app is the one in the environment or the running one", () => {
  assert.deepEqual(findApp("/nowhere", { NEXT_PUBLIC_APP_URL: "https://crm.test/", CRON_SECRET: "s" }), {
    url: "https://crm.test",
    secret: "s",
  });
  assert.throws(() => findApp("/nowhere", { CRON_SECRET: "s" }), /both/);
  assert.throws(() => findApp("/nowhere", {}), /npm start/);
});
