// Requests with an Idempotency-Key: a key is claimed once, a write is noted in its transaction, an answer is kept a day.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, newTenant } = await useDatabase();

/** @param {any} db @param {object} request */
const begins = async (db, { tenant, actor, route = "/api/x", key = "k", hash = "h", claim }) => {
  const [{ answer }] =
    await db`select public.begin_repeatable_request(${tenant}, ${actor}, ${route}, ${key}, ${hash}, ${claim}) as answer`;
  return answer;
};
/** @param {any} db @param {string} claim @param {number} status @param {string} answer */
const finishes = (db, claim, status, answer) =>
  db`select public.finish_repeatable_request(${claim}, ${status}, ${answer})`;
const newRequest = async () => ({ tenant: (await newTenant()).id, actor: randomUUID(), claim: randomUUID() });

describe("a key", () => {
  test("belongs to one request of one caller and one operation", async () => {
    const first = await newRequest();
    assert.deepEqual(await begins(sql, first), { state: "begun" });
    const again = { ...first, claim: randomUUID() };
    assert.deepEqual(await begins(sql, again), { state: "running" });
    assert.deepEqual(await begins(sql, { ...again, hash: "other" }), { state: "different" });
    for (const other of [
      { actor: randomUUID() },
      { route: "/api/y" },
      { key: "l" },
      { tenant: (await newTenant()).id },
    ])
      assert.deepEqual(await begins(sql, { ...again, ...other, claim: randomUUID() }), { state: "begun" });
  });

  test("keeps an answer for 24 hours", async () => {
    const first = await newRequest();
    await begins(sql, first);
    await sql`select private.note_repeatable_write(${first.claim})`;
    await finishes(sql, first.claim, 201, "sealed");
    const again = { ...first, claim: randomUUID() };
    assert.deepEqual(await begins(sql, again), {
      state: "answered",
      status: 201,
      answer: "sealed",
      claim: first.claim,
    });
    await sql`update private.repeatable_requests set created_at = now() - interval '24 hours' where claim = ${first.claim}`;
    assert.deepEqual(await begins(sql, again), { state: "begun" });
  });

  test("is free again after a refusal or a failure that wrote nothing", async () => {
    for (const status of [403, 422, 503]) {
      const first = await newRequest();
      await begins(sql, first);
      await finishes(sql, first.claim, status, "refused");
      assert.deepEqual(await begins(sql, { ...first, hash: "other", claim: randomUUID() }), { state: "begun" });
    }
  });

  test("keeps a refusal after a write, and is unfinished after a failure", async () => {
    for (const [status, state] of /** @type {const} */ ([
      [422, "answered"],
      [500, "unfinished"],
    ])) {
      const first = await newRequest();
      await begins(sql, first);
      await sql`select private.note_repeatable_write(${first.claim})`;
      await finishes(sql, first.claim, status, "later");
      assert.equal((await begins(sql, { ...first, claim: randomUUID() })).state, state);
    }
  });

  test("of a dead request is taken over if it wrote nothing, and its writes are refused then", async () => {
    const [quiet, writer] = [await newRequest(), await newRequest()];
    for (const request of [quiet, writer]) await begins(sql, request);
    await sql`select private.note_repeatable_write(${writer.claim})`;
    await sql`update private.repeatable_requests set claimed_at = now() - interval '10 minutes'
      where claim in (${quiet.claim}, ${writer.claim})`;
    assert.deepEqual(await begins(sql, { ...quiet, claim: randomUUID() }), { state: "begun" });
    assert.deepEqual(await begins(sql, { ...writer, claim: randomUUID() }), { state: "unfinished" });
    await isRefused(sql`select private.note_repeatable_write(${quiet.claim})`, {
      code: "PT409",
      detail: "request_running",
    });
  });

  test("is not written if the write is undone", async () => {
    const first = await newRequest();
    await begins(sql, first);
    await rolledBack(sql, async ({ sql: db }) => {
      await db`select private.note_repeatable_write(${first.claim})`;
    });
    const [{ written_at }] = await sql`select written_at from private.repeatable_requests where claim = ${first.claim}`;
    assert.equal(written_at, null);
  });

  test("is deleted by housekeeping after a day", async () => {
    const first = await newRequest();
    await begins(sql, first);
    await sql`update private.repeatable_requests set created_at = now() - interval '25 hours' where claim = ${first.claim}`;
    await sql`select public.expire_idempotency_keys()`;
    assert.equal((await sql`select from private.repeatable_requests where claim = ${first.claim}`).count, 0);
  });
});
