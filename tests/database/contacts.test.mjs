// Contacts: access, search, fields, and bulk changes.
import assert from "node:assert/strict";
import { randomInt, randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newNumber, newCampaign, receivesMessage, assign, messageNow } =
  await useDatabase();

/** @type {any} */
let tenant;
/** @type {Record<string, any>} */
let people;
/** @type {any} */
let number;
before(async () => {
  tenant = await newTenant({ agentsSeeUnassigned: false });
  people = {};
  for (const role of ["admin", "manager", "team_lead", "senior_agent", "agent", "viewer"])
    people[role] = await newUser(tenant, role);
  people.stranger = await newUser(await newTenant(), "super_admin");
  number = await newNumber(tenant);
});

const someNumber = () => `628${randomInt(1e9, 1e10)}`;
/** @param {any} user @param {Record<string, any>} [properties] */
async function newContact(user, properties = {}) {
  const { contact } = await calls(user, "create_contact", { contact: { wa_id: someNumber(), ...properties } });
  return contact;
}
/** @param {any} user @param {Record<string, any>} filter @param {Record<string, any>} [options] */
const found = async (user, filter, options = {}) => {
  const { rows, total, next_cursor } = await calls(user, "list_contacts", { filter, ...options });
  return {
    ids: rows.map((/** @type {any} */ row) => row.id),
    names: rows.map((/** @type {any} */ row) => row.name),
    rows,
    total,
    next_cursor,
  };
};

describe("access to a contact", () => {
  test("is given to holders of contacts.view, and to agents for the conversations they may see, never to another tenant", async () => {
    const name = `Sari ${randomUUID()}`;
    const { contact, conversation } = await receivesMessage(number, { profile_name: name });
    await calls(people.manager, "update_contact", { contact_id: contact.id, changes: { name } });
    await assign(conversation, people.agent);
    const other = await newContact(people.manager, { name: `${name} dua` });
    for (const [who, expected] of /** @type {const} */ ([
      ["manager", [other.id, contact.id]],
      ["senior_agent", [other.id, contact.id]],
      ["agent", [contact.id]],
      ["viewer", []],
      ["stranger", []],
    ])) {
      const { ids, total } = await found(people[who], { search: name });
      assert.deepEqual([ids, total], [expected, expected.length], who);
      for (const id of [contact.id, other.id]) {
        const seen = await calls(people[who], "get_contact", { contact_id: id });
        assert.equal(seen?.id, expected.some((one) => one === id) ? id : undefined, who);
        const timeline = await calls(people[who], "list_contact_consents", { contact_id: id });
        assert.equal(
          timeline !== null,
          expected.some((one) => one === id),
          who,
        );
      }
    }
    await isRefused(calls(people.agent, "update_contact", { contact_id: other.id, changes: { name: "x" } }), {
      code: "PT404",
    });
    await isRefused(calls(people.stranger, "update_contact", { contact_id: other.id, changes: { name: "x" } }), {
      code: "PT404",
    });
    await isRefused(calls(people.viewer, "update_contact", { contact_id: contact.id, changes: { name: "x" } }), {
      code: "PT403",
    });
  });

  test("decides whether the answer to an existing number names its contact", async () => {
    const contact = await newContact(people.manager, { name: "Ada" });
    assert.deepEqual(await calls(people.manager, "create_contact", { contact: { wa_id: contact.wa_id } }), {
      existing: contact.id,
    });
    assert.deepEqual(await calls(people.agent, "create_contact", { contact: { wa_id: contact.wa_id } }), {
      existing: null,
    });
    const { contact: own } = await calls(people.stranger, "create_contact", { contact: { wa_id: contact.wa_id } });
    assert.notEqual(own.id, contact.id);
  });
});

describe("a search for contacts", () => {
  test("without a searchable character finds no contact, and a blank one finds all", async () => {
    await newContact(people.manager, { name: "Ada" });
    for (const search of ["\u0301", "\u3000", "%", "---"])
      assert.deepEqual((await found(people.manager, { search })).ids, [], JSON.stringify(search));
    assert.ok((await found(people.manager, { search: "  " })).total > 0);
  });

  test("finds names without accents, addresses, tags and numbers in any spelling", async () => {
    const key = randomUUID().slice(0, 8);
    const contact = await newContact(people.manager, {
      wa_id: `62812${randomInt(1e7, 1e8)}`,
      name: `Zoë ${key} Ömer`,
      email: `${key}@kopi.test`,
      tags: [`Grosir ${key}`],
    });
    const national = `0812${contact.wa_id.slice(5)}`;
    for (const search of [
      `zoe ${key}`,
      `OMER ${key}`,
      `${key}@kopi`,
      `grosir ${key}`,
      contact.wa_id,
      `+${contact.wa_id}`,
      national,
      `${national.slice(0, 4)}-${national.slice(4, 8)} ${national.slice(8)}`,
      `z ${key}`,
    ])
      assert.deepEqual((await found(people.manager, { search })).ids, [contact.id], search);
    for (const search of [`%${key}`, `zoe_${key}`, `${key} nobody`, `oe ${key}`])
      assert.deepEqual((await found(people.manager, { search })).ids, [], search);
  });

  test("finds numbers in WhatsApp's form and in the form people write", async () => {
    const some = (/** @type {number} */ digits) => String(randomInt(10 ** (digits - 1), 10 ** digits));
    const [brazil, mexico, argentina, home] = [`8${some(7)}`, some(10), some(10), some(8)];
    for (const forms of [
      [`5511${brazil}`, `55119${brazil}`],
      [`521${mexico}`, `52${mexico}`],
      [`549${argentina}`, `54${argentina}`],
      [`62812${home}`, `620812${home}`],
    ]) {
      const contact = await newContact(people.manager, { wa_id: forms[0] });
      for (const search of [...forms, `+${forms[1]}`])
        assert.deepEqual((await found(people.manager, { search })).ids, [contact.id], search);
      assert.deepEqual(
        (await found(people.manager, { search: `${forms[0].slice(0, -1)}${(Number(forms[0].at(-1)) + 1) % 10}` })).ids,
        [],
        "another number",
      );
    }
  });

  test('combines its filters with "and"', async () => {
    const tag = `t${randomUUID().slice(0, 8)}`;
    const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, ${tag}) returning id`;
    await calls(people.manager, "create_contact_field", { field: { key: `city_${tag}`, name: "City", type: "text" } });
    const a = await newContact(people.manager, {
      name: "A",
      tags: [tag],
      label_ids: [label.id],
      custom_fields: { [`city_${tag}`]: "Solo" },
      owner_id: people.agent.id,
    });
    const b = await newContact(people.manager, { name: "B", tags: [tag] });
    await calls(people.manager, "record_contact_consent", { contact_id: b.id, state: "opted_out", note: "by phone" });
    await calls(people.manager, "block_contact", { contact_id: b.id, blocked: true });
    for (const [filter, expected] of /** @type {[any, string[]][]} */ ([
      [{}, [b.id, a.id]],
      [{ label_id: label.id }, [a.id]],
      [{ owner: people.agent.id }, [a.id]],
      [{ owner: "none" }, [b.id]],
      [{ owner: "me" }, []],
      [{ opted_out: true }, [b.id]],
      [{ opted_out: false }, [a.id]],
      [{ blocked: true }, [b.id]],
      [{ fields: { [`city_${tag}`]: "Solo" } }, [a.id]],
      [{ fields: { [`city_${tag}`]: "solo" } }, []],
    ]))
      assert.deepEqual((await found(people.manager, { tag, ...filter })).ids, expected, JSON.stringify(filter));
    assert.deepEqual((await found(people.manager, { tag }, { sort: "name" })).ids, [a.id, b.id]);
  });

  test("gives consecutive pages in every order, even if contacts are added meanwhile", async () => {
    const tag = `p${randomUUID().slice(0, 8)}`;
    for (const name of ["delta", "Alfa", "charlie", "Bravo", "écho"]) {
      const { contact } = await receivesMessage(number, {});
      await calls(people.manager, "update_contact", { contact_id: contact.id, changes: { name, tags: [tag] } });
    }
    for (const [sort, expected] of /** @type {const} */ ([
      ["name", ["Alfa", "Bravo", "charlie", "delta", "écho"]],
      ["newest", ["écho", "Bravo", "charlie", "Alfa", "delta"]],
    ])) {
      const names = [];
      let after = null;
      do {
        const page = await found(people.manager, { tag }, { sort, page_size: 2, after });
        names.push(...page.names);
        after = page.next_cursor;
      } while (after !== null);
      assert.deepEqual(names, expected, sort);
      const second = await found(people.manager, { tag }, { sort, page_size: 2, page: 2 });
      assert.deepEqual([second.names, second.total], [expected.slice(2, 4), 5], sort);
    }
    const seen = [];
    for (let after = null, first = true; first || after !== null; first = false) {
      const page = await found(people.manager, { tag }, { sort: "last_activity", page_size: 2, after });
      seen.push(...page.names);
      after = page.next_cursor;
    }
    assert.deepEqual(seen.toSorted(), ["Alfa", "Bravo", "charlie", "delta", "écho"].toSorted());
    await isRefused(found(people.manager, {}, { after: "nonsense" }), { code: "PT422", hint: "cursor" });
  });
});

describe("a contact", () => {
  test("changes in the named properties, and null clears a value", async () => {
    await calls(people.manager, "create_contact_field", {
      field: { key: "tier", name: "Tier", type: "choice", choices: ["gold", "silver"] },
    });
    await calls(people.manager, "create_contact_field", { field: { key: "since", name: "Since", type: "date" } });
    const contact = await newContact(people.manager, {
      name: "Budi",
      email: "budi@kopi.test",
      tags: ["a", "A ", "b"],
      custom_fields: { tier: "gold" },
    });
    assert.deepEqual(contact.tags, ["a", "b"]);
    const changed = await calls(people.manager, "update_contact", {
      contact_id: contact.id,
      changes: { email: null, custom_fields: { tier: null, since: "2026-02-17" } },
    });
    assert.deepEqual([changed.name, changed.email, changed.custom_fields], ["Budi", null, { since: "2026-02-17" }]);
    for (const [key, value] of [
      ["tier", "bronze"],
      ["since", "2026-02-30"],
      ["since", 3],
      ["nothing", "x"],
    ]) {
      await isRefused(
        calls(people.manager, "update_contact", {
          contact_id: contact.id,
          changes: { custom_fields: { [/** @type {string} */ (key)]: value } },
        }),
        { code: "PT422", hint: `custom_fields.${key}` },
      );
    }
    await isRefused(
      calls(people.manager, "update_contact", { contact_id: contact.id, changes: { owner_id: people.stranger.id } }),
      { code: "PT422", hint: "owner_id" },
    );
    await isRefused(
      calls(people.manager, "update_contact", {
        contact_id: contact.id,
        changes: { name: "B" },
        unless_changed_since: new Date(0),
      }),
      { code: "PT409", detail: "contact_changed" },
    );
  });

  test("changes together with many others in one call, within the caller's access", async () => {
    const [a, b] = [await newContact(people.manager), await newContact(people.manager)];
    const { contact: foreign } = await calls(people.stranger, "create_contact", { contact: { wa_id: someNumber() } });
    const ids = [a.id, b.id, foreign.id];
    assert.deepEqual(
      await calls(people.manager, "change_contacts", {
        contact_ids: ids,
        filter: null,
        action: "add_tags",
        options: { tags: ["baru"] },
      }),
      { matched: 2, changed: 2 },
    );
    assert.deepEqual(
      await calls(people.manager, "change_contacts", {
        contact_ids: ids,
        filter: null,
        action: "add_tags",
        options: { tags: ["Baru"] },
      }),
      { matched: 2, changed: 0 },
    );
    assert.deepEqual(
      await calls(people.agent, "change_contacts", {
        contact_ids: ids,
        filter: null,
        action: "remove_tags",
        options: { tags: ["baru"] },
      }),
      { matched: 0, changed: 0 },
    );
    assert.deepEqual(
      await calls(people.manager, "change_contacts", {
        contact_ids: null,
        filter: { tag: "baru" },
        action: "set_owner",
        options: { owner_id: people.agent.id },
      }),
      { matched: 2, changed: 2 },
    );
    const [row] = await sql`select tags, owner_id from public.contacts where id = ${foreign.id}`;
    assert.deepEqual(row, { tags: [], owner_id: null });
  });

  test("has notes, which their writers and people with the permission delete", async () => {
    const { contact, conversation } = await receivesMessage(number, {});
    await assign(conversation, people.agent);
    const note = await calls(people.agent, "create_contact_note", {
      contact_id: contact.id,
      content: "Suka kopi tubruk",
    });
    const { rows, total } = await calls(people.manager, "list_contact_notes", {
      contact_id: contact.id,
      page: 1,
      page_size: 10,
    });
    assert.deepEqual([total, rows[0].content, rows[0].created_by_name], [1, "Suka kopi tubruk", "agent"]);
    assert.equal(
      await calls(people.stranger, "list_contact_notes", { contact_id: contact.id, page: 1, page_size: 10 }),
      null,
    );
    await isRefused(calls(people.senior_agent, "delete_contact_note", { contact_id: contact.id, note_id: note.id }), {
      code: "PT404",
    });
    await calls(people.agent, "delete_contact_note", { contact_id: contact.id, note_id: note.id });
    assert.equal(
      (await calls(people.manager, "list_contact_notes", { contact_id: contact.id, page: 1, page_size: 10 })).total,
      0,
    );
  });
});

test("tags beyond a contact's limit of fifty are neither added nor counted", async () => {
  const contact = await newContact(people.manager, { tags: Array.from({ length: 50 }, (_, n) => `t${n}`) });
  const outcome = await calls(people.manager, "change_contacts", {
    contact_ids: [contact.id],
    filter: null,
    action: "add_tags",
    options: { tags: ["lagi"] },
  });
  assert.deepEqual(outcome, { matched: 1, changed: 0 });
});

describe("a field", () => {
  test("refuses a type that its values do not fit, and its deletion removes the values", async () => {
    const key = `f_${randomInt(1e9)}`;
    const field = await calls(people.manager, "create_contact_field", { field: { key, name: "Umur", type: "number" } });
    await isRefused(calls(people.manager, "create_contact_field", { field: { key, name: "Lagi", type: "text" } }), {
      code: "PT409",
      detail: "name_taken",
    });
    const contact = await newContact(people.manager, { custom_fields: { [key]: 31 } });
    await isRefused(calls(people.manager, "update_contact_field", { field_id: field.id, changes: { type: "date" } }), {
      code: "PT409",
      detail: "field_values",
    });
    await calls(people.manager, "update_contact_field", { field_id: field.id, changes: { type: "text" } });
    assert.equal((await calls(people.manager, "get_contact", { contact_id: contact.id })).custom_fields[key], "31");
    await isRefused(
      calls(people.manager, "update_contact_field", { field_id: field.id, changes: { type: "choice" } }),
      { code: "PT422", hint: "choices" },
    );
    await calls(people.manager, "update_contact_field", {
      field_id: field.id,
      changes: { type: "choice", choices: ["31", "32"] },
    });
    await isRefused(calls(people.agent, "delete_contact_field", { field_id: field.id }), { code: "PT403" });
    await isRefused(calls(people.stranger, "delete_contact_field", { field_id: field.id }), { code: "PT404" });
    await calls(people.manager, "delete_contact_field", { field_id: field.id });
    assert.deepEqual((await calls(people.manager, "get_contact", { contact_id: contact.id })).custom_fields, {});
  });

  test("gets its old type back if the texts still fit it", async () => {
    const values = { number: [31.5, -7], boolean: [true, false], date: ["2024-02-29"] };
    for (const [type, given] of Object.entries(values)) {
      const key = `f_${randomInt(1e9)}`;
      const field = await calls(people.manager, "create_contact_field", { field: { key, name: type, type } });
      const holders = [];
      for (const value of given) holders.push(await newContact(people.manager, { custom_fields: { [key]: value } }));
      const becomes = (/** @type {string} */ wanted) =>
        calls(people.manager, "update_contact_field", { field_id: field.id, changes: { type: wanted } });
      const kept = async () =>
        (await Promise.all(holders.map(({ id }) => calls(people.manager, "get_contact", { contact_id: id })))).map(
          (contact) => contact.custom_fields[key],
        );
      await becomes("text");
      assert.deepEqual(await kept(), given.map(String));
      await becomes(type);
      assert.deepEqual(await kept(), given);
      await becomes("text");
      await calls(people.manager, "update_contact", {
        contact_id: holders[0].id,
        changes: { custom_fields: { [key]: "entah" } },
      });
      await isRefused(becomes(type), { code: "PT409", detail: "field_values" });
    }
  });

  test("takes no value of its former type during a concurrent change", async () => {
    const key = `f_${randomInt(1e9)}`;
    const field = await calls(people.manager, "create_contact_field", { field: { key, name: "F", type: "text" } });
    const holders = await Promise.all(Array.from({ length: 8 }, () => newContact(people.manager)));
    const outcomes = await Promise.allSettled([
      ...holders.map(({ id }) =>
        calls(people.manager, "update_contact", { contact_id: id, changes: { custom_fields: { [key]: "kata" } } }),
      ),
      calls(people.manager, "delete_contact_field", { field_id: field.id }),
      ...holders.map(({ id }) =>
        calls(people.manager, "update_contact", { contact_id: id, changes: { custom_fields: { [key]: "lagi" } } }),
      ),
    ]);
    for (const outcome of outcomes)
      if (outcome.status === "rejected") assert.equal(outcome.reason.code, "PT422", outcome.reason.message);
    const left = await sql`select id from public.contacts where tenant_id = ${tenant.id} and custom_fields ? ${key}`;
    assert.equal(left.length, 0);
  });

  test("is refused if the tenant has a hundred already", async () => {
    const office = await newTenant();
    const manager = await newUser(office, "manager");
    await sql`insert into public.contact_fields (tenant_id, key, name, type) select ${office.id}, 'f' || n, 'F', 'text' from generate_series(1, 100) n`;
    await isRefused(calls(manager, "create_contact_field", { field: { key: "g", name: "G", type: "text" } }), {
      code: "PT409",
      detail: "too_many_fields",
    });
  });
});

describe("a blocked customer", () => {
  test("is sent nothing, and their messages raise no unread count", async () => {
    const { contact, conversation, element } = await receivesMessage(number, {});
    const { numbers } = await calls(people.manager, "block_contact", { contact_id: contact.id, blocked: true });
    assert.deepEqual(
      numbers.map((/** @type {any} */ n) => [n.phone_number_id, n.user]),
      [[number.meta_phone_number_id, `+${contact.wa_id}`]],
    );
    const message = {
      conversation_id: conversation.id,
      type: "text",
      content: "Halo",
      payload: { text: { body: "Halo" } },
    };
    await isRefused(calls(people.manager, "create_message", message), { code: "PT409", detail: "contact_blocked" });
    await calls(people.manager, "read_conversation", { conversation_id: conversation.id });
    await calls(people.manager, "update_conversation", {
      conversation_id: conversation.id,
      changes: { status: "resolved" },
    });
    const { conversation: after } = await receivesMessage(number, { from: element.from, text: "Kenapa?" });
    assert.deepEqual(
      [after.status, after.unread_count, after.waiting_since, after.last_message_preview],
      ["resolved", 0, null, "Kenapa?"],
    );

    const [machine] = await sql`
      with queued as (
        select private.queue_automatic_message(v, 'greeting', 'text', 'Selamat datang', '{}') as id
        from public.conversations v where v.id = ${conversation.id}
      )
      select id from queued`;
    const { status, error_title } = await messageNow(machine);
    assert.deepEqual({ status, error_title }, { status: "failed", error_title: "The contact is blocked" });
    await calls(people.manager, "block_contact", { contact_id: contact.id, blocked: false });
    const { message: sent } = await calls(people.manager, "create_message", message);
    assert.equal(sent.status, "sending");
    await isRefused(calls(people.agent, "block_contact", { contact_id: contact.id, blocked: true }), { code: "PT403" });
  });
});

describe("several contacts of one person", () => {
  test("are found, previewed and merged as a person chooses", async () => {
    const office = await newTenant();
    const lead = await newUser(office, "manager");
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${office.id}, 'city', 'City', 'text'), (${office.id}, 'size', 'Size', 'text')`;
    const shop = await newNumber(office);
    const first = await receivesMessage(shop, { text: "satu" });
    const second = await receivesMessage(shop, { text: "dua" });
    const set = (/** @type {any} */ contact, /** @type {any} */ changes) =>
      calls(lead, "update_contact", { contact_id: contact.id, changes });
    await set(first.contact, { name: "Rina", email: "rina@kopi.test", tags: ["a"], custom_fields: { city: "Solo" } });
    await set(second.contact, {
      name: "Rina W",
      email: "RINA@kopi.test",
      tags: ["b"],
      custom_fields: { city: "Bogor", size: "L" },
    });
    await calls(lead, "create_contact_note", { contact_id: second.contact.id, content: "catatan" });
    await newContact(lead, { name: "Orang lain" });
    await newCampaign(shop, { wa_ids: [second.contact.wa_id] });
    await newCampaign(shop, { wa_ids: [first.contact.wa_id] });

    const { rows, next_cursor } = await calls(lead, "list_contact_duplicates", { page_size: 10 });
    assert.deepEqual(
      rows.map((/** @type {any} */ row) => [row.contact.id, row.other.id, row.reasons]),
      [[second.contact.id, first.contact.id, ["email"]]],
    );
    assert.equal(next_cursor, null);

    const ids = { contact_id: first.contact.id, other_id: second.contact.id };
    const preview = await calls(lead, "preview_contact_merge", ids);
    const city = preview.fields.find((/** @type {any} */ field) => field.field === "custom_fields.city");
    assert.deepEqual(city, {
      field: "custom_fields.city",
      this: "Solo",
      other: "Bogor",
      result: "Solo",
      conflict: true,
    });
    assert.deepEqual([preview.tags, preview.lost_identities], [["a", "b"], [`+${second.contact.wa_id}`]]);
    assert.deepEqual(
      [preview.moves.messages, preview.moves.joined_conversations, preview.moves.notes, preview.moves.campaigns],
      [1, 1, 1, 1],
    );

    await isRefused(calls(lead, "merge_contact", { ...ids, fields: ["nothing"] }), { code: "PT422", hint: "fields" });
    await isRefused(calls(people.stranger, "merge_contact", ids), { code: "PT404" });
    const merged = await calls(lead, "merge_contact", { ...ids, fields: ["name", "custom_fields.city"] });
    hasFields(merged, {
      id: first.contact.id,
      name: "Rina W",
      wa_id: first.contact.wa_id,
      tags: ["a", "b"],
      custom_fields: { city: "Bogor", size: "L" },
    });
    const rowsLeft =
      await sql`select content from public.messages where conversation_id = ${first.conversation.id} order by content`;
    assert.deepEqual(
      rowsLeft.map(({ content }) => content),
      ["dua", "satu"],
    );
    assert.equal(await calls(lead, "get_contact", { contact_id: second.contact.id }), null);
  });

  test("are listed page by page to the end", async () => {
    const office = await newTenant();
    const lead = await newUser(office, "manager");
    for (let n = 0; n < 5; n++) {
      await newContact(lead, { email: `orang${n}@kopi.test` });
      await newContact(lead, { email: `orang${n}@kopi.test` });
    }
    const pairs = [];
    let after = null;
    do {
      const page = await calls(lead, "list_contact_duplicates", { page_size: 2, after });
      pairs.push(...page.rows.map((/** @type {any} */ row) => row.contact.email));
      after = page.next_cursor;
    } while (after !== null);
    assert.deepEqual(
      pairs,
      [4, 3, 2, 1, 0].map((n) => `orang${n}@kopi.test`),
    );
  });
});

describe("live", () => {
  test("people who may view contacts hear of changes, once for a bulk change, and not of a contact's next message", async () => {
    await rolledBack(sql, async ({ sql, calls, receivesMessage }) => {
      const announcements = async () => {
        const rows =
          await sql`select event from private.changes where tenant_id = ${tenant.id} and audience = 'contacts' order by id`;
        await sql`delete from private.changes where tenant_id = ${tenant.id}`;
        return rows.map(({ event }) => event);
      };
      await announcements();
      const { contact, element } = await receivesMessage(number, { profile_name: "Sari", timestamp: 1_700_000_000 });
      assert.deepEqual(await announcements(), ["contact.created"]);
      await receivesMessage(number, { from: element.from, profile_name: "Sari" });
      assert.deepEqual(await announcements(), []);
      await calls(people.manager, "update_contact", { contact_id: contact.id, changes: { name: "Sari K" } });
      assert.deepEqual(await announcements(), ["contact.updated"]);
      await sql`insert into public.contacts (tenant_id, wa_id, profile_at) select ${tenant.id}, 62800000000 + n, now() from generate_series(1, 60) n`;
      assert.deepEqual(await announcements(), ["contacts.created"]);
      await calls(people.manager, "delete_contact", { contact_id: contact.id });
      assert.deepEqual(await announcements(), ["contact.deleted"]);
    });
  });
});
