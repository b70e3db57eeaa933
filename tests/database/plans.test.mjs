// The queries of every request and every minute scan no large table. The file has a database of its own, because plans
// depend on the contents of the tables.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { useDatabase, world } from "./database.mjs";
import { inboundText, someWamid, statusOf } from "./inbox.mjs";

const TENANTS = 20;
const CONVERSATIONS = 1000; // of each tenant
const MESSAGES = 2; // of each conversation
const LONG_THREAD = 2000;
const RECIPIENTS = 1500; // of each tenant's campaign, every tenth pending
const LARGE = ["messages", "message_status_events", "broadcast_recipients", "conversations", "contacts"];

const database = await useDatabase({ own: true });
/** The notices of Postgres while the watched connection works. @type {string[]} */
let notices = [];
const watched = database.connect({ max: 1, onnotice: ({ message }) => notices.push(message ?? "") });
const { sql, as, asService } = world(watched);
after(() => watched.end());
const known = await fill();
// It reports statements within functions too, as each role runs them.
await sql.unsafe(`
  load 'auto_explain';
  -- pages come from memory or an SSD, as they do in the cloud
  set random_page_cost = 1.1;
  set auto_explain.log_min_duration = 0;
  set auto_explain.log_nested_statements = on;
  set client_min_messages = log`);

/**
 * The choice of a page's rows: they come from the thread in its order. The rows of one page may be sorted afterwards.
 */
const SORTED_THREAD = /Query Text: select array\([\s\S]*Sort Key: m\w*\.occurred_at/;

/**
 * `sorts`: the order that an index must give.
 * @type {Record<string, { run: () => Promise<any>, uses: RegExp[], sorts?: RegExp }>}
 */
const PATHS = {
  "claiming recipients": {
    run: () => asService((sql) => sql`select public.claim_recipients(${known.number.id}, ${known.holder}, 20, 600)`),
    uses: [/broadcast_recipients_queue_idx/, /contacts_phone_key/],
  },
  "sharing Meta's limit": {
    run: () => asService((sql) => sql`select private.share_allowance(${[known.number.id]}::uuid[])`),
    uses: [/messages_templates_sent_idx/, /messages_sending_idx/],
  },
  "a claim beyond Meta's limit": {
    run: async () => {
      await sql`update public.whatsapp_sessions set messaging_limit = '1' where id = ${known.number.id}`;
      await sql`update private.sender_leases set allowance = 0`;
      try {
        const [{ claim }] = await asService(
          (sql) => sql`select public.claim_recipients(${known.number.id}, ${known.holder}, 20, 600) as claim`,
        );
        assert.deepEqual(claim.recipients, []);
      } finally {
        await sql`update public.whatsapp_sessions set messaging_limit = 'TIER_100K' where id = ${known.number.id}`;
        await sql`update public.broadcast_campaigns set held_until = null where id = ${known.campaign.id}`;
        await asService((sql) => sql`select private.share_allowance(${[known.number.id]}::uuid[])`);
      }
    },
    uses: [/messages_templates_sent_idx/],
  },
  "recording outcomes": {
    run: async () => {
      const [{ claim }] = await asService(
        (sql) => sql`select public.claim_recipients(${known.number.id}, ${known.holder}, 20, 600) as claim`,
      );
      const results = claim.recipients.map((/** @type {any} */ { recipient_id, message_id }) => ({
        recipient_id,
        message_id,
        claim_id: claim.claim_id,
        outcome: "sent",
        whatsapp_message_id: someWamid(),
      }));
      assert.equal(results.length, 20);
      await asService(
        (sql) => sql`select public.record_recipients(${known.number.id}, ${known.holder}, 600, ${sql.json(results)})`,
      );
    },
    uses: [/broadcast_recipients_queue_idx/, /broadcast_recipients_message_id_key/, /messages_pkey/],
  },
  "beginning a run": {
    run: () => asService((sql) => sql`select public.begin_sender_run(${randomUUID()}, 15, 0)`),
    uses: [/messages_sending_idx/, /broadcast_recipients_sending_idx/, /message_status_events_unmatched_idx/],
  },
  "the workers' health": {
    run: () => asService((sql) => sql`select public.worker_health()`),
    uses: [/broadcast_recipients_queue_idx/],
  },
  "a campaign with its counts": {
    run: () => as(known.admin, (sql) => sql`select public.get_campaign(${known.campaign.id})`),
    uses: [/broadcast_recipients_(status|list)\w*/],
  },
  "a page of a campaign's recipients": {
    run: async () => {
      const [{ page }] = await as(
        known.admin,
        (sql) => sql`select public.list_campaign_recipients(${known.campaign.id}, page_size => 50) as page`,
      );
      await as(
        known.admin,
        (sql) =>
          sql`select public.list_campaign_recipients(${known.campaign.id}, 'failed', after => ${page.next_cursor}, page_size => 50)`,
      );
    },
    uses: [/broadcast_recipients_list_idx/],
    sorts: /Sort Key: r\w*\."?position/,
  },
  "the check of a campaign": {
    run: () => as(known.admin, (sql) => sql`select public.check_campaign(${known.campaign.id})`),
    uses: [/broadcast_recipients_(status|queue|list)\w*/],
  },
  "the queue": {
    run: () => as(known.admin, (sql) => sql`select public.get_queue()`),
    uses: [/broadcast_recipients_(status|list)\w*/],
  },
  "the list of campaigns": {
    run: () => as(known.admin, (sql) => sql`select public.list_campaigns(null, 1, 20)`),
    uses: [/broadcast_recipients_(status|list)\w*/],
  },
  "a page of the inbox, for an admin": {
    run: () => as(known.admin, (sql) => sql`select public.list_inbox('{"status": ["open"]}', 'newest', null, 1, 25)`),
    uses: [/conversations_inbox_idx/],
    sorts: /Sort Key: v\w*\.last_message_at/,
  },
  "a page of the inbox, for an agent": {
    run: () => as(known.agent, (sql) => sql`select public.list_inbox('{}', 'newest', null, 1, 25)`),
    uses: [/conversations_inbox_idx/],
    sorts: /Sort Key: v\w*\.last_message_at/,
  },
  "pages of the inbox by cursor, in each order": {
    run: async () => {
      for (const sort of ["newest", "oldest", "waiting", "priority"]) {
        const [{ page }] = await as(
          known.admin,
          (sql) => sql`select public.list_inbox('{}', ${sort}, null, 1, 5) as page`,
        );
        await as(known.admin, (sql) => sql`select public.list_inbox('{}', ${sort}, ${page.next_cursor}, 1, 5)`);
      }
    },
    uses: [/conversations_inbox_idx/, /conversations_waiting_idx/, /conversations_priority_idx/],
  },
  "the inbox, filtered": {
    run: async () => {
      for (const filter of [
        { assigned_to: known.agent.id },
        { unread: true },
        { label: randomUUID() },
        { status: ["open"], assigned_to: "none" },
      ]) {
        for (const user of [known.admin, known.agent])
          await as(user, (sql) => sql`select public.list_inbox(${sql.json(filter)}, 'newest', null, 1, 25)`);
      }
    },
    uses: [
      /conversations_assigned_idx|conversations_status_idx|conversations_inbox_idx/,
      /conversation_labels_label_idx|conversation_labels/,
    ],
  },
  "a person's unread conversations": {
    run: async () => {
      for (const user of [known.admin, known.agent]) {
        await as(user, (sql) => sql`select public.list_inbox('{"unread": true}', 'newest', null, 1, 25)`);
        await as(user, (sql) => sql`select public.count_inbox()`);
      }
    },
    uses: [/conversations_unread_idx/],
  },
  "a search of the inbox": {
    run: () => as(known.agent, (sql) => sql`select public.list_inbox('{"search": "langka"}', 'newest', null, 1, 25)`),
    uses: [/messages_words_idx/],
  },
  "a page of a thread, for an admin": {
    run: () => readThread(known.admin),
    uses: [/messages_thread_idx/],
    sorts: SORTED_THREAD,
  },
  "a page of a thread, for an agent": {
    run: () => readThread(known.agent),
    uses: [/messages_thread_idx/],
    sorts: SORTED_THREAD,
  },
  "a reply": {
    run: () =>
      as(
        known.agent,
        (sql) =>
          sql`select public.create_message(${known.conversation.id}, 'text', 'Siap', '{}', idempotency_key => ${randomUUID()})`,
      ),
    uses: [/conversations_pkey/],
  },
  "statuses of messages": {
    run: () =>
      asService((sql) => {
        const statuses = known.wamids.map((wamid) => statusOf(known.number, wamid, "read"));
        return sql`select public.ingest_webhook(body => '{}', statuses => ${sql.json([...statuses, statusOf(known.number, someWamid(), "sent", { callback_data: randomUUID() })])})`;
      }),
    uses: [/messages_session_id_whatsapp_message_id_key/, /message_status_events_message_idx/],
  },
  "a segment by tag": { run: () => counts(leaf("tags", "has", "vip")), uses: [/contacts_tags_idx/] },
  "a segment by label": {
    run: () => counts(leaf("label", "has", known.label.id)),
    uses: [/contact_labels_label_idx/, /contacts_pkey|contacts_id_tenant_id_key/],
  },
  "a segment by the outcome of a campaign": {
    run: () =>
      counts({
        all: [{ campaign: known.campaign.id, did: "failed" }, { not: { campaign: known.campaign.id, did: "replied" } }],
      }),
    uses: [/broadcast_recipients_\w+/],
  },
  "a segment by the last message": {
    run: () =>
      counts({
        any: [
          leaf("last_message_at", "within_days", 1),
          leaf("last_message_at", "more_than_days_ago", 29),
          leaf("last_inbound_at", "is_set"),
        ],
      }),
    uses: [/conversations_\w+/],
  },
  "a segment by a choice": {
    run: () => counts(leaf("custom.size", "is", "L")),
    uses: [/contacts_custom_fields_idx|contacts_(tenant|newest)\w*/],
  },
  "a segment by all other conditions": {
    run: () =>
      counts({
        any: [
          leaf("name", "contains", "rina"),
          leaf("phone_number", "starts_with", "6200"),
          leaf("country", "is", "ID"),
          leaf("custom.size", "is_set"),
          { not: leaf("opted_out", "is", true) },
        ],
      }),
    uses: [/contacts_\w+/],
  },
  "scheduled messages": {
    run: () => asService((sql) => sql`select public.claim_automatic_messages(50, 60)`),
    uses: [/automatic_messages_\w+/],
  },
  "messages of customers": {
    run: () =>
      asService((sql) => {
        const messages = [
          inboundText(known.number),
          inboundText(known.number, { from: known.contact.wa_id }),
          inboundText(known.number, { from: null, user_id: `ID.${randomUUID()}` }),
        ];
        return sql`select public.ingest_webhook(body => '{}', messages => ${sql.json(messages)})`;
      }),
    uses: [/contacts_phone_key/, /contacts_tenant_id_user_id_key/, /messages_thread_idx/],
  },
};

for (const mode of ["force_custom_plan", "force_generic_plan"]) {
  describe(`with plan_cache_mode = ${mode}`, () => {
    before(async () => {
      await sql.unsafe(`set plan_cache_mode = ${mode}`);
    });

    for (const [name, { run, uses, sorts }] of Object.entries(PATHS)) {
      test(`${name} needs no scan of a large table`, async () => {
        const plans = await plansOf(run);
        assert.deepEqual(
          plans.filter((plan) => scansIn(plan).length > 0 || sorts?.test(plan)),
          [],
        );
        for (const index of uses)
          assert.ok(
            plans.some((plan) => index.test(plan)),
            `${index} is used:\n${plans.join("\n")}`,
          );
      });
    }
  });
}

test("a scan of a large table is detected, within functions too", async () => {
  const plans = await plansOf(() =>
    sql.unsafe("do $$ begin perform count(*) from public.messages m where m.content = 'x'; end $$"),
  );
  assert.deepEqual(plans.flatMap(scansIn), ["Seq Scan on messages"]);
});

/** @param {() => Promise<any>} run */
async function plansOf(run) {
  notices = [];
  await run();
  const plans = notices.filter((text) => text.startsWith("duration:"));
  assert.notEqual(plans.length, 0, "plans are reported");
  return plans;
}

/** @param {string} plan */
function scansIn(plan) {
  const found = [...plan.matchAll(/Seq Scan on (?:public\.)?(\w+)/g)].filter(([, table]) => LARGE.includes(table));
  return [...new Set(found.map(([, table]) => `Seq Scan on ${table}`))];
}

const leaf = (/** @type {string} */ field, /** @type {string} */ op, /** @type {any} */ value) =>
  value === undefined ? { field, op } : { field, op, value };
/** @param {object} filter */
async function counts(filter) {
  const [{ preview }] = await as(
    known.admin,
    (sql) => sql`select public.preview_segment(${sql.json(/** @type {any} */ (filter))}) as preview`,
  );
  assert.equal(typeof preview.contact_count, "number");
}

/** The newest page and the one after it. @param {any} user */
async function readThread(user) {
  const [{ page }] = await as(
    user,
    (sql) => sql`select public.read_thread(${known.conversation.id}, null, null, null, false, 50) as page`,
  );
  await as(
    user,
    (sql) => sql`select public.read_thread(${known.conversation.id}, 'before', ${page.older}, null, false, 50)`,
  );
}

/** Twenty tenants share 40,000 messages and 30,000 recipients; the queries are those of one tenant. */
async function fill() {
  const { sql, newTenant, newUser, newNumber, newTemplate } = database;
  const offices = [];
  for (let i = 0; i < TENANTS; i++) {
    const tenant = await newTenant();
    offices.push({
      tenant,
      number: await newNumber(tenant),
      template: await newTemplate(tenant),
      agent: await newUser(tenant, "agent"),
    });
  }
  const sessions = offices.map(({ number }) => number.id);
  await sql.begin(async (sql) => {
    // Triggers are off: bulk rows need neither announcements nor foreign key checks.
    await sql`set local session_replication_role = replica`;
    await sql`
      insert into public.contacts (tenant_id, wa_id, user_id)
      select s.tenant_id, (620000000 + n)::text, case when n % 2 = 0 then 'ID.' || n end
      from public.whatsapp_sessions s cross join generate_series(1, ${CONVERSATIONS}::integer) n
      where s.id = any (${sessions}::uuid[])`;
    await sql`
      insert into public.conversations (tenant_id, session_id, contact_id, status, assigned_to, last_message_at, window_expires_at)
      select
        s.tenant_id, s.id, c.id, case when random() < 0.3 then 'open' else 'resolved' end,
        case when random() < 0.3 then (select user_id from public.profiles p where p.tenant_id = s.tenant_id limit 1) end,
        now() - random() * interval '30 days', now() + interval '1 hour'
      from public.whatsapp_sessions s join public.contacts c on c.tenant_id = s.tenant_id
      where s.id = any (${sessions}::uuid[])`;
    await sql`
      insert into public.messages
        (tenant_id, session_id, conversation_id, direction, type, status, content, whatsapp_message_id, occurred_at)
      select
        v.tenant_id, v.session_id, v.id, case when n % 2 = 0 then 'outbound' else 'inbound' end, 'text',
        case when n % 2 = 0 then 'delivered' else 'received' end, 'Halo ' || n, 'wamid.' || v.id || n, v.last_message_at - n * interval '1 minute'
      from public.conversations v cross join generate_series(1, ${MESSAGES}::integer) n
      where v.session_id = any (${sessions}::uuid[])`;
    await sql`
      insert into public.message_status_events (tenant_id, session_id, message_id, whatsapp_message_id, status, occurred_at)
      select m.tenant_id, m.session_id, m.id, m.whatsapp_message_id, reported.status, m.occurred_at
      from public.messages m cross join unnest(array['sent', 'delivered']) as reported (status)
      where m.direction = 'outbound' and m.session_id = any (${sessions}::uuid[])`;
    await sql`
      insert into public.broadcast_campaigns (tenant_id, name, status, session_id, template_id)
      select s.tenant_id, 'Promo', 'sending', s.id, t.id
      from public.whatsapp_sessions s join public.broadcast_templates t on t.tenant_id = s.tenant_id
      where s.id = any (${sessions}::uuid[])`;
    await sql`
      insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, variables, status)
      select k.tenant_id, k.id, n, (630000000 + n)::text, '["Rina"]', case when n % 10 = 0 then 'pending' else 'failed' end
      from public.broadcast_campaigns k cross join generate_series(1, ${RECIPIENTS}::integer) n
      where k.session_id = any (${sessions}::uuid[])`;
  });
  const { tenant, number, agent } = offices[7];
  const [conversation] =
    await sql`select * from public.conversations where session_id = ${number.id} and assigned_to = ${agent.id} limit 1`;
  await sql`
    insert into public.messages (tenant_id, session_id, conversation_id, direction, type, status, content, occurred_at, metadata)
    select ${tenant.id}, ${number.id}, ${conversation.id}, 'inbound', 'text', 'received', 'Halo', now() - n * interval '1 minute', '{"broadcast_campaign_id": "silent"}'
    from generate_series(1, ${LONG_THREAD}::integer) n`;
  // A claim also reads a limit, templates of the last day, and each recipient's quiet hours.
  await sql`update public.whatsapp_sessions set messaging_limit = 'TIER_100K' where id = any (${sessions}::uuid[])`;
  await sql`
    update public.messages set type = 'template', sent_at = now() - random() * interval '40 days'
    where direction = 'outbound' and session_id = any (${sessions}::uuid[])`;
  await sql`
    update public.broadcast_campaigns set recipient_local = true, quiet_hours = jsonb_build_object(
      'from', to_char(now() at time zone 'Asia/Jakarta' + interval '2 hours', 'HH24:MI'),
      'to', to_char(now() at time zone 'Asia/Jakarta' + interval '3 hours', 'HH24:MI')
    )`;
  await sql`update public.contacts set tags = '{vip}', custom_fields = '{"size": "L"}' where wa_id::bigint % 100 = 0`;
  await sql`insert into public.contact_fields (tenant_id, key, name, type, choices) values (${tenant.id}, 'size', 'Size', 'choice', '{S,M,L}')`;
  await sql`insert into public.labels (tenant_id, name) select tenant_id, 'VIP' from public.whatsapp_sessions where id = any (${sessions}::uuid[])`;
  await sql`
    insert into public.contact_labels (contact_id, label_id, tenant_id)
    select c.id, l.id, c.tenant_id from public.contacts c join public.labels l on l.tenant_id = c.tenant_id where c.wa_id::bigint % 3 = 0`;
  const [label] = await sql`select id from public.labels where tenant_id = ${tenant.id}`;
  await sql`
    insert into private.automatic_messages (message_id, tenant_id, session_id, conversation_id, purpose, due_at)
    select m.id, m.tenant_id, m.session_id, m.conversation_id, 'scheduled', now() + interval '1 day'
    from public.messages m where m.direction = 'outbound' and m.session_id = any (${sessions}::uuid[]) limit 5000`;
  await sql`analyze`;

  const holder = randomUUID();
  await sql`insert into private.sender_leases values (${number.id}, ${holder}, now() + interval '1 hour', 1)`;
  const [contact] = await sql`select * from public.contacts where id = ${conversation.contact_id}`;
  const [campaign] = await sql`select * from public.broadcast_campaigns where session_id = ${number.id}`;
  const outbound =
    await sql`select whatsapp_message_id from public.messages where session_id = ${number.id} and direction = 'outbound' limit 5`;
  const admin = await newUser(tenant, "admin");
  return {
    number,
    agent,
    admin,
    holder,
    label,
    conversation,
    contact,
    campaign,
    wamids: outbound.map((row) => row.whatsapp_message_id),
  };
}
