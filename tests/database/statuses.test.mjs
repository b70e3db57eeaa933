// The state of a message follows from the set of its statuses, and not from the order in which they arrived.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { dateOf, seconds, someWamid, statusOf } from "./inbox.mjs";
import { becomesTrue, isWaitedFor } from "./waiting.mjs";

const { sql, asService, newTenant, newNumber, newCampaign, receivesMessage, delivers, newOutbound, messageNow } =
  await useDatabase();

const START = seconds(7200);
const KINDS = ["sent", "delivered", "read", "played", "failed"];
const SENT_AT = dateOf(START + 1000);

const newThread = async () => {
  const number = await newNumber(await newTenant());
  const { conversation } = await receivesMessage(number);
  return { number, conversation };
};
/** @param {any} message */
const eventsOf = async (message) => [
  ...(await sql`select * from public.message_status_events where session_id = ${message.session_id} and whatsapp_message_id = ${message.whatsapp_message_id} order by id`),
];
/** @param {any} message */
const recordsSent = (message, wamid = someWamid()) =>
  asService(
    (sql) =>
      sql`select public.record_replies(${sql.json([{ message_id: message.id, outcome: "sent", whatsapp_message_id: wamid }])})`,
  );

describe("a status", () => {
  test("advances its message, sets its time and is stored", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation, { sentAt: SENT_AT });
    const wamid = message.whatsapp_message_id;
    const pricing = { billable: true, category: "service" };
    await delivers({ statuses: [statusOf(number, wamid, "sent", { timestamp: START, pricing })] });
    await delivers({ statuses: [statusOf(number, wamid, "delivered", { timestamp: START + 1 })] });
    await delivers({ statuses: [statusOf(number, wamid, "read", { timestamp: START + 2 })] });
    assert.deepEqual(standing(await messageNow(message)), {
      status: "read",
      sent_at: dateOf(START),
      delivered_at: dateOf(START + 1),
      read_at: dateOf(START + 2),
      failed_at: null,
      error_code: null,
      error_title: null,
      error_details: null,
      pricing,
    });
    const events = await eventsOf(message);
    assert.deepEqual(
      events.map((event) => [event.status, event.occurred_at, event.message_id, event.payload.status]),
      [
        ["sent", dateOf(START), message.id, "sent"],
        ["delivered", dateOf(START + 1), message.id, "delivered"],
        ["read", dateOf(START + 2), message.id, "read"],
      ],
    );
  });

  const LATTICE = [
    { events: { sent: 1, failed: 2 }, status: "failed" },
    { events: { failed: 1, sent: 2 }, status: "failed" },
    { events: { failed: 1, delivered: 2 }, status: "failed" },
    { events: { failed: 1, read: 2 }, status: "failed" },
    { events: { delivered: 1, failed: 2 }, status: "delivered" },
    { events: { read: 1, failed: 2 }, status: "read" },
    { events: { delivered: 1, failed: 2, read: 3 }, status: "read" },
    { events: { read: 1, delivered: 2, sent: 3 }, status: "read" },
    { events: { played: 1, read: 2 }, status: "played" },
    { events: { played: 1 }, status: "played" },
    { events: { delivered: 2, sent: 1 }, status: "delivered" },
  ];
  for (const { events, status } of LATTICE) {
    const history = Object.entries(events)
      .map(([kind, at]) => `${kind} at ${at}`)
      .join(", ");
    test(`${history}: ${status}`, async () => {
      const { number, conversation } = await newThread();
      const message = await newOutbound(conversation);
      const statuses = Object.entries(events).map(([kind, at]) =>
        statusOf(number, message.whatsapp_message_id, kind, { timestamp: START + at }),
      );
      await delivers({ statuses });
      assert.equal((await messageNow(message)).status, status);
    });
  }

  test("of a failure gives the reason, on the recipient too", async () => {
    const { number, conversation } = await newThread();
    const { id: campaign } = await newCampaign(number);
    const message = await newOutbound(conversation);
    await sql`update public.broadcast_recipients set status = 'sent', message_id = ${message.id} where campaign_id = ${campaign}`;
    const errors = [{ code: 131_049, title: "Not delivered", details: "Healthy ecosystem" }];
    const { campaigns } = await delivers({
      statuses: [statusOf(number, message.whatsapp_message_id, "failed", { timestamp: START, errors })],
    });
    assert.deepEqual(campaigns, [campaign]);
    const [recipient] = await sql`select * from public.broadcast_recipients where campaign_id = ${campaign}`;
    for (const row of [await messageNow(message), recipient]) {
      hasFields(row, {
        status: "failed",
        failed_at: dateOf(START),
        error_code: 131_049,
        error_title: "Not delivered",
        error_details: "Healthy ecosystem",
      });
    }
  });

  test("that changes nothing names no campaign", async () => {
    const { number, conversation } = await newThread();
    const campaign = await newCampaign(number);
    const message = await newOutbound(conversation);
    await sql`update public.broadcast_recipients set status = 'sent', message_id = ${message.id} where campaign_id = ${campaign.id}`;
    const statuses = [statusOf(number, message.whatsapp_message_id, "delivered", { timestamp: START })];
    assert.deepEqual((await delivers({ statuses })).campaigns, [campaign.id]);
    assert.deepEqual((await delivers({ statuses })).campaigns, []);
  });

  test("of the same second as others is listed in the only possible order", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation);
    const at = { timestamp: START };
    await delivers({
      statuses: ["read", "sent", "delivered"].map((status) =>
        statusOf(number, message.whatsapp_message_id, status, at),
      ),
    });
    const [{ view }] = await sql`select public.get_message(${message.id}) as view`;
    assert.deepEqual(
      view.events.map((/** @type {any} */ event) => event.status),
      ["sent", "delivered", "read"],
    );
  });

  test("of an unknown kind is stored and changes nothing", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation, { sentAt: SENT_AT });
    await delivers({ statuses: [statusOf(number, message.whatsapp_message_id, "teleported")] });
    assert.deepEqual(await messageNow(message), message);
    assert.deepEqual(
      (await eventsOf(message)).map((event) => [event.status, event.message_id]),
      [["teleported", message.id]],
    );
  });

  test("without a time, or with an impossible one, is stored once however often it arrives", async () => {
    for (const timestamp of [null, 9_999_999_999]) {
      const { number, conversation } = await newThread();
      const message = await newOutbound(conversation);
      const statuses = [statusOf(number, message.whatsapp_message_id, "delivered", { timestamp })];
      await delivers({ statuses });
      const first = await messageNow(message);
      await delivers({ statuses: [...statuses, ...statuses] });
      assert.equal((await eventsOf(message)).length, 1);
      assert.deepEqual(await messageNow(message), first);
    }
  });

  test("of an unknown message is stored and harms no other", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation);
    const wamid = someWamid();
    const callback_data = "not an id of ours";
    const { event_id } = await delivers({
      statuses: [
        statusOf(number, wamid, "failed", { callback_data, errors: [{ code: 1 }] }),
        statusOf(number, someWamid(), "sent", { callback_data: randomUUID() }),
        statusOf(number, message.whatsapp_message_id, "delivered"),
      ],
    });
    const [event] = await sql`select statuses_count, outcome from public.webhook_events where id = ${event_id}`;
    assert.deepEqual([event.statuses_count, event.outcome], [3, "stored"]);
    const [kept] = await eventsOf({ session_id: number.id, whatsapp_message_id: wamid });
    assert.deepEqual([kept.message_id, kept.status, kept.error_code], [null, "failed", 1]);
    assert.equal((await messageNow(message)).status, "delivered");
  });

  test("of an inbound message changes nothing", async () => {
    const number = await newNumber(await newTenant());
    const { message } = await receivesMessage(number);
    await delivers({
      statuses: [statusOf(number, message.whatsapp_message_id, "failed", { callback_data: message.id })],
    });
    assert.deepEqual(await messageNow(message), message);
  });

  test("without an error code is stored", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation);
    await delivers({
      statuses: [statusOf(number, message.whatsapp_message_id, "failed", { errors: [{ title: "Something" }] })],
    });
    const { status, error_code, error_title } = await messageNow(message);
    assert.deepEqual([status, error_code, error_title], ["failed", null, "Something"]);
  });
});

test("the state of a payment is shown with its message, and is no state of delivery", async () => {
  const number = await newNumber(await newTenant());
  const { conversation } = await receivesMessage(number);
  const message = await newOutbound(conversation);
  const wamid = message.whatsapp_message_id;
  await delivers({ statuses: [statusOf(number, wamid, "delivered")] });
  const payment = { reference_id: "76", currency: "IDR", transaction: { id: "t", status: "failed" } };
  const failed = statusOf(number, wamid, "payment_failed");
  await delivers({ statuses: [{ ...failed, payload: { ...failed.payload, type: "payment", payment } }] });
  assert.equal((await messageNow(message)).status, "delivered");
  const [{ shown }] = await sql`select public.get_message(${message.id}) as shown`;
  assert.deepEqual(
    shown.events.map((/** @type {any} */ event) => [event.status, event.payment]),
    [
      ["delivered", null],
      ["payment_failed", payment],
    ],
  );
});

describe("a status that arrives before the send is recorded", () => {
  test("is applied by the wamid", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation, { status: "sending", wamid: null });
    const wamid = someWamid();
    await delivers({
      statuses: [
        statusOf(number, wamid, "delivered", { timestamp: START + 1 }),
        statusOf(number, wamid, "sent", { timestamp: START }),
      ],
    });
    assert.equal((await messageNow(message)).status, "sending");
    await recordsSent(message, wamid);
    const { status, sent_at, delivered_at } = await messageNow(message);
    assert.deepEqual([status, sent_at, delivered_at], ["delivered", dateOf(START), dateOf(START + 1)]);
  });

  test("is applied by our id that it carries, and gives the message its wamid", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation, { status: "sending", wamid: null });
    const wamid = someWamid();
    await delivers({ statuses: [statusOf(number, wamid, "sent", { timestamp: START, callback_data: message.id })] });
    const { status, whatsapp_message_id, sent_at } = await messageNow(message);
    assert.deepEqual([status, whatsapp_message_id, sent_at], ["sent", wamid, dateOf(START)]);
    await recordsSent(message, wamid);
    await delivers({ statuses: [statusOf(number, wamid, "read", { timestamp: START + 1 })] });
    assert.equal((await messageNow(message)).status, "read");
  });

  test("settles a send with an unknown outcome, with its recipient", async () => {
    const { number, conversation } = await newThread();
    const campaign = await newCampaign(number);
    const message = await newOutbound(conversation, { status: "unknown", wamid: null });
    await sql`update public.broadcast_recipients set status = 'unknown', message_id = ${message.id} where campaign_id = ${campaign.id}`;
    const wamid = someWamid();
    const { campaigns } = await delivers({
      statuses: [statusOf(number, wamid, "delivered", { timestamp: START, callback_data: message.id })],
    });
    assert.deepEqual(campaigns, [campaign.id]);
    const { status, whatsapp_message_id } = await messageNow(message);
    assert.deepEqual([status, whatsapp_message_id], ["delivered", wamid]);
    const [recipient] =
      await sql`select status, delivered_at from public.broadcast_recipients where campaign_id = ${campaign.id}`;
    assert.deepEqual(recipient, { status: "delivered", delivered_at: dateOf(START) });
  });

  test("without our id counts once another status has given the wamid", async () => {
    const { number, conversation } = await newThread();
    const message = await newOutbound(conversation, { status: "unknown", wamid: null });
    const wamid = someWamid();
    await delivers({ statuses: [statusOf(number, wamid, "sent", { timestamp: START })] });
    await delivers({
      statuses: [statusOf(number, wamid, "delivered", { timestamp: START + 1, callback_data: message.id })],
    });
    const { status, sent_at } = await messageNow(message);
    assert.deepEqual([status, sent_at], ["delivered", dateOf(START)]);
  });

  test("counts even if the send is recorded while the status is being stored", async () => {
    const { number, conversation } = await newThread();
    const [other, message] = [
      await newOutbound(conversation),
      await newOutbound(conversation, { status: "sending", wamid: null }),
    ];
    const wamid = someWamid();
    let delivery;
    await sql.begin(async (holder) => {
      const [{ pid }] =
        await holder`select pg_backend_pid() as pid from public.messages where id = ${other.id} for update`;
      // It has looked for the messages, and now waits for this transaction.
      delivery = delivers({
        statuses: [statusOf(number, other.whatsapp_message_id, "delivered"), statusOf(number, wamid, "delivered")],
      });
      await becomesTrue(() => isWaitedFor(sql, pid));
      await recordsSent(message, wamid);
    });
    await delivery;
    assert.equal((await messageNow(message)).status, "delivered");
    assert.equal((await messageNow(other)).status, "delivered");
  });

  test("gives its message no wamid of another number", async () => {
    const { number, conversation } = await newThread();
    const foreign = await newNumber(await newTenant());
    const message = await newOutbound(conversation, { status: "unknown", wamid: null });
    const [own, others] = ["wamid.z", "wamid.a"];
    await delivers({
      statuses: [
        statusOf(foreign, others, "failed", { callback_data: message.id }),
        statusOf(number, own, "delivered", { callback_data: message.id }),
      ],
    });
    const { status, whatsapp_message_id } = await messageNow(message);
    assert.deepEqual([status, whatsapp_message_id], ["delivered", own]);
  });

  test("of another tenant's number settles nothing", async () => {
    const { conversation } = await newThread();
    const foreign = await newNumber(await newTenant());
    const message = await newOutbound(conversation, { status: "unknown", wamid: null });
    await delivers({ statuses: [statusOf(foreign, someWamid(), "delivered", { callback_data: message.id })] });
    assert.deepEqual(await messageNow(message), message);
  });
});

describe("the same statuses leave the same state", () => {
  test("in every order", async (t) => {
    const luck = chance();
    t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
    // Every set of statuses, with some choices of their times (ties among them), in every order of arrival.
    const histories = subsets(KINDS).flatMap((kinds) =>
      [0, 1, 2, 3].flatMap(() => {
        const events = kinds.map((kind) => eventOf(kind, luck.integer(0, 3)));
        return permutations(events).map((arrival) => arrival.map((event) => [event]));
      }),
    );
    await arriveAndCompare(histories, luck);
  });

  test("repeated, in every split into calls, with several of a kind", async (t) => {
    const luck = chance();
    t.diagnostic(`CRM_TEST_SEED=${luck.seed}`);
    const histories = Array.from({ length: 150 }, () => {
      const events = Array.from({ length: luck.integer(2, 8) }, () =>
        eventOf(luck.pick([...KINDS, "failed", "warning"]), luck.integer(0, 5)),
      );
      return Array.from({ length: 5 }, () => {
        const arrival = luck.shuffle([...events, ...events.filter(() => luck.number() < 0.3)]);
        const calls = [];
        while (arrival.length > 0) calls.push(arrival.splice(0, luck.integer(1, 4)));
        return calls;
      });
    }).flat();
    await arriveAndCompare(histories, luck);
  });
});

/**
 * Meta's report is a function of the kind and its time: the same event is the same everywhere.
 * @param {string} status
 * @param {number} at
 */
function eventOf(status, at) {
  return {
    status,
    timestamp: START + at,
    ...(status === "failed"
      ? { errors: [{ code: 131_000 + at, title: `failure at ${at}`, details: `details of ${at}` }] }
      : {}),
    ...(["sent", "delivered"].includes(status) ? { pricing: { category: status, at } } : {}),
  };
}

/**
 * Gives each history a message of its own, sends the nth calls of all together, and compares the result with the rule.
 * @param {ReturnType<typeof eventOf>[][][]} histories calls of events
 * @param {ReturnType<typeof chance>} luck
 */
async function arriveAndCompare(histories, luck) {
  const { number, conversation } = await newThread();
  const campaign = await newCampaign(number, { recipients: histories.length });
  const wamids = histories.map(() => someWamid());
  await sql`
    with sent as (
      insert into public.messages
        (tenant_id, session_id, conversation_id, direction, type, status, whatsapp_message_id, sent_at, metadata)
      select ${number.tenant_id}, ${number.id}, ${conversation.id}, 'outbound', 'template', 'sent', w.wamid, ${SENT_AT},
        jsonb_build_object('broadcast_campaign_id', ${campaign.id}::text, 'position', w.position)
      from unnest(${wamids}::text[]) with ordinality as w (wamid, position)
      returning id, (metadata ->> 'position')::integer as position
    )
    update public.broadcast_recipients r set message_id = s.id, status = 'sent', sent_at = ${SENT_AT}
    from sent s where r.campaign_id = ${campaign.id} and r.position = s.position`;
  // Autovacuum would do so within a minute: plans made for empty tables are slow.
  await sql`analyze public.messages, public.message_status_events, public.broadcast_recipients`;

  const rounds = Math.max(...histories.map((calls) => calls.length));
  for (let round = 0; round < rounds; round++) {
    const statuses = histories.flatMap((calls, i) =>
      (calls[round] ?? []).map(({ status, ...rest }) => statusOf(number, wamids[i], status, rest)),
    );
    for (let i = 0; i < statuses.length; i += 1000)
      await delivers({ statuses: statuses.slice(i, i + 1000), keep_event: false });
  }

  const rows = await sql`
    select m.*, to_jsonb(r) as recipient
    from public.messages m join public.broadcast_recipients r on r.message_id = m.id
    where r.campaign_id = ${campaign.id} order by r.position`;
  assert.equal(rows.length, histories.length);
  rows.forEach((row, i) => {
    const description = () =>
      `CRM_TEST_SEED=${luck.seed}: ${JSON.stringify(histories[i].map((call) => call.map(({ status, timestamp }) => `${status}@${timestamp - START}`)))}`;
    const should = expectedStanding(histories[i].flat());
    compare(standing(row), should, description);
    const { pricing, ...recipient } = should;
    compare(
      standing({ ...row.recipient, pricing: undefined }, (time) => (time === null ? null : new Date(time))),
      { ...recipient, pricing: undefined, status: recipient.status === "played" ? "read" : recipient.status },
      () => `recipient, ${description()}`,
    );
  });
}

/** @param {object} actual @param {object} expected @param {() => string} description */
function compare(actual, expected, description) {
  try {
    assert.deepEqual(actual, expected);
  } catch (error) {
    /** @type {Error} */ (error).message += `\n${description()}`;
    throw error;
  }
}

/** @param {any} row @param {(time: any) => Date | null} [date] */
function standing(row, date = (time) => time) {
  const { status, sent_at, delivered_at, read_at, failed_at, error_code, error_title, error_details, pricing } = row;
  return {
    status,
    sent_at: date(sent_at),
    delivered_at: date(delivered_at),
    read_at: date(read_at),
    failed_at: date(failed_at),
    error_code,
    error_title,
    error_details,
    pricing,
  };
}

/**
 * The rule in words: a failure holds unless the message had arrived before it; otherwise the furthest status holds. Times are
 * those of the first of a kind, and so are the price and the reason.
 * @param {ReturnType<typeof eventOf>[]} events
 */
function expectedStanding(events) {
  const first = (/** @type {string[]} */ kinds) =>
    events
      .filter((event) => kinds.includes(event.status))
      .sort((a, b) => a.timestamp - b.timestamp || (a.status < b.status ? -1 : 1))[0];
  const time = (/** @type {string[]} */ ...kinds) => (first(kinds) ? dateOf(first(kinds).timestamp) : null);
  const [failure, arrival] = [first(["failed"]), first(["delivered", "read", "played"])];
  const failed = failure !== undefined && (arrival === undefined || failure.timestamp < arrival.timestamp);
  const furthest = ["played", "read", "delivered", "sent"].find((kind) => first([kind]));
  const [error] = failed ? (failure.errors ?? []) : [];
  return {
    status: failed ? "failed" : (furthest ?? "sent"),
    // The sender recorded it before any status.
    sent_at: time("sent") ?? SENT_AT,
    delivered_at: time("delivered"),
    read_at: time("read", "played"),
    failed_at: failed ? time("failed") : null,
    error_code: error?.code ?? null,
    error_title: error?.title ?? null,
    error_details: error?.details ?? null,
    pricing: first(["sent", "delivered"])?.pricing ?? null,
  };
}

/** All sublists except the empty one. @template Item @param {Item[]} list @returns {Item[][]} */
function subsets(list) {
  return Array.from({ length: 2 ** list.length - 1 }, (_, i) => list.filter((_, bit) => ((i + 1) >> bit) & 1));
}

/** @template Item @param {Item[]} list @returns {Item[][]} */
function permutations(list) {
  if (list.length < 2) return [list];
  return list.flatMap((item, i) =>
    permutations([...list.slice(0, i), ...list.slice(i + 1)]).map((rest) => [item, ...rest]),
  );
}
