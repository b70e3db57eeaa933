// Live updates: the topics that receive a change, and the people who may listen to them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { justAnnounced } from "./announcements.mjs";
import { useDatabase } from "./database.mjs";
import { inboundText, seconds, statusOf } from "./inbox.mjs";
import { DENIED, isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  asAnon,
  asService,
  calls,
  newTenant,
  newStranger,
  newUser,
  newUserWith,
  predefined,
  epochOf,
  newNumber,
  newCampaign,
  recipientsOf,
  receivesMessage,
  delivers,
  newOutbound,
  assign,
  deactivate,
} = await useDatabase();

const newInbox = async () => {
  const tenant = await newTenant();
  const [number, agent] = [await newNumber(tenant), await newUser(tenant, "agent")];
  /** @type {Record<string, string>} */
  const names = {
    [`tenant:${tenant.id}`]: "all",
    [`tenant:${tenant.id}:unassigned`]: "unassigned",
    [`tenant:${tenant.id}:contacts`]: "viewers of contacts",
    [`tenant:${tenant.id}:broadcasts`]: "viewers of campaigns",
    [`tenant:${tenant.id}:numbers`]: "viewers of numbers",
    [`agent:${agent.id}`]: "agent",
  };
  const known = new Set();
  /** The announcements since the last call. */
  const heard = async () => {
    const rows = await sql`
      select * from realtime.messages
      where (topic like ${`tenant:${tenant.id}%`} or topic like ${`agent:${agent.id}:%`}) and event <> 'access.changed'
      order by inserted_at, ctid`;
    const fresh = rows.filter(({ id }) => !known.has(id));
    for (const { id } of fresh) known.add(id);
    assert.ok(
      fresh.every((row) => row.private && row.extension === "broadcast"),
      "to private topics only",
    );
    return fresh.map(({ topic, event, payload }) => {
      const name = topic.replace(/:\d+$/, "");
      return { topic: names[name] ?? name, event, payload };
    });
  };
  // those of the number itself
  await heard();
  return { tenant, number, agent, heard };
};
const summary = (/** @type {any[]} */ announced) => announced.map(({ topic, event }) => `${event} to ${topic}`).sort();

describe("the listeners", () => {
  test("of an unassigned conversation are supervisors and agents alike", async () => {
    const { number, heard } = await newInbox();
    const { conversation, message, contact } = await receivesMessage(number, { text: "Halo", profile_name: "Rina" });
    const announced = await heard();
    assert.deepEqual(summary(announced), [
      "contact.created to viewers of contacts",
      "conversation.updated to all",
      "conversation.updated to unassigned",
      "message.created to all",
      "message.created to unassigned",
    ]);
    for (const { event, payload } of announced) {
      if (event === "contact.created") assert.deepEqual([payload.id, payload.profile_name], [contact.id, "Rina"]);
      else if (event === "message.created") {
        assert.deepEqual(
          [payload.id, payload.conversation_id, payload.content, payload.direction],
          [message.id, conversation.id, "Halo", "inbound"],
        );
        assert.ok(
          !("payload" in payload) && !("tenant_id" in payload) && !("idempotency_key" in payload),
          "only the columns of the thread",
        );
      } else {
        hasFields(payload, {
          id: conversation.id,
          unread_count: 1,
          last_message_preview: "Halo",
          window_open: true,
        });
        hasFields(payload.contact, { id: contact.id, name: "Rina" });
      }
    }
  });

  test("of an assigned conversation are supervisors and its agent", async () => {
    const { number, agent, heard } = await newInbox();
    const { conversation, contact } = await receivesMessage(number);
    await assign(conversation, agent);
    await heard();
    await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(summary(await heard()), [
      "conversation.updated to agent",
      "conversation.updated to all",
      "message.created to agent",
      "message.created to all",
    ]);
  });

  test("of an assignment include the agent", async () => {
    const { number, agent, heard } = await newInbox();
    const { conversation } = await receivesMessage(number);
    await heard();
    await assign(conversation, agent);
    const announced = await heard();
    assert.deepEqual(summary(announced), [
      "conversation.removed to unassigned",
      "conversation.updated to agent",
      "conversation.updated to all",
    ]);
    assert.ok(
      announced.every(({ event, payload }) => event === "conversation.removed" || payload.assigned_to === agent.id),
    );
  });

  test("of a reply and its statuses are the same", async () => {
    const { number, agent, heard } = await newInbox();
    const { conversation } = await receivesMessage(number);
    await heard();
    const [{ answer }] = await as(
      agent,
      (sql) => sql`select public.create_message(${conversation.id}, 'text', 'Siap', '{}') as answer`,
    );
    assert.deepEqual(summary(await heard()), [
      "conversation.updated to all",
      "conversation.updated to unassigned",
      "message.created to all",
      "message.created to unassigned",
    ]);
    const wamid = `wamid.${randomUUID()}`;
    await asService(
      (sql) =>
        sql`select public.record_replies(${sql.json([{ message_id: answer.message.id, outcome: "sent", whatsapp_message_id: wamid }])})`,
    );
    const sent = await heard();
    assert.deepEqual(summary(sent), ["message.updated to all", "message.updated to unassigned"]);
    assert.ok(sent.every(({ payload }) => payload.status === "sent"));
    await delivers({ statuses: [statusOf(number, wamid, "read", { timestamp: seconds() })] });
    const read = await heard();
    assert.deepEqual(summary(read), ["message.updated to all", "message.updated to unassigned"]);
    assert.ok(read.every(({ payload }) => payload.status === "read" && payload.read_at !== null));
  });

  test("of one delivery receive each message, and each conversation once", async () => {
    const { number, heard } = await newInbox();
    const [one, two] = ["6281100001", "6281100002"];
    await delivers({ messages: [one, one, two].map((from) => inboundText(number, { from })) });
    const announced = (await heard()).filter(({ topic }) => topic === "all");
    assert.deepEqual(announced.map(({ event }) => event).sort(), [
      ...Array(2).fill("conversation.updated"),
      ...Array(3).fill("message.created"),
    ]);
  });

  test("receive nothing when a delivery is repeated", async () => {
    const { number, heard } = await newInbox();
    const { element, conversation } = await receivesMessage(number);
    const outbound = await newOutbound(conversation);
    const statuses = [statusOf(number, outbound.whatsapp_message_id, "delivered")];
    await delivers({ statuses });
    await heard();
    await delivers({ messages: [element], statuses });
    assert.deepEqual(await heard(), []);
  });

  test("of one tenant receive nothing of another", async () => {
    const [own, other] = [await newInbox(), await newInbox()];
    await receivesMessage(other.number);
    assert.deepEqual(await own.heard(), []);
    assert.notEqual((await other.heard()).length, 0);
  });
});

test("settings, people, contact fields and satisfaction scores are broadcast to people who may see them, and again later", async () => {
  const { tenant, number, agent, heard } = await newInbox();
  const [admin, lead, manager] = [
    await newUser(tenant, "admin"),
    await newUser(tenant, "team_lead"),
    await newUser(tenant, "manager"),
  ];
  const { conversation } = await receivesMessage(number);
  const sequences = await Promise.all([admin, lead, agent].map((user) => calls(user, "list_changes", {})));
  await heard();
  await calls(admin, "save_automations", { settings: { away: { enabled: true } } });
  await calls(admin, "update_tenant", { changes: { timezone: "Asia/Makassar" } });
  await calls(manager, "set_assignment", { session_id: number.id, changes: { strategy: "least_busy" } });
  await calls(agent, "update_agent", { user_id: agent.id, changes: { availability: "busy" } });
  const field = await calls(admin, "create_contact_field", { field: { key: "kota", name: "Kota", type: "text" } });
  await sql`insert into public.csat_responses (tenant_id, session_id, conversation_id) values (${tenant.id}, ${number.id}, ${conversation.id})`;
  await sql`update public.csat_responses set score = 4, answered_at = now() where conversation_id = ${conversation.id}`;
  const announced = await heard();
  const [settings, agents, reports] = ["settings", "agents", "reports"].map((what) => `tenant:${tenant.id}:${what}`);
  assert.deepEqual(summary(announced), [
    `agent.updated to ${agents}`,
    "contact_field.created to viewers of contacts",
    `csat.created to ${reports}`,
    `csat.updated to ${reports}`,
    ...[tenant.id, tenant.id, number.id].map(() => `settings.updated to ${settings}`),
  ]);
  assert.deepEqual(
    announced.filter(({ event }) => event === "settings.updated").map(({ payload }) => payload.id),
    [tenant.id, tenant.id, number.id],
  );
  const missed = await Promise.all(
    [admin, lead, agent].map(async (user, i) => {
      const { changes } = await calls(user, "list_changes", { after: String(sequences[i].sequence) });
      // A concurrent transaction of another test makes the people created earlier appear again.
      return changes
        .filter(({ event }) => /^(settings|agent|csat|contact_field)\./.test(event) && event !== "agent.created")
        .map(({ event, id, data }) => [event, id, data?.score ?? data?.availability ?? data?.key ?? null].join(" "))
        .sort();
    }),
  );
  const [{ id: score }] = await sql`select id from public.csat_responses where conversation_id = ${conversation.id}`;
  const [ofTeam, ofFields] = [
    [`agent.updated ${agent.id} busy`, `csat.updated ${score} 4`],
    [`contact_field.created ${field.id} kota`],
  ];
  assert.deepEqual(missed, [
    [...ofTeam, ...ofFields, `settings.updated ${tenant.id} `, `settings.updated ${number.id} `].sort(),
    [...ofTeam, ...ofFields].sort(),
    [],
  ]);
});

describe("a campaign", () => {
  test("broadcasts nothing about its messages and conversations", async () => {
    const { number, heard } = await newInbox();
    const campaign = await newCampaign(number, { recipients: 3 });
    const recipients = await recipientsOf(campaign);
    await asService(
      (sql) => sql`select private.prepare_messages(${number.id}, ${recipients.map(({ id }) => id)}::uuid[])`,
    );
    const messages = await sql`select id, conversation_id from public.messages where session_id = ${number.id}`;
    assert.equal(messages.length, 3);
    const results = messages.map(({ id }) => ({ message_id: id, outcome: "sent", whatsapp_message_id: `wamid.${id}` }));
    await asService((sql) => sql`select public.record_replies(${sql.json(results)})`);
    await delivers({ statuses: messages.map(({ id }) => statusOf(number, `wamid.${id}`, "delivered")) });
    assert.equal(
      (await sql`select from public.messages where session_id = ${number.id} and status = 'delivered'`).count,
      3,
    );
    assert.deepEqual(await heard(), []);
  });

  test("is broadcast with its conversation once a customer answers", async () => {
    const { number, heard } = await newInbox();
    const campaign = await newCampaign(number);
    const [recipient] = await recipientsOf(campaign);
    await asService((sql) => sql`select private.prepare_messages(${number.id}, ${[recipient.id]}::uuid[])`);
    const { conversation } = await receivesMessage(number, { from: recipient.wa_id, text: "Mau!" });
    assert.equal(conversation.status, "open");
    assert.deepEqual(summary(await heard()), [
      "conversation.updated to all",
      "conversation.updated to unassigned",
      "message.created to all",
      "message.created to unassigned",
    ]);
  });

  test("sends its statistics on request, and when its status changes", async () => {
    const { number, heard } = await newInbox();
    const campaign = await newCampaign(number, { status: "paused", recipients: 4 });
    const announce = () => asService((sql) => sql`select public.announce_campaigns(${[campaign.id]}::uuid[])`);
    await announce();
    await justAnnounced(sql, "broadcast_campaigns", campaign);
    await announce();
    const [progress, ...more] = await heard();
    assert.deepEqual(
      [progress.topic, progress.event, progress.payload.id, more.length],
      ["viewers of campaigns", "campaign.updated", campaign.id, 0],
    );
    assert.deepEqual([progress.payload.statistics.total, progress.payload.statistics.pending], [4, 4]);
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
    assert.deepEqual(
      (await heard()).map(({ topic, payload }) => [topic, payload.status]),
      [["viewers of campaigns", "cancelled"]],
    );
    await sql`update public.broadcast_campaigns set name = 'Promo 2' where id = ${campaign.id}`;
    assert.deepEqual(await heard(), []);
  });
});

describe("a topic", () => {
  /** Whether a person may listen, by the helper and by the policy on the messages of the topic. */
  const listens = async (/** @type {any} */ user, /** @type {string} */ topic) => {
    const ask = async (/** @type {import("postgres").Sql} */ sql) => {
      await sql`select set_config('realtime.topic', ${topic}, true)`;
      return (await sql`select from realtime.messages where topic = ${topic} limit 1`).count === 1;
    };
    const reads = user === null ? await asAnon(ask) : await as(user, ask);
    if (user !== null) {
      const [{ may }] = await as(user, (sql) => sql`select private.may_listen(${topic}) as may`);
      assert.equal(may, reads, `the helper and the policy agree on ${topic}`);
    }
    return reads;
  };

  for (const agentsSeeUnassigned of [true, false]) {
    test(`is open to its listeners${agentsSeeUnassigned ? "" : ", where agents do not see unassigned conversations"}`, async () => {
      const tenant = await newTenant({ agentsSeeUnassigned });
      const [admin, manager, agent, colleague] = await Promise.all(
        /** @type {const} */ (["admin", "manager", "agent", "agent"]).map((role) => newUser(tenant, role)),
      );
      const people = {
        admin,
        manager,
        agent,
        colleague,
        "without a role": await newUser(tenant, null),
        deactivated: await newUser(tenant, "admin", { deactivated: true }),
        foreigner: await newUser(await newTenant(), "admin"),
        "without a tenant": await newStranger(),
        nobody: null,
      };
      const unassigned = agentsSeeUnassigned ? ["admin", "manager", "agent", "colleague"] : [];
      const topics = {
        [`tenant:${tenant.id}:access`]: ["admin", "manager", "agent", "colleague", "without a role"],
        [`tenant:${tenant.id}`]: ["admin", "manager"],
        [`tenant:${tenant.id}:unassigned`]: unassigned,
        [`agent:${agent.id}`]: ["agent"],
        [`agent:${people.deactivated.id}`]: [],
        [`tenant:${tenant.id}:anything`]: [],
        [`tenant:${tenant.id.toUpperCase()}`]: [],
        "tenant:%": [],
        "tenant:": [],
        [`agent:${randomUUID()}`]: [],
      };
      const epoch = await epochOf(tenant);
      for (const [name, listeners] of Object.entries(topics)) {
        const topic = `${name}:${epoch}`;
        await sql`select realtime.send('{}', 'test', ${topic}, true)`;
        const actual = [];
        for (const [name, person] of Object.entries(people)) if (await listens(person, topic)) actual.push(name);
        assert.deepEqual(actual, listeners, topic);
      }
    });
  }

  test("closes when its listener is deactivated or the tenant hides unassigned conversations", async () => {
    const tenant = await newTenant();
    const agent = await newUser(tenant, "agent");
    const listensNow = async () => {
      const topic = `tenant:${tenant.id}:unassigned:${await epochOf(tenant)}`;
      await sql`select realtime.send('{}', 'test', ${topic}, true)`;
      return listens(agent, topic);
    };
    assert.equal(await listensNow(), true);
    await sql`update public.tenants set agents_see_unassigned = false where id = ${tenant.id}`;
    assert.equal(await listensNow(), false);
    await sql`update public.tenants set agents_see_unassigned = true where id = ${tenant.id}`;
    assert.equal(await listensNow(), true);
    await deactivate(agent);
    assert.equal(await listensNow(), false);
  });

  test("refuses messages from clients", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const topic = `tenant:${tenant.id}:${await epochOf(tenant)}`;
    const speaks = (/** @type {import("postgres").Sql} */ sql) =>
      sql`select set_config('realtime.topic', ${topic}, true)`.then(
        () =>
          sql`insert into realtime.messages (topic, extension, event, payload, private) values (${topic}, 'broadcast', 'message.created', '{}', true)`,
      );
    await isRefused(as(admin, speaks), { code: DENIED });
    await isRefused(asAnon(speaks), { code: DENIED });
  });
});

describe("a person who joined a topic before their rights ended", () => {
  /** Every way in which rights of a person can end or shrink. @type {Record<string, (place: any) => Promise<unknown>>} */
  const ENDS = {
    "is deactivated": ({ agent }) => deactivate(agent),
    "loses the role": ({ agent }) => sql`delete from public.user_roles where user_id = ${agent.id}`,
    "is demoted": ({ agent, owner }) =>
      predefined("guest").then((role_ids) => calls(owner, "set_user_roles", { user_id: agent.id, role_ids })),
    leaves: ({ agent }) => calls(agent, "leave_tenant"),
    "is banned by an operator": ({ agent }) =>
      sql`update auth.users set banned_until = 'infinity' where id = ${agent.id}`,
    "loses the account": ({ agent }) => sql`delete from auth.users where id = ${agent.id}`,
    "belongs to a tenant that hides unassigned conversations": ({ tenant }) =>
      sql`update public.tenants set agents_see_unassigned = false where id = ${tenant.id}`,
    "belongs to a tenant that switches the module off": ({ tenant }) =>
      sql`insert into public.tenant_modules values (${tenant.id}, 'broadcast', false)`,
    "holds a role that loses a permission": ({ own }) =>
      sql`delete from public.role_permissions where role_id = ${own.id} and permission_key = 'messages.view'`,
    "holds a role that is changed": ({ own }) => sql`update public.roles set level = 2 where id = ${own.id}`,
  };

  for (const [end, ends] of Object.entries(ENDS)) {
    test(`hears no further event: ${end}`, async () => {
      const tenant = await newTenant();
      const number = await newNumber(tenant);
      const owner = await newUser(tenant, "super_admin");
      const agent = await newUser(tenant, "agent");
      const { own } = await newUserWith(tenant, { permissions: ["conversations.view", "messages.view"] });
      const before = await epochOf(tenant);
      const joined = (await calls(agent, "get_live")).topics;
      assert.ok(joined.includes(`tenant:${tenant.id}:unassigned:${before}`));
      const known = await idsOf(before);
      await ends({ tenant, owner, agent, own });
      await receivesMessage(number, { text: "rahasia" });
      const heard = await sql`
        select topic, event, payload from realtime.messages
        where topic = any (${joined}) and not (id = any (${known}::uuid[]))`;
      assert.deepEqual(
        heard.map(({ topic, event, payload }) => [topic, event, payload]),
        [[`tenant:${tenant.id}:access:${before}`, "access.changed", { id: tenant.id }]],
        "the notice alone, which says nothing else",
      );
      const listener = (await calls(owner, "get_live")).topics;
      const [row] = await sql`
        select payload from realtime.messages where topic = any (${listener}) and event = 'message.created'`;
      assert.equal(row.payload.content, "rahasia");
      await as(owner, async (sql) => {
        const [{ may }] = await sql`select private.may_listen(${`tenant:${tenant.id}:${before}`}) as may`;
        assert.equal(may, false, "no topic of before can be joined");
      });
    });
  }

  /** The broadcasts on topics of an epoch. @param {string} epoch */
  const idsOf = async (epoch) =>
    (await sql`select id from realtime.messages where topic like ${`%:${epoch}`}`).map(({ id }) => id);

  test("keeps their topics when a change touches no rights", async () => {
    const tenant = await newTenant();
    const agent = await newUser(tenant, "agent");
    const [epoch, { version }] = [await epochOf(tenant), await calls(agent, "current_access")];
    await sql`update public.profiles set display_name = 'Sari', availability = 'busy' where user_id = ${agent.id}`;
    await sql`update public.tenants set name = 'Toko Baru' where id = ${tenant.id}`;
    assert.equal(await epochOf(tenant), epoch);
    assert.ok((await calls(agent, "current_access")).version > version, "what processes remember is renewed");
  });

  test("is of one tenant: changes in another one renew nothing here", async () => {
    const tenant = await newTenant();
    await newUser(tenant, "agent");
    const epoch = await epochOf(tenant);
    const other = await newTenant();
    await deactivate(await newUser(other, "agent"));
    assert.equal(await epochOf(tenant), epoch);
    assert.notEqual(await epochOf(other), epoch);
  });
});

test("campaigns, lists and account notices are heard by people who may read them, and not by Team Leads", async () => {
  const { tenant, number } = await newInbox();
  const [manager, lead, viewer] = [
    await newUser(tenant, "manager"),
    await newUser(tenant, "team_lead"),
    await newUser(tenant, "viewer"),
  ];
  const campaign = await newCampaign(number, { status: "paused", recipients: 1 });
  await sql`
    insert into public.recipient_lists (tenant_id, name, source) values (${tenant.id}, 'Rahasia', '{"type": "manual"}')`;
  await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
  await sql`update public.recipient_lists set status = 'importing' where tenant_id = ${tenant.id}`;
  await sql`
    insert into public.account_events (tenant_id, meta_business_account_id, session_id, field, kind, severity, summary, payload, fingerprint, occurred_at)
    values (${tenant.id}, '1', ${number.id}, 'account_update', 'DISABLED_UPDATE', 'critical', '{}', '{}', 'x', now())`;
  await sql`update public.whatsapp_sessions set quality_rating = 'RED' where id = ${number.id}`;
  const hears = async (/** @type {any} */ user) => {
    const { topics } = await calls(user, "get_live");
    const rows = await sql`
      select distinct event from realtime.messages
      where topic = any (${topics}) and event ~ '^(account_event|campaign|number|recipient_list)\\.' order by 1`;
    return rows.map(({ event }) => event);
  };
  assert.deepEqual(await hears(manager), [
    "account_event.created",
    "campaign.updated",
    "number.updated",
    "recipient_list.updated",
  ]);
  assert.deepEqual(await hears(lead), ["number.updated"]);
  assert.deepEqual(await hears(viewer), []);
});

test("no table is published: a publication tells every subscriber of every tenant's changes", async () => {
  assert.deepEqual(
    await sql`select tablename from pg_publication_tables where pubname = 'supabase_realtime'`.then((rows) => [
      ...rows,
    ]),
    [],
  );
});
