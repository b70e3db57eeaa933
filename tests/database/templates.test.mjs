// Templates: drafts, submissions to Meta, and Meta's answers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";

const { sql, calls, newTenant, newUser, newUserWith, newApiKey, newNumber, newCampaign, newPublishedFile } =
  await useDatabase();

const newOffice = async ({ numbers = 1 } = {}) => {
  const tenant = await newTenant();
  const sessions = [];
  for (let n = 0; n < numbers; n++) sessions.push(await newNumber(tenant));
  return { tenant, manager: await newUser(tenant, "manager"), session: sessions[0], sessions };
};
const BODY = [
  { type: "BODY", text: "Halo {{1}}, pesanan {{2}} sudah siap diambil.", example: { body_text: [["Rina", "7"]] } },
];
const template = (/** @type {object} */ more = {}) => ({
  name: "order_ready",
  language: "id",
  category: "UTILITY",
  parameter_format: "POSITIONAL",
  components: BODY,
  ...more,
});
const create = (/** @type {any} */ who, /** @type {object} */ more = {}) =>
  calls(who, "create_template", { template: template(more) });
const rowOf = async (/** @type {{ id: string }} */ { id }) =>
  (await sql`select * from public.broadcast_templates where id = ${id}`)[0];
const begin = async (/** @type {any} */ who, /** @type {any} */ made) =>
  calls(who, "begin_template_submission", {
    template_id: made.id,
    expected: (await calls(who, "get_template", { template_id: made.id })).updated_at,
  });
const record = (/** @type {any} */ begun, /** @type {object} */ result, actor = null) =>
  calls("service", "record_template_submission", { submission_id: begun.submission_id, result, actor });
const update = async (/** @type {any} */ who, /** @type {any} */ made, /** @type {object} */ changes) => {
  const { updated_at } = await calls(who, "get_template", { template_id: made.id });
  return calls(who, "update_template", { template_id: made.id, template: changes, expected: updated_at });
};
/** As accepted by Meta. @param {any} who @param {object} [more] @param {string} [status] */
async function submitted(who, more = {}, status = "APPROVED") {
  const made = await create(who, more);
  const id = someDigits();
  await record(await begin(who, made), { outcome: "submitted", meta_template_id: id, status });
  return { ...made, meta_template_id: id };
}
const sync = async (
  /** @type {any} */ session,
  /** @type {object[]} */ templates,
  startedAt = new Date(Date.now() + 60_000),
) =>
  calls("service", "record_template_sync", {
    session_id: session.id,
    templates: sql.json(/** @type {any} */ (templates)),
    started_at: startedAt,
    actor: null,
  });
const remote = (/** @type {object} */ more = {}) => ({
  id: someDigits(),
  name: "promo",
  language: "id",
  status: "APPROVED",
  category: "MARKETING",
  parameter_format: "POSITIONAL",
  components: BODY,
  quality_score: "GREEN",
  rejected_reason: null,
  ...more,
});

describe("a draft", () => {
  test("belongs to the tenant's only account, and to its author", async () => {
    const { manager, session } = await newOffice();
    const made = await create(manager);
    assert.equal(made.status, "DRAFT");
    assert.equal(made.meta_business_account_id, session.meta_business_account_id);
    assert.equal(made.created_by, manager.id);
    for (const hidden of ["tenant_id", "submission_id", "edited_at"]) assert.ok(!(hidden in made), hidden);
    const key = await newApiKey(manager.tenant, "manager");
    assert.equal((await create(key, { name: "by_key" })).created_by, null);
  });

  test("of a tenant with several accounts must name one", async () => {
    const { manager, sessions } = await newOffice({ numbers: 2 });
    const made = await create(manager);
    assert.equal(made.meta_business_account_id, null);
    await isRefused(begin(manager, made), { code: "PT422", hint: "business_account_id" });
    const named = await update(manager, made, template({ business_account_id: sessions[1].meta_business_account_id }));
    assert.equal(named.meta_business_account_id, sessions[1].meta_business_account_id);
    const { session: foreign } = await newOffice();
    await isRefused(create(manager, { name: "x", business_account_id: foreign.meta_business_account_id }), {
      code: "PT422",
      hint: "business_account_id",
    });
  });

  test("has a unique name in its language", async () => {
    const { manager } = await newOffice();
    await create(manager);
    await isRefused(create(manager), { code: "PT409", detail: "template_exists", hint: "name" });
    const english = await create(manager, { language: "en" });
    await isRefused(update(manager, english, template()), { code: "PT409", detail: "template_exists" });
    const { manager: elsewhere } = await newOffice();
    await create(elsewhere);
  });

  test("changes in place, unless another person changed it first", async () => {
    const { manager } = await newOffice();
    const made = await create(manager);
    const changed = await update(manager, made, template({ name: "other", category: "MARKETING" }));
    assert.deepEqual([changed.name, changed.category, changed.draft], ["other", "MARKETING", null]);
    const late = calls(manager, "update_template", {
      template_id: made.id,
      template: template(),
      expected: made.updated_at,
    });
    await isRefused(late, { code: "PT409", detail: "template_changed" });
  });

  test("accepts published files of the tenant as samples, and no others", async () => {
    const { manager, tenant } = await newOffice();
    const { tenant: other } = await newOffice();
    for (const path of [
      `${other.id}/a.png`,
      "a.png",
      `${tenant.id}/../${other.id}/a.png`,
      `${tenant.id}/`,
      `${tenant.id}//a.png`,
      `${tenant.id}/menu/a.png`,
      (await newPublishedFile(other)).storage_path,
    ]) {
      await isRefused(create(manager, { sample_path: path }), { code: "PT422", hint: "header.sample_path" });
    }
    const { storage_path } = await newPublishedFile(tenant);
    assert.equal((await create(manager, { sample_path: storage_path })).sample_path, storage_path);
  });
});

describe("a submission", () => {
  test("begins once, through a connected number of the account", async () => {
    const { manager, tenant, session } = await newOffice();
    const broken = await newNumber(tenant, { status: "broken", businessAccount: session.meta_business_account_id });
    await sql`update public.whatsapp_sessions set created_at = now() - interval '1 day' where id = ${broken.id}`;
    const made = await create(manager);
    const begun = await begin(manager, made);
    assert.deepEqual(
      [begun.action, begun.session_id, begun.business_account_id],
      ["create", session.id, session.meta_business_account_id],
    );
    for (const attempt of [
      () => begin(manager, made),
      () => update(manager, made, template()),
      () => calls(manager, "begin_template_deletion", { template_id: made.id, all_languages: false }),
    ]) {
      await isRefused(attempt(), { code: "PT409", detail: "template_submitting" });
    }
    // the process that asked has died
    await sql`update public.broadcast_templates set submitting_since = now() - interval '3 minutes' where id = ${made.id}`;
    assert.notEqual((await begin(manager, made)).submission_id, begun.submission_id);
    assert.equal(
      await record(begun, { outcome: "submitted", meta_template_id: "1" }),
      null,
      "the first one is forgotten",
    );
  });

  test("that Meta accepts gives the template Meta's id, category and status, and is recorded in the audit log", async () => {
    const { manager, tenant } = await newOffice();
    const made = await create(manager);
    const done = await record(
      await begin(manager, made),
      { outcome: "submitted", meta_template_id: "9007199254740993", status: "PENDING", category: "MARKETING" },
      manager.id,
    );
    hasFields(done, {
      meta_template_id: "9007199254740993",
      status: "PENDING",
      category: "MARKETING",
      previous_category: "UTILITY",
      submitting: false,
    });
    const [entry] = await sql`
      select actor_id, after from public.audit_logs
      where tenant_id = ${tenant.id} and entity_id = ${made.id} and action = 'broadcast_templates.updated' order by id desc limit 1`;
    assert.deepEqual([entry.actor_id, entry.after.status], [manager.id, "PENDING"]);
  });

  test("that Meta refuses leaves the draft unchanged", async () => {
    const { manager } = await newOffice();
    const made = await create(manager);
    const back = await record(await begin(manager, made), { outcome: "refused" });
    assert.deepEqual([back.status, back.meta_template_id, back.components], ["DRAFT", null, BODY]);
    assert.equal((await begin(manager, made)).action, "create");
  });

  test("does not overwrite an earlier webhook", async () => {
    const { manager } = await newOffice();
    const made = await create(manager);
    const begun = await begin(manager, made);
    await sql`update public.broadcast_templates set status = 'APPROVED', meta_template_id = '77' where id = ${made.id}`;
    const done = await record(begun, { outcome: "submitted", meta_template_id: "77", status: "PENDING" });
    assert.equal(done.status, "APPROVED");
  });

  test("without a number is refused", async () => {
    const { manager, session } = await newOffice();
    const made = await create(manager);
    await sql`update public.whatsapp_sessions set status = 'disconnected' where id = ${session.id}`;
    await isRefused(begin(manager, made), { code: "PT409", detail: "no_connected_number" });
  });
});

describe("a template at Meta", () => {
  test("is still sent in its approved form while it is edited", async () => {
    const { manager } = await newOffice();
    const made = await submitted(manager);
    const text = [{ type: "BODY", text: "Halo {{1}}, pesanan {{2}} siap diambil di toko kami." }];
    const edited = await update(manager, made, template({ components: text }));
    assert.deepEqual([edited.status, edited.components, edited.draft.components], ["APPROVED", BODY, text]);
    const begun = await begin(manager, made);
    assert.equal(begun.action, "edit");
    const done = await record(begun, { outcome: "submitted", status: "PENDING" });
    assert.deepEqual(
      [done.status, done.components, done.draft, done.meta_template_id],
      ["PENDING", text, null, made.meta_template_id],
    );
  });

  test("keeps its name and language, and an approved one its category", async () => {
    const { manager } = await newOffice();
    const made = await submitted(manager);
    for (const [hint, change] of Object.entries({
      name: { name: "other" },
      language: { language: "en" },
      category: { category: "MARKETING" },
    })) {
      await isRefused(update(manager, made, template(change)), { code: "PT422", hint });
    }
    await sql`update public.broadcast_templates set status = 'REJECTED' where id = ${made.id}`;
    assert.equal((await update(manager, made, template({ category: "MARKETING" }))).draft.category, "MARKETING");
  });

  for (const status of ["PENDING", "DISABLED", "IN_APPEAL"]) {
    test(`can be neither edited nor submitted while it is ${status}`, async () => {
      const { manager } = await newOffice();
      const made = await submitted(manager, {}, status);
      await isRefused(update(manager, made, template()), { code: "PT409", detail: "template_not_editable" });
      await isRefused(begin(manager, made), { code: "PT409", detail: "template_not_editable" });
    });
  }

  test("is submitted again only after a change, a rejection or a pause", async () => {
    const { manager } = await newOffice();
    const made = await submitted(manager);
    await isRefused(begin(manager, made), { code: "PT409", detail: "template_unchanged" });
    for (const [status, action] of [
      ["REJECTED", "edit"],
      ["PAUSED", "unpause"],
    ]) {
      await sql`update public.broadcast_templates set status = ${status} where id = ${made.id}`;
      const begun = await begin(manager, made);
      assert.equal(begun.action, action);
      await record(begun, { outcome: "refused" });
    }
  });

  test("is edited once in 24 hours and ten times in 30 days while it is approved", async () => {
    const { manager } = await newOffice();
    const made = await submitted(manager);
    const edits = async (/** @type {string[]} */ ...ago) => {
      await sql`
        update public.broadcast_templates set edited_at = array(select now() - a::interval from unnest(${ago}::text[]) a), draft = ${sql.json({ components: BODY })}
        where id = ${made.id}`;
      return begin(manager, made);
    };
    await isRefused(edits("23 hours"), { code: "PT409", detail: "template_edit_limit" });
    const days = (/** @type {number} */ n) => Array.from({ length: n }, (_, i) => `${i + 2} days`);
    await isRefused(edits(...days(10)), { code: "PT409", detail: "template_edit_limit" });
    const { next_edit_at } = await calls(manager, "get_template", { template_id: made.id });
    assert.equal(
      Math.round((Date.parse(next_edit_at) - Date.now()) / 3_600_000),
      19 * 24,
      "when the first of the ten is 30 days old",
    );
    const begun = await edits(...days(9));
    await record(begun, { outcome: "submitted", status: "APPROVED" });
    assert.equal((await rowOf(made)).edited_at.length, 10);
    await isRefused(edits("31 days", "40 days", ...days(10)), { code: "PT409", detail: "template_edit_limit" });
  });
});

describe("deleting", () => {
  const remove = (/** @type {any} */ who, /** @type {any} */ made, all = false) =>
    calls(who, "begin_template_deletion", { template_id: made.id, all_languages: all });

  test("a draft happens at once", async () => {
    const { manager } = await newOffice();
    const made = await create(manager);
    assert.deepEqual(await remove(manager, made), { ids: [made.id] });
    assert.equal(await rowOf(made), undefined);
  });

  test("a template at Meta names what Meta must delete, and happens once Meta has done so", async () => {
    const { manager, session } = await newOffice();
    const [one, other] = [await submitted(manager), await submitted(manager, { language: "en" })];
    const named = {
      session_id: session.id,
      business_account_id: session.meta_business_account_id,
      name: "order_ready",
      meta_template_id: one.meta_template_id,
    };
    assert.deepEqual(await remove(manager, one), { ids: [one.id], ...named });
    const all = await remove(manager, one, true);
    assert.deepEqual(new Set(all.ids), new Set([one.id, other.id]));
    assert.ok(await rowOf(one), "Meta has not been asked");
    await calls("service", "record_template_deletion", { ids: all.ids, actor: manager.id });
    assert.equal(await rowOf(one), undefined);
    assert.equal(await rowOf(other), undefined);
  });

  test("keeps the text that campaigns were sent with, and frees the name", async () => {
    const { manager, session } = await newOffice();
    const campaign = await newCampaign(session);
    await sql`
      update public.broadcast_templates set meta_template_id = '1', meta_business_account_id = ${session.meta_business_account_id}, name = 'sent'
      where id = ${campaign.template.id}`;
    await calls("service", "record_template_deletion", { ids: [campaign.template.id], actor: null });
    assert.equal((await rowOf(campaign.template)).status, "DELETED");
    const listed = await calls(manager, "list_templates", {});
    assert.deepEqual(listed, { total: 0, rows: [] });
    assert.equal((await calls(manager, "list_templates", { status_filter: "DELETED" })).total, 1);
    const again = await create(manager, { name: "sent" });
    assert.deepEqual(
      [again.id, again.status, again.meta_template_id, again.deleted_at],
      [campaign.template.id, "DRAFT", null, null],
    );
  });

  for (const status of ["scheduled", "sending", "paused"]) {
    test(`waits for a campaign that is ${status}`, async () => {
      const { manager, session } = await newOffice();
      const campaign = await newCampaign(session, { status, scheduledAt: new Date("2099-01-01") });
      await isRefused(remove(manager, campaign.template), { code: "PT409", detail: "template_in_use" });
      await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
    });
  }

  test("a disabled template is refused", async () => {
    const { manager } = await newOffice();
    await isRefused(remove(manager, await submitted(manager, {}, "DISABLED")), {
      code: "PT409",
      detail: "template_not_deletable",
    });
  });
});

describe("a synchronisation", () => {
  test("adds, changes and marks removed templates, and a second one changes nothing", async () => {
    const { manager, session } = await newOffice();
    const known = await submitted(manager, {}, "PENDING");
    const gone = await submitted(manager, { name: "gone" });
    const draft = await create(manager, { name: "draft" });
    const has = [
      remote({
        id: known.meta_template_id,
        name: "order_ready",
        category: "MARKETING",
        previous_category: "UTILITY",
        status: "REJECTED",
        rejected_reason: "PROMOTIONAL",
      }),
      remote(),
    ];
    assert.deepEqual(await sync(session, has), { added: 1, changed: 1, removed: 1 });
    const row = await rowOf(known);
    hasFields(row, {
      status: "REJECTED",
      category: "MARKETING",
      previous_category: "UTILITY",
      rejected_reason: "PROMOTIONAL",
      quality_score: "GREEN",
    });
    assert.equal((await rowOf(gone)).status, "DELETED");
    assert.equal((await rowOf(draft)).status, "DRAFT", "Meta never had it");
    assert.deepEqual(await sync(session, has), { added: 0, changed: 0, removed: 0 });
  });

  test("recognises a sample by more than its address", async () => {
    const { session } = await newOffice();
    const with_sample = (/** @type {string} */ url) => [
      remote({
        id: "5",
        components: [{ type: "HEADER", format: "IMAGE", example: { header_handle: [url] } }, ...BODY],
      }),
    ];
    await sync(session, with_sample("https://scontent.test/a?oe=1"));
    assert.deepEqual(await sync(session, with_sample("https://scontent.test/a?oe=2")), {
      added: 0,
      changed: 0,
      removed: 0,
    });
  });

  test("finds a submitted template whose answer was lost, and keeps the local text", async () => {
    const { manager, session } = await newOffice();
    const made = await create(manager);
    const other = [{ type: "BODY", text: "Pesanan Anda sudah siap." }];
    assert.deepEqual(await sync(session, [remote({ id: "8", name: "order_ready", components: other })]), {
      added: 0,
      changed: 1,
      removed: 0,
    });
    const row = await rowOf(made);
    assert.deepEqual(
      [row.meta_template_id, row.status, row.components, row.draft.components],
      ["8", "APPROVED", other, BODY],
    );
  });

  test("does not overwrite changes made while Meta was being read", async () => {
    const { manager, session } = await newOffice();
    const started = new Date(Date.now() - 60_000);
    const made = await submitted(manager, {}, "APPROVED");
    await sync(session, [remote({ id: made.meta_template_id, name: "order_ready", status: "PENDING" })], started);
    assert.equal((await rowOf(made)).status, "APPROVED");
    await sync(session, [], started);
    assert.equal((await rowOf(made)).status, "APPROVED", "created after the list was read");
  });

  test("leaves other accounts and other tenants alone", async () => {
    const { manager, sessions } = await newOffice({ numbers: 2 });
    const { manager: elsewhere } = await newOffice();
    const mine = await submitted(manager, { business_account_id: sessions[1].meta_business_account_id });
    const theirs = await submitted(elsewhere);
    await sync(sessions[0], []);
    assert.deepEqual([(await rowOf(mine)).status, (await rowOf(theirs)).status], ["APPROVED", "APPROVED"]);
    const asked = await calls(manager, "begin_template_sync");
    assert.deepEqual(
      asked.accounts.map((/** @type {any} */ a) => a.business_account_id).sort(),
      sessions.map((s) => s.meta_business_account_id).sort(),
    );
  });

  test("restores a template that is back at Meta", async () => {
    const { manager, session } = await newOffice();
    const made = await submitted(manager);
    await sync(session, []);
    await sync(session, [remote({ id: "9", name: "order_ready" })]);
    const row = await rowOf(made);
    assert.deepEqual([row.status, row.meta_template_id, row.deleted_at], ["APPROVED", "9", null]);
  });
});

describe("a list", () => {
  test("is filtered, searched and paged", async () => {
    const { manager } = await newOffice();
    await create(manager, { name: "promo_a", category: "MARKETING" });
    await create(manager, { name: "promo_b", category: "MARKETING", language: "en" });
    await submitted(manager);
    const names = async (/** @type {object} */ filter) =>
      (await calls(manager, "list_templates", filter)).rows.map((/** @type {any} */ row) => row.name);
    assert.deepEqual(await names({}), ["order_ready", "promo_b", "promo_a"]);
    assert.deepEqual(await names({ category_filter: "MARKETING", language_filter: "en" }), ["promo_b"]);
    assert.deepEqual(await names({ status_filter: "APPROVED" }), ["order_ready"]);
    assert.deepEqual(await names({ search: "PROMO_" }), ["promo_b", "promo_a"]);
    assert.deepEqual(await names({ search: "%" }), []);
    assert.deepEqual(await names({ page: 2, page_size: 2 }), ["promo_a"]);
    assert.equal((await calls(manager, "list_templates", { page: 9 })).total, 3);
  });
});

describe("a person of another tenant", () => {
  test("sees nothing and changes nothing", async () => {
    const { manager } = await newOffice();
    const { manager: stranger } = await newOffice();
    const made = await submitted(manager);
    assert.equal(await calls(stranger, "get_template", { template_id: made.id }), null);
    assert.equal((await calls(stranger, "list_templates", {})).total, 0);
    const before = await rowOf(made);
    for (const [name, more] of /** @type {[string, object][]} */ ([
      ["update_template", { template: template(), expected: new Date(before.updated_at).toISOString() }],
      ["begin_template_submission", { expected: new Date(before.updated_at).toISOString() }],
      ["begin_template_deletion", { all_languages: true }],
    ])) {
      await isRefused(calls(stranger, name, { template_id: made.id, ...more }), { code: "PT404", detail: "not_found" });
    }
    assert.deepEqual(await rowOf(made), before);
  });

  test("or without the permission is refused", async () => {
    const { tenant, manager } = await newOffice();
    const made = await create(manager);
    const reader = await newUserWith(tenant, { permissions: ["templates.view"] });
    assert.equal((await calls(reader, "get_template", { template_id: made.id })).id, made.id);
    const expected = made.updated_at;
    for (const [name, parameters] of /** @type {[string, object][]} */ ([
      ["create_template", { template: template({ name: "x" }) }],
      ["update_template", { template_id: made.id, template: template(), expected }],
      ["begin_template_submission", { template_id: made.id, expected }],
      ["begin_template_deletion", { template_id: made.id, all_languages: false }],
      ["begin_template_sync", {}],
    ])) {
      await isRefused(calls(reader, name, parameters), { code: "PT403", detail: "forbidden" });
    }
  });
});
