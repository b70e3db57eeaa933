// Templates from the first draft to Meta's approval, and back.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const ACCOUNT = "555100000000001";
const newName = (start = "promo") => `${start}_${randomUUID().replaceAll("-", "_")}`;
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");

/** @param {object} [more] @param {string} [as] */
const draft = (more = {}, as = "manager") =>
  app.succeeds("POST", "/api/broadcast/templates", {
    as,
    body: {
      name: newName(),
      language: "id",
      category: "MARKETING",
      content: "Halo {{1}}, ada promo {{2}} untuk Anda di toko kami.",
      variables: ["Rina", "kopi"],
      footer: "Balas STOP untuk berhenti",
      ...more,
    },
  });
const submit = (/** @type {any} */ { id }) =>
  app.succeeds("POST", `/api/broadcast/templates/${id}/submit`, { as: "manager" });
const now = (/** @type {any} */ { id }) => app.succeeds("GET", `/api/broadcast/templates/${id}`, { as: "manager" });
const change = (/** @type {any} */ { id }, /** @type {object} */ body) =>
  app.succeeds("PATCH", `/api/broadcast/templates/${id}`, { as: "manager", body });
const remove = (/** @type {any} */ { id }, query = "") =>
  app.succeeds("DELETE", `/api/broadcast/templates/${id}${query}`, { as: "manager" });
const sync = () => app.succeeds("POST", "/api/broadcast/templates/sync", { as: "manager" });
/** Meta's versions of a template name. @param {string} name */
const atMeta = async (name) =>
  (await app.meta("GET", "templates")).templates.filter((/** @type {any} */ known) => known.name === name);
/** Changes a template on Meta's side. @param {any} known @param {object} changes */
async function changesAtMeta(known, changes) {
  // Meta's earlier reports must not arrive after it.
  await app.metaIsQuiet();
  await app.meta("POST", "templates", { ...known, ...changes });
}
/** Waits until Meta's webhook has been stored. @param {any} template @param {string} status */
const becomes = (template, status) =>
  eventually(`the template is ${status}`, async () => (await now(template)).status === status);
const heldInReview = () => app.meta("PUT", "settings", { template_review_ms: 3_600_000 });
const reviewedAtOnce = () => app.meta("PUT", "settings", { template_review_ms: 0 });

describe("a draft", () => {
  test("may be imperfect, and reports its problems in the reader's language", async () => {
    const made = await draft({ content: "{{1}} promo", variables: [] });
    assert.equal(made.status, "DRAFT");
    assert.deepEqual(
      [...new Set(made.problems.map((/** @type {any} */ problem) => problem.field))],
      ["content", "variables.1"],
    );
    const { body } = await app.call("GET", `/api/broadcast/templates/${made.id}`, {
      as: "manager",
      headers: { "accept-language": "id" },
    });
    assert.match(body.problems[0].message, /variabel/);
    const refused = await app.refuses(422, "invalid_field", "POST", `/api/broadcast/templates/${made.id}/submit`, {
      as: "manager",
    });
    assert.deepEqual(Object.keys(refused.body.error.fields), ["content", "variables.1"]);
    assert.deepEqual(await atMeta(made.name), [], "Meta has not been asked");
  });

  test("accepts the body in the specification, and spaces in names", async () => {
    const name = newName("Flash Sale");
    const made = await app.succeeds("POST", "/api/broadcast/templates", {
      as: "manager",
      body: { name, content: "Halo {{1}}, ada promo hari ini!", category: "MARKETING", variables: ["Rina"] },
    });
    assert.equal(made.name, name.toLowerCase().replaceAll(" ", "_"));
    assert.deepEqual([made.language, made.business_account_id, made.problems], ["id", ACCOUNT, []]);
  });

  test("names a wrong field by its path", async () => {
    for (const [body, field] of /** @type {[object, string][]} */ ([
      [{ content: "x" }, "name"],
      [{ name: "Ü" }, "name"],
      [{ name: newName(), category: "SPAM" }, "category"],
      [{ name: newName(), language: "bahasa" }, "language"],
      [{ name: newName(), header: { format: "poster" } }, "header.format"],
      [{ name: newName(), variables: "Rina" }, "variables"],
      [{ name: newName(), colour: "red" }, "colour"],
      [{ name: newName(), content: "a\u0000b" }, "content"],
      [{ name: newName(), header: { format: "image", sample_path: "elsewhere/a.png" } }, "header.sample_path"],
    ])) {
      const { body: answer } = await app.refuses(422, "invalid_field", "POST", "/api/broadcast/templates", {
        as: "manager",
        body,
      });
      assert.ok(field in answer.error.fields, `${field}: ${JSON.stringify(answer)}`);
    }
  });

  test("is duplicated with every part that can be copied", async () => {
    const made = await draft({ buttons: [{ type: "QUICK_REPLY", text: "Mau" }] });
    const copy = await app.succeeds("POST", "/api/broadcast/templates", {
      as: "manager",
      body: { duplicate_of: made.id, language: "en" },
    });
    assert.deepEqual(
      [copy.name, copy.language, copy.content, copy.buttons],
      [made.name, "en", made.content, made.buttons],
    );
    await app.refuses(409, "template_exists", "POST", "/api/broadcast/templates", {
      as: "manager",
      body: { duplicate_of: made.id },
    });
  });
});

describe("a preview", () => {
  const preview = (/** @type {object} */ body) =>
    app.succeeds("POST", "/api/broadcast/templates/preview", { as: "agent", body });

  test("shows the recipient's view, with values or examples", async () => {
    const made = await draft({
      content: "Halo *{{1}}*, ada _promo_ {{2}} untuk Anda hari ini.",
      buttons: [{ type: "URL", text: "Buka", url: "https://kopi.test/{{1}}", example: "https://kopi.test/7" }],
    });
    const { preview: shown } = await preview({ template_id: made.id, values: ["Ani", "teh", "99"] });
    assert.equal(shown.body.text, "Halo *Ani*, ada _promo_ teh untuk Anda hari ini.");
    assert.deepEqual(shown.body.spans.slice(0, 4), [
      { text: "Halo " },
      { text: "Ani", bold: true },
      { text: ", ada " },
      { text: "promo", italic: true },
    ]);
    assert.deepEqual(shown.buttons, [{ type: "URL", text: "Buka", url: "https://kopi.test/99" }]);
    assert.equal(
      (await preview({ template_id: made.id })).preview.body.text,
      "Halo *Rina*, ada _promo_ kopi untuk Anda hari ini.",
    );
  });

  test("checks one step alone, and every step in the review", async () => {
    const wrong = {
      name: "x y",
      category: "MARKETING",
      header: { format: "image" },
      content: "{{1}}",
      buttons: [{ type: "URL", text: "Buka", url: "kopi" }],
    };
    const fields = async (/** @type {string | undefined} */ step) =>
      (await preview({ ...wrong, step })).problems.map((/** @type {any} */ problem) => problem.field);
    assert.deepEqual(await fields("basics"), []);
    assert.deepEqual(await fields("header"), ["header.sample_path"]);
    assert.deepEqual(await fields("body"), ["content", "content"]);
    assert.deepEqual(await fields("buttons"), ["buttons[0].url"]);
    assert.deepEqual(await fields("examples"), ["variables.1"]);
    assert.equal((await fields("review")).length, 5);
    assert.deepEqual(await fields(undefined), await fields("review"));
    const { valid, limits } = await preview({ step: "body", content: "Pesanan Anda sudah siap." });
    assert.equal(valid, true);
    assert.equal(limits.body, 1024);
    await app.refuses(422, "invalid_field", "POST", "/api/broadcast/templates/preview", {
      as: "agent",
      body: { step: "seventh" },
    });
  });
});

describe("a submission", () => {
  test("is reviewed by Meta, and its approval lets campaigns be sent", async () => {
    await heldInReview();
    const made = await draft();
    const submitted = await submit(made);
    assert.deepEqual([submitted.status, submitted.problems], ["PENDING", []]);
    assert.match(submitted.meta_template_id, /^\d+$/);
    const [known] = await atMeta(made.name);
    assert.deepEqual(known.components[0].example, { body_text: [["Rina", "kopi"]] });
    const recipients = [{ phone_number: app.newCustomer(), variables: ["Ani", "teh"] }];
    const campaign = { name: "Promo", template_id: made.id, recipients, scheduled_at: "2099-01-01T00:00:00Z" };
    await changesAtMeta(known, { status: "APPROVED" });
    await becomes(made, "APPROVED");
    await app.succeeds("POST", "/api/broadcast/campaigns", { as: "manager", body: campaign });
    await app.refuses(409, "template_in_use", "DELETE", `/api/broadcast/templates/${made.id}`, { as: "manager" });
    await app.refuses(409, "template_unchanged", "POST", `/api/broadcast/templates/${made.id}/submit`, {
      as: "manager",
    });
  });

  test("that is rejected gives the reason, and can be corrected", async () => {
    await heldInReview();
    const made = await draft({ category: "UTILITY" });
    await submit(made);
    await app.refuses(409, "template_not_editable", "PATCH", `/api/broadcast/templates/${made.id}`, {
      as: "manager",
      body: { content: "x" },
    });
    await changesAtMeta((await atMeta(made.name))[0], { status: "REJECTED", rejected_reason: "PROMOTIONAL" });
    await becomes(made, "REJECTED");
    const rejected = await now(made);
    assert.equal(rejected.rejected_reason, "PROMOTIONAL");
    assert.match(rejected.rejected_reason_text, /MARKETING/);
    await change(made, { content: "Halo {{1}}, pesanan {{2}} sudah siap diambil di toko." });
    const again = await submit(made);
    assert.deepEqual([again.status, again.rejected_reason, again.has_changes], ["PENDING", null, false]);
    assert.match((await atMeta(made.name))[0].components[0].text, /pesanan/);
  });

  test("that Meta refuses gets an explanation by field", async () => {
    const made = await draft();
    await app.meta("POST", "templates", {
      business_account_id: ACCOUNT,
      name: made.name,
      language: "id",
      category: "MARKETING",
      components: [{ type: "BODY", text: "Halo" }],
    });
    const { body } = await app.refuses(422, "template_refused", "POST", `/api/broadcast/templates/${made.id}/submit`, {
      as: "manager",
      headers: { "accept-language": "id" },
    });
    assert.match(body.error.fields.name, /sudah ada/);
    assert.equal((await now(made)).status, "DRAFT");
  });

  test("carries the sample of its header", async () => {
    await heldInReview();
    const { path } = await app.publishes(PNG, { as: "manager", name: "promo.png" });
    const made = await draft({ header: { format: "image", sample_path: path } });
    assert.equal(Buffer.compare(Buffer.from(await (await fetch(made.header.sample_url)).arrayBuffer()), PNG), 0);
    await submit(made);
    const [known] = await atMeta(made.name);
    assert.match(known.components[0].example.header_handle[0], /^https:/);
    const video = await draft({ header: { format: "video", sample_path: path } });
    const { body } = await app.refuses(422, "invalid_field", "POST", `/api/broadcast/templates/${video.id}/submit`, {
      as: "manager",
    });
    assert.match(body.error.fields["header.sample_path"], /video\/mp4/);
  });

  test("of an authentication template is accepted", async () => {
    await heldInReview();
    const made = await app.succeeds("POST", "/api/broadcast/templates", {
      as: "manager",
      body: {
        name: newName("otp"),
        language: "id",
        category: "AUTHENTICATION",
        add_security_recommendation: true,
        code_expiration_minutes: 5,
        buttons: [{ type: "OTP", otp_type: "COPY_CODE", text: "Salin" }],
      },
    });
    assert.deepEqual(made.problems, []);
    assert.equal((await submit(made)).status, "PENDING");
  });
});

describe("a template that Meta has approved", () => {
  const approved = async (/** @type {object} */ more = {}) => {
    await reviewedAtOnce();
    const made = await draft(more);
    await submit(made);
    await becomes(made, "APPROVED");
    return made;
  };

  test("is edited once a day, and sent in its old form until the edit is approved", async () => {
    const made = await approved();
    const changed = await change(made, { content: "Halo {{1}}, promo {{2}} diperpanjang sampai akhir bulan." });
    assert.deepEqual([changed.status, changed.has_changes], ["APPROVED", true]);
    assert.match(changed.components[0].text, /untuk Anda/, "campaigns send the approved form");
    await heldInReview();
    assert.equal((await submit(made)).status, "PENDING");
    await changesAtMeta((await atMeta(made.name))[0], { status: "APPROVED" });
    // Within the same second Meta's second approval looks like a redelivery of the first.
    await sync();
    await becomes(made, "APPROVED");
    await change(made, { footer: "Kopi Senja" });
    await app.refuses(409, "template_edit_limit", "POST", `/api/broadcast/templates/${made.id}/submit`, {
      as: "manager",
    });
    assert.ok((await now(made)).next_edit_at);
  });

  test("and then paused is resumed", async () => {
    const made = await approved();
    await changesAtMeta((await atMeta(made.name))[0], { status: "PAUSED" });
    await becomes(made, "PAUSED");
    assert.equal((await submit(made)).status, "APPROVED");
  });

  test("is deleted in one language, or in all", async () => {
    const [one, other] = [await approved(), await approved({ language: "en" })];
    const copy = await app.succeeds("POST", "/api/broadcast/templates", {
      as: "manager",
      body: { duplicate_of: one.id, language: "en" },
    });
    await submit(copy);
    await remove(one);
    assert.deepEqual(
      (await atMeta(one.name)).map((/** @type {any} */ known) => known.language),
      ["en"],
    );
    await app.refuses(404, "not_found", "GET", `/api/broadcast/templates/${one.id}`, { as: "manager" });
    await remove(other, "?all_languages=true");
    assert.deepEqual(await atMeta(other.name), []);
  });
});

describe("a synchronisation", () => {
  test("imports every page of Meta's templates, and only of the tenant's own accounts", async () => {
    const names = Array.from({ length: 120 }, () => newName("bulk"));
    for (const name of names)
      await app.meta("POST", "templates", {
        business_account_id: ACCOUNT,
        name,
        language: "id",
        category: "UTILITY",
        quality_score: "YELLOW",
        components: [{ type: "BODY", text: "Halo" }],
      });
    const foreign = newName("foreign");
    await app.meta("POST", "templates", {
      business_account_id: "555100000000002",
      name: foreign,
      language: "id",
      category: "UTILITY",
      components: [{ type: "BODY", text: "Halo" }],
    });
    const result = await sync();
    assert.ok(result.added >= 120, JSON.stringify(result));
    assert.deepEqual(result.accounts, [ACCOUNT]);
    const { data, total } = await app.succeeds("GET", "/api/broadcast/templates?search=bulk_&limit=100&page=2", {
      as: "agent",
    });
    assert.deepEqual([total, data.length, data[0].quality_score], [120, 20, "YELLOW"]);
    assert.equal((await app.succeeds("GET", `/api/broadcast/templates?search=${foreign}`, { as: "manager" })).total, 0);
    assert.deepEqual([(await sync()).added, (await sync()).changed], [0, 0]);
  });

  test("by a person of another tenant finds none of our templates, and each action on one answers 404", async () => {
    const made = await draft();
    for (const [method, path, body] of /** @type {[string, string, object | undefined][]} */ ([
      ["GET", "", undefined],
      ["PATCH", "", { footer: "x" }],
      ["PUT", "", { footer: "x" }],
      ["DELETE", "?all_languages=true", undefined],
      ["POST", "/submit", undefined],
    ])) {
      const [id, rest] = [made.id, path];
      await app.refuses(404, "not_found", method, `/api/broadcast/templates/${id}${rest}`, { as: "stranger", body });
    }
    await app.refuses(404, "not_found", "POST", "/api/broadcast/templates/preview", {
      as: "stranger",
      body: { template_id: made.id },
    });
    await app.refuses(404, "not_found", "POST", "/api/broadcast/templates", {
      as: "stranger",
      body: { duplicate_of: made.id },
    });
    assert.equal(
      (await app.succeeds("GET", `/api/broadcast/templates?search=${made.name}`, { as: "stranger" })).total,
      0,
    );
    assert.deepEqual(await now(made), made);
  });
});
