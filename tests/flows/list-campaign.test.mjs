// A campaign to a list: from the uploaded file to each person's text, and the view of other users.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventually, useApp } from "./app.mjs";

const LISTS = "/api/broadcast/recipient-lists";
const CAMPAIGNS = "/api/broadcast/campaigns";
const app = await useApp();

/** @param {string} csv */
async function uploads(csv) {
  const body = new FormData();
  body.append("name", "Pelanggan Solo");
  body.append("file", new Blob([csv]), "pelanggan.csv");
  const headers = { authorization: `Bearer ${await app.token("manager")}` };
  const response = await fetch(app.stack.app_url + LISTS, { method: "POST", headers, body });
  const list = /** @type {any} */ (await response.json());
  assert.equal(response.status, 201, JSON.stringify(list));
  return eventually("the import ends", async () => {
    const now = await app.succeeds("GET", `${LISTS}/${list.id}`, { as: "manager" });
    return now.status === "ready" && now;
  });
}

/** The values that Meta received for the variables of the body. @param {any} entry of the ledger */
const valuesOf = (entry) =>
  entry.payload.template.components
    .find((/** @type {any} */ part) => part.type === "body")
    .parameters.map((/** @type {any} */ value) => value.text);

test("a campaign to a list fills the template from its columns, the contact and fixed words", async () => {
  await app.setsPace(100);
  const [ani, budi, out] = Array.from({ length: 3 }, () => app.newCustomer());
  await app.receivesMessage({ from: out, text: "BERHENTI" });
  const list = await uploads(`Nama;No. HP;Kota\nAni;${ani};Solo\nBudi;+${budi};"Bogor; Jawa"\nCici;${out};Tegal\n`);
  assert.deepEqual([list.entry_count, list.opted_out_count], [3, 1]);

  const template = await app.template();
  const body = (/** @type {any} */ source) => ({
    name: "Promo Solo",
    template_id: template.id,
    recipient_list_id: list.id,
    variable_mapping: [source],
  });
  const campaigns = [];
  for (const source of [
    { source: "column", column: "Kota" },
    { source: "contact", field: "name" },
    { source: "text", text: "Kakak" },
  ]) {
    const campaign = await app.succeeds("POST", CAMPAIGNS, { as: "manager", body: body(source) });
    assert.equal(campaign.statistics.total, 3);
    campaigns.push(campaign.id);
  }
  await app.refuses(422, "invalid_field", "POST", CAMPAIGNS, {
    as: "manager",
    body: body({ source: "column", column: "Tidak ada" }),
  });

  for (const id of campaigns) {
    const done = await eventually("the campaign ends", async () => {
      await app.runsCron();
      const campaign = await app.campaign(id);
      return campaign.status === "completed" && campaign;
    });
    assert.deepEqual([done.statistics.sent, done.statistics.skipped], [2, 1]);
  }
  const ledger = await app.ledger([ani, budi, out]);
  assert.deepEqual(ledger.get(ani)?.map(valuesOf).flat().sort(), ["Ani", "Kakak", "Solo"]);
  assert.deepEqual(ledger.get(budi)?.map(valuesOf).flat().sort(), ["Bogor; Jawa", "Budi", "Kakak"]);
  assert.equal(ledger.has(out), false);

  const [id] = campaigns;
  const { data } = await app.succeeds("GET", `${CAMPAIGNS}/${id}/recipients?limit=100`, { as: "manager" });
  assert.deepEqual(
    data.map((/** @type {any} */ row) => [row.phone_number, row.skip_reason]),
    [
      [`+${ani}`, null],
      [`+${budi}`, null],
      [`+${out}`, "opted_out"],
    ],
  );
  assert.match(data[0].preview, /^Halo Solo,/);

  for (const path of [
    `${CAMPAIGNS}/${id}`,
    `${CAMPAIGNS}/${id}/recipients`,
    `${CAMPAIGNS}/${id}/check`,
    `${LISTS}/${list.id}`,
    `${LISTS}/${list.id}/entries`,
  ]) {
    await app.refuses(404, "not_found", "GET", path, { as: "stranger" });
  }
  const theirs = body({ source: "text", text: "x" });
  await app.refuses(422, "invalid_field", "POST", CAMPAIGNS, { as: "stranger", body: theirs });
  const listed = await app.succeeds("GET", CAMPAIGNS, { as: "stranger" });
  assert.ok(!listed.data.some((/** @type {any} */ campaign) => campaigns.includes(campaign.id)));
});

test("a campaign to a new list is sent at once, and columns that the template does not use are ignored", async () => {
  await app.setsPace(100);
  const customer = app.newCustomer();
  const form = new FormData();
  form.append("name", "Pelanggan");
  form.append("source", "csv");
  form.append(
    "file",
    new Blob([`contacts_name,phone_number,var1,var2,var3\nJohn Doe,${customer},Premium,ORD-123,2024-02-17\n`]),
    "pelanggan.csv",
  );
  const headers = { authorization: `Bearer ${await app.token("manager")}` };
  const list = /** @type {any} */ (
    await (await fetch(app.stack.app_url + LISTS, { method: "POST", headers, body: form })).json()
  );
  assert.deepEqual([list.status, list.entry_count], ["ready", 1]);
  const campaign = await app.succeeds("POST", CAMPAIGNS, {
    as: "manager",
    body: { name: "Promo", template_id: (await app.template()).id, recipient_list_id: list.id },
  });
  await eventually("the campaign ends", async () => {
    await app.runsCron();
    return (await app.campaign(campaign.id)).status === "completed";
  });
  assert.deepEqual((await app.ledger([customer])).get(customer)?.map(valuesOf), [["Premium"]]);
  const refused = await app.call("POST", CAMPAIGNS, {
    as: "manager",
    body: { name: "Promo", template_id: (await app.template()).id, recipient_list_id: list.id, variable_mapping: [] },
    headers: { "accept-language": "id" },
  });
  assert.deepEqual(
    [refused.status, refused.body.error.code, Object.keys(refused.body.error.fields)],
    [422, "variables_unmapped", ["variable_mapping"]],
  );
  assert.match(refused.body.error.message, /belum diisi/);
});
