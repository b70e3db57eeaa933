// A file that kills its reader is set aside after two tries, and the files behind it are read. The test kills the process
// of the reader at its first batch, as an abort would.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { HOLDS, openHolds } from "../proofs/hold.mjs";
import { eventually, useApp } from "./app.mjs";

const IMPORT = "/api/crm/contacts/import";
const app = await useApp({ own: true, cron: false });
const holds = await openHolds(app.stack.database_url);
after(holds.close);
const { sql } = holds;

/** @param {string} as @param {string} number */
async function imports(as, number) {
  const body = new FormData();
  body.append("file", new Blob([`nomor,nama\n${number},Ani\n`]), "kontak.csv");
  const headers = { authorization: `Bearer ${await app.token(as)}` };
  const response = await fetch(app.stack.app_url + IMPORT, { method: "POST", headers, body });
  assert.equal(response.status, 201);
  return (await response.json()).id;
}
const cron = () =>
  app.call("GET", "/api/cron/imports", { headers: { authorization: `Bearer ${app.stack.cron_secret}` } });
const stateOf = async (/** @type {string} */ id) =>
  (await sql`select status, status_reason, created_count from public.contact_imports where id = ${id}`)[0];

/** The processes of the functions that read imports; one process, where one serves all routes. */
async function readers() {
  const { functions } = await (await fetch(`${app.stack.app_url}/_gateway/functions`)).json();
  const bins = ["crm-contacts-import", "cron-imports"];
  return new Set(
    functions
      .filter((/** @type {any} */ { bin, pid }) => bins.includes(bin) && pid !== null)
      .map((/** @type {any} */ { pid }) => pid),
  );
}

/**
 * Starts readers, and kills them at their first batch.
 * @template Result
 * @param {number} count @param {() => Promise<Result>} starts
 */
async function dies(count, starts) {
  const held = await holds.hold(HOLDS.contactBatch);
  const started = await starts();
  await eventually("the readers are at work", async () => (await held.waiting()) === count);
  const killed = await readers();
  for (const pid of killed) process.kill(pid, "SIGKILL");
  await eventually("they are gone", async () => (await readers()).isDisjointFrom(killed));
  await held.release({ cancel: true });
  await sql`update private.contact_import_readers set leased_until = now()`;
  return started;
}

test("an import that kills its reader twice fails, and an import behind it is read", async () => {
  const [deadly, innocent] = [app.newCustomer(), app.newCustomer()];
  const [first, behind] = await dies(2, async () => [
    await imports("manager", deadly),
    await imports("stranger", innocent),
  ]);
  const { run } = await dies(1, async () => ({ run: cron().catch(() => null) }));
  await run;
  const tries = await sql`select import_id, idle_claims from private.contact_import_readers order by idle_claims desc`;
  assert.deepEqual(
    tries.map(({ import_id, idle_claims }) => [import_id, idle_claims]),
    [
      [first, 2],
      [behind, 1],
    ],
  );

  assert.deepEqual((await cron()).body, { finished: 1, to_be_continued: 0 });
  assert.deepEqual({ ...(await stateOf(first)) }, { status: "failed", status_reason: "gave_up", created_count: 0 });
  assert.deepEqual({ ...(await stateOf(behind)) }, { status: "finished", status_reason: null, created_count: 1 });
  const seen = await app.succeeds("GET", `${IMPORT}?id=${first}`, { as: "manager" });
  assert.match(seen.status_text, /interrupted twice/);
  const secret = { headers: { authorization: `Bearer ${app.stack.cron_secret}` } };
  const { body } = await app.call("GET", "/api/health/workers", secret);
  assert.deepEqual(body.set_aside, { contact_imports: 1 });
  assert.equal((await sql`select from public.contacts where wa_id = ${deadly}`).count, 0);
});
