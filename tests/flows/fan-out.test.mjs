// Several numbers at once: each has an invocation of its own, and the caller sends for it if none is available.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { HOLDS, openHolds } from "../proofs/hold.mjs";
import { eventually, useApp } from "./app.mjs";
import { paceOf } from "./pace.mjs";

/** @param {import("./app.mjs").App} app @param {{ numbers?: number, recipients: number, perSecond: number }} options */
async function newCampaigns(app, { numbers = 3, recipients, perSecond }) {
  await app.meta("PUT", "settings", { throughput: 0 });
  return Promise.all(
    Array.from({ length: numbers }, async () => {
      const number = await app.newNumber({ perSecond });
      const people = Array.from({ length: recipients }, () => app.newCustomer());
      const { id } = await app.createsDueCampaign(people, { session_id: number.id });
      return { number, people, id };
    }),
  );
}

/**
 * Asserts that every campaign has ended and every recipient got it once.
 * @param {import("./app.mjs").App} app
 * @param {Awaited<ReturnType<typeof newCampaigns>>} campaigns
 */
async function allReachedOnce(app, campaigns) {
  for (const { id, people } of campaigns) {
    const { status, statistics } = await app.campaign(id);
    assert.deepEqual(
      [status, statistics.sent, statistics.unknown, statistics.failed],
      ["completed", people.length, 0, 0],
    );
    const ledger = await app.ledger(people);
    assert.deepEqual([ledger.size, [...ledger.values()].filter((sent) => sent.length > 1)], [people.length, []]);
  }
}

describe("numbers that send at the same time", async () => {
  const app = await useApp();
  const holds = await openHolds(app.stack.database_url ?? "");
  after(holds.close);

  test("are spread over invocations, one for each", async () => {
    const campaigns = await newCampaigns(app, { recipients: 60, perSecond: 20 });
    // No sender gets past its first record, so each is seen with its number before it returns it.
    const held = await holds.hold(HOLDS.record);
    const run = app.runsCron();
    const leases = await eventually("three senders hold a number each", async () => {
      const rows = await holds.sql`select session_id, holder from private.sender_leases where leased_until > now()`;
      return new Set(rows.map(({ holder }) => holder)).size === 3 && rows;
    });
    await held.release();
    assert.deepEqual(
      leases.map(({ session_id }) => session_id).sort(),
      campaigns.map(({ number }) => number.id).sort(),
    );
    const { status, body } = await run;
    assert.equal(status, 200);
    assert.equal(body.handed_over.length, 2, JSON.stringify(body));
    assert.deepEqual(
      body.numbers.map((/** @type {any} */ { sent }) => sent),
      [60],
    );
    await allReachedOnce(app, campaigns);
  });

  test("are each served once and at their own pace, however many crons run at once", async () => {
    const campaigns = await newCampaigns(app, { recipients: 120, perSecond: 20 });
    const since = Date.now();
    const answers = await Promise.all(Array.from({ length: 8 }, () => app.runsCron()));
    assert.deepEqual(
      answers.map(({ status }) => status),
      Array.from({ length: 8 }, () => 200),
    );
    await allReachedOnce(app, campaigns);
    for (const { number, people } of campaigns) {
      const { perSecond, sends } = await paceOf(app, people, { since });
      assert.equal(sends, people.length);
      assert.ok(perSecond < 20 * 1.05, `number ${number.id}: ${perSecond} a second`);
    }
  });

  test("cannot be handed over by a sender without their leases", async () => {
    const headers = { authorization: `Bearer ${app.stack.cron_secret}` };
    const path = "/api/cron/process-broadcasts";
    const unknownId = "00000000-0000-0000-0000-00000000abcd";
    const answer = await app.succeeds("GET", `${path}?holder=${unknownId}&session_ids=${unknownId}`, { headers });
    assert.deepEqual([answer.taken_over, answer.numbers], [[], []]);
    await app.refuses(401, "unauthorized", "GET", `${path}?holder=${unknownId}&session_ids=${unknownId}`);
    await app.refuses(422, "invalid_field", "GET", `${path}?holder=${unknownId}&session_ids=x`, { headers });
  });
});

describe("a wrong address of our own", async () => {
  /** @type {import("node:http").RequestListener} */
  let answers = () => {};
  let asked = 0;
  const elsewhere = createServer((request, response) => {
    asked += 1;
    answers(request, response);
  });
  await new Promise((resolve) => elsewhere.listen(0, "127.0.0.1", () => resolve(undefined)));
  after(() => {
    elsewhere.closeAllConnections();
    elsewhere.close();
  });
  const { port } = /** @type {import("node:net").AddressInfo} */ (elsewhere.address());
  const app = await useApp({ environment: { NEXT_PUBLIC_APP_URL: `http://127.0.0.1:${port}` } });

  for (const [what, behaviour] of /** @type {[string, import("node:http").RequestListener][]} */ ([
    ["that asks for a log-in", (_, response) => response.writeHead(401).end("Authentication Required")],
    [
      "that redirects elsewhere",
      (_, response) => response.writeHead(307, { location: `http://127.0.0.1:${port}/` }).end(),
    ],
    [
      "that gives another answer",
      (_, response) => response.writeHead(200, { "content-type": "text/html" }).end("<html></html>"),
    ],
    [
      "that is a deployment with another database",
      (_, response) => response.writeHead(200, { "content-type": "application/json" }).end('{"taken_over": []}'),
    ],
    ["that closes the connection", (request) => request.socket.destroy()],
    ["that never answers", () => {}],
  ])) {
    test(`${what} loses no message`, async () => {
      answers = behaviour;
      asked = 0;
      const campaigns = await newCampaigns(app, { recipients: 20, perSecond: 20 });
      const { status, body } = await app.runsCron();
      assert.equal(status, 200);
      assert.equal(asked, 2, "requested once for each share");
      assert.deepEqual([body.handed_over, body.numbers.map((/** @type {any} */ { sent }) => sent)], [[], [20, 20, 20]]);
      await allReachedOnce(app, campaigns);
    });
  }
});
