// Kills the sender at a chosen step of a round while Meta fails in all possible ways, and then accounts for every
// message.
import assert from "node:assert/strict";
import { chance } from "../database/chance.mjs";
import { eventually } from "../flows/app.mjs";
import { HOLDS, openHolds } from "./hold.mjs";

/** The steps at which the process can be killed. */
export const STEPS = /** @type {const} */ ([
  "while numbers are handed over",
  "after the lease",
  "after the claim",
  "during the call, not accepted",
  "during the call, accepted",
  "after the call, before the record",
  "anywhere",
]);
/** @typedef {(typeof STEPS)[number]} Step */
/**
 * @typedef {{ step: Step, cancelled: boolean, sent: number, failed: number, unknown: number, died: number, unanswered: number, seconds: number }} Round
 *   `died`: messages that are unknown because the process was killed; `unanswered`: messages that are unknown because Meta's answer was lost
 */

const NUMBERS = 3;
/** Fast enough for many rounds, and slow enough for several claims in each. */
const PER_SECOND = 200;
/** The faults of Meta. Some leave a call without an answer, and its recipient may end as unknown. */
const FAULTS = [
  { kind: "http_status", status: 500, times: 12, unanswered: true },
  { kind: "malformed", times: 4, unanswered: true },
  { kind: "accept_then_drop", times: 6, unanswered: true },
  { kind: "http_status", status: 429, times: 1, unanswered: false },
  { kind: "error_code", code: 130_429, times: 1, unanswered: false },
  { kind: "error_code", code: 131_056, times: 5, unanswered: false },
  { kind: "error_code", code: 131_026, times: 10, unanswered: false },
  { kind: "error_code", code: 131_000, times: 3, unanswered: false },
];

/** @param {import("../flows/app.mjs").App} app @param {{ seed: number }} options */
export async function openCrashes(app, { seed }) {
  const random = chance(seed);
  const holds = await openHolds(app.stack.database_url ?? "");
  const { sql } = holds;
  const numbers = await Promise.all(Array.from({ length: NUMBERS }, () => app.newNumber({ perSecond: PER_SECOND })));

  /** @param {Step} step @param {{ recipients: number }} options @returns {Promise<Round>} */
  async function round(step, { recipients }) {
    const began = performance.now();
    await app.meta("POST", "reset", {});
    await app.meta("PUT", "settings", {
      throughput: 0,
      read_ratio: 0,
      webhook_delay_ms: { sent: 0, delivered: 0, read: 0 },
      response_delay_ms: step === "anywhere" ? 10 : 0,
    });
    const people = Array.from({ length: recipients }, () => app.newCustomer());
    const share = Math.ceil(recipients / NUMBERS);
    const campaigns = await Promise.all(
      numbers.map(async ({ id: session_id }, i) => {
        const { id } = await app.createsDueCampaign(people.slice(i * share, (i + 1) * share), { session_id });
        return /** @type {string} */ (id);
      }),
    );

    const cancelled = random.integer(0, 1) === 0;
    // Otherwise Meta's webhook would arrive before the record.
    await app.meta("PUT", "settings", { deliver_webhooks: false });
    const run = app.runsCron();
    let unanswered = await diesAt(step, { cancelled, people, run });
    await holds.quiet();
    await endLeases();
    await app.meta("PUT", "settings", { deliver_webhooks: true });
    const dead = await sql`
      select id from public.broadcast_recipients where campaign_id = any (${campaigns}::uuid[]) and status = 'sending'`;

    // For the rest of the campaign, Meta fails.
    await app.metaIsWell();
    for (const { unanswered: leaves, ...fault } of random.shuffle(FAULTS).slice(0, random.integer(3, FAULTS.length))) {
      await app.metaFails({ ...fault, phone_number_id: random.pick(numbers).phone_number_id });
      if (leaves) unanswered += fault.times;
    }
    await allEnd(campaigns);
    await app.metaIsQuiet();
    const accounted = await account({ people, campaigns, dead: dead.map(({ id }) => id), unanswered });
    return { step, cancelled, ...accounted, seconds: (performance.now() - began) / 1000 };
  }

  /**
   * The sender works until the step, and is killed there.
   * @param {Step} step @param {{ cancelled: boolean, people: string[], run: ReturnType<typeof app.runsCron> }} how
   * @returns {Promise<number>} the calls that Meta leaves without an answer until then
   */
  async function diesAt(step, { cancelled, people, run }) {
    switch (step) {
      case "while numbers are handed over":
        await heldAt(HOLDS.handOver, 1, { run, cancel: cancelled });
        return 0;
      case "after the lease":
        await heldAt(HOLDS.claim, NUMBERS, { run, cancel: true });
        return 0;
      case "after the claim":
        // The answer never arrives: it is written after the process has been killed.
        await heldAt(HOLDS.claim, random.integer(1, NUMBERS), { run, cancel: false });
        return 0;
      case "after the call, before the record":
        await heldAt(HOLDS.record, 1, { run, cancel: cancelled });
        return 0;
      case "during the call, not accepted":
      case "during the call, accepted": {
        const accept = step.endsWith(", accepted");
        const calls = random.integer(1, 8);
        await app.metaFails({ kind: "timeout", accept, times: calls });
        await eventually("calls wait for their answers", async () => {
          const { accepted, refused } = await app.meta("GET", "ledger/summary");
          return (accept ? accepted : Object.values(refused ?? {}).reduce((sum, n) => sum + Number(n), 0)) >= calls;
        });
        await kill(run);
        return calls;
      }
      default: {
        const after = random.integer(1, Math.floor(people.length / 2));
        await eventually("sending has begun", async () => (await app.meta("GET", "ledger/summary")).accepted >= after);
        await kill(run);
        return 0;
      }
    }
  }

  /**
   * Takes the numbers from the dead process. A claim holds the row of its lease until it commits, so the claims that are
   * under way are counted afterwards; a claim that begins later finds no lease and takes no recipient.
   */
  const endLeases = () =>
    sql`delete from private.sender_leases where session_id = any (${numbers.map(({ id }) => id)}::uuid[])`;

  /** @type {Map<number, Awaited<ReturnType<typeof holds.hold>>>} */
  const heldSteps = new Map();

  /** @param {number} step @param {number} most waiting there when it dies @param {{ run: ReturnType<typeof app.runsCron>, cancel: boolean }} how */
  async function heldAt(step, most, { run, cancel }) {
    const held = heldSteps.get(step);
    assert.ok(held, "the step is held before the run begins");
    await eventually("the sender is held", async () => (await held.waiting()) >= most);
    await kill(run);
    heldSteps.delete(step);
    await held.release({ cancel });
  }

  /** @param {ReturnType<typeof app.runsCron>} run */
  async function kill(run) {
    const functions = await (await fetch(`${app.stack.app_url}/_gateway/functions`)).json();
    const { pid } = (functions.functions ?? functions).find(
      (/** @type {any} */ known) => known.bin === "cron-process-broadcasts",
    );
    process.kill(pid, "SIGKILL");
    const { status, body } = await run;
    assert.deepEqual([status, body.error?.code], [500, "function_crashed"]);
  }

  /** @param {string[]} campaigns */
  const allEnd = (campaigns) =>
    eventually("the campaigns end", async () => {
      // Skip the waiting times: expire the leases of dead runs, the delays before another attempt, and the breakers.
      await sql`update private.sender_leases set leased_until = now() where session_id = any (${numbers.map(({ id }) => id)}::uuid[])`;
      await sql`update private.number_breakers set open_until = now(), trial_until = null where state <> 'closed'`;
      await sql`update public.broadcast_recipients set due_at = now() where campaign_id = any (${campaigns}::uuid[]) and status = 'pending' and due_at > now()`;
      const { status, body } = await app.runsCron();
      assert.equal(status, 200, JSON.stringify(body));
      const rows = await sql`select status from public.broadcast_campaigns where id = any (${campaigns}::uuid[])`;
      return rows.every(({ status }) => status === "completed");
    });

  /**
   * @param {object} known
   * @param {string[]} known.people @param {string[]} known.campaigns
   * @param {string[]} known.dead recipients in the hands of the dead process
   * @param {number} known.unanswered calls that Meta was told to leave without an answer
   */
  async function account({ people, campaigns, dead, unanswered }) {
    const ledger = await app.ledger(people);
    const rows = await sql`
      select r.id, r.wa_id, r.status, r.error_code, m.status as message_status
      from public.broadcast_recipients r left join public.messages m on m.id = r.message_id
      where r.campaign_id = any (${campaigns}::uuid[])`;
    assert.equal(rows.length, people.length);
    assert.deepEqual(
      [...ledger].filter(([, accepted]) => accepted.length > 1),
      [],
      "a person received the message twice",
    );
    const onTheirWay = new Set(dead);
    const counts = { sent: 0, failed: 0, unknown: 0, died: 0, unanswered: 0 };
    for (const { id, wa_id, status, message_status } of rows) {
      const accepted = ledger.has(wa_id);
      assert.equal(message_status, status, `message and recipient of ${wa_id}`);
      switch (status) {
        case "sent":
        case "delivered":
          assert.ok(accepted, `${wa_id} is ${status}, but Meta has not accepted it`);
          counts.sent += 1;
          break;
        case "failed":
          assert.ok(!accepted, `${wa_id} failed, but Meta has accepted it`);
          counts.failed += 1;
          break;
        case "unknown":
          // Meta's webhook has reported every message that Meta accepted.
          assert.ok(!accepted, `${wa_id} is unknown, but Meta has reported it`);
          counts.unknown += 1;
          if (onTheirWay.has(id)) counts.died += 1;
          else counts.unanswered += 1;
          break;
        default:
          assert.fail(`${wa_id} is ${status}: lost`);
      }
    }
    assert.ok(
      counts.unanswered <= unanswered,
      `${counts.unanswered} unknown, and Meta left only ${unanswered} without an answer`,
    );
    assert.equal(counts.sent, ledger.size);
    return counts;
  }

  const holdsOf = /** @type {Partial<Record<Step, number>>} */ ({
    "while numbers are handed over": HOLDS.handOver,
    "after the lease": HOLDS.claim,
    "after the claim": HOLDS.claim,
    "after the call, before the record": HOLDS.record,
  });

  return {
    seed: random.seed,
    random,
    /** @param {Step} step @param {{ recipients?: number }} [options] */
    async round(step, { recipients = 1000 } = {}) {
      const held = holdsOf[step];
      if (held !== undefined) heldSteps.set(held, await holds.hold(held));
      try {
        return await round(step, { recipients });
      } finally {
        for (const hold of heldSteps.values()) await hold.release();
        heldSteps.clear();
      }
    },
    close: holds.close,
  };
}
