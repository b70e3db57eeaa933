import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import { dueAt, openWorkers } from "./workers.mjs";

const at = (/** @type {string} */ time) => new Date(`2026-12-01T${time}Z`);

test("a cron is due at its minute and no other", () => {
  const crons = [
    { path: "/each", schedule: "* * * * *" },
    { path: "/hourly", schedule: "17 * * * *" },
    { path: "/daily", schedule: "17 3 * * *" },
  ];
  assert.deepEqual(dueAt(crons, at("02:16:00")), ["/each"]);
  assert.deepEqual(dueAt(crons, at("02:17:59")), ["/each", "/hourly"]);
  assert.deepEqual(dueAt(crons, at("03:17:00")), ["/each", "/hourly", "/daily"]);
  assert.throws(() => dueAt([{ path: "/odd", schedule: "*/5 * * * *" }], at("00:00:00")), /not understood/);
});

test("every schedule of the deployment is understood", () => {
  const { crons } = JSON.parse(readFileSync(new URL("../../../../vercel.json", import.meta.url), "utf8"));
  assert.ok(crons.length > 0);
  assert.ok(dueAt(crons, at("00:17:00")).length > 0);
});

test("a cron is called with the secret, and a failure is told without ending the worker", async (t) => {
  /** @type {any[]} */
  const calls = [];
  const server = createServer((request, response) => {
    calls.push([request.url, request.headers.authorization]);
    response.statusCode = request.url === "/bad" ? 503 : 200;
    response.end("{}");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const call = openWorkers("/nowhere", { NEXT_PUBLIC_APP_URL: `http://127.0.0.1:${port}/`, CRON_SECRET: "s" });
  assert.equal(await call("/good"), "done");
  assert.equal(await call("/bad"), "answered 503");
  assert.deepEqual(calls, [
    ["/good", "Bearer s"],
    ["/bad", "Bearer s"],
  ]);
  const away = openWorkers("/nowhere", { NEXT_PUBLIC_APP_URL: "http://127.0.0.1:1", CRON_SECRET: "s" });
  assert.match(await away("/good"), /^not reached/);
});

test("without a product to call it says what to set", () => {
  assert.throws(() => openWorkers("/nowhere", {}), /NEXT_PUBLIC_APP_URL and CRON_SECRET/);
});
