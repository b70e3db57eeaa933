// Deleted contacts: no stored text identifies the person any more, and all counts stay.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { inboundText, seconds, someWamid, statusOf } from "./inbox.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  calls,
  newTenant,
  newUser,
  newNumber,
  delivers,
  receivesMessage,
  newOutbound,
  newCampaign,
  newRecipientList,
  recipientsOf,
} = await useDatabase();

/** @type {any} */
let tenant;
/** @type {any} */
let manager;
/** @type {any} */
let admin;
/** @type {any} */
let number;
/** @type {any} */
let stranger;
before(async () => {
  tenant = await newTenant();
  [manager, admin] = [await newUser(tenant, "manager"), await newUser(tenant, "admin")];
  stranger = await newUser(await newTenant(), "super_admin");
  number = await newNumber(tenant);
});

/** The tables that still contain a text, with the number of rows. @param {string} text */
async function placesOf(text) {
  const tables = await sql`
    select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind = 'r'`;
  const places = [];
  for (const { schema, name } of tables) {
    const [{ count }] =
      await sql`select count(*)::int as count from ${sql(`${schema}.${name}`)} t where strpos(t::text, ${text}) > 0`;
    if (count > 0) places.push(`${schema}.${name}: ${count}`);
  }
  return places;
}

/** A delivery of Meta with its raw body. @param {any} number @param {any[]} elements @param {any} [others] further entries */
const deliversRaw = (number, elements, others = []) =>
  delivers({
    messages: elements,
    body: JSON.stringify({
      object: "whatsapp_business_account",
      entry: [
        {
          id: number.meta_business_account_id,
          changes: [
            {
              field: "messages",
              value: {
                metadata: { phone_number_id: number.meta_phone_number_id },
                contacts: elements.map((element) => ({ wa_id: element.from, profile: { name: element.profile_name } })),
                messages: elements.map((element) => ({
                  from: element.from,
                  id: element.wamid,
                  text: { body: element.preview },
                })),
              },
            },
          ],
        },
        ...others,
      ],
    }),
  });

describe("a deleted contact", () => {
  test("leaves no trace of the person, and keeps every counted row", async () => {
    const [name, words, email] = [`Nama${randomUUID()}`, `Rahasia ${randomUUID()}`, `${randomUUID()}@kopi.test`];
    const [element, neighbour] = [
      inboundText(number, { text: words, profile_name: name }),
      inboundText(number, { text: `tetangga ${randomUUID()}`, profile_name: "Tetangga" }),
    ];
    const office = await newTenant();
    const theirs = await newNumber(office);
    const foreign = {
      id: theirs.meta_business_account_id,
      changes: [
        {
          field: "messages",
          value: {
            metadata: { phone_number_id: theirs.meta_phone_number_id },
            messages: [{ from: element.from, id: "wamid.theirs" }],
          },
        },
      ],
    };
    await deliversRaw(number, [element, neighbour], [foreign]);
    const [message] = await sql`select * from public.messages where whatsapp_message_id = ${element.wamid}`;
    const [conversation] = await sql`select * from public.conversations where id = ${message.conversation_id}`;
    const [contact] = await sql`select * from public.contacts where id = ${conversation.contact_id}`;

    await calls(manager, "update_contact", { contact_id: contact.id, changes: { name, email, tags: [name] } });
    await calls(manager, "create_contact_note", { contact_id: contact.id, content: words });
    await calls(manager, "record_contact_consent", { contact_id: contact.id, state: "opted_out", note: words });
    await calls(manager, "block_contact", { contact_id: contact.id, blocked: true });
    await calls(manager, "block_contact", { contact_id: contact.id, blocked: false });
    const outbound = await newOutbound(conversation, { wamid: someWamid() });
    await delivers({ statuses: [statusOf(number, outbound.whatsapp_message_id, "read", { wa_id: contact.wa_id })] });
    await sql`
      insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, storage_path, state, expires_at)
      values (${tenant.id}, ${number.id}, ${message.id}, 'image', ${`${name}.jpg`}, ${`${tenant.id}/a/b`}, 'stored', now() + interval '1 day')`;
    const campaign = await newCampaign(number, { wa_ids: [contact.wa_id, "628111"] });
    await sql`update public.broadcast_recipients set status = 'read', name = ${name}, variables = ${sql.json([name])} where campaign_id = ${campaign.id} and wa_id = ${contact.wa_id}`;
    await newRecipientList(manager, {
      entries: [
        [contact.wa_id, name],
        [contact.wa_id, name],
        ["6281234567890", "Ani"],
      ],
    });

    await isRefused(calls(stranger, "delete_contact", { contact_id: contact.id }), { code: "PT404" });
    await isRefused(calls(manager, "erase_contact", { contact_id: contact.id }), { code: "PT403" });
    const erased = await calls(admin, "erase_contact", { contact_id: contact.id });
    hasFields(erased, { conversations: 1, messages: 2, files: 1, recipients: 1, list_entries: 1 });

    for (const trace of [contact.wa_id, name, words, email, element.wamid, outbound.whatsapp_message_id]) {
      const places = await placesOf(trace);
      // another tenant keeps its own messages from the same number
      assert.deepEqual(places, trace === contact.wa_id ? ["public.webhook_events: 1"] : [], trace);
    }
    const [{ body }] = await sql`select body from public.webhook_events where strpos(body, ${neighbour.wamid}) > 0`;
    const [ours, others] = JSON.parse(body).entry;
    assert.deepEqual(
      ours.changes[0].value.messages.map((/** @type {any} */ m) => m.id),
      [neighbour.wamid],
    );
    assert.deepEqual(others, foreign);

    const left =
      await sql`select direction, status, read_at is not null as read, content, payload from public.messages where conversation_id = ${conversation.id} order by direction`;
    assert.deepEqual(
      [...left],
      [
        { direction: "inbound", status: "received", read: false, content: null, payload: {} },
        { direction: "outbound", status: "read", read: true, content: null, payload: {} },
      ],
    );
    const [recipient] = await recipientsOf(campaign);
    assert.equal(recipient.status, "read");
    assert.match(recipient.wa_id, /^0\d{19}$/);
    const files = await calls("service", "files_to_remove", { batch: 1000 });
    assert.ok(files.some((/** @type {any} */ file) => file.path === `${tenant.id}/a/b`));
    await calls("service", "record_files_removed", {
      bucket: "chat-media",
      paths: files.map((/** @type {any} */ file) => file.path),
    });
    assert.deepEqual(await calls("service", "files_to_remove", { batch: 1000 }), []);
    await isRefused(calls(admin, "erase_contact", { contact_id: contact.id }), { code: "PT404" });
    const [{ total }] = [await calls(manager, "list_contacts", { filter: { search: "Nama" } })];
    assert.equal(total, 0);

    const again = await receivesMessage(number, { from: contact.wa_id });
    assert.notEqual(again.contact.id, contact.id);
  });

  test("is erased under every number and name it had, in every spelling of an import file", async () => {
    const tail = String(Math.floor(Math.random() * 1e8)).padStart(8, "0");
    const [number_, former] = [`62812${tail}`, `62813${tail}`];
    const mark = `Nama${randomUUID().slice(0, 8)}`;
    const { contact, conversation } = await receivesMessage(number, { from: number_ });
    const { contact: other } = await calls(manager, "create_contact", {
      contact: { wa_id: former, name: `${mark} pertama` },
    });
    await calls(manager, "update_contact", {
      contact_id: other.id,
      changes: { name: `${mark} kedua`, email: `${mark}@kopi.test` },
    });
    await calls(manager, "merge_contact", { contact_id: contact.id, other_id: other.id });
    await calls(manager, "create_note", { conversation_id: conversation.id, content: `${mark} catatan` });
    const campaign = await newCampaign(number, { wa_ids: [number_, former] });
    await sql`update public.broadcast_recipients set name = ${mark} where campaign_id = ${campaign.id}`;
    const list = await newRecipientList(manager, {
      entries: [
        [former, mark],
        ["6281234567890", "Ani"],
      ],
    });
    await sql`insert into public.recipient_list_errors (list_id, tenant_id, line, field, code, value) values (${list.id}, ${tenant.id}, 9, 'hp', 'phone_invalid', ${`0812-${tail.slice(0, 4)} ${tail.slice(4)}`})`;
    const started = await calls(manager, "begin_contact_import", {
      import: {
        storage_path: `${tenant.id}/${randomUUID()}`,
        file_name: "k.csv",
        country: "ID",
        mapping: [{ column: "hp", field: "phone_number" }],
        total_rows: 2,
      },
    });
    await sql`insert into public.contact_import_errors (import_id, tenant_id, line, field, code, value) values
      (${started.id}, ${tenant.id}, 2, 'hp', 'phone_unknown', ${`+62 813 ${tail}`}), (${started.id}, ${tenant.id}, 3, 'hp', 'phone_invalid', '0899')`;

    const data = await calls(admin, "get_contact_data", { contact_id: contact.id });
    assert.deepEqual(
      data.conversation_notes.map((/** @type {any} */ note) => note.content),
      [`${mark} catatan`],
    );
    assert.deepEqual(data.campaigns.map((/** @type {any} */ place) => place.phone_number).sort(), [
      `+${number_}`,
      `+${former}`,
    ]);
    assert.deepEqual(
      data.recipient_lists.map((/** @type {any} */ place) => place.phone_number),
      [`+${former}`],
    );
    assert.deepEqual(data.satisfaction, []);
    await isRefused(calls(manager, "get_contact_data", { contact_id: contact.id }), { code: "PT403" });
    assert.equal(await calls(stranger, "get_contact_data", { contact_id: contact.id }), null);

    await calls(admin, "erase_contact", { contact_id: contact.id });
    for (const trace of [mark, tail, `${tail.slice(0, 4)} ${tail.slice(4)}`])
      assert.deepEqual(await placesOf(trace), [], trace);
    const left =
      await sql`select value from public.contact_import_errors where import_id = ${started.id} order by line`;
    assert.deepEqual(
      left.map(({ value }) => value),
      ["", "0899"],
    );
  });

  test("is skipped by waiting campaigns", async () => {
    const { contact } = await receivesMessage(number, { timestamp: seconds() });
    const blocked = await receivesMessage(number, {});
    await calls(manager, "block_contact", { contact_id: blocked.contact.id, blocked: true });
    const campaign = await newCampaign(number, {
      status: "paused",
      template: { category: "UTILITY" },
      wa_ids: [contact.wa_id, blocked.contact.wa_id, "628112"],
    });
    await calls(manager, "delete_contact", { contact_id: contact.id });
    const recipients = await recipientsOf(campaign);
    await sql`update public.broadcast_recipients set status = 'sending', attempts = 1 where campaign_id = ${campaign.id}`;
    const [{ rest }] =
      await sql`select private.skip_ineligible(${recipients.map(({ id }) => id)}::uuid[], ${[campaign.id]}::uuid[]) as rest`;
    assert.deepEqual(rest, [recipients[2].id]);
    assert.deepEqual(
      (await recipientsOf(campaign)).map((r) => [r.status, r.skip_reason]),
      [
        ["skipped", "erased"],
        ["skipped", "blocked"],
        ["sending", null],
      ],
    );
  });

  test("counts as opted out or blocked under its old number after a merge", async () => {
    const [kept, silent, barred] = [
      await receivesMessage(number, {}),
      await receivesMessage(number, {}),
      await receivesMessage(number, {}),
    ];
    const other = await receivesMessage(number, {});
    await calls(manager, "record_contact_consent", { contact_id: silent.contact.id, state: "opted_out" });
    await calls(manager, "block_contact", { contact_id: barred.contact.id, blocked: true });
    await calls(manager, "merge_contact", { contact_id: kept.contact.id, other_id: silent.contact.id });
    await calls(manager, "merge_contact", { contact_id: other.contact.id, other_id: barred.contact.id });
    const campaign = await newCampaign(number, {
      status: "paused",
      template: { category: "MARKETING" },
      wa_ids: [silent.contact.wa_id, barred.contact.wa_id, "628113"],
    });
    await sql`update public.broadcast_recipients set status = 'sending', attempts = 1 where campaign_id = ${campaign.id}`;
    const recipients = await recipientsOf(campaign);
    await sql`select private.skip_ineligible(${recipients.map(({ id }) => id)}::uuid[], ${[campaign.id]}::uuid[])`;
    assert.deepEqual(
      (await recipientsOf(campaign)).map((r) => [r.status, r.skip_reason]),
      [
        ["skipped", "opted_out"],
        ["skipped", "blocked"],
        ["sending", null],
      ],
    );
  });

  test("can be deleted together with many others", async () => {
    const tag = `t${randomUUID()}`;
    for (let n = 0; n < 3; n++) {
      const { contact } = await receivesMessage(number, {});
      await calls(manager, "update_contact", { contact_id: contact.id, changes: { tags: [tag] } });
    }
    await isRefused(calls(await newUser(tenant, "agent"), "delete_contacts", { contact_ids: null, filter: { tag } }), {
      code: "PT403",
    });
    const chosen = { contact_ids: null, filter: { tag } };
    assert.deepEqual(await calls(stranger, "delete_contacts", { ...chosen, expected_count: 0 }), {
      matched: 0,
      changed: 0,
    });
    await isRefused(calls(manager, "delete_contacts", chosen), { code: "PT422", hint: "expected_count" });
    await isRefused(calls(manager, "delete_contacts", { ...chosen, expected_count: 2 }), {
      code: "PT409",
      detail: "count_differs",
    });
    assert.equal((await calls(manager, "list_contacts", { filter: { tag } })).total, 3);
    assert.deepEqual(await calls(manager, "delete_contacts", { ...chosen, expected_count: 3 }), {
      matched: 3,
      changed: 3,
    });
    assert.equal((await calls(manager, "list_contacts", { filter: { tag } })).total, 0);
  });

  test("are never all of them because a value is missing", async () => {
    await receivesMessage(number, {});
    const { total } = await calls(manager, "list_contacts", {});
    assert.ok(total > 0);
    const tags = { action: "add_tags", options: { tags: ["semua"] } };
    for (const filter of [null, {}, { tag: null }, { search: " " }, { fields: {} }, { fields: { city: null } }]) {
      const scope = { contact_ids: null, filter, expected_count: total };
      await isRefused(calls(manager, "delete_contacts", scope), { code: "PT422", hint: "filter" });
      await isRefused(calls(manager, "change_contacts", { ...scope, ...tags }), { code: "PT422", hint: "filter" });
    }
    const both = { contact_ids: null, filter: { tag: "x" }, everyone: true, expected_count: total };
    await isRefused(calls(manager, "delete_contacts", both), { code: "PT422", hint: "all" });
    assert.equal((await calls(manager, "list_contacts", {})).total, total);

    const all = { contact_ids: null, filter: null, everyone: true };
    await isRefused(calls(manager, "change_contacts", { ...all, ...tags, expected_count: total + 1 }), {
      code: "PT409",
      detail: "count_differs",
    });
    assert.deepEqual(await calls(manager, "change_contacts", { ...all, ...tags, expected_count: total }), {
      matched: total,
      changed: total,
    });
  });
});
