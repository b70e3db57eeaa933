// Calls of open routes and failures are counted, and the service works without the counter.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useApp } from "./app.mjs";

const LIMIT = 600;
const app = await useApp({ demo: false });

/**
 * Asks until the answer is 429, and returns the number of other answers.
 * @param {() => Promise<any>} ask
 * @param {number} expected
 */
async function untilRefused(ask, expected) {
  // A minute may end while we count: then the count begins again, once.
  for (let asked = 0; asked <= 2 * LIMIT; asked++) {
    const answer = await ask();
    if (answer.status === 429) return { asked, answer };
    assert.equal(answer.status, expected);
  }
  return assert.fail("never refused");
}

test("an address that asks an open route too often gets 429 with a wait, and others are served", async () => {
  // The first call of a file reads the document from the same address, to compare answers with it.
  const loaded = await app.call("GET", "/api/openapi.json");
  assert.equal(loaded.status, 200);
  const { asked, answer } = await untilRefused(() => app.call("GET", "/api/openapi.json"), 200);
  assert.ok(asked >= LIMIT - 2, `refused after ${asked}`);
  assert.equal(answer.body.error.code, "too_many_requests");
  const seconds = Number(answer.headers.get("retry-after"));
  assert.ok(seconds >= 1 && seconds <= 60, `retry after ${seconds}`);
  assert.equal((await app.call("GET", "/api/health")).status, 200, "each route has its own count");
});

test("refused tokens are counted, and valid ones still pass", async () => {
  const headers = { authorization: `Bearer crm_${"0".repeat(64)}` };
  await untilRefused(() => app.call("GET", "/api/auth/me", { headers }), 401);
  await app.succeeds("GET", "/api/auth/me", { as: "admin" });
});

test("without Redis no request is refused", async () => {
  const alone = await useApp({
    own: true,
    demo: false,
    environment: { UPSTASH_REDIS_REST_URL: "http://127.0.0.1:9", UPSTASH_REDIS_REST_TOKEN: "x" },
  });
  for (let asked = 0; asked <= LIMIT + 10; asked += 10) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => alone.call("GET", "/api/openapi.json")));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array(10).fill(200),
    );
  }
});
