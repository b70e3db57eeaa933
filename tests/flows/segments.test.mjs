// Segments through the running product.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { useApp } from "./app.mjs";

const app = await useApp();
const SEGMENTS = "/api/crm/segments";

test("a filter is tried, saved, counted, changed and removed", async () => {
  const name = `Rina ${randomUUID()}`;
  const from = app.newCustomer();
  await app.receivesMessage({ from, name });
  const filter = {
    all: [
      { field: "name", op: "is", value: name },
      { field: "last_message_at", op: "within_days", value: 1 },
    ],
  };
  const preview = await app.succeeds("POST", `${SEGMENTS}/preview`, { as: "manager", body: { filter } });
  assert.deepEqual([preview.contact_count, preview.contacts[0].phone_number], [1, `+${from}`]);
  const segment = await app.succeeds("POST", SEGMENTS, { as: "manager", body: { name, filter } });
  assert.deepEqual([segment.contact_count, segment.problem, segment.filter], [1, null, filter]);
  await app.refuses(409, "name_taken", "POST", SEGMENTS, { as: "manager", body: { name, filter } });
  const { data } = await app.succeeds("GET", `${SEGMENTS}?search=${encodeURIComponent(name)}&counts=false`, {
    as: "manager",
  });
  assert.deepEqual(
    data.map((/** @type {any} */ row) => [row.id, row.contact_count]),
    [[segment.id, null]],
  );

  const members = await app.succeeds("GET", `/api/crm/contacts?segment_id=${segment.id}`, { as: "manager" });
  assert.deepEqual([members.total, members.data[0].wa_id], [1, from]);
  const exported = await app.call("GET", `/api/crm/contacts/export?segment_id=${segment.id}`, { as: "manager" });
  assert.equal(exported.body.trimEnd().split("\r\n").length, 2);
  const list = await app.succeeds("POST", "/api/broadcast/recipient-lists", {
    as: "manager",
    body: { name, source: "contacts", filter: { segment_id: segment.id } },
  });
  assert.deepEqual([list.entry_count, list.source.filter.segment_id], [1, segment.id]);
  const campaign = await app.succeeds("POST", "/api/broadcast/campaigns", {
    as: "manager",
    body: {
      name,
      template_id: (await app.template()).id,
      segment_id: segment.id,
      variable_mapping: [{ source: "contact", field: "name" }],
      scheduled_at: "2099-01-01T00:00:00Z",
    },
  });
  assert.deepEqual([campaign.segment_id, campaign.statistics.total], [segment.id, 1]);
  const both = await app.refuses(422, "invalid_field", "POST", "/api/broadcast/campaigns", {
    as: "manager",
    body: { name, template_id: (await app.template()).id, segment_id: segment.id, recipients: ["6281234567890"] },
  });
  assert.ok("segment_id" in both.body.error.fields);

  const changed = await app.succeeds("PATCH", `${SEGMENTS}/${segment.id}`, {
    as: "manager",
    body: { filter: { not: filter } },
  });
  assert.equal(changed.name, name);
  await app.refuses(404, "not_found", "GET", `${SEGMENTS}/${segment.id}`, { as: "stranger" });
  assert.equal((await app.call("DELETE", `${SEGMENTS}/${segment.id}`, { as: "manager" })).status, 204);
  await app.refuses(404, "not_found", "GET", `${SEGMENTS}/${segment.id}`, { as: "manager" });
  assert.equal((await app.campaign(campaign.id)).statistics.total, 1);
});

test("an invalid filter is refused with the path of the wrong part, in both languages", async () => {
  const body = {
    filter: {
      all: [
        { field: "name", op: "is_set" },
        { field: "email", op: "is", value: 7 },
      ],
    },
  };
  const english = await app.refuses(422, "invalid_filter", "POST", `${SEGMENTS}/preview`, { as: "manager", body });
  assert.deepEqual(Object.keys(english.body.error.fields), ["filter.all[1].value"]);
  const indonesian = await app.refuses(422, "invalid_filter", "POST", `${SEGMENTS}/preview`, {
    as: "manager",
    body,
    headers: { "accept-language": "id" },
  });
  assert.match(indonesian.body.error.message, /Saringan/);
  for (const filter of [null, "x", [], { field: "name", op: "is", value: "a\u0000b" }]) {
    assert.equal(
      (await app.call("POST", `${SEGMENTS}/preview`, { as: "manager", body: { filter } })).status,
      422,
      JSON.stringify(filter),
    );
  }
});
