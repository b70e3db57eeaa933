// Campaigns as managers use them: drafts, checks, schedules, pauses, retries, opt-outs and answers.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const path = "/api/broadcast/campaigns";
const customers = (/** @type {number} */ count) => Array.from({ length: count }, () => app.newCustomer());
/** @param {string} id @param {string} action @param {object} [body] @param {string} [as] */
const act = (id, action, body, as = "manager") => app.succeeds("POST", `${path}/${id}/${action}`, { as, body });
/** @param {string} id @param {string} status */
const until = (id, status) =>
  eventually(`the campaign is ${status}`, async () => {
    await app.runsCron();
    const campaign = await app.campaign(id);
    return campaign.status === status && campaign;
  });
/** @param {string} id @param {string} [query] */
const recipients = async (id, query = "limit=100") =>
  (await app.succeeds("GET", `${path}/${id}/recipients?${query}`, { as: "manager" })).data;

await app.setsPace(100);

describe("a campaign", () => {
  test("is drafted, checked, sent and tracked", async () => {
    const numbers = customers(3);
    const draft = await app.createsCampaign(numbers, { draft: true });
    assert.deepEqual([draft.status, draft.statistics.pending], ["draft", 3]);
    await app.runsCron();
    assert.equal((await app.campaign(draft.id)).status, "draft", "a draft is not sent automatically");

    const check = await app.succeeds("GET", `${path}/${draft.id}/check`, { as: "manager" });
    assert.equal(check.sendable, true);
    assert.deepEqual([check.problems, check.estimate.countries[0].price_source], [[], "listed"]);
    assert.deepEqual(
      [check.estimate.recipients, check.estimate.seconds, check.estimate.countries[0].country],
      [3, 1, "ID"],
    );
    await app.succeeds("PUT", "/api/broadcast/prices", {
      as: "admin",
      body: {
        prices: [
          { country: "id", category: "MARKETING", effective_from: "2026-01-01", currency: "usd", amount: 0.0411 },
        ],
      },
    });
    const priced = await app.succeeds("GET", `${path}/${draft.id}/check`, { as: "manager" });
    assert.deepEqual(
      [priced.problems, priced.estimate.cost, priced.estimate.cost_complete, priced.estimate.countries[0].price_source],
      [[], { USD: "0.123300" }, true, "own"],
    );

    const [first] = await recipients(draft.id);
    assert.deepEqual([first.phone_number, first.status], [`+${numbers[0]}`, "pending"]);
    assert.match(first.preview, /^Halo Pelanggan 0,/);

    assert.equal((await act(draft.id, "send")).status, "sending");
    await app.refuses(409, "campaign_state", "POST", `${path}/${draft.id}/send`, { as: "manager" });
    const done = await until(draft.id, "completed");
    assert.equal(done.statistics.sent, 3);
    await app.metaIsQuiet();

    await app.receivesMessage({ from: numbers[1], text: "Masih ada?" });
    await app.receivesMessage({ from: numbers[1], text: "Halo?" });
    const replied = await recipients(draft.id, "replied=true");
    assert.deepEqual(
      replied.map((/** @type {any} */ row) => row.phone_number),
      [`+${numbers[1]}`],
    );
    assert.equal((await app.campaign(draft.id)).statistics.replied, 1);

    const copy = await act(draft.id, "duplicate");
    assert.deepEqual(
      [copy.status, copy.copied_from, copy.statistics.total, copy.statistics.pending],
      ["draft", draft.id, 3, 3],
    );
    assert.equal((await app.call("DELETE", `${path}/${copy.id}`, { as: "manager" })).status, 204);
    await app.refuses(409, "campaign_state", "DELETE", `${path}/${draft.id}`, { as: "manager" });
  });

  test("is downloaded with all its recipients, or with the requested ones", async () => {
    const numbers = customers(1200);
    const bad = numbers[7];
    await app.setsPace(1000);
    await app.metaFails({ kind: "error_code", code: 131_026, to: bad });
    const { id } = await app.createsCampaign(numbers);
    await until(id, "completed");
    await app.metaIsWell();
    await app.setsPace(100);
    await app.metaIsQuiet();
    const download = async (/** @type {string} */ query, as = "manager") => {
      const headers = { authorization: `Bearer ${await app.token(as)}`, "accept-language": "id" };
      return fetch(`${app.stack.app_url}${path}/${id}/recipients?${query}`, { headers });
    };
    const csv = await download("format=csv");
    assert.match(csv.headers.get("content-type") ?? "", /^text\/csv/);
    const lines = (await csv.text()).trimEnd().split("\r\n");
    assert.match(lines[0], /^\ufeff?urutan,nomor_telepon,nama,status,/);
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(",")[1]),
      numbers.map((number) => `+${number}`),
      "each once, in order, over several pages",
    );
    const failed = (await (await download("format=csv&status=failed")).text()).trimEnd().split("\r\n");
    assert.equal(failed.length, 2);
    assert.ok(failed[1].includes(bad) && failed[1].includes("131026"), failed[1]);

    const sheet = await download("format=xlsx");
    assert.match(sheet.headers.get("content-disposition") ?? "", /campaign-recipients\.xlsx/);
    const file = new FormData();
    file.append("name", "Lagi");
    file.append("file", new Blob([await sheet.arrayBuffer()]), "recipients.xlsx");
    const uploaded = await fetch(`${app.stack.app_url}/api/broadcast/recipient-lists`, {
      method: "POST",
      headers: { authorization: `Bearer ${await app.token("manager")}` },
      body: file,
    });
    assert.equal(uploaded.status, 201, "it can be downloaded again");
    assert.equal((await uploaded.json()).total_rows, 1200);

    for (const [answer, status, code] of /** @type {const} */ ([
      [await download("format=pdf"), 422, "invalid_field"],
      [await download("format=csv", "stranger"), 404, "not_found"],
    ]))
      assert.deepEqual([answer.status, (await answer.json()).error.code], [status, code]);
    const role = await app.succeeds("POST", "/api/rbac/roles", {
      as: "admin",
      body: { name: `Pengamat ${id}`, level: 4, inherits: false, permissions: ["broadcasts.view"] },
    });
    const viewer = await app.newMember("restricted");
    await app.succeeds("PUT", `/api/rbac/users/${app.idOf(viewer)}`, { as: "admin", body: { role_ids: [role.id] } });
    assert.deepEqual(
      [(await download("limit=1", viewer)).status, (await download("format=csv", viewer)).status],
      [200, 403],
    );
  });

  test("is scheduled by the tenant's clock, changed, and cancelled", async () => {
    const scheduled = await app.createsCampaign(customers(2), { scheduled_at: "2099-03-01T09:00" });
    assert.deepEqual(
      [scheduled.status, scheduled.timezone, scheduled.scheduled_local],
      ["scheduled", "Asia/Jakarta", "2099-03-01T09:00:00"],
    );
    assert.equal(Date.parse(scheduled.scheduled_at), Date.parse("2099-03-01T02:00:00Z"));
    const moved = await app.succeeds("PATCH", `${path}/${scheduled.id}`, {
      as: "manager",
      body: { scheduled_at: "2099-03-01T09:00:00+09:00", name: "Pindah" },
    });
    assert.deepEqual([Date.parse(moved.scheduled_at), moved.name], [Date.parse("2099-03-01T00:00:00Z"), "Pindah"]);
    const waiting = await app.succeeds("GET", "/api/broadcast/debug/scheduled", { as: "manager" });
    assert.ok(waiting.campaigns.some((/** @type {any} */ campaign) => campaign.id === scheduled.id));
    const cancelled = await act(scheduled.id, "cancel");
    assert.deepEqual([cancelled.status, cancelled.statistics.skipped], ["cancelled", 2]);
    await app.refuses(409, "campaign_state", "PATCH", `${path}/${scheduled.id}`, {
      as: "manager",
      body: { name: "x" },
    });
    for (const [field, body] of /** @type {[string, object][]} */ ([
      ["scheduled_at", { scheduled_at: "tomorrow" }],
      ["scheduled_at", { scheduled_at: "2099-13-01T09:00" }],
      ["quiet_hours", { quiet_hours: { from: "9", to: "10" } }],
      ["quiet_hours", { quiet_hours: { from: "21:00", to: "21:00" } }],
      ["name", { name: " " }],
    ])) {
      const template_id = (await app.template()).id;
      const refused = await app.refuses(422, "invalid_field", "POST", path, {
        as: "manager",
        body: { name: "x", template_id, recipients: [{ phone_number: app.newCustomer(), variables: ["A"] }], ...body },
      });
      assert.ok(field in refused.body.error.fields, JSON.stringify(refused.body));
    }
  });

  test("takes recipients, a number and a template while it is a draft", async () => {
    const [template, [first, second]] = [await app.template(), customers(2)];
    const draft = await app.succeeds("POST", path, {
      as: "manager",
      body: { name: "Draf", template_id: template.id, draft: true },
    });
    assert.equal(draft.statistics.total, 0);
    const change = (/** @type {object} */ body) => app.call("PATCH", `${path}/${draft.id}`, { as: "manager", body });
    const { status, body } = await change({
      recipients: [
        { phone_number: first, variables: ["Ani"] },
        { phone_number: second, variables: [""] },
      ],
    });
    assert.deepEqual([status, Object.keys(body.error.fields)], [422, ["recipients[1].variables.1"]]);
    assert.equal(
      (
        await change({
          recipients: [
            { phone_number: first, variables: ["Ani"] },
            { phone_number: second, variables: ["Budi"] },
          ],
        })
      ).body.statistics.total,
      2,
    );
    const changed = (
      await change({
        template_id: template.id,
        session_id: draft.session_id,
        recipients: [{ phone_number: second, variables: ["Budi"] }],
      })
    ).body;
    assert.deepEqual([changed.statistics.total, changed.template_id], [1, template.id]);
    for (const wrong of [
      { recipients: [] },
      { recipients: [second], recipient_list_id: randomUUID() },
      { template_id: randomUUID() },
      { session_id: randomUUID() },
      { segment_id: randomUUID() },
      { status: "sending" },
    ]) {
      assert.equal((await change(wrong)).status, 422, JSON.stringify(wrong));
    }
    assert.equal((await act(draft.id, "send")).status, "sending");
    assert.equal((await until(draft.id, "completed")).statistics.sent, 1);
  });

  test("has pages by number too, and is searched by a phone number as people write it", async () => {
    const numbers = customers(5);
    const { id } = await app.createsCampaign(numbers, { draft: true });
    const page = (/** @type {string} */ query) =>
      app.succeeds("GET", `${path}/${id}/recipients?${query}`, { as: "manager" });
    const third = await page("page=3&limit=2");
    assert.deepEqual(
      [third.data.map((/** @type {any} */ row) => row.phone_number), third.total, third.page, third.next_cursor],
      [[`+${numbers[4]}`], 5, 3, null],
    );
    assert.deepEqual((await page("page=4&limit=2")).data, []);
    for (const written of [
      `+${numbers[1].slice(0, 2)} ${numbers[1].slice(2, 6)}-${numbers[1].slice(6)}`,
      `0${numbers[1].slice(2)}`,
      numbers[1].slice(2),
    ]) {
      assert.deepEqual(
        (await page(`page=1&search=${encodeURIComponent(written)}`)).data.map(
          (/** @type {any} */ row) => row.phone_number,
        ),
        [`+${numbers[1]}`],
        written,
      );
    }
    await app.refuses(422, "invalid_field", "GET", `${path}/${id}/recipients?page=0`, { as: "manager" });
    await app.refuses(422, "invalid_field", "GET", `${path}/${id}/recipients?page=2&after=${third.data[0].id}`, {
      as: "manager",
    });
    assert.equal((await app.call("GET", `${path}?status=DRAFT&page=1&limit=10`, { as: "manager" })).status, 200);
    assert.equal((await app.call("GET", `${path}?status=`, { as: "manager" })).status, 200);
  });

  test("pauses and continues without a second message to any recipient", async () => {
    await app.setsPace(20);
    const numbers = customers(60);
    const { id } = await app.createsCampaign(numbers);
    const run = app.runsCron();
    await eventually("some have been sent", async () => (await app.campaign(id)).statistics.sent > 5);
    assert.equal((await act(id, "pause")).status, "paused");
    await run;
    const paused = (await app.campaign(id)).statistics;
    assert.ok(paused.pending > 0 && paused.sending === 0, JSON.stringify(paused));
    await app.runsCron();
    assert.equal((await app.campaign(id)).statistics.pending, paused.pending, "no message is sent while it is paused");
    await app.setsPace(100);
    await act(id, "resume");
    await until(id, "completed");
    const ledger = await app.ledger(numbers);
    assert.deepEqual([ledger.size, [...ledger.values()].filter((sent) => sent.length > 1)], [60, []]);
  });

  test("is retried for failed recipients alone", async () => {
    const good = app.newCustomer();
    const bad = app.newCustomer();
    await app.metaFails({ kind: "error_code", code: 131_026, to: bad, times: 1 });
    const { id } = await app.createsCampaign([good, bad]);
    const first = await until(id, "completed");
    assert.deepEqual([first.statistics.sent, first.statistics.failed], [1, 1]);
    await app.metaIsWell();
    const again = await act(id, "retry");
    assert.deepEqual([again.retried, again.status], [1, "sending"]);
    const second = await until(id, "completed");
    assert.deepEqual([second.statistics.sent, second.statistics.failed], [2, 0]);
    assert.equal((await app.ledger([good])).get(good)?.length, 1);
    await app.refuses(409, "nothing_to_retry", "POST", `${path}/${id}/retry`, { as: "manager" });
  });

  test("skips customers who said STOP, until they say MULAI", async () => {
    const [stays, leaves] = customers(2);
    for (const from of [stays, leaves]) await app.receivesMessage({ from, text: "Halo" });
    await app.receivesMessage({ from: leaves, text: " berhenti! " });
    const { id } = await app.createsCampaign([stays, leaves], { draft: true });
    const check = await app.succeeds("GET", `${path}/${id}/check`, { as: "manager" });
    const problem = check.problems.find((/** @type {any} */ found) => found.code === "opted_out");
    assert.deepEqual([problem.severity, problem.count, check.estimate.recipients], ["warning", 1, 1]);
    assert.match(problem.message_id, /1 penerima/);
    await act(id, "send");
    const done = await until(id, "completed");
    assert.deepEqual([done.statistics.sent, done.statistics.skipped], [1, 1]);
    const [skipped] = await recipients(id, "status=skipped");
    assert.deepEqual([skipped.phone_number, skipped.skip_reason], [`+${leaves}`, "opted_out"]);
    assert.equal((await app.ledger([leaves])).size, 0);

    // Of two words within one second the opt-out counts.
    const second = Math.floor(Date.now() / 1000);
    await eventually("another second", () => Math.floor(Date.now() / 1000) > second + 1);
    await app.receivesMessage({ from: leaves, text: "MULAI" });
    const next = await app.createsCampaign([leaves]);
    assert.equal((await until(next.id, "completed")).statistics.sent, 1);
    const [contact] = await app.rows("contacts", `wa_id=eq.${leaves}&select=id`);
    const consents = await app.rows(
      "contact_consents",
      `contact_id=eq.${contact.id}&select=state,source,proof&order=created_at`,
    );
    assert.deepEqual(
      consents.map(({ state, source }) => [state, source]),
      [
        ["opted_out", "keyword"],
        ["opted_in", "keyword"],
      ],
    );
    assert.ok(consents[0].proof.message_id);
  });
});

test("Meta's limit of customers holds the rest back, and the campaign gives the reason", async () => {
  const session = `meta_phone_number_id=eq.${app.phoneNumberId}`;
  const numbers = customers(12);
  const people = new Set();
  for (let read = 0; read % 1000 === 0;) {
    const rows = await app.rows(
      "messages",
      `type=eq.template&direction=eq.outbound&sent_at=not.is.null&select=conversation_id&order=id&limit=1000&offset=${read}`,
    );
    for (const row of rows) people.add(row.conversation_id);
    read += rows.length || 1;
  }
  await app.changes("whatsapp_sessions", session, { messaging_limit: String(people.size + 5) });
  const { id } = await app.createsCampaign(numbers);
  const check = await app.succeeds("GET", `${path}/${id}/check`, { as: "manager" });
  assert.deepEqual([check.estimate.remaining_limit, check.estimate.over_limit], [5, 7]);
  const held = await eventually("the limit holds the campaign", async () => {
    await app.runsCron();
    const queue = await app.succeeds("GET", "/api/queue", { as: "manager" });
    return queue.campaigns.find((/** @type {any} */ campaign) => campaign.campaign_id === id && campaign.held_until);
  });
  assert.match(held.status_reason, /limit/);
  assert.deepEqual([held.counts.completed, held.counts.waiting, held.counts.delayed], [5, 0, 7]);
  assert.equal((await app.succeeds("GET", "/api/health/workers")).status, "ok", "waiting on purpose is not late");
  await app.changes("whatsapp_sessions", session, { messaging_limit: "TIER_UNLIMITED" });
  await app.changes("broadcast_campaigns", `id=eq.${id}`, { held_until: new Date(Date.now() - 1000).toISOString() });
  assert.equal((await until(id, "completed")).statistics.sent, 12);
});

test("the scheduler stops, starts, and catches up once", async () => {
  const stopped = await app.succeeds("POST", "/api/broadcast/scheduler/stop", { as: "manager" });
  assert.equal(stopped.running, false);
  const { id } = await app.createsCampaign(customers(1), { scheduled_at: "2099-01-01T00:00:00Z" });
  await app.changes("broadcast_campaigns", `id=eq.${id}`, {
    scheduled_at: new Date(Date.now() - 60_000).toISOString(),
  });
  await app.runsCron();
  assert.equal((await app.campaign(id)).status, "scheduled");
  const shown = await app.succeeds("GET", "/api/broadcast/scheduler/start", { as: "manager" });
  assert.deepEqual([shown.status, shown.running], ["stopped", false], "reading changes nothing");
  assert.equal((await app.succeeds("POST", "/api/broadcast/scheduler/start", { as: "manager" })).status, "running");
  assert.equal((await until(id, "completed")).statistics.sent, 1);
  await app.refuses(404, "not_found", "GET", "/api/broadcast/scheduler/dance", { as: "manager" });
  await app.refuses(403, "forbidden", "GET", "/api/broadcast/scheduler/start", { as: "agent" });
  await app.refuses(404, "not_found", "POST", "/api/broadcast/scheduler/dance", { as: "manager" });
  await app.refuses(403, "forbidden", "POST", "/api/broadcast/scheduler/stop", { as: "agent" });
});

test("a person triggers the scheduler, which sends due campaigns without cron", async () => {
  const { id } = await app.createsCampaign(customers(2), { scheduled_at: "2099-01-01T00:00:00Z" });
  await app.changes("broadcast_campaigns", `id=eq.${id}`, { scheduled_at: new Date(Date.now() - 1000).toISOString() });
  assert.equal(
    (await app.succeeds("POST", "/api/broadcast/scheduler/trigger", { as: "manager" })).started_campaigns,
    1,
  );
  const done = await eventually("the campaign ends", async () => {
    const campaign = await app.campaign(id);
    return campaign.status === "completed" && campaign;
  });
  assert.equal(done.statistics.sent, 2);
});

test("a campaign that is sent now starts without cron", async () => {
  const { id } = await app.createsCampaign(customers(2));
  const draft = await app.createsCampaign(customers(1), { draft: true });
  assert.equal((await act(draft.id, "send")).status, "sending");
  for (const started of [id, draft.id]) {
    await eventually("the campaign ends", async () => (await app.campaign(started)).status === "completed");
  }
});

test("a campaign contains a person once, in whichever form their number is written", async () => {
  const given = (/** @type {string} */ phone_number) => ({ phone_number, variables: ["Ani"] });
  for (const forms of [
    ["+55 11 9 8962-3736", "+55 11 8962-3736", "551189623736"],
    ["+52 1 55 1234 5678", "+52 55 1234 5678"],
    ["+54 9 11 2345 6789", "+54 11 2345 6789", "+54 11 15 2345 6789"],
    ["0812-9999-0001", "+62 812 9999 0001", "０８１２９９９９０００１", "+٦٢٨١٢٩٩٩٩٠٠٠١", "\u200e6281299990001\u00ad"],
  ]) {
    const campaign = await app.succeeds("POST", path, {
      as: "manager",
      body: { name: "Sekali", template_id: (await app.template()).id, recipients: forms.map(given), draft: true },
    });
    assert.deepEqual([campaign.statistics.total, campaign.duplicates_removed], [1, forms.length - 1], forms[0]);
  }
});

test("a time that has passed, or a bare date, is refused and sends nothing", async () => {
  const template_id = (await app.template()).id;
  const recipients = [{ phone_number: app.newCustomer(), variables: ["Ani"] }];
  for (const draft of [true, false]) {
    for (const scheduled_at of ["2020-12-01T09:00", "2099-12-01", "2020-12-01T09:00:00Z"]) {
      const body = { name: "Tahun salah", template_id, recipients, scheduled_at, draft };
      const { body: answer } = await app.refuses(422, "invalid_field", "POST", path, { as: "manager", body });
      assert.ok("scheduled_at" in answer.error.fields);
    }
  }
  const waiting = await app.createsCampaign(customers(1), { draft: true });
  const wrong = { as: "manager", body: { scheduled_at: "2020-12-01T09:00" } };
  await app.refuses(422, "invalid_field", "POST", `${path}/${waiting.id}/send`, wrong);
  await app.refuses(422, "invalid_field", "PATCH", `${path}/${waiting.id}`, wrong);
  assert.equal((await app.campaign(waiting.id)).status, "draft");
});

test("a campaign whose check has errors is sent only in spite of them by name", async () => {
  const list = await app.succeeds("POST", "/api/broadcast/recipient-lists", {
    as: "manager",
    body: {
      name: "Setengah",
      recipients: [
        { phone_number: app.newCustomer(), variables: { nama: "Ani" } },
        { phone_number: app.newCustomer(), variables: { nama: "" } },
      ],
    },
  });
  const template_id = (await app.template()).id;
  const body = { name: "Setengah", template_id, recipient_list_id: list.id };
  const mapped = (/** @type {object} */ more) => [{ source: "column", column: "nama", ...more }];
  const refused = await app.refuses(422, "campaign_problems", "POST", path, {
    as: "manager",
    body: { ...body, variable_mapping: mapped({}) },
  });
  assert.deepEqual(Object.keys(refused.body.error.fields), ["missing_variables"]);
  const draft = await app.succeeds("POST", path, {
    as: "manager",
    body: { ...body, variable_mapping: mapped({}), draft: true },
  });
  await app.refuses(422, "campaign_problems", "POST", `${path}/${draft.id}/send`, {
    as: "manager",
    body: { accept_problems: ["number_unavailable"] },
  });
  assert.equal((await app.campaign(draft.id)).status, "draft");
  assert.equal((await act(draft.id, "send", { accept_problems: ["missing_variables"] })).status, "sending");

  const filled = await app.succeeds("POST", path, {
    as: "manager",
    body: { ...body, variable_mapping: mapped({ fallback: "Pelanggan" }), draft: true },
  });
  assert.deepEqual((await recipients(filled.id)).map((/** @type {any} */ { variables }) => variables).sort(), [
    ["Ani"],
    ["Pelanggan"],
  ]);
});

test("the queue belongs to the tenant, and its failed messages are retried", async () => {
  const bad = app.newCustomer();
  await app.metaFails({ kind: "error_code", code: 131_026, to: bad, times: 1 });
  const { id } = await app.createsCampaign([bad]);
  const failed = await until(id, "failed");
  assert.match(failed.status_reason, /dijangkau|reached/);
  await app.metaIsWell();
  const foreign = await app.succeeds("GET", "/api/queue", { as: "stranger" });
  assert.deepEqual([foreign.campaigns, foreign.total.failed], [[], 0]);
  assert.deepEqual(await app.succeeds("POST", "/api/queue/retry", { as: "stranger" }), { retried: 0, campaigns: 0 });
  const retried = await app.succeeds("POST", "/api/queue/retry", { as: "manager" });
  assert.ok(retried.retried >= 1);
  assert.equal((await until(id, "completed")).statistics.sent, 1);
});
