// Generated clients call every list and every create operation of the running product.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomInt, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { Contract } from "../openapi/contract.mjs";
import { pythonClient, typescriptClient } from "../openapi/clients.mjs";
import { pythonTools } from "../openapi/python.mjs";
import { useApp } from "./app.mjs";

const app = await useApp();
const folder = mkdtempSync(path.join(tmpdir(), "crm-clients-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const { body: document } = await app.call("GET", "/api/openapi.json");
const contract = new Contract(document);
const file = path.join(folder, "openapi.json");
writeFileSync(file, JSON.stringify(document));
const { callAll } = await typescriptClient(file, path.join(folder, "typescript"));

/** Operations that return a list, and those that create a resource. */
const wanted = [...contract.operations()]
  .filter(({ operation }) => operation.operationId.startsWith("list_") || operation.responses[201])
  .map(({ operation }) => operation.operationId)
  .sort();

/** A customer who has written, so that the contact and the conversation exist. */
async function customer() {
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  return app.conversationWith(from);
}

/**
 * The resources that the calls use, new for each client.
 * @returns {Promise<import("../openapi/clients/calls.ts").Things>}
 */
async function things() {
  const [conversation, other] = [await customer(), await customer()];
  const number = {
    phone_number_id: `5559${randomInt(1e10, 1e11)}`,
    business_account_id: `5559${randomInt(1e10, 1e11)}`,
  };
  const token = `EAA${randomUUID().replaceAll("-", "")}`;
  await app.meta("POST", "numbers", { ...number, display_phone_number: `+62 899-${number.phone_number_id}` });
  await app.meta("POST", "tokens", { token, valid: true });
  const campaign = await app.createsCampaign([app.newCustomer()], { draft: true });
  const phone = String(randomInt(1e6, 1e7));
  const list = await app.succeeds("POST", "/api/broadcast/recipient-lists", {
    as: "manager",
    body: { name: `Daftar ${randomUUID()}`, recipients: [`+62814${phone}6`] },
  });
  await app.metaFails({ kind: "error_code", code: 131026, to: other.contact.wa_id, times: 1 });
  const failed = await app.succeeds("POST", `/api/conversations/${other.id}/messages`, {
    as: "admin",
    body: { text: "Halo" },
  });
  assert.equal(failed.status, "failed");
  return {
    unique: `u${phone}`,
    phone,
    roleId: await app.roleId("viewer"),
    contactId: conversation.contact.id,
    otherContactId: other.contact.id,
    conversationId: conversation.id,
    failedMessageId: failed.id,
    templateId: (await app.template()).id,
    campaignId: campaign.id,
    listId: list.id,
    number: { ...number, token },
  };
}

/** A person with an account and without an organisation. */
async function newcomerToken() {
  const [email, password] = [`${randomUUID()}@example.test`, randomUUID()];
  await app.auth("POST", "admin/users", { email, password, email_confirm: true });
  const { access_token } = await app.auth("POST", "token?grant_type=password", { email, password });
  return access_token;
}

/** The operation that a request belongs to. @param {Request} request */
function operationOf({ method, url }) {
  const { pathname } = new URL(url);
  const known = contract.paths.find(({ pattern }) => pattern.test(pathname));
  assert.ok(known, pathname);
  return { path: known.path, operation: contract.document.paths[known.path][method.toLowerCase()], pathname };
}

test("the TypeScript client", async () => {
  const called = new Set();
  const tokens = { member: await app.token("admin"), newcomer: await newcomerToken() };
  await callAll(app.stack.app_url, tokens, await things(), async (request) => {
    const { operation, pathname } = operationOf(request);
    const response = await fetch(request);
    const text = await response.clone().text();
    assert.ok(response.ok, `${request.method} ${pathname} answered ${response.status} ${text}`);
    const answer = { status: response.status, type: response.headers.get("content-type"), body: JSON.parse(text) };
    contract.check(request.method, pathname, answer);
    called.add(operation.operationId);
    return response;
  });
  assert.deepEqual(
    wanted.filter((id) => !called.has(id)),
    [],
  );
});

test("the Python client", async (t) => {
  const tools = await pythonTools();
  if ("missing" in tools) return t.skip(tools.missing);
  await pythonClient(tools, file, folder);

  /** @type {object[]} */
  const calls = [];
  const tokens = { member: await app.token("admin"), newcomer: await newcomerToken() };
  await callAll(app.stack.app_url, tokens, await things(), async (request) => {
    const { path: template, operation, pathname } = operationOf(request);
    const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const values = new RegExp(`^${template.replace(/\{\w+\}/g, "([^/]+)")}$`).exec(pathname)?.slice(1) ?? [];
    const isJson = request.headers.get("content-type")?.startsWith("application/json");
    calls.push({
      operation: operation.operationId,
      tag: operation.tags[0],
      token: request.headers.get("authorization")?.replace("Bearer ", ""),
      path: Object.fromEntries(names.map((name, nth) => [name, values[nth]])),
      query: queryOf(operation, new URL(request.url).searchParams),
      // In TypeScript a file is sent as a form; here its address is sent as JSON.
      body: isJson
        ? await request.json()
        : ["upload_file", "publish_file"].includes(operation.operationId)
          ? { file_name: "katalog.txt" }
          : null,
    });
    return Response.json({});
  });
  const printed = execFileSync(
    tools.python,
    [path.join(import.meta.dirname, "../openapi/clients/calls.py"), "crm_client", app.stack.app_url],
    {
      input: JSON.stringify(calls),
      env: { ...process.env, PYTHONPATH: folder },
      encoding: "utf8",
    },
  );
  assert.equal(printed.trim(), `${calls.length} calls`);
});

/** Query parameters with the types of the document. @param {any} operation @param {URLSearchParams} query */
function queryOf(operation, query) {
  const kinds = new Map(
    (operation.parameters ?? []).map((/** @type {any} */ parameter) => [parameter.name, parameter.schema.type]),
  );
  const value = (/** @type {string} */ name, /** @type {string} */ text) => {
    if (kinds.get(name) === "array") return text.split(",");
    return kinds.get(name) === "boolean" || kinds.get(name) === "integer" ? JSON.parse(text) : text;
  };
  return Object.fromEntries([...query].map(([name, text]) => [name, value(name, text)]));
}
