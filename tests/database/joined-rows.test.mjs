// Actions that join, move or delete rows: the caller must see all of them. A contact that a caller sees may have
// conversations that the caller does not.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, as, calls, newTenant, newUser, newUserWith, newNumber, receivesMessage, assign } = await useDatabase();

const HIDDEN = { code: "PT403", detail: "conversations_hidden" };
const FORBIDDEN = { code: "PT403", detail: "forbidden" };
/** @type {any} */
let tenant;
/** @type {any} */
let number;
/** @type {any} */
let people;
before(async () => {
  tenant = await newTenant({ agentsSeeUnassigned: false });
  number = await newNumber(tenant);
  people = { stranger: await newUser(await newTenant(), "super_admin") };
  for (const role of ["manager", "team_lead", "senior_agent", "agent"]) people[role] = await newUser(tenant, role);
});

/** A contact of the agent, whose conversation has an internal note. */
async function agentsContact() {
  const received = await receivesMessage(number, { text: "rahasia" });
  await assign(received.conversation, people.agent);
  await calls(people.agent, "create_note", { conversation_id: received.conversation.id, content: "catatan rahasia" });
  return received;
}
/** A contact of the senior agent. */
async function ownContact() {
  const received = await receivesMessage(number, { text: "milik saya" });
  await assign(received.conversation, people.senior_agent);
  return received;
}
const conversationsOf = async (/** @type {any} */ contact) => [
  ...(await sql`select id, assigned_to from public.conversations where contact_id = ${contact.id} order by id`),
];

describe("merging contacts", () => {
  test("takes over no conversation of a colleague, in neither direction", async () => {
    const [own, others] = [await ownContact(), await agentsContact()];
    for (const [kept, gone] of [
      [own, others],
      [others, own],
    ]) {
      const ids = { contact_id: kept.contact.id, other_id: gone.contact.id };
      await isRefused(calls(people.senior_agent, "preview_contact_merge", ids), HIDDEN);
      await isRefused(calls(people.senior_agent, "merge_contact", ids), HIDDEN);
      await isRefused(calls(people.stranger, "merge_contact", ids), { code: "PT404" });
      await isRefused(calls(people.agent, "merge_contact", ids), FORBIDDEN);
    }
    assert.deepEqual(await conversationsOf(others.contact), [
      { id: others.conversation.id, assigned_to: people.agent.id },
    ]);
    const notes = await calls(people.senior_agent, "list_notes", {
      conversation_id: others.conversation.id,
      before: null,
      page_size: 10,
    });
    assert.equal(notes, null);
  });

  test("takes over no conversation that nobody has yet, where agents do not see those", async () => {
    const [own, waiting] = [await ownContact(), await receivesMessage(number, { text: "menunggu" })];
    const ids = { contact_id: own.contact.id, other_id: waiting.contact.id };
    await isRefused(calls(people.senior_agent, "merge_contact", ids), HIDDEN);
  });

  test("is possible where the caller sees every conversation", async () => {
    const [one, two] = [await ownContact(), await ownContact()];
    const ids = { contact_id: one.contact.id, other_id: two.contact.id };
    assert.ok(await calls(people.senior_agent, "preview_contact_merge", ids));
    assert.equal((await calls(people.senior_agent, "merge_contact", ids)).id, one.contact.id);

    const others = await agentsContact();
    const all = { contact_id: one.contact.id, other_id: others.contact.id };
    assert.equal((await calls(people.team_lead, "merge_contact", all)).id, one.contact.id);
  });
});

describe("deleting contacts", () => {
  test("deletes no conversation that the caller does not see, one by one and in bulk", async () => {
    const cleaner = await newUserWith(tenant, {
      level: 6,
      permissions: ["contacts.view", "contacts.delete", "conversations.view"],
    });
    const others = await agentsContact();
    const own = await receivesMessage(number, { text: "milik saya" });
    await assign(own.conversation, cleaner);
    await isRefused(calls(cleaner, "delete_contact", { contact_id: others.contact.id }), HIDDEN);
    await isRefused(calls(people.stranger, "delete_contact", { contact_id: others.contact.id }), { code: "PT404" });
    const ids = [others.contact.id, own.contact.id];
    assert.deepEqual(await calls(cleaner, "delete_contacts", { contact_ids: ids, filter: null }), {
      matched: 1,
      changed: 1,
    });
    const left = await sql`select id from public.contacts where id = any (${ids}) and erased_at is null`;
    assert.deepEqual(
      left.map(({ id }) => id),
      [others.contact.id],
    );
    assert.deepEqual(
      (await sql`select content from public.messages where conversation_id = ${others.conversation.id}`).map(
        ({ content }) => content,
      ),
      ["rahasia"],
    );
  });
});

describe("passing on the conversations of a person", () => {
  test("needs the rights to see and to assign them", async () => {
    const leaver = await newUser(tenant, "agent");
    const { conversation } = await receivesMessage(number, {});
    await assign(conversation, leaver);
    const personnel = await newUserWith(tenant, {
      level: 7,
      permissions: ["agents.view", "agents.update", "agents.delete", "conversations.view"],
    });
    for (const changes of [{ reassign_to: personnel.id }, { active: false, reassign_to: personnel.id }]) {
      await isRefused(calls(personnel, "update_agent", { user_id: leaver.id, changes }), FORBIDDEN);
    }
    await isRefused(
      calls(people.stranger, "update_agent", { user_id: leaver.id, changes: { reassign_to: personnel.id } }),
      { code: "PT404" },
    );
    const [{ assigned_to }] = await sql`select assigned_to from public.conversations where id = ${conversation.id}`;
    assert.equal(assigned_to, leaver.id);
  });
});

describe("an import", () => {
  /** @param {any} user @param {object} options */
  const begins = (user, options) =>
    calls(user, "begin_contact_import", {
      import: {
        storage_path: `${user.tenant.id}/${randomUUID()}`,
        file_name: "kontak.csv",
        country: "ID",
        mapping: [{ column: "hp", field: "phone_number" }],
        total_rows: 1,
        ...options,
      },
    });

  test("changes contacts only for those who see each contact, and labels only for those who may use labels", async () => {
    const importer = await newUserWith(tenant, { permissions: ["contacts.import"] });
    await isRefused(begins(importer, {}), FORBIDDEN);
    await isRefused(begins(importer, { on_existing: "update" }), FORBIDDEN);
    assert.ok(await begins(importer, { on_existing: "skip" }));
    const labelling = {
      mapping: [
        { column: "hp", field: "phone_number" },
        { column: "label", field: "labels" },
      ],
    };
    await isRefused(begins(importer, { on_existing: "skip", ...labelling }), FORBIDDEN);
    assert.ok(await begins(people.manager, labelling));
  });
});

describe("other actions that take several rows", () => {
  test("pass over contacts and conversations that the caller does not see", async () => {
    const { contact, conversation } = await agentsContact();
    const other = await newUser(tenant, "agent");
    for (const user of [other, people.stranger]) {
      assert.deepEqual(
        await calls(user, "change_contacts", {
          contact_ids: [contact.id],
          filter: null,
          action: "add_tags",
          options: { tags: ["diambil"] },
        }),
        { matched: 0, changed: 0 },
      );
      assert.deepEqual(
        await calls(user, "act_on_conversations", { ids: [conversation.id], action: "resolve", options: {} }),
        [{ id: conversation.id, outcome: "not_found" }],
      );
    }
  });

  test("forward only a message that the caller sees, and only to conversations that the caller sees", async () => {
    const { conversation, message } = await agentsContact();
    const other = await newUser(tenant, "agent");
    const own = await receivesMessage(number, { text: "halo" });
    await assign(own.conversation, other);
    const forwards = (/** @type {any} */ from, /** @type {any} */ to) =>
      calls(other, "forward_message", { message_id: from, conversation_ids: [to] });
    await isRefused(forwards(message.id, own.conversation.id), { code: "PT404" });
    const [answer] = await forwards(own.message.id, conversation.id);
    assert.equal(answer.outcome, "not_found");
  });

  test("write to a number no conversation of a colleague", async () => {
    const wa_id = `628${randomInt(1e9, 1e10)}`;
    const { conversation } = await receivesMessage(number, { from: wa_id });
    await assign(conversation, people.agent);
    await isRefused(
      calls(people.senior_agent, "create_message_to", {
        session_id: number.id,
        contact_id: null,
        wa_id,
        name: null,
        type: "text",
        content: "Halo",
        payload: { text: { body: "Halo" } },
      }),
      FORBIDDEN,
    );
  });

  test("write to a phone number opens no contact that a colleague looks after, on any of our numbers", async () => {
    const other = await newNumber(tenant);
    const known = `628${randomInt(1e9, 1e10)}`;
    const { contact, conversation } = await receivesMessage(number, { from: known });
    await assign(conversation, people.agent);
    await calls(people.agent, "create_contact_note", { contact_id: contact.id, content: "catatan rahasia" });
    const owned = await calls(people.manager, "create_contact", {
      contact: { wa_id: `628${randomInt(1e9, 1e10)}`, owner_id: people.agent.id },
    });
    const writes = (/** @type {any} */ who, /** @type {string} */ wa_id) =>
      calls(who, "create_message_to", {
        session_id: other.id,
        contact_id: null,
        wa_id,
        name: null,
        type: "template",
        content: "x",
        payload: { template: {} },
      });
    const colleague = await newUser(tenant, "agent");
    for (const wa_id of [known, owned.contact.wa_id]) {
      await isRefused(writes(colleague, wa_id), FORBIDDEN);
    }
    assert.equal((await sql`select from public.conversations where session_id = ${other.id}`).count, 0);
    const notes = { contact_id: contact.id, page: 1, page_size: 10 };
    assert.equal(await calls(colleague, "list_contact_notes", notes), null);

    assert.ok((await writes(people.agent, known)).message, "the agent's own contact");
    assert.ok((await writes(people.senior_agent, owned.contact.wa_id)).message, "who sees all contacts");
    assert.ok((await writes(colleague, `628${randomInt(1e9, 1e10)}`)).message, "a new contact");
  });

  test("make a list or a campaign of contacts only for those who see each contact", async () => {
    const marketer = await newUserWith(tenant, {
      permissions: ["recipient_lists.create", "segments.view", "broadcasts.create", "broadcasts.send"],
    });
    await isRefused(calls(marketer, "create_recipient_list_from_contacts", { name: "Semua" }), FORBIDDEN);
  });
});

test("a file of a conversation is deleted only by those who see the conversation", async () => {
  const cleaner = await newUserWith(tenant, {
    level: 6,
    permissions: ["media.view", "media.delete", "messages.view", "conversations.view"],
  });
  const fileOf = async (/** @type {any} */ owner) => {
    const received = await receivesMessage(number, {});
    await assign(received.conversation, owner);
    const [file] = await sql`
      insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, state, storage_path, expires_at)
      values (${tenant.id}, ${number.id}, ${received.message.id}, 'image', 'x.png', 'stored', ${`x/${randomUUID()}`}, now() + interval '1 day')
      returning id`;
    return file.id;
  };
  await isRefused(calls(cleaner, "delete_media", { media_id: await fileOf(people.agent) }), { code: "PT404" });
  assert.ok((await calls(cleaner, "delete_media", { media_id: await fileOf(cleaner) })).storage_path);
  assert.ok((await calls(people.manager, "delete_media", { media_id: await fileOf(people.agent) })).storage_path);
});

test("the text of the last message is read by no guest, past our functions either", async () => {
  const guest = await newUser(tenant, "guest");
  const viewer = await newUser(tenant, "viewer");
  for (const person of [guest, viewer]) {
    const { conversation } = await receivesMessage(number, { text: "rahasia" });
    await assign(conversation, person);
    const read = await as(
      person,
      (sql) => sql`select last_message_preview from public.conversations where id = ${conversation.id}`,
    );
    assert.deepEqual(
      read.map(({ last_message_preview }) => last_message_preview),
      person === viewer ? ["rahasia"] : [],
    );
    const { rows } = await calls(person, "list_inbox", {
      filter: {},
      sort: "newest",
      cursor: null,
      page: 1,
      page_size: 9,
    });
    assert.deepEqual(
      rows.map((/** @type {any} */ row) => row.last_message_preview),
      [person === viewer ? "rahasia" : null],
    );
  }
});

test("the address of a person is read only by those who manage people, also after the person has left", async () => {
  const leaver = await newUser(tenant, "agent");
  const [{ email }] = await sql`select email from auth.users where id = ${leaver.id}`;
  await calls(leaver, "leave_tenant");
  assert.equal((await calls(people.team_lead, "get_agent", { user_id: leaver.id })).email, email);
  for (const role of ["guest", "agent", "super_admin"]) {
    const rows = await as(
      await newUser(tenant, role),
      (sql) => sql`select to_jsonb(p)::text as row from public.profiles p`,
    );
    assert.ok(rows.length > 1);
    assert.ok(
      rows.every(({ row }) => !row.includes(email)),
      role,
    );
  }
});
