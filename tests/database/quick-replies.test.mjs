// Quick replies: their owners, their text in a conversation, and the count of their uses.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  as,
  calls,
  newTenant,
  epochOf,
  newUser,
  newUserWith,
  newApiKey,
  newNumber,
  receivesMessage,
  assign,
  newPublishedFile,
} = await useDatabase();

const saves = (/** @type {any} */ user, /** @type {object} */ changes, id = null) =>
  calls(user, "save_quick_reply", { changes: sql.json(/** @type {any} */ (changes)), quick_reply_id: id });
const lists = (/** @type {any} */ user, { search = null, category = null, scope = "all", sort = "usage" } = {}) =>
  calls(user, "list_quick_replies", { search, category_filter: category, scope, sort, page: 1, page_size: 50 });
const renders = (/** @type {any} */ user, /** @type {any} */ reply, /** @type {any} */ conversation) =>
  calls(user, "render_quick_reply", { quick_reply_id: reply.id, conversation_id: conversation.id });
const shortcutsOf = (/** @type {any} */ { rows }) => rows.map((/** @type {any} */ { shortcut }) => shortcut);

async function newOffice() {
  const tenant = await newTenant();
  return {
    tenant,
    manager: await newUser(tenant, "manager"),
    agent: await newUser(tenant, "agent"),
    colleague: await newUser(tenant, "agent"),
  };
}

describe("a quick reply", () => {
  test("is shared or personal", async () => {
    const { manager, agent, colleague } = await newOffice();
    const shared = await saves(manager, { shortcut: "/Halo", title: "Sapaan", content: "Halo!", category: " Sapaan " });
    hasFields(shared, { shortcut: "halo", scope: "shared", category: "Sapaan", usage_count: 0, variables: [] });
    const own = await saves(agent, { shortcut: "halo", content: "Hai, saya Budi", scope: "personal" });
    assert.equal(own.scope, "personal");
    assert.deepEqual(shortcutsOf(await lists(agent)), ["halo", "halo"]);
    assert.deepEqual(
      (await lists(colleague)).rows.map((/** @type {any} */ { id }) => id),
      [shared.id],
    );
    assert.deepEqual(
      (await lists(agent, { scope: "personal" })).rows.map((/** @type {any} */ { id }) => id),
      [own.id],
    );
    assert.deepEqual(
      (await lists(agent, { scope: "shared" })).rows.map((/** @type {any} */ { id }) => id),
      [shared.id],
    );
    // not even to a manager
    assert.equal(await calls(manager, "get_quick_reply", { quick_reply_id: own.id }), null);
    await isRefused(saves(manager, { title: "x" }, own.id), { code: "PT404" });
    await isRefused(calls(colleague, "delete_quick_reply", { quick_reply_id: own.id }), { code: "PT404" });
    await calls(agent, "delete_quick_reply", { quick_reply_id: own.id });
    assert.equal((await lists(agent)).total, 1);
  });

  test("has a unique shortcut among the shared ones and among a person's own", async () => {
    const { manager, agent, colleague } = await newOffice();
    const taken = { code: "PT409", detail: "shortcut_taken", hint: "shortcut" };
    await saves(manager, { shortcut: "salam", content: "x" });
    await isRefused(saves(manager, { shortcut: "/SALAM", content: "x" }), taken);
    await saves(agent, { shortcut: "salam", content: "x", scope: "personal" });
    await isRefused(saves(agent, { shortcut: "salam", content: "x", scope: "personal" }), taken);
    await saves(colleague, { shortcut: "salam", content: "x", scope: "personal" });
    const other = await saves(manager, { shortcut: "lain", content: "x" });
    await isRefused(saves(manager, { shortcut: "salam" }, other.id), taken);
    for (const shortcut of ["", "/", "a b", "x".repeat(41), "harga!", null]) {
      await isRefused(saves(manager, { shortcut, content: "x" }), { code: "PT422", hint: "shortcut" });
    }
  });

  test("needs the permission to change shared ones", async () => {
    const { tenant, manager, agent } = await newOffice();
    await isRefused(saves(agent, { shortcut: "a", content: "x" }), { code: "PT403" });
    const shared = await saves(manager, { shortcut: "a", content: "x" });
    await isRefused(saves(agent, { title: "x" }, shared.id), { code: "PT403" });
    await isRefused(calls(agent, "delete_quick_reply", { quick_reply_id: shared.id }), { code: "PT403" });
    const reader = await newUserWith(tenant, { permissions: ["quick_replies.view"] });
    await isRefused(saves(reader, { shortcut: "b", content: "x", scope: "personal" }), { code: "PT403" });
    await isRefused(saves(await newApiKey(tenant, "manager"), { shortcut: "b", content: "x", scope: "personal" }), {
      code: "PT422",
      hint: "scope",
    });
    const changed = await saves(manager, { content: "Halo {{contact.name}}", category: null }, shared.id);
    assert.deepEqual(
      [changed.content, changed.shortcut, changed.variables],
      ["Halo {{contact.name}}", "a", ["contact.name"]],
    );
  });

  test("of another tenant is not found", async () => {
    const { manager, tenant } = await newOffice();
    const shared = await saves(manager, { shortcut: "a", content: "x" });
    const stranger = await newUser(await newTenant(), "super_admin");
    const { conversation } = await receivesMessage(await newNumber(tenant));
    assert.equal((await lists(stranger)).total, 0);
    assert.equal(await calls(stranger, "get_quick_reply", { quick_reply_id: shared.id }), null);
    await isRefused(saves(stranger, { title: "x" }, shared.id), { code: "PT404" });
    await isRefused(calls(stranger, "delete_quick_reply", { quick_reply_id: shared.id }), { code: "PT404" });
    await isRefused(renders(stranger, shared, conversation), { code: "PT404" });
    const theirs = await receivesMessage(
      await newNumber({
        id: (await sql`select tenant_id from public.profiles where user_id = ${stranger.id}`)[0].tenant_id,
      }),
    );
    await isRefused(renders(stranger, shared, theirs.conversation), { code: "PT404" });
    await isRefused(renders(manager, shared, theirs.conversation), { code: "PT404" });
    assert.equal((await calls(manager, "get_quick_reply", { quick_reply_id: shared.id })).usage_count, 0);
  });

  test("may name known variables only", async () => {
    const { tenant, manager } = await newOffice();
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'city', 'City', 'text')`;
    await saves(manager, {
      shortcut: "ok",
      content:
        "{{contact.name}} {{ contact.phone_number }} {{contact.custom.city}} {{agent.name}} {{tenant.name}} { {x} }",
    });
    for (const variable of ["contact.password", "contact.custom.age", "x", "", "contact", "tenant.id"]) {
      await isRefused(saves(manager, { shortcut: "no", content: `Halo {{${variable}}}` }), {
        code: "PT422",
        detail: "unknown_variable",
        hint: "content",
      });
    }
  });

  test("can be changed although a field it names was deleted, except for its text", async () => {
    const { manager } = await newOffice();
    const field = await calls(manager, "create_contact_field", {
      field: { key: "hilang", name: "Hilang", type: "text" },
    });
    const content = "Halo {{contact.custom.hilang}}";
    const reply = await saves(manager, { shortcut: "hilang", content });
    await calls(manager, "delete_contact_field", { field_id: field.id });
    assert.equal((await saves(manager, { title: "Baru", content }, reply.id)).title, "Baru");
    await isRefused(saves(manager, { content: `${content}!` }, reply.id), {
      code: "PT422",
      detail: "unknown_variable",
    });
  });

  test("may send a published file of the tenant", async () => {
    const { tenant, manager } = await newOffice();
    const { storage_path: path } = await newPublishedFile(tenant);
    const { storage_path: theirs } = await newPublishedFile(await newTenant());
    const media = { type: "document", path, filename: "Menu.pdf" };
    assert.deepEqual((await saves(manager, { shortcut: "menu", media })).media, media);
    for (const wrong of [
      { type: "document", path: theirs },
      { type: "document", path: `${tenant.id}/none.pdf` },
      { type: "document", path: `${tenant.id}/../${theirs}` },
      { type: "sticker", path },
      { path },
      {},
    ]) {
      await isRefused(saves(manager, { shortcut: "x", media: wrong }), { code: "PT422", hint: "media.path" });
    }
    await isRefused(saves(manager, { shortcut: "x", media, content: "y".repeat(1025) }), {
      code: "PT422",
      hint: "content",
    });
    await isRefused(saves(manager, { shortcut: "x" }), { code: "PT422", hint: "content" });
  });

  test("is found by its text and by category, the most used first", async () => {
    const { manager, tenant } = await newOffice();
    const { conversation } = await receivesMessage(await newNumber(tenant));
    await saves(manager, { shortcut: "alamat", title: "Alamat toko", content: "Jl. Melati", category: "Info" });
    const price = await saves(manager, {
      shortcut: "harga",
      title: "Daftar",
      content: "Mulai 10 ribu",
      category: "Info",
    });
    await saves(manager, { shortcut: "salam", content: "Halo", category: "Sapaan" });
    await renders(manager, price, conversation);
    const all = await lists(manager);
    assert.deepEqual(
      [shortcutsOf(all), all.categories],
      [
        ["harga", "alamat", "salam"],
        [
          { name: "Info", count: 2 },
          { name: "Sapaan", count: 1 },
        ],
      ],
    );
    assert.deepEqual(shortcutsOf(await lists(manager, { sort: "shortcut" })), ["alamat", "harga", "salam"]);
    assert.deepEqual(shortcutsOf(await lists(manager, { sort: "newest" })), ["salam", "harga", "alamat"]);
    for (const [search, found] of /** @type {[string, string[]][]} */ ([
      ["/HAR", ["harga"]],
      ["TOKO", ["alamat"]],
      ["melati", ["alamat"]],
      ["100%", []],
      ["hal", ["salam"]],
    ])) {
      assert.deepEqual(shortcutsOf(await lists(manager, { search })), found, search);
    }
    assert.deepEqual(shortcutsOf(await lists(manager, { category: "Sapaan" })), ["salam"]);
  });
});

describe("rendering", () => {
  test("fills in each variable once, reports missing ones, and counts the use", async () => {
    const { tenant, manager, agent } = await newOffice();
    await sql`insert into public.contact_fields (tenant_id, key, name, type) values (${tenant.id}, 'city', 'City', 'text'), (${tenant.id}, 'age', 'Age', 'number')`;
    const { conversation, contact } = await receivesMessage(await newNumber(tenant));
    // A customer's name is not read as a template.
    await sql`update public.contacts set profile_name = '{{tenant.name}} $1 \\1', custom_fields = '{"age": 7}' where id = ${contact.id}`;
    const [{ display_name }] =
      await sql`update public.profiles set display_name = 'Sari' where user_id = ${agent.id} returning display_name`;
    const [{ name }] = await sql`select name from public.tenants where id = ${tenant.id}`;
    const reply = await saves(manager, {
      shortcut: "x",
      content:
        "{{contact.name}}, {{ contact.phone_number }} ({{contact.custom.age}}) {{contact.custom.city}}/{{agent.name}}/{{tenant.name}}{{contact.email}}.",
    });
    const rendered = await renders(agent, reply, conversation);
    assert.deepEqual(rendered, {
      content: `{{tenant.name}} $1 \\1, +${contact.wa_id} (7) /${display_name}/${name}.`,
      media: null,
      missing: ["contact.custom.city", "contact.email"],
    });
    await renders(agent, reply, conversation);
    const now = await calls(agent, "get_quick_reply", { quick_reply_id: reply.id });
    assert.deepEqual([now.usage_count, now.last_used_at !== null, now.updated_at], [2, true, reply.updated_at]);
  });

  test("splits names into their parts, and knows the writer", async () => {
    const { tenant, manager, agent } = await newOffice();
    const { conversation, contact } = await receivesMessage(await newNumber(tenant));
    await sql`update public.profiles set display_name = 'Sari Dewi Lestari' where user_id = ${agent.id}`;
    const [{ email }] = await sql`select email from auth.users where id = ${agent.id}`;
    const reply = await saves(manager, {
      shortcut: "x",
      content: "{{contact.first_name}}|{{contact.last_name}}|{{agent.first_name}}|{{agent.last_name}}|{{agent.email}}",
    });
    for (const [name, first, last] of [
      ["Rina", "Rina", ""],
      ["  Budi  Santoso Putra ", "Budi", "Santoso Putra"],
      ["☕", "☕", ""],
    ]) {
      await sql`update public.contacts set name = ${name} where id = ${contact.id}`;
      const rendered = await renders(agent, reply, conversation);
      assert.equal(rendered.content, `${first}|${last}|Sari|Dewi Lestari|${email}`);
      assert.deepEqual(rendered.missing, last === "" ? ["contact.last_name"] : []);
    }
  });

  test("needs access to the conversation and to the reply", async () => {
    const { tenant, manager, agent, colleague } = await newOffice();
    const { conversation } = await receivesMessage(await newNumber(tenant));
    await assign(conversation, colleague);
    const shared = await saves(manager, { shortcut: "x", content: "x" });
    await isRefused(renders(agent, shared, conversation), { code: "PT404" });
    const own = await saves(agent, { shortcut: "x", content: "x", scope: "personal" });
    await isRefused(renders(colleague, own, conversation), { code: "PT404" });
    await renders(colleague, shared, conversation);
    await isRefused(
      renders(await newUserWith(tenant, { permissions: ["conversations.view_all"] }), shared, conversation),
      { code: "PT403" },
    );
  });
});

test("changes are broadcast: of shared ones to all who may see them, of personal ones to their owner", async () => {
  const { tenant, manager, agent } = await newOffice();
  const shared = await saves(manager, { shortcut: "x", content: "x" });
  const own = await saves(agent, { shortcut: "x", content: "x", scope: "personal" });
  await saves(manager, { title: "y" }, shared.id);
  const { conversation } = await receivesMessage(await newNumber(tenant));
  await renders(manager, shared, conversation);
  await calls(manager, "delete_quick_reply", { quick_reply_id: shared.id });
  const announced =
    await sql`select topic, event, payload from realtime.messages where payload ->> 'id' in (${shared.id}, ${own.id})`;
  assert.deepEqual(
    announced.map(({ topic, event }) => `${topic.replace(/:\d+$/, "")} ${event}`).sort(),
    [
      `agent:${agent.id} quick_reply.created`,
      ...["created", "deleted", "updated"].map((verb) => `tenant:${tenant.id}:quick_replies quick_reply.${verb}`),
    ].sort(),
  );
  const topic = `tenant:${tenant.id}:quick_replies:${await epochOf(tenant)}`;
  await as(agent, async (sql) => assert.equal((await sql`select private.may_listen(${topic}) as may`)[0].may, true));
  const stranger = await newUser(await newTenant(), "super_admin");
  await as(stranger, async (sql) =>
    assert.equal((await sql`select private.may_listen(${topic}) as may`)[0].may, false),
  );
});
