// Access to a tenant's conversations and customers, on every path to them: lists, search, counts, single reads,
// threads, notes, history, catching up, live topics, and the data of exports.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, as, calls, newTenant, newUser, epochOf, newNumber, receivesMessage, assign } = await useDatabase({
  own: true,
});

const ROLES = /** @type {const} */ ([
  "super_admin",
  "admin",
  "manager",
  "team_lead",
  "senior_agent",
  "agent",
  "junior_agent",
  "viewer",
  "guest",
  "restricted",
]);
const SEES_ALL = ["super_admin", "admin", "manager", "team_lead"];
const SEES_NOTHING = ["restricted"];
const EXPORTS = ["super_admin", "admin", "manager"];
const SEES_CONTACTS = [...SEES_ALL, "senior_agent"];

const TEXT = { type: "text", content: "x", payload: { text: { body: "x" } } };
/** The actions on a conversation, with the lowest role that may do each with the conversations it sees. */
const METHODS = [
  { method: "update_conversation", from: "agent", more: { changes: { status: "resolved" } } },
  { method: "assign_conversation", from: "guest", more: { user_id: null } },
  { method: "read_conversation", from: "viewer" },
  { method: "unread_conversation", from: "viewer" },
  { method: "create_note", from: "junior_agent", more: { content: "x" } },
  { method: "label_conversation", from: "agent", more: { label_ids: [] } },
  { method: "delete_conversation", from: "admin" },
  { method: "create_message", from: "junior_agent", more: TEXT },
  {
    method: "schedule_message",
    from: "senior_agent",
    more: { ...TEXT, send_at: new Date(Date.now() + 86_400_000) },
  },
];

/** Null if the role may not ask. @param {Promise<any>} answer */
const orForbidden = (answer) =>
  answer.catch((error) => {
    assert.deepEqual([error.code, error.detail], ["PT403", "forbidden"], error.message);
    return null;
  });

for (const agentsSeeUnassigned of [true, false]) {
  describe(`where agents ${agentsSeeUnassigned ? "see" : "do not see"} unassigned conversations`, async () => {
    const tenant = await newTenant({ agentsSeeUnassigned });
    const [number, owner] = [await newNumber(tenant), await newUser(tenant, "super_admin")];
    const people = await Promise.all(ROLES.map((role) => newUser(tenant, role)));
    const foreigner = await newUser(await newTenant(), "super_admin");
    const [{ sequence }, { sequence: foreign }] = [
      await calls(owner, "list_changes", { after: null }),
      await calls(foreigner, "list_changes", { after: null }),
    ];
    const label = await calls(owner, "create_label", { name: "VIP" });
    /** The conversations by their assignee: one for each person, and an unassigned one. @type {Map<any, any>} */
    const chats = new Map();
    for (const person of [...people, null]) {
      const chat = await receivesMessage(number, {
        text: `Zebra rahasia ${randomUUID()}`,
        profile_name: `Rina ${randomUUID().slice(0, 8)}`,
      });
      await calls(owner, "label_conversation", { conversation_id: chat.conversation.id, label_ids: [label.id] });
      await calls(owner, "create_note", { conversation_id: chat.conversation.id, content: "Catatan" });
      if (person) await assign(chat.conversation, person);
      chats.set(person, chat);
    }
    const idOf = (/** @type {any} */ person) => chats.get(person).conversation.id;
    const everything = [...chats.values()].map(({ conversation }) => conversation.id).sort();
    const visibleTo = (/** @type {any} */ person) => {
      if (person === foreigner || SEES_NOTHING.includes(person.role)) return [];
      if (SEES_ALL.includes(person.role)) return everything;
      return [idOf(person), ...(agentsSeeUnassigned ? [idOf(null)] : [])].sort();
    };
    const reads = (/** @type {any} */ person) => !["guest", "restricted"].includes(person.role);
    const contactOf = new Map([...chats.values()].map(({ conversation, contact }) => [conversation.id, contact.id]));

    for (const person of [...people, foreigner]) {
      const name = person === foreigner ? "a stranger" : String(person.role);
      const visible = visibleTo(person);
      test(`${name}: lists, search, labels and counts`, async () => {
        for (const filter of [
          {},
          { search: "zebra" },
          { search: "Rina" },
          { label: label.id },
          { status: ["open"] },
          { unread: true },
        ]) {
          const expected = ("label" in filter || filter.search === "zebra") && !reads(person) ? [] : visible;
          const { rows, total } = await calls(person, "list_inbox", {
            filter,
            sort: "newest",
            cursor: null,
            page: 1,
            page_size: 100,
          });
          assert.deepEqual(
            [rows.map(({ id }) => id).sort(), total],
            [expected, expected.length],
            JSON.stringify(filter),
          );
          assert.ok(
            rows.every(({ last_message_preview }) => (last_message_preview !== null) === reads(person)),
            "texts are for people who may read messages",
          );
        }
        const counts = await calls(person, "count_inbox");
        assert.deepEqual([counts.all, counts.open, counts.unread], [visible.length, visible.length, visible.length]);
        const [worn] = (await calls(person, "list_labels")).filter(({ id }) => id === label.id);
        assert.equal(worn?.conversations ?? 0, reads(person) ? visible.length : 0);
      });

      test(`${name}: each conversation, its thread, notes and history, and actions on it`, async () => {
        for (const id of everything) {
          const sees = visible.includes(id);
          assert.equal((await calls(person, "get_conversation", { conversation_id: id })) !== null, sees);
          const thread = await calls(person, "read_thread", {
            conversation_id: id,
            place: null,
            message_id: null,
            search: null,
            scheduled: false,
            page_size: 20,
          });
          assert.equal(thread?.total ?? 0, sees && reads(person) ? 1 : 0);
          assert.equal(
            (await calls(person, "list_notes", { conversation_id: id, before: null, page_size: 5 }))?.rows.length ?? 0,
            sees && reads(person) ? 1 : 0,
          );
          assert.equal(
            (await calls(person, "list_conversation_events", { conversation_id: id, before: null, page_size: 5 })) !==
              null,
            sees,
          );
          if (sees) continue;
          for (const { method, from, more = {} } of METHODS) {
            const may = ROLES.indexOf(person.role) <= ROLES.indexOf(from);
            await isRefused(
              calls(person, method, { conversation_id: id, ...more }),
              may ? { code: "PT404", detail: "not_found" } : { code: "PT403", detail: "forbidden" },
            );
          }
        }
      });

      test(`${name}: catching up`, async () => {
        const received = [];
        for (let after = String(person === foreigner ? foreign : sequence), more = true; more;) {
          const page = await calls(person, "list_changes", { after, page_size: 1000 });
          received.push(...page.changes);
          [after, more] = [String(page.sequence), page.more];
        }
        const shown = received.filter(({ data }) => data);
        const conversations = shown.filter(({ event }) => event.startsWith("conversation."));
        assert.deepEqual(conversations.map(({ id }) => id).sort(), visible);
        const about = shown.map(({ data }) => data.conversation_id).filter(Boolean);
        assert.ok(
          about.every((id) => visible.includes(id)),
          "no message and no note of a hidden conversation",
        );
        assert.equal(
          shown.some(({ data }) => JSON.stringify(data).includes("rahasia")),
          visible.length > 0 && reads(person),
        );
      });

      test(`${name}: live topics`, async () => {
        const mayHear = async (/** @type {string} */ topic) =>
          as(person, async (sql) => {
            await sql`select set_config('realtime.topic', ${topic}, true)`;
            return (await sql`select from realtime.messages where topic = ${topic} limit 1`).count === 1;
          });
        const supervises = SEES_ALL.includes(person.role) && person !== foreigner;
        const topics = {
          [`tenant:${tenant.id}`]: supervises,
          [`tenant:${tenant.id}:unassigned`]: person !== foreigner && agentsSeeUnassigned && reads(person),
          [`tenant:${tenant.id}:contacts`]: person !== foreigner && SEES_CONTACTS.includes(person.role),
        };
        for (const other of people) topics[`agent:${other.id}`] = other === person && reads(person);
        for (const id of everything) topics[`conversation:${id}`] = visible.includes(id);
        const epoch = await epochOf(tenant);
        for (const [name, expected] of Object.entries(topics)) {
          const topic = `${name}:${epoch}`;
          await sql`select realtime.send('{}', 'test', ${topic}, true)`;
          assert.equal(await mayHear(topic), expected, topic);
        }
      });

      test(`${name}: the data of exports`, async () => {
        const contacts = person !== foreigner && SEES_CONTACTS.includes(person.role) ? everything : visible;
        const expected = contacts.map((id) => contactOf.get(id)).sort();
        const found = [];
        for (let after = null, more = true; more;) {
          const page = await orForbidden(
            calls(person, "list_contacts", { filter: {}, page_size: 3, after, counted: false }),
          );
          found.push(...(page?.rows ?? []).map(({ id }) => id));
          after = page?.next_cursor ?? null;
          more = after !== null;
        }
        assert.deepEqual(found.sort(), expected);
        // The table itself, as supabase-js reads it, gives the same rows; to people who may not read messages none, since a
        // conversation has the text of the last one.
        const direct = (/** @type {string[]} */ ids) => (reads(person) ? ids : []);
        assert.deepEqual(
          (await as(person, (sql) => sql`select id from public.contacts order by id`)).map(({ id }) => id),
          direct(expected),
        );
        assert.deepEqual(
          (await as(person, (sql) => sql`select id from public.conversations order by id`)).map(({ id }) => id).sort(),
          direct(visible),
        );
        const allowed = person !== foreigner && EXPORTS.includes(person.role);
        const [{ may }] = await as(person, (sql) => sql`select private.has_permission('contacts.export') as may`);
        assert.equal(may, allowed || person === foreigner, "a person of another tenant exports their own");
        const [one] = chats.values();
        const data = await orForbidden(calls(person, "get_contact_data", { contact_id: one.contact.id }));
        assert.equal(data !== null, person !== foreigner && ["super_admin", "admin"].includes(person.role));
      });
    }
  });
}

test("live updates do not depend on the permissions of the person who made the change", async () => {
  const tenant = await newTenant();
  const [number, owner] = [await newNumber(tenant), await newUser(tenant, "super_admin")];
  const label = await calls(owner, "create_label", { name: "VIP" });
  const { conversation } = await receivesMessage(number, { text: "Halo" });
  await calls(owner, "label_conversation", { conversation_id: conversation.id, label_ids: [label.id] });
  const role = await calls(owner, "create_role", {
    name: "Terbatas",
    level: 5,
    inherits: false,
    permissions: ["conversations.view", "conversations.update"],
  });
  const blind = await newUser(tenant, null);
  await calls(owner, "set_user_roles", { user_id: blind.id, role_ids: [role.id] });
  const answer = await calls(blind, "update_conversation", {
    conversation_id: conversation.id,
    changes: { priority: "high" },
  });
  assert.deepEqual([answer.labels, answer.last_message_preview], [[], null]);
  const [{ payload }] = await sql`
    select payload from realtime.messages where topic ~ ${`^tenant:${tenant.id}:[0-9]+$`} and event = 'conversation.updated' and payload ->> 'priority' = 'high'`;
  assert.deepEqual([payload.labels.map(({ id }) => id), payload.last_message_preview], [[label.id], "Halo"]);
  await isRefused(calls(blind, "read_conversation", { conversation_id: conversation.id }), { code: "PT403" });
});
