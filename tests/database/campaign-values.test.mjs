// The values that fill a template for the people of a list or a segment.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newNumber, newTemplate, newRecipientList, recipientsOf } =
  await useDatabase();

const COLUMNS = ["var1", "var2", "var3"];
const HEADER = { type: "HEADER", format: "TEXT", text: "Untuk {{1}}" };

const newOffice = async () => {
  const tenant = await newTenant();
  return {
    tenant,
    number: await newNumber(tenant),
    manager: await newUser(tenant, "manager"),
    admin: await newUser(tenant, "admin"),
  };
};
/** A list of Ani and Budi; Budi's last value is missing. @param {any} user @param {string[]} [columns] */
const newList = (user, columns = COLUMNS) =>
  newRecipientList(user, {
    columns,
    entries: [
      ["6281511110001", "Ani", Object.fromEntries(columns.map((column, i) => [column, `a${i + 1}`]))],
      [
        "6281511110002",
        "Budi",
        Object.fromEntries(columns.map((column, i) => [column, i === columns.length - 1 ? "" : `b${i + 1}`])),
      ],
    ],
  });
/** @param {any} user @param {any} template @param {object} options */
const creates = (user, template, options) =>
  calls(user, "create_campaign", {
    name: "Promo",
    template_id: template.id,
    recipients: sql.json([]),
    options: sql.json({ draft: true, .../** @type {any} */ (options) }),
  });
const changes = (/** @type {any} */ user, /** @type {any} */ campaign, /** @type {any} */ what) =>
  calls(user, "update_campaign", { campaign_id: campaign.id, changes: sql.json(what) });
const valuesOf = async (/** @type {any} */ campaign) =>
  (await recipientsOf(campaign)).map(({ variables }) => variables);
const column = (/** @type {string} */ name) => ({ source: "column", column: name });
const text = (/** @type {string} */ words) => ({ source: "text", text: words });
const contact = (/** @type {string} */ field) => ({ source: "contact", field });
const refusedMapping = (detail = "variables_unmapped") => ({ code: "PT422", detail, hint: "variable_mapping" });

describe("a recipient list", () => {
  for (const [body, components, values] of /** @type {[string, any[], any[]][]} */ ([
    ["Halo", [], [[], []]],
    ["Halo {{1}}", [], [["a1"], ["b1"]]],
    [
      "Halo {{1}} dan {{2}}",
      [HEADER],
      [
        ["a1", "a2", "a3"],
        ["b1", "b2", ""],
      ],
    ],
  ])) {
    test(`of three columns gives ${JSON.stringify(body)}${components.length ? " with a header" : ""} as many values as it has variables`, async () => {
      const { tenant, manager } = await newOffice();
      const campaign = await creates(manager, await newTemplate(tenant, { text: body, components }), {
        draft: false,
        recipient_list_id: (await newList(manager)).id,
        // the third column is empty in one row
        accept_problems: ["missing_variables"],
      });
      assert.deepEqual([campaign.status, await valuesOf(campaign)], ["sending", values]);
      await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
    });
  }

  test("with fewer columns than the template has variables needs a mapping before it can be sent", async () => {
    const { tenant, manager } = await newOffice();
    const [template, list] = [
      await newTemplate(tenant, { text: "Halo {{1}}, {{2}}" }),
      await newList(manager, ["kota"]),
    ];
    await isRefused(creates(manager, template, { draft: false, recipient_list_id: list.id }), {
      ...refusedMapping(),
      message: /\{\{2\}\}/,
    });
    const draft = await creates(manager, template, { recipient_list_id: list.id });
    assert.deepEqual(await valuesOf(draft), [["a1"], [""]]);
    assert.deepEqual((await calls(manager, "check_campaign", { campaign_id: draft.id })).problems[0], {
      code: "missing_variables",
      severity: "error",
      count: 2,
    });
    await changes(manager, draft, { variable_mapping: [contact("name"), column("kota")] });
    assert.deepEqual(await valuesOf(draft), [
      ["Ani", "a1"],
      ["Budi", ""],
    ]);
  });

  test("fills named variables from the columns with their names", async () => {
    const { tenant, manager } = await newOffice();
    const template = await newTemplate(tenant, {
      text: "Halo {{nama}}",
      components: [{ ...HEADER, text: "Untuk {{kota}}" }],
    });
    await sql`update public.broadcast_templates set parameter_format = 'NAMED' where id = ${template.id}`;
    await isRefused(
      creates(manager, template, { draft: false, recipient_list_id: (await newList(manager, ["kota"])).id }),
      { ...refusedMapping(), message: /nama/ },
    );
    const list = await newList(manager, ["nama", "kota", "umur"]);
    const campaign = await creates(manager, template, { draft: false, recipient_list_id: list.id });
    assert.deepEqual((await valuesOf(campaign))[0], { nama: "a1", kota: "a2", umur: "a3" });
    await isRefused(
      creates(manager, template, { recipient_list_id: list.id, variable_mapping: { nama: column("nama") } }),
      { ...refusedMapping(), message: /kota/ },
    );
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
  });

  test("keeps its mapping when it is named again, and another list starts with its own", async () => {
    const { tenant, manager } = await newOffice();
    const list = await newList(manager);
    const draft = await creates(manager, await newTemplate(tenant), {
      recipient_list_id: list.id,
      variable_mapping: [column("var2")],
    });
    await changes(manager, draft, { recipient_list_id: list.id });
    assert.deepEqual(await valuesOf(draft), [["a2"], ["b2"]]);
    const changed = await changes(manager, draft, { recipient_list_id: (await newList(manager, ["kota", "umur"])).id });
    assert.deepEqual([await valuesOf(draft), changed.statistics.total], [[["a1"], ["b1"]], 2]);
    await changes(manager, draft, { recipients: [{ wa_id: "6281511110009", variables: ["Cici"] }] });
    assert.deepEqual(await valuesOf(draft), [["Cici"]]);
    await isRefused(changes(manager, draft, { variable_mapping: [text("x")] }), refusedMapping("invalid_field"));
  });
});

describe("a mapping", () => {
  test("takes values of the contact, including the tenant's own fields", async () => {
    const { tenant, manager, admin } = await newOffice();
    await calls(admin, "create_contact_field", { field: sql.json({ key: "city", name: "Kota", type: "text" }) });
    await sql`
      insert into public.contacts (tenant_id, wa_id, name, email, language, custom_fields)
      values (${tenant.id}, '6281511110001', 'Ani Lestari', 'ani@example.test', 'id', '{"city": "Solo"}')`;
    const template = await newTemplate(tenant, { text: "{{1}} {{2}} {{3}} {{4}} {{5}}" });
    const fields = ["name", "phone_number", "email", "language", "custom.city"].map(contact);
    const list = await newList(manager);
    const campaign = await creates(manager, template, { recipient_list_id: list.id, variable_mapping: fields });
    assert.deepEqual(await valuesOf(campaign), [
      ["Ani Lestari", "+6281511110001", "ani@example.test", "id", "Solo"],
      ["Budi", "+6281511110002", "", "", ""],
    ]);
    const segment = await calls(manager, "save_segment", {
      changes: sql.json({ name: "Solo", filter: { field: "custom.city", op: "is", value: "Solo" } }),
    });
    const toSegment = await creates(manager, template, { segment_id: segment.id, variable_mapping: fields });
    assert.deepEqual(await valuesOf(toSegment), [["Ani Lestari", "+6281511110001", "ani@example.test", "id", "Solo"]]);

    for (const field of ["custom.umur", "custom.", "tags", "owner_id"]) {
      await isRefused(
        creates(manager, await newTemplate(tenant), { recipient_list_id: list.id, variable_mapping: [contact(field)] }),
        refusedMapping("invalid_field"),
      );
    }
    const stranger = await newOffice();
    await isRefused(
      creates(stranger.manager, await newTemplate(stranger.tenant), {
        recipient_list_id: (await newList(stranger.manager)).id,
        variable_mapping: [contact("custom.city")],
      }),
      refusedMapping("invalid_field"),
    );
  });

  test("takes no value of a contact that its author does not see", async () => {
    const { tenant, manager } = await newOffice();
    await sql`
      insert into public.contacts (tenant_id, wa_id, name, email)
      values (${tenant.id}, '6281511110001', 'Rahasia', 'rahasia@example.test')`;
    const marketer = await newUserWith(tenant, {
      permissions: [
        "recipient_lists.view",
        "recipient_lists.create",
        "broadcasts.view",
        "broadcasts.create",
        "broadcasts.send",
      ],
    });
    const mapping = ["name", "email"].map(contact);
    const template = await newTemplate(tenant, { text: "{{1}} {{2}}" });
    const campaign = await creates(marketer, template, {
      recipient_list_id: (await newList(manager)).id,
      variable_mapping: mapping,
      draft: true,
    });
    assert.deepEqual(await valuesOf(campaign), [
      ["Ani", ""],
      ["Budi", ""],
    ]);
    const [{ name }] = await sql`
      select name from public.broadcast_recipients where campaign_id = ${campaign.id} order by position limit 1`;
    assert.equal(name, "Ani", "as the list says");
  });

  test("is refused unless it has exactly one source for each variable", async () => {
    const { tenant, manager } = await newOffice();
    const [template, list] = [await newTemplate(tenant, { text: "Halo {{1}}, {{2}}" }), await newList(manager)];
    for (const sources of [[text("x")], [text("x"), text("y"), text("z")], []]) {
      await isRefused(
        creates(manager, template, { recipient_list_id: list.id, variable_mapping: sources }),
        refusedMapping(),
      );
    }
  });

  test("is required for a segment if the template has variables", async () => {
    const { tenant, manager } = await newOffice();
    await sql`insert into public.contacts (tenant_id, wa_id, name) values (${tenant.id}, '6281511110003', 'Cici')`;
    const segment = await calls(manager, "save_segment", {
      changes: sql.json({ name: "Cici", filter: { field: "name", op: "is", value: "Cici" } }),
    });
    await isRefused(
      creates(manager, await newTemplate(tenant), { draft: false, segment_id: segment.id }),
      refusedMapping(),
    );
    const plain = await creates(manager, await newTemplate(tenant, { text: "Halo semua" }), {
      draft: false,
      segment_id: segment.id,
    });
    assert.equal(plain.statistics.total, 1);
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${plain.id}`;
  });
});
