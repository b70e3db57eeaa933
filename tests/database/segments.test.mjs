// Segments: filters of contacts as conditions, with any text in them; their results, and the permission to read them.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const database = await useDatabase();
const {
  sql,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newNumber,
  newTemplate,
  newRecipientList,
  peopleOn,
  recipientsOf,
} = database;
const DAY = 86_400_000;
const json = (/** @type {any} */ value) => sql.json(value);

const saves = (/** @type {any} */ user, /** @type {object} */ filter, name = randomUUID()) =>
  calls(user, "save_segment", { changes: json({ name, filter }) });
const previews = (/** @type {any} */ user, /** @type {any} */ filter) =>
  calls(user, "preview_segment", { filter: json(filter) });
const leaf = (/** @type {string} */ field, /** @type {string} */ op, /** @type {any} */ value) =>
  value === undefined ? { field, op } : { field, op, value };

/** A tenant with an admin. */
async function newOffice() {
  const tenant = await newTenant();
  return { tenant, admin: await newUser(tenant, "admin") };
}

/** @param {{ id: string }} tenant @param {object} [columns] */
async function newContact(tenant, columns = {}) {
  const [contact] = await sql`
    insert into public.contacts ${sql(/** @type {any} */ ({ tenant_id: tenant.id, wa_id: `628${String(Math.floor(Math.random() * 1e12)).padStart(12, "0")}`, ...columns }))} returning *`;
  return contact;
}

describe("a filter", () => {
  test("is refused with the path of the wrong part", async () => {
    const { tenant, admin } = await newOffice();
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'age', 'Age', 'number'), (${tenant.id}, 'born', 'Born', 'date')`;
    await sql`insert into public.contact_fields (tenant_id, key, name, type, choices) values (${tenant.id}, 'size', 'Size', 'choice', '{S,M}')`;
    const good = leaf("name", "is_set");
    const deep = (/** @type {number} */ levels) =>
      Array.from({ length: levels }).reduce((inner) => ({ all: [inner] }), /** @type {any} */ (good));
    /** @type {[any, string][]} */
    const wrong = [
      [null, "filter"],
      [[], "filter"],
      [{}, "filter"],
      ["name", "filter"],
      [{ all: [] }, "filter.all"],
      [{ any: good }, "filter.any"],
      [{ all: [good, { not: { any: [good, 7] } }] }, "filter.all[1].not.any[1]"],
      [{ all: [good, leaf("email", "is", 7)] }, "filter.all[1].value"],
      [{ all: [good], any: [good] }, "filter"],
      [{ ...good, extra: 1 }, "filter"],
      [leaf("password", "is", "x"), "filter.field"],
      [leaf("c.id", "is", "x"), "filter.field"],
      [{ field: 7, op: "is" }, "filter.field"],
      [leaf("name", "like", "x"), "filter.op"],
      [{ field: "name" }, "filter.op"],
      [leaf("created_at", "is", "2026-01-01"), "filter.op"],
      [leaf("name", "is"), "filter.value"],
      [leaf("name", "is", ""), "filter.value"],
      [leaf("name", "is", "x".repeat(201)), "filter.value"],
      [leaf("name", "is_set", "x"), "filter.value"],
      [leaf("name", "one_of", []), "filter.value"],
      [leaf("name", "one_of", ["a", 1]), "filter.value"],
      [leaf("phone_number", "contains", "0812' or 1=1"), "filter.value"],
      [leaf("country", "is", "XX"), "filter.value"],
      [leaf("country", "is", "id"), "filter.value"],
      [leaf("created_at", "before", "2026-02-31"), "filter.value"],
      [leaf("created_at", "before", "yesterday"), "filter.value"],
      [leaf("created_at", "before", "2026-01-01T10:00"), "filter.value"],
      [leaf("created_at", "within_days", -1), "filter.value"],
      [leaf("created_at", "within_days", 1.5), "filter.value"],
      [leaf("created_at", "within_days", "7"), "filter.value"],
      [leaf("created_at", "within_days", 1e9), "filter.value"],
      [leaf("opted_out", "is", "true"), "filter.value"],
      [leaf("owner_id", "is", "me"), "filter.value"],
      [leaf("owner_id", "is", randomUUID()), "filter.value"],
      [leaf("label", "has", randomUUID()), "filter.value"],
      [leaf("conversation_status", "is", "closed"), "filter.value"],
      [leaf("session_id", "is", randomUUID()), "filter.value"],
      [leaf("custom.nothing", "is_set"), "filter.field"],
      [leaf("custom.", "is_set"), "filter.field"],
      [leaf("custom.age", "contains", "1"), "filter.op"],
      [leaf("custom.age", "is", "1"), "filter.value"],
      [leaf("custom.born", "before", "2026-13-01"), "filter.value"],
      [leaf("custom.size", "contains", "S"), "filter.op"],
      [{ campaign: randomUUID(), did: "read" }, "filter.campaign"],
      [{ campaign: "x", did: "read" }, "filter.campaign"],
      [{ campaign: randomUUID(), did: "liked" }, "filter.did"],
      [{ campaign: randomUUID() }, "filter.did"],
      [deep(6), "filter.all[0].all[0].all[0].all[0].all[0]"],
      [{ any: [{ all: Array(26).fill(good) }, { all: Array(25).fill(good) }] }, "filter.any[1].all[24]"],
      [{ all: Array(51).fill(good) }, "filter.all"],
    ];
    for (const [filter, hint] of wrong) {
      const refusal = { code: "PT422", detail: "invalid_filter", hint };
      await isRefused(saves(admin, filter), refusal);
      await isRefused(previews(admin, filter), refusal);
    }
    await saves(admin, deep(5));
    await saves(admin, { all: Array(50).fill(good) });
  });

  test("is never read as SQL, with any text in it", async () => {
    const { tenant, admin } = await newOffice();
    const other = await newOffice();
    await newContact(other.tenant, { name: "Somebody else" });
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'city', 'City', 'text')`;
    const attacks = [
      "') or true --",
      "' or '1'='1",
      "\\' or true --",
      "$1",
      "%L",
      "%s",
      "$$; drop table public.segments; $$",
      "'; select pg_sleep(5); --",
      "\u0027) or exists (select 1 from public.contacts) --",
      "{}\"'",
      "e'\\x27",
      "x' union select id from public.contacts --",
      "}', '{",
      "\\",
    ];
    const fields = [
      "name",
      "phone_number",
      "email",
      "language",
      "country",
      "tags",
      "owner_id",
      "created_at",
      "opted_out",
      "custom.city",
      "label",
      "last_message_at",
      "conversation_status",
      "assigned_to",
      "session_id",
    ];
    const ops = ["is", "contains", "starts_with", "one_of", "before", "more_than_days_ago", "has", "greater_than"];
    let ran = 0;
    for (const attack of attacks) {
      const filters = [
        ...fields.flatMap((field) => ops.map((op) => leaf(field, op, op === "one_of" ? [attack] : attack))),
        ...ops.map((op) => leaf(attack, op, "x")),
        leaf("name", attack, "x"),
        leaf(`custom.${attack}`, "is", "x"),
        leaf(`custom.city${attack}`, "is_set"),
        { campaign: attack, did: "read" },
        { campaign: randomUUID(), did: attack },
        { campaign: randomUUID(), did: "read", within_days: attack },
        { [attack]: [leaf("name", "is_set")] },
      ];
      for (const filter of filters) {
        try {
          assert.deepEqual(await previews(admin, filter), { contact_count: 0, contacts: [] }, JSON.stringify(filter));
          ran++;
        } catch (error) {
          assert.deepEqual(
            [/** @type {any} */ (error).code, /** @type {any} */ (error).detail],
            ["PT422", "invalid_filter"],
            JSON.stringify(filter),
          );
        }
      }
    }
    assert.ok(ran >= attacks.length * 8, "many of the texts are valid");
    const named = await newContact(tenant, {
      name: attacks[0],
      tags: attacks,
      custom_fields: json({ city: attacks[1] }),
    });
    for (const filter of [
      leaf("name", "is", attacks[0]),
      leaf("tags", "has", attacks[5]),
      leaf("tags", "has", "}', '{"),
      leaf("custom.city", "contains", attacks[1]),
    ]) {
      assert.deepEqual(
        (await previews(admin, filter)).contacts.map((/** @type {any} */ { id }) => id),
        [named.id],
      );
    }
  });

  test("finds no contact of another tenant", async () => {
    const [mine, theirs] = [await newOffice(), await newOffice()];
    const number = await newNumber(theirs.tenant);
    const campaign = await database.newCampaign(number);
    const [label] =
      await sql`insert into public.labels (tenant_id, name) values (${theirs.tenant.id}, 'VIP') returning id`;
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${theirs.tenant.id}, 'secret', 'Secret', 'text')`;
    const filters = [
      leaf("label", "has", label.id),
      leaf("label", "has_not", label.id),
      leaf("label", "one_of", [label.id]),
      leaf("session_id", "is", number.id),
      leaf("session_id", "is_not", number.id),
      leaf("owner_id", "is", theirs.admin.id),
      leaf("assigned_to", "is", theirs.admin.id),
      leaf("custom.secret", "is_set"),
      { campaign: campaign.id, did: "read" },
      { not: { campaign: campaign.id, did: "read" } },
    ];
    for (const filter of filters) {
      await previews(theirs.admin, filter);
      await isRefused(previews(mine.admin, filter), { code: "PT422", detail: "invalid_filter" });
      await isRefused(saves(mine.admin, filter), { code: "PT422", detail: "invalid_filter" });
    }
    await newContact(theirs.tenant, { name: "Rina" });
    assert.equal((await previews(mine.admin, { not: leaf("name", "is", "x") })).contact_count, 0);
  });
});

describe("a segment", () => {
  test("is saved, found, counted, changed and removed", async () => {
    const { tenant, admin } = await newOffice();
    await newContact(tenant, { name: "Rina", tags: ["vip"] });
    const filter = leaf("tags", "has", "vip");
    const segment = await calls(admin, "save_segment", {
      changes: json({ name: "Penting", description: "VIP", filter }),
    });
    hasFields(segment, {
      name: "Penting",
      description: "VIP",
      filter,
      contact_count: 1,
      problem: null,
      created_by: admin.id,
    });
    await isRefused(saves(admin, filter, "penting"), { code: "PT409", detail: "name_taken", hint: "name" });
    await newContact(tenant, { name: "Budi", tags: ["x", "vip"] });
    assert.equal(
      (await calls(admin, "get_segment", { segment_id: segment.id })).contact_count,
      2,
      "counted on request",
    );
    await saves(admin, leaf("tags", "is_not_set"), "Tanpa tag");
    const list = await calls(admin, "list_segments", { search: "PENT", page: 1, page_size: 10 });
    assert.deepEqual(
      [list.total, list.rows.map((/** @type {any} */ { id, contact_count }) => [id, contact_count])],
      [1, [[segment.id, 2]]],
    );
    assert.equal((await calls(admin, "list_segments", { search: null, page: 1, page_size: 1 })).total, 2);
    const changed = await calls(admin, "save_segment", {
      changes: json({ filter: leaf("name", "is", "budi") }),
      segment_id: segment.id,
    });
    assert.deepEqual([changed.name, changed.description, changed.contact_count], ["Penting", "VIP", 1]);
    await isRefused(calls(admin, "save_segment", { changes: json({ filter: {} }), segment_id: segment.id }), {
      code: "PT422",
      hint: "filter",
    });
    await calls(admin, "delete_segment", { segment_id: segment.id });
    assert.equal(await calls(admin, "get_segment", { segment_id: segment.id }), null);
    await isRefused(calls(admin, "delete_segment", { segment_id: segment.id }), { code: "PT404", detail: "not_found" });
  });

  test("needs its permission, and is closed to other tenants", async () => {
    const { admin, tenant } = await newOffice();
    const segment = await saves(admin, leaf("name", "is_set"));
    const stranger = (await newOffice()).admin;
    assert.equal(await calls(stranger, "get_segment", { segment_id: segment.id }), null);
    assert.equal((await calls(stranger, "list_segments", { search: null, page: 1, page_size: 10 })).total, 0);
    for (const name of ["save_segment", "delete_segment"]) {
      await isRefused(
        calls(stranger, name, {
          segment_id: segment.id,
          ...(name === "save_segment" ? { changes: json({ name: "x" }) } : {}),
        }),
        { code: "PT404" },
      );
    }
    const agent = await newUser(tenant, "agent");
    await isRefused(calls(agent, "list_segments", { search: null, page: 1, page_size: 10 }), { code: "PT403" });
    await isRefused(previews(agent, leaf("name", "is_set")), { code: "PT403" });
    await isRefused(saves(agent, leaf("name", "is_set")), { code: "PT403" });
  });

  test("counts the contacts that the caller may see", async () => {
    const { tenant } = await newOffice();
    const viewer = await newUserWith(tenant, { permissions: ["segments.view", "conversations.view"] });
    const number = await newNumber(tenant);
    const { conversation, contact } = await database.receivesMessage(number);
    await database.assign(conversation, viewer);
    await database.assign((await database.receivesMessage(number)).conversation, await newUser(tenant, "agent"));
    await newContact(tenant);
    const seen = await previews(viewer, leaf("phone_number", "is_set"));
    assert.deepEqual([seen.contact_count, seen.contacts.map((/** @type {any} */ { id }) => id)], [1, [contact.id]]);
  });

  test("lists the counted contacts page by page, for people who may see contacts", async () => {
    const { tenant, admin } = await newOffice();
    const other = await newOffice();
    for (let n = 0; n < 7; n++) await newContact(tenant, { name: `Rina ${n}`, tags: n % 2 ? ["vip"] : [] });
    const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'L') returning id`;
    const segment = await saves(admin, { any: [leaf("tags", "has", "vip"), leaf("name", "is", "rina 0")] });
    for (const sort of ["newest", "name"]) {
      const names = [];
      let after = null;
      do {
        const page = await calls(admin, "list_contacts", {
          filter: { segment_id: segment.id },
          sort,
          page_size: 2,
          after,
        });
        assert.equal(page.total, segment.contact_count);
        names.push(...page.rows.map((/** @type {any} */ { name }) => name));
        after = page.next_cursor;
      } while (after);
      assert.deepEqual(names.toSorted(), ["Rina 0", "Rina 1", "Rina 3", "Rina 5"], sort);
    }
    assert.equal(
      (await calls(admin, "list_contacts", { filter: { segment_id: segment.id, search: "rina 3" } })).total,
      1,
    );
    const bulk = await calls(admin, "change_contacts", {
      contact_ids: null,
      filter: { segment_id: segment.id },
      action: "add_labels",
      options: { label_ids: [label.id] },
    });
    assert.deepEqual(bulk, { matched: 4, changed: 4 });
    const unknown = { code: "PT422", detail: "invalid_filter", hint: "segment_id" };
    await isRefused(calls(other.admin, "list_contacts", { filter: { segment_id: segment.id } }), unknown);
    await isRefused(
      calls(other.admin, "delete_contacts", {
        contact_ids: null,
        filter: { segment_id: segment.id },
        expected_count: 0,
      }),
      unknown,
    );
    const blind = await newUserWith(tenant, { permissions: ["contacts.view"] });
    assert.equal((await calls(blind, "list_contacts", { filter: { segment_id: segment.id } })).total, 0);
    await calls(admin, "save_segment", {
      changes: json({ filter: leaf("label", "has", label.id) }),
      segment_id: segment.id,
    });
    await sql`delete from public.labels where id = ${label.id}`;
    await isRefused(calls(admin, "list_contacts", { filter: { segment_id: segment.id } }), {
      code: "PT422",
      detail: "invalid_filter",
      hint: "segment_id.value",
    });
  });

  test("whose label was deleted reports it, and counts no contact", async () => {
    const { tenant, admin } = await newOffice();
    await newContact(tenant);
    const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP') returning id`;
    const segment = await saves(admin, { not: leaf("label", "has", label.id) });
    assert.equal(segment.contact_count, 1);
    await sql`delete from public.labels where id = ${label.id}`;
    const { contact_count, problem } = await calls(admin, "get_segment", { segment_id: segment.id });
    assert.deepEqual([contact_count, problem.field], [null, "filter.not.value"]);
    await isRefused(
      calls(admin, "create_recipient_list_from_contacts", { name: "x", filter: json({ segment_id: segment.id }) }),
      { code: "PT422", detail: "invalid_filter" },
    );
  });

  test("is broadcast to people who may see segments", async () => {
    const { tenant, admin } = await newOffice();
    const segment = await saves(admin, leaf("name", "is_set"), "Penting");
    await calls(admin, "save_segment", { changes: json({ name: "Lain" }), segment_id: segment.id });
    await calls(admin, "delete_segment", { segment_id: segment.id });
    const announced =
      await sql`select event, payload from realtime.messages where topic ~ ${`^tenant:${tenant.id}:segments:[0-9]+$`} order by inserted_at, event`;
    assert.deepEqual(
      new Set(announced.map(({ event }) => event)),
      new Set(["segment.created", "segment.updated", "segment.deleted"]),
    );
    assert.ok(announced.every(({ payload }) => payload.id === segment.id));
    await sql`delete from public.tenants where id = ${tenant.id}`;
  });
});

describe("a segment selects the people", () => {
  test("of a recipient list, with labels, tags and filters of its own", async () => {
    const { tenant, admin } = await newOffice();
    const [label] = await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP') returning id`;
    const rina = await newContact(tenant, { name: "Rina", tags: ["lama"] });
    const budi = await newContact(tenant, { name: "Budi", tags: ["lama"] });
    await sql`insert into public.contact_labels (contact_id, label_id, tenant_id) values (${rina.id}, ${label.id}, ${tenant.id})`;
    const segment = await saves(admin, leaf("tags", "has", "lama"));
    const listed = async (/** @type {object} */ filter) =>
      (
        await peopleOn(await calls(admin, "create_recipient_list_from_contacts", { name: "L", filter: json(filter) }))
      ).sort();
    assert.deepEqual(await listed({ segment_id: segment.id }), [rina.wa_id, budi.wa_id].sort());
    assert.deepEqual(await listed({ segment_id: segment.id, label: label.id }), [rina.wa_id]);
    assert.deepEqual(await listed({ tag: "lama", segment: leaf("name", "is", "budi") }), [budi.wa_id]);
    assert.deepEqual(await listed({ segment_id: segment.id, search: "rin" }), [rina.wa_id]);
    const elsewhere = await newOffice();
    const stranger = elsewhere.admin;
    await newContact(elsewhere.tenant);
    await isRefused(
      calls(stranger, "create_recipient_list_from_contacts", { name: "L", filter: json({ segment_id: segment.id }) }),
      { code: "PT422", hint: "filter.segment_id" },
    );
    await isRefused(
      calls(stranger, "create_recipient_list_from_contacts", { name: "L", filter: json({ label: label.id }) }),
      { code: "PT422", hint: "filter.label.value" },
    );
  });

  test("of a campaign, at the moment the campaign is created", async () => {
    const { tenant, admin } = await newOffice();
    const number = await newNumber(tenant);
    const template = await newTemplate(tenant, { text: "Halo {{1}}, {{2}}" });
    const rina = await newContact(tenant, { name: "Rina", tags: ["vip"] });
    await newContact(tenant, { name: "Budi" });
    const segment = await saves(admin, leaf("tags", "has", "vip"));
    const makes = (/** @type {any} */ user, /** @type {object} */ options) =>
      calls(user, "create_campaign", {
        name: "Promo",
        template_id: template.id,
        recipients: json([]),
        session_id: number.id,
        sender_id: null,
        scheduled_at: new Date(Date.now() + DAY),
        options: json(options),
      });
    const mapping = [
      { source: "contact", field: "name" },
      { source: "text", text: "promo" },
    ];
    const campaign = await makes(admin, { segment_id: segment.id, variable_mapping: mapping });
    assert.equal(campaign.segment_id, segment.id);
    await newContact(tenant, { name: "Sari", tags: ["vip"] });
    assert.deepEqual(
      (await recipientsOf(campaign)).map(({ wa_id, name, variables }) => ({ wa_id, name, variables })),
      [{ wa_id: rina.wa_id, name: "Rina", variables: ["Rina", "promo"] }],
    );
    await calls(admin, "delete_segment", { segment_id: segment.id });
    assert.equal((await recipientsOf(campaign)).length, 1);
    const none = await saves(admin, leaf("name", "is", "nobody"));
    await isRefused(makes(admin, { segment_id: none.id }), { code: "PT422", hint: "recipients" });
    await isRefused(makes(admin, { segment_id: none.id, variable_mapping: [{ source: "column", column: "x" }] }), {
      code: "PT422",
      hint: "variable_mapping",
    });
    const theirs = await saves((await newOffice()).admin, leaf("name", "is_set"));
    await isRefused(makes(admin, { segment_id: theirs.id }), { code: "PT422", hint: "segment_id" });
  });
});

describe("a filter of numbers and names", () => {
  test("finds a number in its national form, and by a part of it", async () => {
    const { tenant, admin } = await newOffice();
    const contact = await newContact(tenant, { wa_id: "6281299887766" });
    await newContact(tenant, { wa_id: "6581299887799" });
    for (const [op, value] of /** @type {const} */ ([
      ["is", "0812-9988-7766"],
      ["is", "+62 812 9988 7766"],
      ["is", "006281299887766"],
      ["one_of", ["081299887766", "0811"]],
      ["starts_with", "0812"],
      ["starts_with", "+62 812"],
      ["contains", "0812998"],
      ["contains", "99887766"],
      ["contains", "77"],
    ])) {
      const { contacts } = await previews(admin, leaf("phone_number", op, value));
      const expected = value === "77" ? 2 : 1;
      assert.deepEqual(
        [contacts.length, contacts.some((/** @type {any} */ c) => c.id === contact.id)],
        [expected, true],
        `${op} ${value}`,
      );
    }
    assert.equal((await previews(admin, leaf("phone_number", "is_not", "081299887766"))).contact_count, 1);
  });

  test("finds letters with accents, signs and long names, as without an index", async () => {
    const { tenant, admin } = await newOffice();
    const names = [
      "Zoë Kopi_50%",
      "KOPI\\Susu",
      "e\u0301kopi",
      "\u212aopi",
      "kop\u0301i",
      "Rina",
      `${"x".repeat(490)} kopi`,
      "Kópi",
    ];
    for (const name of names) await newContact(tenant, { name: null, profile_name: name });
    const plain = (/** @type {string} */ part) =>
      names.filter((name) => name.toLowerCase().includes(part.toLowerCase())).sort();
    for (const part of ["kopi", "KOPI", "pi_50%", "i\\s", "50%", "opi", "ko", "ë ko", "kóp", "x k"]) {
      const { contacts } = await previews(admin, leaf("name", "contains", part));
      assert.deepEqual(contacts.map((/** @type {any} */ c) => c.name).sort(), plain(part), part);
      const rest = await previews(admin, { not: leaf("name", "contains", part) });
      assert.equal(rest.contact_count, names.length - contacts.length, part);
    }
  });

  test("refuses a time with an impossible offset", async () => {
    const { admin } = await newOffice();
    await isRefused(previews(admin, leaf("created_at", "before", "2026-01-01T00:00:00+99:00")), {
      code: "PT422",
      detail: "invalid_filter",
      hint: "filter.value",
    });
  });

  test("finds the outcome of a campaign under a contact's earlier number", async () => {
    const { tenant, admin } = await newOffice();
    const number = await newNumber(tenant);
    const [kept, gone] = [await newContact(tenant), await newContact(tenant)];
    const campaign = await database.newCampaign(number, { wa_ids: [kept.wa_id, gone.wa_id] });
    await sql`update public.broadcast_recipients set status = 'read', read_at = now() where campaign_id = ${campaign.id} and wa_id = ${gone.wa_id}`;
    const read = { campaign: campaign.id, did: "read" };
    assert.equal((await previews(admin, read)).contacts[0].id, gone.id);
    await calls(admin, "merge_contact", { contact_id: kept.id, other_id: gone.id });
    assert.deepEqual(
      (await previews(admin, read)).contacts.map((/** @type {any} */ { id }) => id),
      [kept.id],
    );
    assert.equal((await previews(admin, { not: read })).contact_count, 0);
    const later = await database.newCampaign(number, { wa_ids: [gone.wa_id] });
    await sql`update public.broadcast_recipients set status = 'read', read_at = now() where campaign_id = ${later.id}`;
    assert.equal(
      (await previews(admin, { campaign: later.id, did: "read" })).contact_count,
      0,
      "another person may have the number by then",
    );
  });
});

describe("any filter", () => {
  test("leaves the same contacts as a plain evaluation of it", async () => {
    const random = chance();
    const { tenant, admin } = await newOffice();
    const zoneHours = 7; // Asia/Jakarta
    const people = [await newUser(tenant, "agent"), await newUser(tenant, "agent")];
    const numbers = [await newNumber(tenant), await newNumber(tenant)];
    const labels = [
      ...(await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'A'), (${tenant.id}, 'B') returning id`),
    ];
    await sql`
      insert into public.contact_fields (tenant_id, key, name, type, choices) values
        (${tenant.id}, 'city', 'City', 'text', '{}'), (${tenant.id}, 'age', 'Age', 'number', '{}'), (${tenant.id}, 'member', 'Member', 'boolean', '{}'),
        (${tenant.id}, 'born', 'Born', 'date', '{}'), (${tenant.id}, 'size', 'Size', 'choice', '{S,M,L}')`;
    const [{ now }] = await sql`select now() as now`;
    const today = new Date(now.getTime() + zoneHours * 3_600_000).toISOString().slice(0, 10);
    const someDay = () => new Date(now.getTime() - random.integer(0, 60) * DAY).toISOString().slice(0, 10);
    const maybe = (/** @type {() => any} */ make) => (random.number() < 0.6 ? make() : null);
    const cities = ["Solo", "Jakarta", "solo baru"];
    const names = ["Rina", "rina wati", "Budi", "Ani"];
    const prefixes = ["62811", "6589", "1415", "77701", "5511987654", "52181"];
    const model = [];
    for (let i = 0; i < 60; i++) {
      const custom = Object.fromEntries(
        Object.entries({
          city: maybe(() => random.pick(cities)),
          age: maybe(() => random.integer(1, 5)),
          member: maybe(() => random.number() < 0.5),
          born: maybe(someDay),
          size: maybe(() => random.pick(["S", "M", "L"])),
        }).filter(([, value]) => value !== null),
      );
      const columns = {
        wa_id: `${random.pick(prefixes)}${String(i).padStart(5, "0")}`,
        name: maybe(() => random.pick(names)),
        profile_name: maybe(() => random.pick(names)),
        email: maybe(() => random.pick(["a@x.id", "B@x.id"])),
        language: maybe(() => random.pick(["id", "en"])),
        tags: random.shuffle(["vip", "lama", "baru"]).slice(0, random.integer(0, 2)),
        owner_id: maybe(() => random.pick(people).id),
        created_at: new Date(now.getTime() - random.integer(0, 60) * DAY - 3_600_000),
        marketing_opted_out_at: random.number() < 0.3 ? now : null,
        blocked_at: random.number() < 0.3 ? now : null,
        custom_fields: json(custom),
      };
      const contact = await newContact(tenant, columns);
      const its = labels.filter(() => random.number() < 0.4).map(({ id }) => id);
      for (const id of its)
        await sql`insert into public.contact_labels (contact_id, label_id, tenant_id) values (${contact.id}, ${id}, ${tenant.id})`;
      const conversations = [];
      for (const number of numbers.filter(() => random.number() < 0.5)) {
        const conversation = {
          tenant_id: tenant.id,
          session_id: number.id,
          contact_id: contact.id,
          status: random.pick(["open", "pending", "snoozed", "resolved"]),
          assigned_to: maybe(() => random.pick(people).id),
          last_message_at: maybe(() => new Date(now.getTime() - random.integer(0, 60) * DAY - 3_600_000)),
          last_inbound_at: maybe(() => new Date(now.getTime() - random.integer(0, 60) * DAY - 3_600_000)),
        };
        await sql`insert into public.conversations ${sql(/** @type {any} */ (conversation))}`;
        conversations.push(conversation);
      }
      model.push({ ...contact, custom, labels: its, conversations, did: /** @type {any} */ ({}) });
    }
    const campaign = await database.newCampaign(numbers[0], { wa_ids: model.slice(0, 40).map(({ wa_id }) => wa_id) });
    for (const contact of model.slice(0, 40)) {
      const status = random.pick(["sent", "delivered", "read", "failed", "skipped"]);
      const at = new Date(now.getTime() - random.integer(0, 10) * DAY - 3_600_000);
      const reached = { sent: 1, delivered: 2, read: 3 }[/** @type {string} */ (status)] ?? 0;
      const [replied, failed] = [random.number() < 0.3, status === "failed"];
      await sql`
        update public.broadcast_recipients set status = ${status}, sent_at = ${reached >= 1 ? at : null}, delivered_at = ${reached >= 2 ? at : null}, read_at = ${reached >= 3 ? at : null},
          failed_at = ${failed ? at : null}, replied_at = ${replied ? at : null}
        where campaign_id = ${campaign.id} and wa_id = ${contact.wa_id}`;
      contact.did = {
        received: reached >= 1 && at,
        delivered: reached >= 2 && at,
        read: reached >= 3 && at,
        replied: replied && at,
        failed: failed && at,
      };
    }

    const startOf = (/** @type {string} */ day) => new Date(`${day}T00:00:00+07:00`).getTime();
    const lower = (/** @type {any} */ text) => (text ?? "").toLowerCase();
    const countryOf = (/** @type {string} */ wa_id) =>
      ({ 62: "ID", 65: "SG", 77: "KZ", 55: "BR", 52: "MX", 14: "US" })[wa_id.slice(0, 2)];
    const keyOf = (/** @type {string} */ wa_id) =>
      /^55[1-9]\d9[6-9]\d{7}$/.test(wa_id)
        ? wa_id.slice(0, 4) + wa_id.slice(5)
        : /^521\d{10}$/.test(wa_id)
          ? `52${wa_id.slice(3)}`
          : wa_id;
    const textOf = (/** @type {any} */ x, /** @type {string} */ op, /** @type {any} */ value) => {
      const has = x !== null && x !== undefined && x !== "";
      switch (op) {
        case "is_set":
          return has;
        case "is_not_set":
          return !has;
        case "is":
          return has && lower(x) === lower(value);
        case "is_not":
          return !(has && lower(x) === lower(value));
        case "contains":
          return has && lower(x).includes(lower(value));
        case "starts_with":
          return has && lower(x).startsWith(lower(value));
        case "one_of":
          return has && value.map(lower).includes(lower(x));
      }
      throw new Error(op);
    };
    const momentOf = (/** @type {number} */ x, /** @type {string} */ op, /** @type {any} */ value) =>
      ({
        before: () => x < startOf(value),
        after: () => x >= startOf(value) + DAY,
        more_than_days_ago: () => x < now.getTime() - value * DAY,
        within_days: () => x >= now.getTime() - value * DAY,
      })[op]?.() ?? assert.fail(op);
    const ago = (/** @type {number} */ days) =>
      new Date(startOf(today) - days * DAY + zoneHours * 3_600_000).toISOString().slice(0, 10);
    /** @param {any} filter @param {any} c @returns {boolean} */
    const leaves = (filter, c) => {
      if (filter.all) return filter.all.every((/** @type {any} */ f) => leaves(f, c));
      if (filter.any) return filter.any.some((/** @type {any} */ f) => leaves(f, c));
      if (filter.not) return !leaves(filter.not, c);
      if (filter.campaign) {
        const at = c.did[filter.did];
        return (
          Boolean(at) && (filter.within_days === undefined || at.getTime() >= now.getTime() - filter.within_days * DAY)
        );
      }
      const { field, op, value } = filter;
      const values = op === "one_of" ? value : [value];
      const negated = (/** @type {boolean} */ found) => (op === "is_not" || op === "has_not" ? !found : found);
      switch (field) {
        case "name":
          return textOf(c.name ?? c.profile_name, op, value);
        case "email":
          return textOf(c.email, op, value);
        case "language":
          return textOf(c.language, op, value);
        case "custom.city":
          return textOf(c.custom.city, op, value);
        case "phone_number":
          return ["is", "is_not", "one_of"].includes(op)
            ? negated(values.some((/** @type {string} */ v) => keyOf(v.replace("+", "")) === keyOf(c.wa_id)))
            : textOf(c.wa_id, op, value?.replace("+", ""));
        case "country":
          return negated(values.includes(countryOf(c.wa_id)));
        case "tags":
          return op === "is_set"
            ? c.tags.length > 0
            : op === "is_not_set"
              ? c.tags.length === 0
              : negated(c.tags.some((/** @type {string} */ t) => values.includes(t)));
        case "owner_id":
          return op === "is_set"
            ? c.owner_id !== null
            : op === "is_not_set"
              ? c.owner_id === null
              : negated(values.includes(c.owner_id));
        case "created_at":
          return momentOf(c.created_at.getTime(), op, value);
        case "opted_out":
          return (c.marketing_opted_out_at !== null) === value;
        case "blocked":
          return (c.blocked_at !== null) === value;
        case "label":
          return negated(c.labels.some((/** @type {string} */ l) => values.includes(l)));
        case "custom.age": {
          const { age } = c.custom;
          return (
            {
              is: age === value,
              is_not: age !== value,
              greater_than: age > value,
              less_than: age < value,
              is_set: age !== undefined,
              is_not_set: age === undefined,
            }[/** @type {string} */ (op)] ?? assert.fail(op)
          );
        }
        case "custom.member":
          return negated(c.custom.member === value);
        case "custom.size":
          return negated(values.includes(c.custom.size));
        case "custom.born": {
          const { born } = c.custom;
          if (op === "is_not") return born !== value;
          if (born === undefined) return false;
          if (op === "more_than_days_ago") return born < ago(value);
          if (op === "within_days") return born >= ago(value) && born <= today;
          return (
            { is: born === value, before: born < value, after: born > value }[/** @type {string} */ (op)] ??
            assert.fail(op)
          );
        }
        case "conversation_status":
          return negated(c.conversations.some((/** @type {any} */ v) => values.includes(v.status)));
        case "session_id":
          return negated(c.conversations.some((/** @type {any} */ v) => values.includes(v.session_id)));
        case "assigned_to": {
          if (op === "is_set" || op === "is_not_set")
            return c.conversations.some((/** @type {any} */ v) => v.assigned_to !== null) === (op === "is_set");
          return negated(c.conversations.some((/** @type {any} */ v) => values.includes(v.assigned_to)));
        }
        case "last_message_at":
        case "last_inbound_at": {
          const times = c.conversations
            .map((/** @type {any} */ v) => v[field]?.getTime())
            .filter((/** @type {any} */ t) => t !== undefined);
          if (op === "is_set" || op === "is_not_set") return times.length > 0 === (op === "is_set");
          return times.length > 0 && momentOf(Math.max(...times), op, value);
        }
      }
      throw new Error(field);
    };

    const texts = ["is", "is_not", "contains", "starts_with", "one_of", "is_set", "is_not_set"];
    const ids = ["is", "is_not", "one_of"];
    const moments = ["before", "after", "more_than_days_ago", "within_days"];
    const momentValue = (/** @type {string} */ op) =>
      op === "before" || op === "after" ? someDay() : random.integer(0, 60);
    /** @type {Record<string, [string[], (op: string) => any]>} */
    const known = {
      name: [texts, () => random.pick([...names, "ri", "I"])],
      email: [texts, () => random.pick(["a@X.id", "b@", "x.id"])],
      language: [["is", "is_not", "one_of", "is_set", "is_not_set"], () => random.pick(["id", "EN"])],
      "custom.city": [texts, () => random.pick([...cities, "so"])],
      phone_number: [
        texts,
        (op) =>
          ["contains", "starts_with"].includes(op)
            ? random.pick(["62", "811", "0001", "+65"])
            : `+${random.pick(model).wa_id}`,
      ],
      country: [ids, () => random.pick(["ID", "SG", "KZ", "RU", "US"])],
      tags: [["has", "has_not", "one_of", "is_set", "is_not_set"], () => random.pick(["vip", "lama", "x"])],
      owner_id: [[...ids, "is_set", "is_not_set"], () => random.pick(people).id],
      assigned_to: [[...ids, "is_set", "is_not_set"], () => random.pick(people).id],
      created_at: [moments, momentValue],
      opted_out: [["is"], () => random.number() < 0.5],
      blocked: [["is"], () => random.number() < 0.5],
      label: [["has", "has_not", "one_of"], () => random.pick(labels).id],
      session_id: [ids, () => random.pick(numbers).id],
      conversation_status: [ids, () => random.pick(["open", "resolved"])],
      last_message_at: [[...moments, "is_set", "is_not_set"], momentValue],
      last_inbound_at: [[...moments, "is_set", "is_not_set"], momentValue],
      "custom.age": [["is", "is_not", "greater_than", "less_than", "is_set", "is_not_set"], () => random.integer(1, 5)],
      "custom.member": [["is", "is_not"], () => random.number() < 0.5],
      "custom.size": [ids, () => random.pick(["S", "M", "XL"])],
      "custom.born": [["is", "is_not", ...moments], momentValue],
    };
    const someLeaf = () => {
      if (random.number() < 0.15) {
        return {
          campaign: campaign.id,
          did: random.pick(["received", "delivered", "read", "replied", "failed"]),
          ...(random.number() < 0.5 ? { within_days: random.integer(0, 10) } : {}),
        };
      }
      const field = random.pick(Object.keys(known));
      const [ops, make] = known[field];
      const op = random.pick(ops);
      if (op === "is_set" || op === "is_not_set") return leaf(field, op);
      const single = field === "custom.born" && (op === "is" || op === "is_not") ? someDay : () => make(op);
      return leaf(field, op, op === "one_of" ? [single(), single()] : single());
    };
    /** @param {number} depth @returns {any} */
    const someFilter = (depth) => {
      const roll = random.number();
      if (depth === 5 || roll < 0.4) return someLeaf();
      if (roll < 0.55) return { not: someFilter(depth + 1) };
      return {
        [roll < 0.8 ? "all" : "any"]: Array.from({ length: random.integer(1, 3) }, () => someFilter(depth + 1)),
      };
    };

    let some = 0;
    // Each kind of comparison alone, then mixed.
    const single = Object.entries(known).flatMap(([field, [ops, make]]) =>
      ops.map((op) => {
        if (op === "is_set" || op === "is_not_set") return leaf(field, op);
        const value = field === "custom.born" && (op === "is" || op === "is_not") ? someDay() : make(op);
        return leaf(field, op, op === "one_of" ? [value] : value);
      }),
    );
    const filters = [
      ...single,
      ...single.map((filter) => ({ not: filter })),
      ...Array.from({ length: 250 }, () => someFilter(1)),
    ];
    for (const filter of filters) {
      const expected = model
        .filter((contact) => leaves(filter, contact))
        .map(({ id }) => id)
        .sort();
      const found = await sql`select private.contacts_matching(${tenant.id}, ${json({ segment: filter })}) as id`;
      assert.deepEqual(found.map(({ id }) => id).sort(), expected, `seed ${random.seed}: ${JSON.stringify(filter)}`);
      some += Number(expected.length > 0 && expected.length < model.length);
    }
    assert.ok(some > filters.length / 3, "most filters select some contacts and leave out others");
    const filter = leaf("name", "contains", "ri");
    assert.equal(
      (await previews(admin, filter)).contact_count,
      model.filter((contact) => leaves(filter, contact)).length,
    );
  });
});
