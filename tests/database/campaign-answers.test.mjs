// Customers' answers to campaigns: words that end or renew their consent, and replies that are counted.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { aboutMessage, dateOf, inboundText, seconds, someWamid } from "./inbox.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  asService,
  calls,
  newTenant,
  newUser,
  newNumber,
  newCampaign,
  recipientsOf,
  receivesMessage,
  delivers,
} = await useDatabase();
const DAY = 86_400;

const consentsOf = async (/** @type {any} */ contact) => [
  ...(await sql`
  select state, source, proof, occurred_at from public.contact_consents where contact_id = ${contact.id} order by occurred_at, state`),
];
const isOut = async (/** @type {any} */ contact) =>
  (await sql`select marketing_opted_out_at as at from public.contacts where id = ${contact.id}`)[0].at !== null;
/** Whether a customer is opted out of marketing after sending this. @param {any} number @param {object} element */
const saying = async (number, element) => isOut((await receivesMessage(number, element)).contact);

describe("a customer who sends an opt-out word", () => {
  for (const text of [
    "STOP",
    "stop",
    " Stop! ",
    "*STOP*",
    "Berhenti.",
    "unsubscribe",
    "BATAL  BERLANGGANAN",
    "batal-berlangganan",
    "Stop promo",
    "Stop promotions",
    "Hentikan promosi",
    "opt-out",
    "\nSTOP\n",
  ]) {
    test(JSON.stringify(text), async () => {
      const number = await newNumber(await newTenant());
      const { contact, message } = await receivesMessage(number, { text });
      assert.equal(await isOut(contact), true);
      assert.deepEqual(await consentsOf(contact), [
        {
          state: "opted_out",
          source: "keyword",
          proof: { message_id: message.id, text },
          occurred_at: message.occurred_at,
        },
      ]);
    });
  }

  for (const text of [
    "Jangan stop dulu ya",
    "STOP kirim promo pagi",
    "STOPPED",
    "stopkontak",
    "non-stop",
    "",
    "?!",
    "👍",
    "Berhenti berlangganan koran saja",
    `STOP ${"x".repeat(300)}`,
  ]) {
    test(`stays opted in after ${JSON.stringify(text.slice(0, 40))}`, async () => {
      const number = await newNumber(await newTenant());
      const { contact } = await receivesMessage(number, { text });
      assert.deepEqual([await isOut(contact), await consentsOf(contact)], [false, []]);
    });
  }

  for (const [kind, counts] of /** @type {[string, boolean][]} */ ([
    ["text", true],
    ["button", true],
    ["interactive", true],
    ["image", false],
    ["document", false],
    ["contacts", false],
    ["system", false],
  ])) {
    test(`${counts ? "opts out" : "stays opted in"} with a message of kind ${kind}`, async () => {
      assert.equal(await saying(await newNumber(await newTenant()), { kind, text: "STOP" }), counts);
    });
  }

  test("opts in again with an opt-in word; the latest word counts, in whatever order they arrive", async () => {
    const number = await newNumber(await newTenant());
    const { contact } = await receivesMessage(number, { text: "STOP", timestamp: seconds(300) });
    await receivesMessage(number, { from: contact.wa_id, text: "mulai", timestamp: seconds(100) });
    assert.equal(await isOut(contact), false);
    await receivesMessage(number, { from: contact.wa_id, text: "berhenti", timestamp: seconds(200) });
    assert.equal(await isOut(contact), false, "older than the last word");
    assert.deepEqual(
      (await consentsOf(contact)).map(({ state }) => state),
      ["opted_out", "opted_out", "opted_in"],
    );
  });

  test("opts out once when the delivery is repeated", async () => {
    const number = await newNumber(await newTenant());
    const { element, contact } = await receivesMessage(number, { text: "STOP" });
    await delivers({ messages: [element] });
    assert.equal((await consentsOf(contact)).length, 1);
  });

  test("opts out alone among many customers in one delivery", async () => {
    const [number, other] = [await newNumber(await newTenant()), await newNumber(await newTenant())];
    const people = ["6281300000001", "6281300000002", "6281300000003"];
    await delivers({
      messages: [
        inboundText(number, { from: people[0], text: "STOP" }),
        inboundText(number, { from: people[1], text: "Halo" }),
        inboundText(other, { from: people[1], text: "STOP" }),
        inboundText(number, { from: people[2], text: "MULAI" }),
      ],
    });
    const out =
      await sql`select tenant_id, wa_id from public.contacts where tenant_id in (${number.tenant_id}, ${other.tenant_id}) and marketing_opted_out_at is not null order by wa_id`;
    assert.deepEqual(
      [...out],
      [
        { tenant_id: number.tenant_id, wa_id: people[0] },
        { tenant_id: other.tenant_id, wa_id: people[1] },
      ],
    );
  });

  test("stays opted in if the word was sent before the number was connected, or by the business itself", async () => {
    const number = await newNumber(await newTenant());
    const from = "6281300000009";
    await delivers({
      messages: [
        { ...inboundText(number, { from, text: "STOP" }), source: "history", direction: "inbound" },
        {
          ...inboundText(number, { from, text: "STOP" }),
          source: "history",
          direction: "outbound",
          history_status: "READ",
        },
        { ...inboundText(number, { from, text: "STOP" }), source: "echo", direction: "outbound" },
      ],
    });
    const [contact] = await sql`select * from public.contacts where tenant_id = ${number.tenant_id}`;
    assert.deepEqual([contact.wa_id, await isOut(contact), await consentsOf(contact)], [from, false, []]);
  });

  test("appears in the consent record to people who see the contact, and to no other tenant", async () => {
    const tenant = await newTenant();
    const { contact } = await receivesMessage(await newNumber(tenant), { text: "STOP" });
    const seen = async (/** @type {any} */ user) =>
      as(user, async (sql) => (await sql`select from public.contact_consents where contact_id = ${contact.id}`).count);
    assert.equal(await seen(await newUser(tenant, "manager")), 1);
    assert.equal(await seen(await newUser(await newTenant(), "super_admin")), 0);
  });
});

describe("opt-out words", () => {
  test("belong to their tenant", async () => {
    const [tenant, other] = [await newTenant(), await newTenant()];
    const admin = await newUser(tenant, "admin");
    const changed = await calls(admin, "update_tenant", {
      changes: { opt_out_keywords: ["Sudah cukup", "止めて"], opt_in_keywords: ["lagi"] },
    });
    assert.deepEqual([changed.opt_out_keywords, changed.opt_in_keywords], [["Sudah cukup", "止めて"], ["lagi"]]);
    const [own, theirs] = [await newNumber(tenant), await newNumber(other)];
    assert.equal(await saying(own, { text: "sudah, cukup!" }), true);
    assert.equal(await saying(own, { text: "止めて" }), true);
    assert.equal(await saying(own, { text: "STOP" }), false);
    assert.equal(await saying(theirs, { text: "sudah cukup" }), false);
    assert.equal(await saying(theirs, { text: "STOP" }), true);
    const { contact } = await receivesMessage(own, { text: "sudah cukup", timestamp: seconds(60) });
    await receivesMessage(own, { from: contact.wa_id, text: "Lagi" });
    assert.equal(await isOut(contact), false);
  });

  test("may be an empty list", async () => {
    const tenant = await newTenant();
    await calls(await newUser(tenant, "admin"), "update_tenant", { changes: { opt_out_keywords: [] } });
    assert.equal(await saying(await newNumber(tenant), { text: "STOP" }), false);
  });

  test("are changed only with the permission to change settings", async () => {
    const agent = await newUser(await newTenant(), "agent");
    await isRefused(calls(agent, "update_tenant", { changes: { opt_out_keywords: [] } }), {
      code: "PT403",
      detail: "forbidden",
    });
  });
});

describe("a reply to a campaign", () => {
  /** A campaign that has been sent to all its recipients. @param {any} number @param {string[]} [wa_ids] */
  const newSent = async (number, wa_ids = ["6281400000001"], ago = 3600) => {
    const campaign = await newCampaign(number, { wa_ids });
    const recipients = await recipientsOf(campaign);
    await asService(
      (sql) => sql`select private.prepare_messages(${number.id}, ${recipients.map(({ id }) => id)}::uuid[])`,
    );
    await sql`
      update public.messages set status = 'delivered', whatsapp_message_id = 'wamid.' || id, occurred_at = ${dateOf(seconds(ago))}, sent_at = ${dateOf(seconds(ago))}
      where metadata ->> 'broadcast_campaign_id' = ${campaign.id}`;
    await sql`update public.broadcast_recipients set status = 'delivered', sent_at = ${dateOf(seconds(ago))} where campaign_id = ${campaign.id}`;
    return { campaign, wamid: `wamid.${(await recipientsOf(campaign))[0].message_id}` };
  };
  const answersOf = async (/** @type {any} */ campaign) =>
    (await recipientsOf(campaign)).map(({ replied_at, reply_message_id }) =>
      replied_at === null ? null : { replied_at, reply_message_id },
    );

  test("is counted for its recipient, whose row names the message", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const { campaign } = await newSent(number, ["6281400000001", "6281400000002"]);
    const { message } = await receivesMessage(number, { from: "6281400000001", text: "Mau!" });
    assert.deepEqual(await answersOf(campaign), [
      { replied_at: message.occurred_at, reply_message_id: message.id },
      null,
    ]);
    const { statistics } = await calls(await newUser(tenant, "manager"), "get_campaign", { campaign_id: campaign.id });
    assert.deepEqual([statistics.replied, statistics.reply_rate_percent], [1, 50]);
  });

  test("announces its campaign with the delivery that brought it, and with no other", async () => {
    const number = await newNumber(await newTenant());
    const { campaign } = await newSent(number);
    const { campaign: other } = await newSent(await newNumber(await newTenant()));
    const from = "6281400000001";
    const first = await delivers({
      messages: [inboundText(number, { from }), inboundText(number, { from: "6281400000099" })],
    });
    assert.deepEqual(first.campaigns, [campaign.id]);
    assert.ok(!first.campaigns.includes(other.id));
    assert.deepEqual(
      (await delivers({ messages: [inboundText(number, { from })] })).campaigns,
      [],
      "a second reply changes no count",
    );
    assert.deepEqual(
      (await delivers({ messages: [inboundText(await newNumber(await newTenant()), { from })] })).campaigns,
      [],
    );
  });

  test("counts for the campaign that it quotes, also under the other form of the wamid", async () => {
    const number = await newNumber(await newTenant());
    const from = "6281400000001";
    const { campaign: first } = await newSent(number, [from]);
    const wamidOf = (/** @type {string} */ customer) =>
      `wamid.${Buffer.from([28, 24, customer.length, ...Buffer.from(customer), 21, 2, 0, 17, 24, 14, ...Buffer.from("3EB0AAAAAAAAAA"), 0]).toString("base64")}`;
    await sql`
      update public.messages m set whatsapp_message_id = ${wamidOf(from)}
      from public.broadcast_recipients r where r.message_id = m.id and r.campaign_id = ${first.id}`;
    const { campaign: second } = await newSent(number, [from]);
    await delivers({ messages: [inboundText(number, { from, text: "Mau!", context_id: wamidOf("ID.7700000000") })] });
    const answered = async (/** @type {any} */ campaign) => (await answersOf(campaign)).filter(Boolean).length;
    assert.deepEqual([await answered(first), await answered(second)], [1, 0]);
  });

  test("is the first one: later ones change nothing", async () => {
    const number = await newNumber(await newTenant());
    const { campaign } = await newSent(number);
    const from = "6281400000001";
    const wamids = [someWamid(), someWamid()];
    await delivers({
      messages: [
        inboundText(number, { from, wamid: wamids[1], timestamp: seconds(20) }),
        inboundText(number, { from, wamid: wamids[0], timestamp: seconds(30) }),
      ],
    });
    const first = await answersOf(campaign);
    const [message] = await sql`select id from public.messages where whatsapp_message_id = ${wamids[0]}`;
    assert.equal(first[0]?.reply_message_id, message.id);
    await receivesMessage(number, { from });
    assert.deepEqual(await answersOf(campaign), first);
  });

  test("belongs to the message it quotes, however old, and otherwise to the latest campaign", async () => {
    const number = await newNumber(await newTenant());
    const from = "6281400000001";
    const [old, middle, latest] = [
      await newSent(number, [from], 30 * DAY),
      await newSent(number, [from], 2 * DAY),
      await newSent(number, [from], DAY),
    ];
    await receivesMessage(number, { from, context_id: old.wamid });
    assert.deepEqual(
      (await Promise.all([old, middle, latest].map(({ campaign }) => answersOf(campaign))))
        .flat()
        .map((answer) => answer !== null),
      [true, false, false],
    );
    await receivesMessage(number, { from });
    assert.deepEqual(
      (await Promise.all([old, middle, latest].map(({ campaign }) => answersOf(campaign))))
        .flat()
        .map((answer) => answer !== null),
      [true, false, true],
    );
  });

  test("counts within a week after the campaign was sent", async () => {
    const number = await newNumber(await newTenant());
    const { campaign: old } = await newSent(number, ["6281400000001"], 8 * DAY);
    await receivesMessage(number, { from: "6281400000001" });
    assert.deepEqual(await answersOf(old), [null]);
    const { campaign } = await newSent(number, ["6281400000002"], 3600);
    await receivesMessage(number, { from: "6281400000002", timestamp: seconds(7200) });
    assert.deepEqual(await answersOf(campaign), [null], "sent before the campaign, delivered after it");
  });

  test("is not counted for a message that was never sent", async () => {
    const number = await newNumber(await newTenant());
    const { campaign } = await newSent(number);
    for (const status of ["failed", "queued"]) {
      await sql`update public.messages set status = ${status} where metadata ->> 'broadcast_campaign_id' = ${campaign.id}`;
      await receivesMessage(number, { from: "6281400000001" });
    }
    assert.deepEqual(await answersOf(campaign), [null]);
  });

  test("is a message the customer sends now: no notice, reaction, echo or history", async () => {
    const number = await newNumber(await newTenant());
    const from = "6281400000001";
    const { campaign, wamid } = await newSent(number);
    await delivers({
      messages: [
        aboutMessage(number, "reaction", wamid, { from, emoji: "👍" }),
        { ...inboundText(number, { from, kind: "system" }) },
        { ...inboundText(number, { from, context_id: wamid }), source: "history", direction: "inbound" },
        { ...inboundText(number, { from }), source: "echo", direction: "outbound" },
      ],
    });
    assert.deepEqual(await answersOf(campaign), [null]);
    const { message } = await receivesMessage(number, { from, kind: "button", text: "Ya" });
    assert.equal((await answersOf(campaign))[0]?.reply_message_id, message.id);
  });

  test("counts for its own number and tenant alone", async () => {
    const tenant = await newTenant();
    const [number, second, other] = [
      await newNumber(tenant),
      await newNumber(tenant),
      await newNumber(await newTenant()),
    ];
    const { campaign, wamid } = await newSent(number);
    for (const elsewhere of [second, other])
      await receivesMessage(elsewhere, { from: "6281400000001", context_id: wamid });
    assert.deepEqual(await answersOf(campaign), [null]);
  });
});
