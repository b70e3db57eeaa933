// Files: from the customer into Storage, and from a person to the customer.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { hasFields } from "../fields.mjs";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const media = "/api/whatsapp/media";
const PNG = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), randomBytes(200_000)]);
const PDF = Buffer.concat([Buffer.from("%PDF-1.7\n"), randomBytes(300_000)]);

/** @param {Buffer} bytes @param {{ as?: string, name?: string, type?: string, fields?: Record<string, string> }} [options] */
async function uploads(
  bytes,
  { as = "agent", name = "menu.png", type = "application/octet-stream", fields = {} } = {},
) {
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) form.set(field, value);
  form.set("file", new Blob([new Uint8Array(bytes)], { type }), name);
  const response = await fetch(app.stack.app_url + media, {
    method: "POST",
    headers: { authorization: `Bearer ${await app.token(as)}` },
    body: form,
  });
  return { status: response.status, body: await response.json() };
}

/** Keeps a file at Meta as if a customer had sent it. @param {Buffer} bytes @param {string} type */
async function atMeta(bytes, type) {
  const form = new FormData();
  form.set("messaging_product", "whatsapp");
  form.set("type", type);
  form.set("file", new Blob([new Uint8Array(bytes)], { type }), "file");
  const [token] = [(app.metaToken ??= await newMetaToken())];
  const response = await fetch(`${app.stack.meta_url}/v25.0/${app.phoneNumberId}/media`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: form,
  });
  return (await response.json()).id;
}
async function newMetaToken() {
  const token = `EAA${randomBytes(12).toString("hex")}`;
  await app.meta("POST", "tokens", { token, valid: true });
  return token;
}

/** A customer sends a file. @param {string} from @param {string} kind @param {object} body */
async function receivesFile(from, kind, body) {
  const answer = await app.meta("POST", "customer/messages", {
    phone_number_id: app.phoneNumberId,
    from,
    message: { type: kind, [kind]: body },
  });
  assert.equal(answer.webhook_status, 200, JSON.stringify(answer));
  const { id } = await app.conversationWith(from);
  const [message] = (await app.succeeds("GET", `/api/conversations/${id}/messages`, { as: "admin" })).data;
  return message;
}
const opens = (/** @type {string} */ id, as = "agent") => app.succeeds("GET", `${media}/${id}`, { as });

test("a customer's file is in Storage soon after its message, and opens for people who see the message", async () => {
  const from = app.newCustomer();
  const message = await receivesFile(from, "document", {
    id: await atMeta(PDF, "application/pdf"),
    mime_type: "application/pdf",
    filename: "../../nota\u202e.pdf",
  });
  const file = await eventually("the file is stored", async () => {
    const file = await opens(message.id);
    return file.state === "stored" && file;
  });
  assert.deepEqual(
    [file.kind, file.file_name, file.file_size, file.mime_type],
    ["document", "nota.pdf", PDF.length, "application/pdf"],
  );
  assert.equal(file.sha256, createHash("sha256").update(PDF).digest("hex"));
  const opened = await fetch(file.url);
  assert.ok(PDF.equals(Buffer.from(await opened.arrayBuffer())));
  await app.refuses(404, "not_found", "GET", `${media}/${message.id}`, { as: "stranger" });
  await app.refuses(404, "not_found", "GET", `${media}/${file.id}`, { as: "stranger" });
  const bare = await fetch(file.url.split("?")[0]);
  assert.equal(bare.status, 400, "the link is its token");
});

test("a customer's file is forwarded to another customer with a new id", async () => {
  const [from, to] = [app.newCustomer(), app.newCustomer()];
  const inbound = await atMeta(PNG, "image/png");
  const message = await receivesFile(from, "image", { id: inbound, mime_type: "image/png", caption: "Ini" });
  await eventually("the file is stored", async () => (await opens(message.id)).state === "stored");
  await app.receivesMessage({ from: to });
  const { id } = await app.conversationWith(to);
  const forward = () =>
    app.succeeds("POST", `/api/messages/${message.id}/forward`, { as: "agent", body: { conversation_ids: [id] } });
  assert.deepEqual(
    (await forward()).data.map((/** @type {any} */ { outcome }) => outcome),
    ["created"],
  );
  assert.deepEqual(
    (await forward()).data.map((/** @type {any} */ { outcome }) => outcome),
    ["created"],
  );
  const sent = await eventually("both are accepted", async () => {
    const entries = (await app.ledger([to])).get(to) ?? [];
    return entries.length === 2 && entries;
  });
  const [first, second] = sent.map((/** @type {any} */ entry) => entry.payload.image);
  assert.notEqual(first.id, inbound);
  assert.deepEqual([second, first.caption], [first, "Ini"], "Meta received it once");
  await app.refuses(404, "not_found", "POST", `/api/messages/${message.id}/forward`, {
    as: "stranger",
    body: { conversation_ids: [id] },
  });
});

test("a file that Meta no longer has is reported as gone", async () => {
  const message = await receivesFile(app.newCustomer(), "image", { id: "404404404", mime_type: "image/jpeg" });
  const file = await eventually("it is given up", async () => {
    const file = await opens(message.id);
    return file.state !== "pending" && file;
  });
  assert.deepEqual([file.state, file.url], ["gone", null]);
});

test("housekeeping fetches a file that could not be fetched at first", async () => {
  const id = await atMeta(PNG, "image/png");
  const message = await receivesFile(app.newCustomer(), "image", { id, mime_type: "image/png" });
  await eventually("it is stored", async () => (await opens(message.id)).state === "stored");
  await app.changes("message_media", `message_id=eq.${message.id}`, {
    state: "pending",
    storage_path: null,
    next_attempt_at: new Date(0).toISOString(),
  });
  await app.call("GET", "/api/cron/housekeeping?only=media", {
    headers: { authorization: `Bearer ${app.stack.cron_secret}` },
  });
  assert.equal((await opens(message.id)).state, "stored");
});

test("an upload is recognised by its bytes, sent by its id, and visible to people who see the message", async () => {
  const { status, body: file } = await uploads(PNG, { name: "../menu.exe", type: "text/html" });
  assert.equal(status, 201, JSON.stringify(file));
  hasFields(file, {
    kind: "image",
    mime_type: "image/png",
    file_name: "menu.exe.png",
    file_size: PNG.length,
    state: "stored",
  });
  const from = app.newCustomer();
  await app.receivesMessage({ from });
  const { id } = await app.conversationWith(from);
  const message = await app.succeeds("POST", `/api/conversations/${id}/messages`, {
    as: "agent",
    body: { type: "image", image: { id: file.id, caption: "Menu" } },
  });
  app.isSent(message);
  const entry = (await app.ledger([from])).get(from)?.[0];
  assert.deepEqual(entry.payload.image, { id: file.meta_media_id, caption: "Menu" });
  const opened = await opens(message.id, "admin");
  assert.ok(PNG.equals(Buffer.from(await (await fetch(opened.url)).arrayBuffer())));
});

test("a form has the other fields before the file, and no second file", async () => {
  const token = await app.token("agent");
  for (const [field, value] of /** @type {[string, any][]} */ ([
    ["session_id", "00000000-0000-4000-8000-000000000000"],
    ["type", "document"],
    ["file", new Blob(["x"])],
  ])) {
    const form = new FormData();
    form.append("file", new Blob([new Uint8Array(PNG)]), "menu.png");
    form.append(field, value);
    const response = await fetch(app.stack.app_url + media, {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
      body: form,
    });
    const { error } = /** @type {any} */ (await response.json());
    assert.deepEqual([response.status, Object.keys(error?.fields ?? {})], [422, [field]]);
  }
  assert.equal((await uploads(PNG, { fields: { type: "document", other: "x" } })).body.kind, "document");
});

test("a large file goes straight into Storage, and is checked there", async () => {
  const asks = (/** @type {object} */ body, as = "agent") => app.call("POST", media, { as, body });
  const film = Buffer.concat([Buffer.from("\0\0\0\x20ftypisom", "latin1"), randomBytes(6_000_000)]);
  const puts = async (/** @type {Buffer} */ bytes) => {
    const { status, body } = await asks({ file_name: "film.mp4" });
    assert.equal(status, 200, JSON.stringify(body));
    const stored = await fetch(body.upload_url, {
      method: "PUT",
      headers: { "content-type": "text/html" },
      body: new Uint8Array(bytes),
    });
    assert.equal(stored.status, 200, await stored.text());
    return body.storage_path;
  };
  const storage_path = await puts(film);
  const stolen = await asks({ file_name: "film.mp4", storage_path }, "stranger");
  assert.deepEqual([stolen.status, Object.keys(stolen.body.error.fields)], [422, ["storage_path"]]);
  const { status, body: file } = await asks({ file_name: "film.mp4", storage_path });
  assert.deepEqual([status, file.kind, file.file_size], [201, "video", film.length], JSON.stringify(file));
  assert.equal(file.sha256, createHash("sha256").update(film).digest("hex"));

  const served = await fetch((await opens(file.id)).url, { method: "GET" });
  assert.equal(served.headers.get("content-type"), "video/mp4", "not as the client declared it");
  await served.arrayBuffer();

  const twice = await asks({ file_name: "film.exe", storage_path });
  assert.deepEqual([twice.status, twice.body.error?.code], [422, "invalid_field"], "it is an upload already");
  assert.equal((await opens(file.id)).state, "stored");

  const large = await puts(Buffer.concat([PNG, Buffer.alloc(5 * 1024 * 1024)]));
  const refusal = await asks({ file_name: "besar.png", storage_path: large });
  assert.match(refusal.body.error.fields.file, /5 MB/);

  const program = await puts(Buffer.from("MZ\x90\0rest"));
  for (let attempt = 0; attempt < 2; attempt++) {
    const refused = await asks({ file_name: "film.mp4", storage_path: program });
    assert.deepEqual(
      [refused.status, Object.keys(refused.body.error.fields)],
      [422, [attempt === 0 ? "file" : "storage_path"]],
      "and removed",
    );
  }
});

test("an image is sent as a document on request", async () => {
  const { status, body: file } = await uploads(PNG, { fields: { type: "document" } });
  assert.deepEqual([status, file.kind], [201, "document"]);
});

test("a file that Meta would not accept is refused, and leaves nothing", async () => {
  for (const [bytes, name, expected] of /** @type {[Buffer, string, RegExp][]} */ ([
    [Buffer.from("MZ\x90\x00rest"), "foto.jpg", /type/],
    [Buffer.from("<html><script>alert(1)</script>"), "a.txt", /type/],
    [Buffer.alloc(0), "a.png", /type/],
    [Buffer.concat([Buffer.from("RIFF....WEBPVP8 "), Buffer.alloc(120 * 1024)]), "s.webp", /100 KB/],
  ])) {
    const before = (await app.rows("message_media", "select=id")).length;
    const { status, body } = await uploads(bytes, { name });
    assert.deepEqual([status, body.error?.code], [422, "invalid_field"], JSON.stringify(body));
    assert.match(body.error.fields.file, expected);
    assert.equal((await app.rows("message_media", "select=id")).length, before);
  }
  await app.refuses(400, "invalid_form", "POST", media, {
    as: "agent",
    raw: "--x\r\n\r\n--x--",
    headers: { "content-type": "multipart/form-data; boundary=x" },
  });
  await app.refuses(400, "invalid_form", "POST", media, {
    as: "agent",
    raw: "{}",
    headers: { "content-type": "text/plain" },
  });
});

test("people with the permission delete a stored file for good", async () => {
  const { body: file } = await uploads(PNG, { as: "admin" });
  const { url } = await opens(file.id, "admin");
  await app.refuses(403, "forbidden", "DELETE", `${media}/${file.id}`, { as: "agent" });
  await app.refuses(404, "not_found", "DELETE", `${media}/${file.id}`, { as: "stranger" });
  assert.equal((await app.call("DELETE", `${media}/${file.id}`, { as: "admin" })).status, 204);
  assert.equal((await fetch(url)).status, 400);
  const [row] = await app.rows("message_media", `id=eq.${file.id}`);
  assert.deepEqual([row.state, row.storage_path], ["gone", null]);
});
