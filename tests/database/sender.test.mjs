// The campaign sender's side of the queue: lease, claim, record, release. The file has a database of its own, because a
// run of the sender takes all due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { justAnnounced } from "./announcements.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { seconds, someWamid, statusOf } from "./inbox.mjs";
import { isRefused, retried } from "./refusals.mjs";
import { idsOf as ids, leasedBy as leased, reportsOf, senders } from "./senders.mjs";
import { someDigits } from "./tenancy.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const {
  sql,
  as,
  asService,
  newTenant,
  newUser,
  newNumber,
  newTemplate,
  newCampaign,
  recipientsOf,
  campaignNow,
  delivers,
  messageNow,
} = await useDatabase({ own: true });

const { LEASE, begins, claims, records, releases, takesOver, leaseEnds } = senders({ sql, asService });
const answer = async (/** @type {Promise<any>} */ query) => (await query)[0].answer;
const FAILURE = { error_code: 131_026, error_title: "Undeliverable" };

// Work that one test leaves open must not reach the next one.
afterEach(async () => {
  await sql`update public.broadcast_campaigns set status = 'cancelled' where status in ('sending', 'scheduled', 'paused')`;
  await sql`update public.broadcast_recipients set status = 'skipped' where status in ('pending', 'sending')`;
  await sql`delete from private.sender_leases`;
});

/** @param {{ recipients?: number, campaigns?: number }} [options] */
async function newQueue({ recipients = 3, campaigns = 1 } = {}) {
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const made = [];
  for (let i = 0; i < campaigns; i++) made.push(await newCampaign(number, { status: "sending", recipients }));
  return { tenant, number, campaign: made[0], campaigns: made, holder: randomUUID() };
}

/** @param {{ recipients?: number, campaigns?: number }} [options] */
async function newRun(options) {
  const queue = await newQueue(options);
  await begins(queue.holder);
  return queue;
}

const statusesOf = async (/** @type {any} */ campaign) => (await recipientsOf(campaign)).map(({ status }) => status);

describe("a run", () => {
  test("leases numbers that have work, and returns the settings of each", async () => {
    const { tenant, number, holder } = await newQueue();
    const idle = await newNumber(tenant);
    const later = await newNumber(tenant);
    const planned = await newCampaign(later, { status: "sending" });
    await sql`update public.broadcast_recipients set due_at = now() + interval '1 hour' where campaign_id = ${planned.id}`;
    const run = await begins(holder);
    assert.deepEqual(run, {
      busy: 0,
      sessions: [
        { session_id: number.id, phone_number_id: number.meta_phone_number_id, messages_per_second: 10, probe: false },
      ],
    });
    assert.ok(!leased(run).includes(idle.id));
  });

  test("skips paused and broken numbers, and campaigns that are not sending", async () => {
    const tenant = await newTenant();
    for (const status of ["paused", "broken"])
      await newCampaign(await newNumber(tenant, { status }), { status: "sending" });
    for (const status of ["draft", "paused", "completed", "failed", "cancelled"])
      await newCampaign(await newNumber(tenant), { status });
    assert.deepEqual(await begins(randomUUID()), { busy: 0, sessions: [] });
  });

  test("that begins while another sends finds its numbers busy", async () => {
    const { number, holder } = await newRun();
    assert.deepEqual(await begins(randomUUID()), { busy: 1, sessions: [] });
    assert.equal((await claims(number, holder)).recipients.length, 3);
  });

  test("that begins at the same moment as another leases nothing twice", async () => {
    const numbers = [];
    for (let i = 0; i < 6; i++) numbers.push((await newQueue()).number);
    const runs = await Promise.all(Array.from({ length: 8 }, () => begins(randomUUID())));
    assert.deepEqual(runs.flatMap(leased).sort(), numbers.map(({ id }) => id).sort());
    for (const run of runs) assert.equal(run.busy, 6 - run.sessions.length);
  });

  test("takes no more numbers than it may, and the next run takes the others", async () => {
    const numbers = [];
    for (let i = 0; i < 3; i++) numbers.push((await newQueue()).number);
    const [first, second] = [await begins(randomUUID(), 2), await begins(randomUUID(), 2)];
    assert.deepEqual([first.sessions.length, second.sessions.length], [2, 1]);
    assert.deepEqual([...leased(first), ...leased(second)].sort(), numbers.map(({ id }) => id).sort());
  });

  test("records its start and its work", async () => {
    await begins(randomUUID());
    const health = () => asService((sql) => answer(sql`select public.worker_health() as answer`));
    const begun = (await health()).last_run;
    assert.equal(begun.finished_at, null);
    assert.ok(begun.seconds_ago < 60);
    await asService((sql) => sql`select public.finish_sender_run('{"sent": 1}')`);
    assert.ok((await health()).last_run.finished_at !== null);
  });

  test("shows in the workers' health the waiting work, and since when", async () => {
    const { number, holder, campaign } = await newQueue({ recipients: 4 });
    await sql`update public.broadcast_recipients set due_at = now() - interval '5 minutes' where campaign_id = ${campaign.id} and position = 1`;
    const health = async () => {
      const { numbers_sending, campaigns_sending, recipients_waiting, overdue_seconds } = await asService((sql) =>
        answer(sql`select public.worker_health() as answer`),
      );
      return { numbers_sending, campaigns_sending, recipients_waiting, late: overdue_seconds >= 300 };
    };
    assert.deepEqual(await health(), { numbers_sending: 0, campaigns_sending: 1, recipients_waiting: 4, late: true });
    await begins(holder);
    await claims(number, holder, 1);
    assert.deepEqual(await health(), { numbers_sending: 1, campaigns_sending: 1, recipients_waiting: 3, late: false });
  });

  test("separates resting numbers from overdue work", async () => {
    const { number, campaign } = await newQueue();
    await sql`update public.broadcast_recipients set due_at = now() - interval '1 hour' where campaign_id = ${campaign.id}`;
    await sql`update public.broadcast_campaigns set started_at = now() - interval '1 hour' where id = ${campaign.id}`;
    const health = async () => {
      const { numbers_resting, overdue_seconds } = await asService((sql) =>
        answer(sql`select public.worker_health() as answer`),
      );
      return { numbers_resting, overdue_seconds };
    };
    assert.ok((await health()).overdue_seconds >= 3600);
    await asService((sql) => sql`select public.record_sends(${number.id}, 10, false)`);
    assert.deepEqual(await health(), { numbers_resting: 1, overdue_seconds: null });
    // it could have continued five minutes ago, and no sender came
    await sql`update private.number_breakers set open_until = now() - interval '5 minutes' where session_id = ${number.id}`;
    const forgotten = await health();
    assert.equal(forgotten.numbers_resting, 0);
    assert.ok(forgotten.overdue_seconds >= 300 && forgotten.overdue_seconds < 3600, JSON.stringify(forgotten));
    await asService((sql) => sql`select public.number_access(${number.id}, true)`);
    assert.deepEqual(await health(), { numbers_resting: 1, overdue_seconds: null }, "a sender tries the number");
    await asService((sql) => sql`select public.record_sends(${number.id}, 0, true)`);
    assert.ok((await health()).overdue_seconds >= 3600);
  });

  test("starts scheduled campaigns when they are due and not before", async () => {
    const tenant = await newTenant();
    const schedule = async (/** @type {number} */ inSeconds) => {
      const number = await newNumber(tenant);
      return {
        number,
        campaign: await newCampaign(number, {
          status: "scheduled",
          scheduledAt: new Date(Date.now() + inSeconds * 1000),
        }),
      };
    };
    const [due, soon] = [await schedule(-1), await schedule(60)];
    const run = await begins(randomUUID());
    assert.deepEqual(leased(run), [due.number.id]);
    const [started, waiting] = [await campaignNow(due.campaign), await campaignNow(soon.campaign)];
    assert.equal(started.status, "sending");
    assert.ok(started.started_at !== null);
    assert.deepEqual([waiting.status, waiting.started_at], ["scheduled", null]);
    await sql`update public.broadcast_campaigns set scheduled_at = now() where id = ${soon.campaign.id}`;
    assert.deepEqual(leased(await begins(randomUUID())), [soon.number.id]);
  });
});

describe("a lease", () => {
  test("is required for a claim", async () => {
    const { number, holder } = await newQueue();
    assert.equal(await claims(number, holder), null);
    await begins(randomUUID());
    assert.equal(await claims(number, holder), null, "another holder's lease does not count");
  });

  test("ends by the database's clock, and goes to the next run", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 10 });
    assert.equal((await claims(number, holder)).recipients.length, 5);
    await leaseEnds(number);
    assert.equal(await claims(number, holder), null);
    const next = randomUUID();
    assert.deepEqual(leased(await begins(next)), [number.id]);
    assert.equal(await claims(number, holder), null);
    assert.equal((await claims(number, next)).recipients.length, 5);
    assert.deepEqual(await statusesOf(campaign), [...Array(5).fill("unknown"), ...Array(5).fill("sending")]);
  });

  test("is renewed by claims and records, from the database's current time", async () => {
    const { number, holder } = await newRun();
    const left = async () => {
      const [row] =
        await sql`select extract(epoch from leased_until - now())::float as left from private.sender_leases where session_id = ${number.id}`;
      return row.left;
    };
    const shorten = () =>
      sql`update private.sender_leases set leased_until = now() + interval '60 seconds' where session_id = ${number.id}`;
    const renewed = async () => (await left()) > LEASE / 2 && (await left()) <= LEASE;
    assert.ok(await renewed());
    await shorten();
    const claim = await claims(number, holder, 1);
    assert.ok(await renewed());
    await shorten();
    await records(number, randomUUID(), []);
    assert.ok((await left()) <= 60, "not by another holder");
    await records(number, holder, reportsOf(claim, "sent"));
    assert.ok(await renewed());
  });

  test("that has ended is not renewed by a record", async () => {
    const { number, holder } = await newRun();
    const claim = await claims(number, holder, 1);
    await leaseEnds(number);
    await records(number, holder, reportsOf(claim, "sent"));
    assert.equal(await claims(number, holder), null);
  });

  test("ends when the number is paused or breaks", async () => {
    for (const status of ["paused", "broken"]) {
      const { number, holder } = await newRun();
      await sql`update public.whatsapp_sessions set status = ${status} where id = ${number.id}`;
      assert.equal(await claims(number, holder), null);
    }
  });

  test("that is returned is free at once, and only its holder can return it", async () => {
    const { number, holder } = await newRun();
    await releases(number, randomUUID());
    assert.deepEqual(await begins(randomUUID()), { busy: 1, sessions: [] });
    await releases(number, holder);
    assert.deepEqual(leased(await begins(randomUUID())), [number.id]);
  });
});

describe("a handover", () => {
  test("passes leases to another holder, the only one that may send from then on", async () => {
    const { number, holder } = await newRun();
    const heir = randomUUID();
    const taken = await takesOver([number], holder, heir);
    assert.deepEqual(taken, [
      { session_id: number.id, phone_number_id: number.meta_phone_number_id, messages_per_second: 10 },
    ]);
    assert.equal(await claims(number, holder), null);
    assert.equal((await claims(number, heir)).recipients.length, 3);
  });

  test("succeeds for one of many concurrent attempts", async () => {
    const [one, two] = [await newQueue(), await newQueue()];
    await begins(one.holder);
    const tries = await Promise.all(
      Array.from({ length: 8 }, () => takesOver([one.number, two.number], one.holder, randomUUID())),
    );
    assert.equal(tries.flat().length, 2, "each number once");
  });

  test("needs a valid lease of the current holder", async () => {
    const { number, holder } = await newRun();
    assert.deepEqual(await takesOver([number], randomUUID(), randomUUID()), []);
    await leaseEnds(number);
    assert.deepEqual(await takesOver([number], holder, randomUUID()), []);
    assert.deepEqual(leased(await begins(randomUUID())), [number.id]);
  });
});

describe("a claim", () => {
  test("gives each recipient a contact, a conversation and a message", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 2 });
    await sql`update public.broadcast_recipients set name = 'Ibu Rina', variables = '["Rina & Co"]' where campaign_id = ${campaign.id} and position = 1`;
    const claim = await claims(number, holder);
    const [first, second] = await recipientsOf(campaign);
    assert.deepEqual(claim, {
      claim_id: first.claim_id,
      next_due_ms: null,
      templates: {
        [campaign.template.id]: {
          name: campaign.template.name,
          language: "id",
          components: [{ type: "BODY", text: "Halo {{1}}" }],
        },
      },
      recipients: [first, second].map(({ id, message_id, wa_id, variables }) => ({
        recipient_id: id,
        message_id,
        wa_id,
        variables,
        attempts: 1,
        template_id: campaign.template.id,
      })),
    });
    const message = await messageNow({ id: first.message_id });
    hasFields(message, {
      direction: "outbound",
      type: "template",
      status: "sending",
      content: "Halo Rina & Co",
      whatsapp_message_id: null,
    });
    const [thread] = await sql`
      select v.status, v.last_message_at, v.unread_count, c.wa_id, c.name
      from public.conversations v join public.contacts c on c.id = v.contact_id where v.id = ${message.conversation_id}`;
    assert.deepEqual(thread, {
      status: "resolved",
      last_message_at: null,
      unread_count: 0,
      wa_id: first.wa_id,
      name: "Ibu Rina",
    });
  });

  const BODY = { type: "BODY", text: "Halo {{1}},\npesanan {{2}} siap. {{1}}!" };
  const RENDERED = [
    { variables: ["Rina", "KS-1"], content: "Halo Rina,\npesanan KS-1 siap. Rina!" },
    { variables: ["{{2}}", "{{1}} & \\1"], content: "Halo {{2}},\npesanan {{1}} & \\1 siap. {{2}}!" },
    { variables: ["Rina"], content: "Halo Rina,\npesanan {{2}} siap. Rina!" },
    { variables: ["Rina", 7, "a button's"], content: "Halo Rina,\npesanan 7 siap. Rina!" },
    { variables: { name: "Rina", order_id: "KS-1" }, body: "Halo {{name}}: {{order_id}}", content: "Halo Rina: KS-1" },
    {
      variables: ["a header's", "Rina", "KS-1"],
      header: { type: "HEADER", format: "IMAGE" },
      content: "Halo Rina,\npesanan KS-1 siap. Rina!",
    },
    {
      variables: ["a header's", "Rina", "KS-1"],
      header: { type: "header", text: "Untuk {{1}}" },
      content: "Halo Rina,\npesanan KS-1 siap. Rina!",
    },
    {
      variables: ["Rina", "KS-1"],
      header: { type: "HEADER", format: "TEXT", text: "Kabar" },
      content: "Halo Rina,\npesanan KS-1 siap. Rina!",
    },
    { variables: [], body: "Tanpa variabel", content: "Tanpa variabel" },
  ];
  for (const { variables, body, header, content } of RENDERED) {
    test(`fills ${JSON.stringify(body ?? BODY.text)}${header ? ` under ${JSON.stringify(header)}` : ""} with ${JSON.stringify(variables)}`, async () => {
      const { number, holder, campaign } = await newRun({ recipients: 1 });
      const components = [
        ...(header ? [header] : []),
        body ? { type: "BODY", text: body } : BODY,
        { type: "FOOTER", text: "Balas {{1}}" },
      ];
      await sql`update public.broadcast_templates set components = ${sql.json(components)} where id = ${campaign.template.id}`;
      await sql`update public.broadcast_recipients set variables = ${sql.json(variables)} where campaign_id = ${campaign.id}`;
      const {
        recipients: [{ message_id }],
      } = await claims(number, holder);
      assert.equal((await messageNow({ id: message_id })).content, content);
    });
  }

  test("uses an existing contact and conversation, and keeps their names and state", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 1 });
    const [recipient] = await recipientsOf(campaign);
    await sql`update public.broadcast_recipients set name = 'Someone' where id = ${recipient.id}`;
    const text = {
      phone_number_id: number.meta_phone_number_id,
      from: recipient.wa_id,
      profile_name: "Rina",
      kind: "text",
      preview: "Halo",
      wamid: someWamid(),
      timestamp: seconds(),
    };
    await delivers({ messages: [text] });
    const [before] = await sql`select * from public.conversations where session_id = ${number.id}`;
    await claims(number, holder);
    assert.deepEqual([...(await sql`select * from public.conversations where session_id = ${number.id}`)], [before]);
    const [contact] = await sql`select name, profile_name from public.contacts where id = ${before.contact_id}`;
    assert.deepEqual(contact, { name: null, profile_name: "Rina" });
  });

  test("never hands out another holder's recipients, even at the same moment", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 60 });
    const all = await Promise.all(Array.from({ length: 12 }, () => claims(number, holder, 5)));
    const handedOut = all.flatMap(ids);
    assert.equal(new Set(handedOut).size, handedOut.length);
    const rows = await recipientsOf(campaign);
    assert.deepEqual(
      rows
        .filter(({ status }) => status === "sending")
        .map(({ id }) => id)
        .sort(),
      [...handedOut].sort(),
    );
    assert.ok(rows.every(({ attempts, status }) => attempts === (status === "sending" ? 1 : 0)));
    // each message belongs to one recipient
    assert.equal(
      new Set(all.flatMap(({ recipients }) => recipients.map(({ message_id }) => message_id))).size,
      handedOut.length,
    );
  });

  test("requeues the recipients of a lost answer for the same holder, and no others", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 6 });
    const heard = await claims(number, holder, 2);
    const lost = await claims(number, holder, 2);
    const { claim_id } = heard;
    const again = await claims(number, holder, 6, [claim_id]);
    assert.deepEqual(ids(again).slice(0, 2), ids(lost), "the lost ones come first");
    assert.equal(again.recipients.length, 4);
    assert.deepEqual(
      again.recipients.map((/** @type {any} */ { attempts }) => attempts),
      [1, 1, 1, 1],
    );
    assert.deepEqual(
      again.recipients.slice(0, 2).map((/** @type {any} */ { message_id }) => message_id),
      lost.recipients.map((/** @type {any} */ { message_id }) => message_id),
      "with the same messages",
    );
    await records(number, holder, [...reportsOf(heard, "sent"), ...reportsOf(again, "sent")]);
    assert.deepEqual(
      await statusesOf(campaign),
      Array.from({ length: 6 }, () => "sent"),
    );
    assert.equal((await claims(number, holder, 6, [])).next_due_ms, null);
  });

  test("is also requeued at a release, even after the lease ended, unless another holder had the number since", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 4 });
    const heard = await claims(number, holder, 1);
    await claims(number, holder, 2);
    await leaseEnds(number);
    await releases(number, holder, [heard.claim_id]);
    assert.deepEqual(await statusesOf(campaign), ["sending", "pending", "pending", "pending"]);

    const next = randomUUID();
    await begins(next);
    assert.deepEqual(
      await statusesOf(campaign),
      ["unknown", "pending", "pending", "pending"],
      "a holder that reports no claims counts as dead",
    );
    await claims(number, next, 2);
    await releases(number, holder, []);
    assert.deepEqual(await statusesOf(campaign), ["unknown", "sending", "sending", "pending"]);
  });

  test("keeps settled recipients and other numbers' claims, and skips recipients of a cancelled campaign", async () => {
    const [one, two] = [await newQueue({ recipients: 2 }), await newQueue({ recipients: 1 })];
    await begins(one.holder);
    const claim = await claims(one.number, one.holder, 2);
    const claimed = await claims(two.number, one.holder, 1);
    await sql`update public.messages set status = 'delivered', whatsapp_message_id = ${someWamid()} where id = ${claim.recipients[0].message_id}`;
    assert.deepEqual(ids(await claims(one.number, one.holder, 5, [])), [claim.recipients[1].recipient_id]);
    assert.deepEqual(await statusesOf(two.campaign), ["sending"]);
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${two.campaign.id}`;
    await claims(two.number, one.holder, 1, [claimed.claim_id]);
    assert.deepEqual(await statusesOf(two.campaign), ["sending"], "its outcome is still to come");
    await claims(two.number, one.holder, 1, []);
    assert.deepEqual(await statusesOf(two.campaign), ["skipped"], "it was never sent, and never will be");
  });

  test("skips recipients that another transaction has locked", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 6 });
    await sql.begin(async (other) => {
      await other`select from public.broadcast_recipients where campaign_id = ${campaign.id} and position <= 4 for update`;
      assert.equal((await claims(number, holder, 5)).recipients.length, 2);
    });
    assert.equal((await claims(number, holder, 5)).recipients.length, 4);
  });

  test("takes the oldest first, in the order of the list", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 6 });
    await sql`update public.broadcast_recipients set due_at = due_at - interval '1 minute' where campaign_id = ${campaign.id} and position = 5`;
    const positions = async () => {
      const claimed = ids(await claims(number, holder, 2));
      return (
        await sql`select position from public.broadcast_recipients where id = any (${claimed}) order by due_at, position`
      ).map(({ position }) => position);
    };
    assert.deepEqual(
      [await positions(), await positions(), await positions()],
      [
        [5, 1],
        [2, 3],
        [4, 6],
      ],
    );
  });

  test("that finds nothing due returns the time until the next recipient", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 2 });
    const claim = await claims(number, holder);
    const empty = await claims(number, holder);
    assert.deepEqual([empty.recipients, empty.templates, empty.next_due_ms], [[], {}, null]);
    await records(number, holder, reportsOf(claim, "retry", { retry_in_ms: 3_600_000 }));
    const { recipients, next_due_ms } = await claims(number, holder);
    assert.deepEqual(recipients, []);
    assert.ok(next_due_ms > 3_000_000 && next_due_ms <= 3_600_000, `${next_due_ms}`);
    await sql`update public.broadcast_recipients set due_at = now() where campaign_id = ${campaign.id}`;
    assert.equal((await claims(number, holder)).recipients.length, 2);
  });

  test("gives two campaigns of a number equal shares", async () => {
    const { number, holder, campaigns } = await newRun({ campaigns: 2, recipients: 20 });
    for (let i = 0; i < 3; i++) await claims(number, holder, 10);
    for (const campaign of campaigns) {
      assert.equal((await statusesOf(campaign)).filter((status) => status === "sending").length, 15);
    }
  });

  test("takes from each of four campaigns in a batch of five", async () => {
    const { number, holder, campaigns } = await newRun({ campaigns: 4, recipients: 10 });
    await claims(number, holder, 5);
    const got = await Promise.all(
      campaigns.map(async (campaign) => (await statusesOf(campaign)).filter((status) => status === "sending").length),
    );
    assert.deepEqual(got.sort(), [1, 1, 1, 2]);
  });

  test("lets no campaign starve, however many there are", async () => {
    const { number, holder, campaigns } = await newRun({ campaigns: 8, recipients: 60 });
    const asked = 48;
    for (let i = 0; i < asked; i++) assert.equal((await claims(number, holder, 5)).recipients.length, 5);
    const share = (asked * 5) / campaigns.length;
    for (const campaign of campaigns) {
      const got = (await statusesOf(campaign)).filter((status) => status === "sending").length;
      assert.ok(got > share / 3 && got < share * 2, `${got} of about ${share}`);
    }
  });

  test("gives the unused share of one campaign to the others", async () => {
    const {
      number,
      holder,
      campaigns: [small],
    } = await newRun({ campaigns: 1, recipients: 1 });
    const large = await newCampaign(number, { status: "sending", recipients: 50 });
    let handedOut = 0;
    for (let i = 0; i < 4; i++) handedOut += (await claims(number, holder, 10)).recipients.length;
    assert.ok(handedOut >= 36, `${handedOut} of 40 asked for`);
    assert.deepEqual(await statusesOf(small), ["sending"]);
    assert.equal((await statusesOf(large)).filter((status) => status === "sending").length, handedOut - 1);
  });

  test("takes no recipient of a campaign that a person has paused", async () => {
    const { number, holder, campaign } = await newRun();
    await sql`update public.broadcast_campaigns set status = 'paused' where id = ${campaign.id}`;
    assert.deepEqual((await claims(number, holder)).recipients, []);
  });
});

describe("a record", () => {
  test("sets recipient and message to the same outcome", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 5 });
    const claim = await claims(number, holder);
    const outcomes = ["sent", "failed", "unknown", "retry", "held"];
    const reports = reportsOf(claim, "").map((report, i) => ({
      ...report,
      outcome: outcomes[i],
      ...(i === 0 ? { whatsapp_message_id: someWamid() } : FAILURE),
      retry_in_ms: i === 3 ? 600_000 : undefined,
    }));
    assert.deepEqual(await records(number, holder, reports), [campaign.id]);
    const rows = await recipientsOf(campaign);
    const messages = await Promise.all(rows.map(({ message_id }) => messageNow({ id: message_id })));
    assert.deepEqual(
      rows.map(({ status }) => status),
      ["sent", "failed", "unknown", "pending", "pending"],
    );
    assert.deepEqual(
      messages.map(({ status }) => status),
      ["sent", "failed", "unknown", "queued", "queued"],
    );
    assert.deepEqual(
      rows.map(({ error_code }) => error_code),
      [null, ...Array(4).fill(131_026)],
    );
    assert.deepEqual(
      rows.map(({ attempts }) => attempts),
      [1, 1, 1, 1, 0],
      "held is not an attempt",
    );
    assert.deepEqual(
      rows.map(({ sent_at, failed_at }) => [sent_at !== null, failed_at !== null]),
      [[true, false], [false, true], ...Array(3).fill([false, false])],
    );
    const wait = rows[3].due_at - Date.now();
    assert.ok(wait > 300_000 && wait <= 600_000, `${wait}`);
    assert.ok(rows[4].due_at <= Date.now() + 100);
    assert.equal((await campaignNow(campaign)).status, "sending");
  });

  test("that is repeated changes nothing", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 5 });
    const claim = await claims(number, holder);
    const reports = reportsOf(claim, "sent").map((report, i) =>
      i < 3 ? report : { ...report, outcome: "failed", ...FAILURE },
    );
    await records(number, holder, reports);
    const first = await recipientsOf(campaign);
    const ended = await campaignNow(campaign);
    await records(number, holder, reports);
    await records(number, randomUUID(), reports);
    assert.deepEqual(await recipientsOf(campaign), first);
    assert.deepEqual(await campaignNow(campaign), ended);
  });

  test("of a retry leads to another attempt with the same message", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 1 });
    const first = await claims(number, holder);
    await records(number, holder, reportsOf(first, "retry", FAILURE));
    const again = await claims(number, holder);
    assert.deepEqual(
      [again.recipients[0].message_id, again.recipients[0].attempts],
      [first.recipients[0].message_id, 2],
    );
    assert.notEqual(again.claim_id, first.claim_id);
    assert.equal((await messageNow({ id: again.recipients[0].message_id })).status, "sending");
    await records(number, holder, reportsOf(again, "sent"));
    const [recipient] = await recipientsOf(campaign);
    assert.deepEqual([recipient.status, recipient.error_code, recipient.error_title], ["sent", null, null]);
    assert.equal((await sql`select from public.messages where session_id = ${number.id}`).count, 1);
  });

  test("of an old claim cannot requeue with a retry", async () => {
    for (const state of ["sending", "unknown"]) {
      const { number, holder, campaign } = await newRun({ recipients: 1 });
      const old = await claims(number, holder);
      const retry = reportsOf(old, "retry", FAILURE);
      await records(number, holder, retry);
      const fresh = await claims(number, holder);
      if (state === "unknown") await records(number, holder, reportsOf(fresh, "unknown"));
      const before = {
        recipients: await recipientsOf(campaign),
        message: await messageNow({ id: fresh.recipients[0].message_id }),
      };
      assert.equal(before.recipients[0].status, state);
      await records(number, holder, retry);
      await records(
        number,
        holder,
        retry.map((report) => ({ ...report, outcome: "held" })),
      );
      assert.deepEqual(
        { recipients: await recipientsOf(campaign), message: await messageNow({ id: fresh.recipients[0].message_id }) },
        before,
      );
    }
  });

  test("that arrives twice at the same moment counts once", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 1 });
    const held = reportsOf(await claims(number, holder), "held", FAILURE);
    let second;
    await sql.begin(async (first) => {
      await first`select public.record_recipients(${number.id}, ${holder}, ${LEASE}, ${sql.json(held)})`;
      const [{ pid }] = await first`select pg_backend_pid() as pid`;
      second = records(number, randomUUID(), held);
      await becomesTrue(() => isWaitedFor(sql, pid));
    });
    await second;
    const [recipient] = await recipientsOf(campaign);
    assert.deepEqual([recipient.status, recipient.attempts], ["pending", 0]);
  });

  test("after the lease was lost still counts", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 3 });
    const claim = await claims(number, holder, 3);
    await leaseEnds(number);
    await begins(randomUUID());
    assert.deepEqual(await statusesOf(campaign), ["unknown", "unknown", "unknown"]);
    const [one, two] = reportsOf(claim, "sent");
    await records(number, holder, [one, { ...two, whatsapp_message_id: undefined, outcome: "failed", ...FAILURE }]);
    assert.deepEqual(await statusesOf(campaign), ["sent", "failed", "unknown"]);
  });

  test("may pause its campaign with the reason, and no other campaign", async () => {
    const { number, holder, campaigns } = await newRun({ campaigns: 2, recipients: 3 });
    const claim = await claims(number, holder, 2);
    const [spam] = reportsOf(claim, "held", { error_title: "Spam rate limit hit", pause_campaign: true });
    await records(number, holder, [spam]);
    const [mine] = await sql`select campaign_id from public.broadcast_recipients where id = ${spam.recipient_id}`;
    const [paused, other] = campaigns[0].id === mine.campaign_id ? campaigns : [...campaigns].reverse();
    const now = await campaignNow(paused);
    assert.deepEqual([now.status, now.status_reason], ["paused", "Spam rate limit hit"]);
    assert.equal((await campaignNow(other)).status, "sending");
  });
});

describe("the work of a dead sender", () => {
  test("becomes unknown, and is never sent again", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 7 });
    await claims(number, holder, 5);
    await leaseEnds(number);
    const next = randomUUID();
    await begins(next);
    assert.deepEqual(await statusesOf(campaign), [...Array(5).fill("unknown"), "pending", "pending"]);
    const rows = await recipientsOf(campaign);
    for (const { message_id } of rows.slice(0, 5))
      assert.equal((await messageNow({ id: message_id })).status, "unknown");
    const claim = await claims(number, next);
    assert.deepEqual(
      ids(claim).sort(),
      rows
        .slice(5)
        .map(({ id }) => id)
        .sort(),
    );
    await records(number, next, reportsOf(claim, "sent"));
    assert.equal((await campaignNow(campaign)).status, "completed");
    await releases(number, next);
    assert.deepEqual(await begins(randomUUID()), { busy: 0, sessions: [] });
    assert.deepEqual(await statusesOf(campaign), [...Array(5).fill("unknown"), "sent", "sent"]);
  });

  test("is left alone while its lease is valid", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 2 });
    await claims(number, holder);
    await begins(randomUUID());
    assert.deepEqual(await statusesOf(campaign), ["sending", "sending"]);
  });

  test("is found even if nothing else is left to send, in any state of number and campaign", async () => {
    const broken = async (/** @type {any} */ { number }) =>
      sql`update public.whatsapp_sessions set status = 'broken' where id = ${number.id}`;
    const paused = async (/** @type {any} */ { campaign }) =>
      sql`update public.broadcast_campaigns set status = 'paused' where id = ${campaign.id}`;
    for (const [change, ends] of /** @type {const} */ ([
      [async () => {}, "completed"],
      [broken, "completed"],
      [paused, "paused"],
    ])) {
      const run = await newRun({ recipients: 2 });
      await claims(run.number, run.holder);
      await change(run);
      await leaseEnds(run.number);
      await begins(randomUUID());
      assert.deepEqual(await statusesOf(run.campaign), ["unknown", "unknown"]);
      assert.equal((await campaignNow(run.campaign)).status, ends);
    }
  });

  test("is settled by a status from Meta", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 2 });
    const claim = await claims(number, holder);
    await leaseEnds(number);
    await begins(randomUUID());
    const [one, two] = claim.recipients;
    const { campaigns } = await delivers({
      statuses: [
        statusOf(number, someWamid(), "delivered", { callback_data: one.message_id }),
        statusOf(number, someWamid(), "failed", {
          callback_data: two.message_id,
          errors: [{ code: 131_026, title: "Undeliverable" }],
        }),
      ],
    });
    assert.deepEqual(campaigns, [campaign.id]);
    assert.deepEqual(await statusesOf(campaign), ["delivered", "failed"]);
  });

  test("is settled by a late record, or requeued if nothing was sent, and then the campaign continues", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 3 });
    const claim = await claims(number, holder);
    await leaseEnds(number);
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "completed");
    const reports = reportsOf(claim, "sent").map((report, i) =>
      i === 0 ? report : { ...report, whatsapp_message_id: undefined, outcome: "retry" },
    );
    await records(number, holder, reports.slice(0, 2));
    assert.deepEqual(await statusesOf(campaign), ["sent", "pending", "unknown"]);
    const reopened = await campaignNow(campaign);
    assert.deepEqual([reopened.status, reopened.completed_at], ["sending", null]);
    await sql`delete from private.sender_leases`;
    const next = randomUUID();
    assert.deepEqual(leased(await begins(next)), [number.id]);
    await records(number, next, reportsOf(await claims(number, next), "sent"));
    assert.deepEqual(await statusesOf(campaign), ["sent", "sent", "unknown"]);
    assert.equal((await campaignNow(campaign)).status, "completed");
  });

  test("includes replies, which are unknown after two minutes", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const [contact] =
      await sql`insert into public.contacts (tenant_id, wa_id) values (${tenant.id}, ${someDigits()}) returning id`;
    const [conversation] = await sql`
      insert into public.conversations (tenant_id, session_id, contact_id) values (${tenant.id}, ${number.id}, ${contact.id}) returning id`;
    const messages = await sql`
      insert into public.messages (tenant_id, session_id, conversation_id, direction, type, status, created_at)
      select ${tenant.id}, ${number.id}, ${conversation.id}, 'outbound', 'text', 'sending', now() - make_interval(secs => age)
      from unnest(array[130, 60]) age returning id`;
    await begins(randomUUID());
    assert.deepEqual(await Promise.all(messages.map(async (message) => (await messageNow(message)).status)), [
      "unknown",
      "sending",
    ]);
  });

  test("includes statuses that missed their record, and these are applied", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 1 });
    const claim = await claims(number, holder);
    const [report] = reportsOf(claim, "sent");
    await records(number, holder, [report]);
    // Stored by a transaction that neither saw the record nor was seen by it.
    await sql`
      insert into public.message_status_events (tenant_id, session_id, whatsapp_message_id, status, occurred_at)
      values (${number.tenant_id}, ${number.id}, ${report.whatsapp_message_id}, 'read', now())`;
    await begins(randomUUID());
    assert.deepEqual(await statusesOf(campaign), ["read"]);
  });
});

describe("a campaign", () => {
  test("is completed once no recipient is pending or being sent, and not before", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 5 });
    const [one, two] = [await claims(number, holder, 3), await claims(number, holder, 2)];
    await records(number, holder, reportsOf(one, "sent"));
    assert.equal((await campaignNow(campaign)).status, "sending");
    const [last, retried] = reportsOf(two, "failed", FAILURE);
    await records(number, holder, [last, { ...retried, outcome: "retry" }]);
    assert.equal((await campaignNow(campaign)).status, "sending");
    await records(number, holder, reportsOf(await claims(number, holder), "unknown"));
    const { status, completed_at } = await campaignNow(campaign);
    assert.equal(status, "completed");
    assert.ok(completed_at !== null);
  });

  test("is completed even if a status settled the last recipient and the sender is dead", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 1 });
    const claim = await claims(number, holder);
    await delivers({
      statuses: [statusOf(number, someWamid(), "delivered", { callback_data: claim.recipients[0].message_id })],
    });
    assert.deepEqual(await statusesOf(campaign), ["delivered"]);
    await leaseEnds(number);
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "completed");
  });

  test("is completed even if its last two recipients are recorded at the same moment", async () => {
    const { number, holder, campaign } = await newRun({ recipients: 2 });
    const [one, two] = [await claims(number, holder, 1), await claims(number, holder, 1)];
    let second;
    await sql.begin(async (first) => {
      await first`select public.record_recipients(${number.id}, ${holder}, ${LEASE}, ${sql.json(reportsOf(one, "sent"))})`;
      const [{ pid }] = await first`select pg_backend_pid() as pid`;
      second = records(number, randomUUID(), reportsOf(two, "sent"));
      // Done, or waiting for the first: in both cases it has not seen the other's change.
      let settled = false;
      second.then(
        () => (settled = true),
        () => (settled = true),
      );
      await becomesTrue(async () => settled || isWaitedFor(sql, pid));
    });
    await second;
    await releases(number, holder);
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "completed");
  });

  test("counts its rows correctly after random events", async (t) => {
    const luck = chance();
    t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
    const { tenant, number, campaigns, holder } = await newRun({ campaigns: 3, recipients: 40 });
    const admin = await newUser(tenant, "admin");
    let current = holder;
    /** @type {{ claim: any, reports: any[] }[]} */
    const open = [];
    const wamids = /** @type {string[]} */ ([]);
    const happenings = {
      claim: async () => {
        const claim = await claims(number, current, luck.integer(1, 12));
        if (claim !== null && claim.recipients.length > 0) open.push({ claim, reports: [] });
      },
      record: async () => {
        if (open.length === 0) return;
        const { claim } = luck.pick(open);
        const reports = luck
          .shuffle(reportsOf(claim, ""))
          .slice(0, luck.integer(1, claim.recipients.length))
          .map((report) => {
            const outcome = luck.pick(["sent", "sent", "failed", "retry", "held", "unknown"]);
            if (outcome !== "sent") return { ...report, outcome, ...FAILURE };
            const whatsapp_message_id = someWamid();
            wamids.push(whatsapp_message_id);
            return { ...report, outcome, whatsapp_message_id };
          });
        await records(number, luck.pick([current, randomUUID()]), reports);
      },
      status: async () => {
        const callbacks = open.flatMap(({ claim }) => claim.recipients.map(({ message_id }) => message_id));
        const statuses = Array.from({ length: 5 }, () => {
          const status = luck.pick(["sent", "delivered", "read", "failed"]);
          const known = wamids.length > 0 && luck.number() < 0.7;
          if (!known && callbacks.length === 0) return null;
          return known
            ? statusOf(number, luck.pick(wamids), status)
            : statusOf(number, someWamid(), status, { callback_data: luck.pick(callbacks) });
        }).filter((status) => status !== null);
        await delivers({ statuses, keep_event: false });
      },
      death: async () => {
        await leaseEnds(number);
        current = randomUUID();
        await begins(current);
      },
    };
    for (let step = 0; step < 70; step++) {
      const happening = luck.pick(["claim", "claim", "record", "record", "record", "status", "death"]);
      await happenings[happening]();
      const context = `CRM_TEST_SEED=${luck.seed} step ${step}: ${happening}`;
      for (const campaign of campaigns) await compareCounts(admin, campaign, context);
    }
    // At the end every recipient is accounted for.
    await happenings.death();
    // Campaigns that dead senders paused go on.
    await sql`update public.broadcast_campaigns set status = 'sending', dead_runs = 0
      where status = 'paused' and tenant_id = ${tenant.id}`;
    for (let claim; (claim = await claims(number, current, 50))?.recipients.length > 0;)
      await records(number, current, reportsOf(claim, "sent"));
    for (const campaign of campaigns) {
      await compareCounts(admin, campaign, `CRM_TEST_SEED=${luck.seed} at the end`);
      const reached = (await recipientsOf(campaign)).some(({ status }) => !["failed", "skipped"].includes(status));
      assert.equal(
        (await campaignNow(campaign)).status,
        reached ? "completed" : "failed",
        `CRM_TEST_SEED=${luck.seed}`,
      );
    }
  });

  test("sends to each recipient exactly once, while senders arrive, die and report late side by side", async (t) => {
    const luck = chance();
    t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
    const { number, campaigns } = await newQueue({ campaigns: 2, recipients: 60 });
    const other = await newNumber({ id: number.tenant_id });
    campaigns.push(await newCampaign(other, { status: "sending", recipients: 60 }));
    const numbers = new Map([number, other].map((one) => [one.id, one]));
    /** Messages that Meta received. @type {string[]} */
    const ledger = [];

    const sends = (/** @type {any} */ claim) =>
      reportsOf(claim, "").map((report) => {
        const outcome = luck.pick(["sent", "sent", "sent", "failed", "retry", "held"]);
        if (outcome === "sent") ledger.push(report.message_id);
        return { ...report, outcome, ...(outcome === "sent" ? { whatsapp_message_id: someWamid() } : FAILURE) };
      });
    const worker = async () => {
      for (let round = 0; round < 12; round++) {
        const holder = randomUUID();
        for (const id of leased(await retried(() => begins(holder)))) {
          const own = numbers.get(id);
          for (
            let claim;
            (claim = await retried(() => claims(own, holder, luck.integer(1, 8))))?.recipients.length > 0;
          ) {
            const reports = sends(claim);
            const fate = luck.number();
            if (fate < 0.2) {
              // Dead before its record, with its lease over; or only slow.
              await sql`update private.sender_leases set leased_until = now() where holder = ${holder}`;
              if (fate < 0.1) break;
              await retried(() => begins(randomUUID(), 1));
            }
            await retried(() => records(own, holder, reports));
            if (fate > 0.9) await retried(() => records(own, holder, reports));
          }
          await releases(own, holder);
        }
      }
    };
    await Promise.all(Array.from({ length: 5 }, worker));

    const context = `CRM_TEST_SEED=${luck.seed}`;
    // A person resumes campaigns that were paused because two senders in a row seemed dead.
    const resumed = async () =>
      (
        await sql`
          update public.broadcast_campaigns set status = 'sending', status_reason = null, dead_runs = 0
          where id = any (${campaigns.map(({ id }) => id)}::uuid[]) and status = 'paused'`
      ).count;
    await resumed();
    await sql`delete from private.sender_leases`;
    const holder = randomUUID();
    for (let run; (run = leased(await begins(holder))).length > 0 || (await resumed()) > 0;) {
      for (const own of run.map((id) => numbers.get(id))) {
        for (let claim; (claim = await claims(own, holder, 50))?.recipients.length > 0;) {
          await records(own, holder, sends(claim));
        }
        await releases(own, holder);
      }
    }
    assert.equal(new Set(ledger).size, ledger.length, `${context}: a message went out twice`);
    const sent = new Set(ledger);
    for (const campaign of campaigns) {
      assert.equal((await campaignNow(campaign)).status, "completed", context);
      for (const { status, message_id } of await recipientsOf(campaign)) {
        const agreed = sent.has(message_id) ? ["sent", "unknown"] : ["failed", "unknown"];
        assert.ok(agreed.includes(status), `${context}: ${status}, ${sent.has(message_id) ? "sent" : "not sent"}`);
      }
    }
  });

  /** @param {any} admin @param {any} campaign @param {string} context */
  async function compareCounts(admin, campaign, context) {
    const rows = await sql`
      select r.status, m.status as message from public.broadcast_recipients r left join public.messages m on m.id = r.message_id
      where r.campaign_id = ${campaign.id}`;
    const n = (/** @type {string[]} */ ...statuses) => rows.filter(({ status }) => statuses.includes(status)).length;
    const percent = (/** @type {number} */ part, /** @type {number} */ whole) =>
      whole === 0 ? 0 : Math.floor((1000 * part) / whole) / 10;
    const expected = {
      total: rows.length,
      pending: n("pending"),
      sending: n("sending"),
      sent: n("sent", "delivered", "read"),
      delivered: n("delivered", "read"),
      read: n("read"),
      failed: n("failed"),
      unknown: n("unknown"),
      skipped: n("skipped"),
      replied: 0,
      reply_rate_percent: 0,
      progress_percent: percent(rows.length - n("pending", "sending"), rows.length),
      delivery_rate_percent: percent(n("delivered", "read"), n("sent", "delivered", "read")),
      read_rate_percent: percent(n("read"), n("sent", "delivered", "read")),
    };
    const seen = await as(admin, (sql) => answer(sql`select public.get_campaign(${campaign.id}) as answer`));
    assert.deepEqual(seen.statistics, expected, context);
    if (seen.status === "completed") assert.equal(n("pending", "sending"), 0, `${context}: completed too early`);
    for (const { status, message } of rows) {
      const agreed = status === "pending" ? [null, "queued"] : [status];
      assert.ok(agreed.includes(message), `${context}: recipient ${status}, message ${message}`);
    }
  }

  test("announces its progress at most once a second", async () => {
    const {
      campaign,
      campaigns: [, other],
    } = await newQueue({ campaigns: 2 });
    const announces = (/** @type {any[]} */ ...list) =>
      asService((sql) => answer(sql`select public.announce_campaigns(${list.map(({ id }) => id)}::uuid[]) as answer`));
    assert.deepEqual(await announces(campaign), []);
    await justAnnounced(sql, "broadcast_campaigns", campaign);
    assert.deepEqual(await announces(campaign, other), [campaign.id], "too early for the first one");
    await sql`update public.broadcast_campaigns set progress_announced_at = now() - interval '1 second' where id = ${campaign.id}`;
    assert.deepEqual(await announces(campaign), []);
    assert.deepEqual(await announces(), []);
  });
});

describe("creating a campaign", () => {
  const people = (/** @type {number} */ n) =>
    Array.from({ length: n }, () => ({ wa_id: someDigits(), name: "Rina", variables: ["Rina"] }));
  /** @param {any} user @param {any} template @param {object} [more] */
  const creates = (
    user,
    template,
    { name = "Promo", recipients = people(2), session = null, sender = null, at = null, options = {} } = {},
  ) =>
    as(user, (sql) =>
      answer(sql`
      select public.create_campaign(${name}, ${template.id}, ${recipients === null ? null : sql.json(recipients)}, ${session?.id ?? null}, ${sender?.id ?? null}, ${at}, ${sql.json(options)}) as answer`),
    );
  const newOffice = async () => {
    const tenant = await newTenant();
    return {
      tenant,
      number: await newNumber(tenant),
      template: await newTemplate(tenant),
      manager: await newUser(tenant, "manager"),
    };
  };
  const refused = (/** @type {string} */ hint, detail = "invalid_field") => ({ code: "PT422", detail, hint });

  test("stores it with its recipients, each number once, and the next run sends it", async () => {
    const { number, template, manager } = await newOffice();
    const [one, two] = people(2);
    const campaign = await creates(manager, template, { recipients: [one, two, { ...one, name: "Again" }] });
    assert.deepEqual(
      [
        campaign.status,
        campaign.session_id,
        campaign.sender_id,
        campaign.statistics.total,
        campaign.statistics.pending,
      ],
      ["sending", number.id, manager.id, 2, 2],
    );
    const rows = await recipientsOf(campaign);
    assert.deepEqual(
      rows.map(({ wa_id, name, variables }) => ({ wa_id, name, variables })),
      [one, two],
    );
    const holder = randomUUID();
    assert.deepEqual(leased(await begins(holder)), [number.id]);
    const claim = await claims(number, holder);
    const { sent_by } = await messageNow({ id: claim.recipients[0].message_id });
    assert.equal(sent_by, manager.id);
  });

  test("with a scheduled time waits for that time", async () => {
    const { template, manager } = await newOffice();
    const later = await creates(manager, template, { at: new Date(Date.now() + 60_000) });
    assert.deepEqual([later.status, later.started_at], ["scheduled", null]);
    const past = await creates(manager, template, { at: new Date(Date.now() - 60_000) });
    assert.equal(past.status, "sending");
  });

  test("is refused with objects of another tenant", async () => {
    const [own, other] = [await newOffice(), await newOffice()];
    await isRefused(creates(own.manager, other.template), refused("template_id"));
    await isRefused(creates(own.manager, own.template, { session: other.number }), refused("session_id"));
    await isRefused(creates(own.manager, own.template, { sender: other.manager }), refused("sender_id"));
    for (const office of [own, other]) {
      assert.equal((await sql`select from public.broadcast_campaigns where tenant_id = ${office.tenant.id}`).count, 0);
    }
  });

  test("is refused with a deactivated sender, and accepts a colleague", async () => {
    const { tenant, template, manager } = await newOffice();
    const gone = await newUser(tenant, "agent", { deactivated: true });
    await isRefused(creates(manager, template, { sender: gone }), refused("sender_id"));
    const colleague = await newUser(tenant, "agent");
    assert.equal((await creates(manager, template, { sender: colleague })).sender_id, colleague.id);
  });

  test("is refused without the permissions", async () => {
    const { tenant, template } = await newOffice();
    for (const user of [
      await newUser(tenant, "agent"),
      await newUser(tenant, null),
      await newUser(tenant, "admin", { deactivated: true }),
    ]) {
      await isRefused(creates(user, template), { code: "PT403", detail: "forbidden" });
    }
  });

  test("is refused with an unapproved template, or with one of another account than the number", async () => {
    const { tenant, number, manager } = await newOffice();
    const draft = await newTemplate(tenant, { status: "PENDING" });
    await isRefused(creates(manager, draft), {
      ...refused("template_id", "template_not_approved"),
      message: /PENDING/,
    });
    const elsewhere = await newTemplate(tenant, { businessAccount: someDigits() });
    await isRefused(creates(manager, elsewhere), refused("session_id"));
    await isRefused(creates(manager, elsewhere, { session: number }), refused("session_id"));
    const fitting = await newTemplate(tenant, { businessAccount: number.meta_business_account_id });
    assert.equal((await creates(manager, fitting)).session_id, number.id);
  });

  test("requires a number if several could send", async () => {
    const { tenant, number, template, manager } = await newOffice();
    const second = await newNumber(tenant);
    await isRefused(creates(manager, template), { ...refused("session_id"), message: /Several/ });
    assert.equal((await creates(manager, template, { session: second })).session_id, second.id);
    assert.equal(
      (await creates(manager, await newTemplate(tenant, { businessAccount: number.meta_business_account_id })))
        .session_id,
      number.id,
    );
  });

  test("refuses unreadable variables, which would stop the whole queue", async () => {
    const { template, manager } = await newOffice();
    for (const variables of ["Rina", 7, true, [["Rina"]], [{ a: 1 }], { name: ["Rina"] }, { name: {} }]) {
      await isRefused(creates(manager, template, { recipients: [{ wa_id: someDigits(), variables }] }), {
        code: "23514",
      });
    }
    const readable = [null, undefined, [], {}, ["Rina", 7, null, true], { name: "Rina", order: 7 }];
    const campaign = await creates(manager, template, {
      recipients: readable.map((variables) => ({ wa_id: someDigits(), variables })),
      options: { accept_problems: ["missing_variables"] },
    });
    assert.deepEqual(
      (await recipientsOf(campaign)).map(({ variables }) => variables),
      [[], [], ...readable.slice(2)],
    );
  });

  test("succeeds or fails as a whole", async () => {
    const { tenant, template, manager } = await newOffice();
    await isRefused(creates(manager, template, { recipients: [] }), refused("recipients"));
    await isRefused(creates(manager, template, { recipients: null }), refused("recipients"));
    await isRefused(creates(manager, template, { recipients: [...people(3), { wa_id: "+62 811" }] }), {
      code: "23514",
    });
    await isRefused(creates(manager, template, { recipients: [...people(3), { name: "nobody" }] }), { code: "23502" });
    assert.equal((await sql`select from public.broadcast_campaigns where tenant_id = ${tenant.id}`).count, 0);
    assert.equal((await sql`select from public.broadcast_recipients where tenant_id = ${tenant.id}`).count, 0);
  });
});

describe("reading campaigns", () => {
  const lists = (/** @type {any} */ user, { status = null, page = 1, size = 20 } = {}) =>
    as(user, (sql) => answer(sql`select public.list_campaigns(${status}, ${page}, ${size}) as answer`));
  const gets = (/** @type {any} */ user, /** @type {any} */ campaign) =>
    as(user, (sql) => answer(sql`select public.get_campaign(${campaign.id}) as answer`));

  test("gives people with the permission the newest first, in pages", async () => {
    const { tenant, number } = await newQueue();
    await sql`delete from public.broadcast_campaigns where tenant_id = ${tenant.id}`;
    const made = [];
    for (const status of ["completed", "paused", "completed", "draft", "completed"])
      made.unshift(await newCampaign(number, { status }));
    const manager = await newUser(tenant, "manager");
    const listed = async (/** @type {any} */ options) => {
      const { rows, total } = await lists(manager, options);
      return [total, rows.map(({ id }) => id)];
    };
    const all = made.map(({ id }) => id);
    assert.deepEqual(await listed({}), [5, all]);
    assert.deepEqual(await listed({ page: 2, size: 2 }), [5, all.slice(2, 4)]);
    assert.deepEqual(await listed({ page: 9 }), [5, []]);
    assert.deepEqual(await listed({ status: "paused" }), [1, [all[3]]]);
  });

  test("shows the reasons of failures", async () => {
    const { tenant, number, holder, campaign } = await newRun({ recipients: 4 });
    const manager = await newUser(tenant, "manager");
    const claim = await claims(number, holder);
    await records(
      number,
      holder,
      reportsOf(claim, "failed").map((report, i) => ({
        ...report,
        error_code: i === 0 ? 131_049 : 131_026,
        error_title: i === 0 ? "Not delivered" : "Undeliverable",
      })),
    );
    const { failures, template, status } = await gets(manager, campaign);
    assert.deepEqual(failures, [
      { error_code: 131_026, error_title: "Undeliverable", count: 3 },
      { error_code: 131_049, error_title: "Not delivered", count: 1 },
    ]);
    assert.deepEqual([template.name, status], [campaign.template.name, "failed"]);
  });

  test("gives other people nothing", async () => {
    const { tenant, campaign } = await newQueue();
    const strangers = [
      await newUser(await newTenant(), "admin"),
      await newUser(tenant, "agent"),
      await newUser(tenant, null),
      await newUser(tenant, "admin", { deactivated: true }),
    ];
    for (const stranger of strangers) {
      assert.deepEqual(await lists(stranger), { rows: [], total: 0 });
      assert.equal(await gets(stranger, campaign), null);
    }
    assert.equal((await gets(await newUser(tenant, "manager"), campaign)).id, campaign.id);
  });
});
