// Claims and records batches on the real Postgres. Compares queues of different sizes, and a new database with a used
// one.
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { TEMPLATES, TENANTS } from "../launch/demo-tenants.mjs";
import { median } from "./figure.mjs";
import { localStack, onDatabase } from "./local-stack.mjs";

const BATCH = 500;
const ROUNDS = 15;
const WARM_UP = 2;
const LEASE = 3600;
const MANY = 1_000_000;
const BETWEEN = 100_000;
const FEW = 10_000;
/** The largest number of batches that the API accepts for one campaign. */
const FIRST_CLAIMS = 20;
const COMPARED = 5;
const TIME_LIMIT = 120_000;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function claim() {
  const stack = await localStack();
  return onDatabase(stack, async (sql) => {
    const holder = randomUUID();
    const first = await firstCampaign(sql, holder);
    const many = await newQueue(sql, TENANTS[0], MANY);
    const between = await newQueue(sql, await newNumber(sql), BETWEEN);
    const few = await newQueue(sql, TENANTS[1], FEW);
    const queues = [many, between, few];
    await settles(sql);
    const [{ run }] = await sql`select public.begin_sender_run(${holder}, ${LEASE}, 50) as run`;
    if (run.sessions.length !== queues.length)
      throw new Error(`${run.sessions.length} of ${queues.length} numbers were leased`);

    // The queues take turns, so that other load on the machine affects all of them.
    for (let round = -WARM_UP; round < ROUNDS; round++) {
      for (const queue of queues) {
        const { claimed, recorded } = await claimAndRecord(sql, queue.session, holder);
        if (round >= 0) queue.times.push({ claimed, recorded });
      }
    }
    await same(sql, queues);
    const [claimAtMany, claimBetween, claimAtFew] = queues.map(({ times }) =>
      median(times.map(({ claimed }) => claimed)),
    );
    const [recordAtMany, recordBetween, recordAtFew] = queues.map(({ times }) =>
      median(times.map(({ recorded }) => recorded)),
    );
    return [
      {
        what: "claim of 500 at 1M queued / at 10k",
        prototype: "1.2 x",
        most: 2,
        value: claimAtMany / claimAtFew,
        unit: "x",
        digits: 2,
      },
      { what: "claim of 500 at 100k queued / at 10k", most: 2, value: claimBetween / claimAtFew, unit: "x", digits: 2 },
      { what: "claim of 500 at 1M queued", value: claimAtMany, unit: "ms", digits: 1 },
      { what: "record of 500 at 1M queued / at 10k", most: 2, value: recordAtMany / recordAtFew, unit: "x", digits: 2 },
      {
        what: "record of 500 at 100k queued / at 10k",
        most: 2,
        value: recordBetween / recordAtFew,
        unit: "x",
        digits: 2,
      },
      { what: "record of 500 at 1M queued", value: recordAtMany, unit: "ms", digits: 1 },
      {
        what: "claim of 500 in a new database's first campaign / at 10k",
        most: 2,
        value: first / claimAtFew,
        unit: "x",
        digits: 2,
      },
    ];
  });
}

/**
 * Measures the first campaign of a new database, which is claimed at once after its creation. Postgres has no statistics of the
 * tables yet, and keeps the plans that it made while they were empty.
 * @param {import("postgres").Sql} sql @param {string} holder @returns {Promise<number>} milliseconds of a claim, at the beginning or at the end
 */
async function firstCampaign(sql, holder) {
  const queue = await newQueue(sql, TENANTS[0], (FIRST_CLAIMS + 1) * BATCH);
  await sql`select public.begin_sender_run(${holder}, ${LEASE}, 50)`;
  const times = [];
  for (let i = 0; i < FIRST_CLAIMS; i++)
    times.push((await claimAndRecord(sql, queue.session, holder, { keep: true })).claimed);
  await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${queue.campaign}`;
  await sql`delete from private.sender_leases`;
  return Math.max(median(times.slice(0, COMPARED)), median(times.slice(-COMPARED)));
}

/** @typedef {{ session: string, campaign: string, size: number, times: { claimed: number, recorded: number }[] }} Queue */

/** @param {import("postgres").Sql} sql @param {import("../launch/demo-tenants.mjs").Tenant} tenant @param {number} size @returns {Promise<Queue>} */
async function newQueue(sql, tenant, size) {
  const [{ session }] =
    await sql`select id as session from public.whatsapp_sessions where meta_phone_number_id = ${tenant.number.phone_number_id}`;
  const [{ template }] = await sql`
    insert into public.broadcast_templates (tenant_id, name, language, status, components)
    values (${tenant.id}, ${`bench_${size}`}, 'id', 'APPROVED', ${sql.json(TEMPLATES[0].components)})
    returning id as template`;
  const [{ campaign }] = await sql`
    insert into public.broadcast_campaigns (tenant_id, name, status, session_id, template_id)
    values (${tenant.id}, 'bench', 'sending', ${session}, ${template})
    returning id as campaign`;
  await sql`
    insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, variables)
    select ${tenant.id}, ${campaign}, n, (6281600000000 + n)::text, '["Rina Kusuma"]'
    from generate_series(1, ${size}::integer) n`;
  return { session, campaign, size, times: [] };
}

/**
 * Connects another number of the second tenant.
 * @param {import("postgres").Sql} sql @returns {Promise<import("../launch/demo-tenants.mjs").Tenant>}
 */
async function newNumber(sql) {
  const tenant = TENANTS[1];
  const number = { ...tenant.number, phone_number_id: `${tenant.number.phone_number_id}9` };
  await sql`
    insert into public.whatsapp_sessions (tenant_id, name, meta_phone_number_id, meta_business_account_id)
    values (${tenant.id}, 'bench', ${number.phone_number_id}, ${number.business_account_id})`;
  return { ...tenant, number };
}

/**
 * Waits until the follow-up work of the load is done: statistics, pages, and the followers of the replication log.
 * @param {import("postgres").Sql} sql
 */
async function settles(sql) {
  await sql`vacuum (analyze)`;
  await sql`checkpoint`;
  const [{ target }] = await sql`select pg_current_wal_lsn()::text as target`;
  for (const end = Date.now() + TIME_LIMIT; ; await pause(100)) {
    const behind = await sql`select from pg_replication_slots where active and confirmed_flush_lsn < ${target}::pg_lsn`;
    if (behind.length === 0) return;
    if (Date.now() > end) throw new Error("Realtime did not catch up with the load");
  }
}

/**
 * Claims and records a batch like the sender. The transaction is rolled back unless `keep` is set, so that queues keep their
 * sizes.
 * @param {import("postgres").Sql} sql @param {string} session @param {string} holder @param {{ keep?: boolean }} [options] @returns {Promise<{ claimed: number, recorded: number }>} milliseconds
 */
async function claimAndRecord(sql, session, holder, { keep = false } = {}) {
  const undone = new Error("undone");
  const times = { claimed: 0, recorded: 0 };
  await sql
    .begin(async (sql) => {
      await sql`select set_config('role', 'service_role', true)`;
      let began = performance.now();
      const [{ claim }] = await sql`select public.claim_recipients(${session}, ${holder}, ${BATCH}, ${LEASE}) as claim`;
      times.claimed = performance.now() - began;
      if (claim?.recipients.length !== BATCH)
        throw new Error(`${claim?.recipients.length} of ${BATCH} recipients were claimed`);

      const results = claim.recipients.map((/** @type {any} */ { recipient_id, message_id }) => ({
        recipient_id,
        message_id,
        claim_id: claim.claim_id,
        outcome: "sent",
        whatsapp_message_id: `wamid.${message_id}`,
      }));
      began = performance.now();
      const [{ campaigns }] =
        await sql`select public.record_recipients(${session}, ${holder}, ${LEASE}, ${sql.json(results)}) as campaigns`;
      times.recorded = performance.now() - began;
      if (campaigns.length !== 1) throw new Error("the record changed no campaign");
      if (!keep) throw undone;
    })
    .catch((error) => {
      if (error !== undone) throw error;
    });
  return times;
}

/** @param {import("postgres").Sql} sql @param {Queue[]} queues */
async function same(sql, queues) {
  for (const { campaign, size } of queues) {
    const [{ pending }] =
      await sql`select count(*)::int as pending from public.broadcast_recipients where campaign_id = ${campaign} and status = 'pending'`;
    if (pending !== size) throw new Error(`${pending} of ${size} recipients are waiting after the measurement`);
  }
}
