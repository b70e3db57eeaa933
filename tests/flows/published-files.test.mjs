// Files of templates and quick replies: published through the API alone, and Storage gives clients nothing.
import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";
import { createClient } from "@supabase/supabase-js";
import { useApp } from "./app.mjs";

const app = await useApp();
const PUBLISHED = "/api/whatsapp/media/published";
const PNG = Buffer.from("89504e470d0a1a0a0000000d49484452", "hex");
const tenant = app.user("admin").tenant_id;

const files = async (query = "", as = "manager") => app.succeeds("GET", `${PUBLISHED}${query}`, { as });
const isGone = async (/** @type {string} */ url) => assert.ok((await fetch(url)).status >= 400, "the file is gone");

test("a file is published, used by a quick reply, and deleted when it is no longer used", async () => {
  const file = await app.publishes(PNG, { as: "manager", name: "promo\u202egnp.png" });
  assert.deepEqual([file.kind, file.mime_type, file.file_size], ["image", "image/png", PNG.length]);
  assert.match(file.path, new RegExp(`^${tenant}/${file.id}\\.png$`));
  const served = await fetch(file.url);
  assert.equal(served.headers.get("content-type"), "image/png");
  assert.ok(PNG.equals(Buffer.from(await served.arrayBuffer())));
  assert.ok((await files("?kind=image")).data.some((/** @type {any} */ { id }) => id === file.id));
  await app.refuses(422, "invalid_field", "GET", `${PUBLISHED}?kind=sticker`, { as: "manager" });

  const reply = await app.succeeds("POST", "/api/quick-replies", {
    as: "manager",
    body: { shortcut: `promo-${randomUUID().slice(0, 8)}`, scope: "shared", media: { type: "image", path: file.path } },
  });
  await app.refuses(409, "published_file_in_use", "DELETE", `${PUBLISHED}/${file.id}`, { as: "manager" });
  await app.succeeds("DELETE", `/api/quick-replies/${reply.id}`, { as: "manager" });
  await app.succeeds("DELETE", `${PUBLISHED}/${file.id}`, { as: "manager" });
  await isGone(file.url);

  const { data } = await app.succeeds("GET", `/api/audit-logs?entity=published_files`, { as: "admin" });
  const actions = data.filter((/** @type {any} */ entry) => entry.entity_id === file.id);
  assert.equal(actions.length, 2, "who published and who deleted it");
  for (const { actor_id } of actions) assert.equal(actor_id, await app.personOf("manager"));
});

test("the bytes decide what is published", async () => {
  for (const [bytes, name] of /** @type {[Buffer, string][]} */ ([
    [Buffer.from("<html><script>alert(1)</script>"), "promo.png"],
    [Buffer.from("MZ\x90\0program"), "promo.exe"],
    [Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"), "promo.svg"],
    [Buffer.from("RIFF\x24\0\0\0WEBPVP8 ", "latin1"), "sticker.webp"],
    [Buffer.alloc(0), "leer.png"],
  ])) {
    const { status, body } = await app.sendsFile(PUBLISHED, bytes, { as: "manager", name, type: "image/png" });
    assert.deepEqual([status, Object.keys(body.error?.fields ?? {})], [422, ["file"]], name);
  }
});

test("a large file is uploaded directly, and published once its bytes are known", async () => {
  const film = Buffer.concat([Buffer.from("\0\0\0\x20ftypisom", "latin1"), randomBytes(6_000_000)]);
  const asks = (/** @type {object} */ body, as = "manager") => app.call("POST", PUBLISHED, { as, body });
  const puts = async (/** @type {Buffer} */ bytes, file_name = "film.mp4") => {
    const { status, body } = await asks({ file_name });
    assert.equal(status, 200, JSON.stringify(body));
    const stored = await fetch(body.upload_url, { method: "PUT", body: new Uint8Array(bytes) });
    assert.equal(stored.status, 200, await stored.text());
    return body.storage_path;
  };
  const storage_path = await puts(film);
  const { status, body } = await asks({ file_name: "film.mp4", storage_path });
  assert.deepEqual([status, body.kind, body.file_size], [201, "video", film.length], JSON.stringify(body));
  assert.equal((await fetch(body.url)).headers.get("content-type"), "video/mp4");

  const other = await app.newMember("super_admin", { tenant: app.user("stranger").tenant_id });
  const refused = async (/** @type {object} */ given, as = "manager") => {
    const { body: answer } = await app.refuses(422, "invalid_field", "POST", PUBLISHED, { as, body: given });
    return Object.keys(answer.error.fields);
  };
  const named = { file_name: "film.mp4", storage_path };
  assert.deepEqual(await refused(named, other), ["storage_path"]);
  assert.deepEqual(await refused({ ...named, storage_path: `${tenant}/published/${randomUUID()}` }), ["storage_path"]);
  for (const path of [body.path, `${tenant}/../${storage_path}`, "x", ""])
    assert.deepEqual(await refused({ ...named, storage_path: path }), ["storage_path"], path);
  const poster = await puts(Buffer.concat([PNG, Buffer.alloc(5 * 1024 * 1024)]), "poster.png");
  assert.deepEqual(await refused({ file_name: "poster.png", storage_path: poster }), ["file"]);
  const page = await puts(Buffer.from("<html>"), "page.mp4");
  assert.deepEqual(await refused({ file_name: "page.mp4", storage_path: page }), ["file"]);
});

test("low roles and strangers publish and delete nothing", async () => {
  const file = await app.publishes(PNG, { as: "manager" });
  for (const role of ["viewer", "junior_agent", "agent", "senior_agent"]) {
    const low = await app.newMember(role);
    const { status } = await app.sendsFile(PUBLISHED, PNG, { as: low });
    assert.equal(status, 403, role);
    await app.refuses(403, "forbidden", "POST", PUBLISHED, { as: low, body: { file_name: "x.png" } });
    await app.refuses(403, "forbidden", "DELETE", `${PUBLISHED}/${file.id}`, { as: low });
  }
  const stranger = await app.newMember("super_admin", { tenant: app.user("stranger").tenant_id });
  await app.refuses(404, "not_found", "DELETE", `${PUBLISHED}/${file.id}`, { as: stranger });
  assert.equal((await files("", stranger)).data.filter((/** @type {any} */ { id }) => id === file.id).length, 0);
});

test("Storage gives a client's own token nothing, whatever its role", async () => {
  const published = await app.publishes(PNG, { as: "manager" });
  const uploaded = await app.sendsFile("/api/whatsapp/media", PNG, { as: "agent", name: "ktp.png" });
  assert.equal(uploaded.status, 201);
  const { id } = uploaded.body;
  const [{ storage_path: secret }] = await app.rows("message_media", `id=eq.${id}&select=storage_path`);

  const admin = createClient(app.stack.supabase_url, app.stack.service_role_key).storage;
  const before = await admin.from("broadcast-media").list(tenant, { limit: 1000 });
  const people = ["junior_agent", "agent", "team_lead", "manager", "admin", "super_admin"].map((role) =>
    app.newMember(role),
  );
  people.push(app.newMember("super_admin", { tenant: app.user("stranger").tenant_id }));
  const clients = await Promise.all(people.map(async (person) => app.signIn(await person)));
  clients.push(createClient(app.stack.supabase_url, app.stack.anon_key));
  for (const client of clients) {
    const open = client.storage.from("broadcast-media");
    const closed = client.storage.from("chat-media");
    const name = `${tenant}/${randomUUID()}.png`;
    /** @type {Record<string, { data: any, error: any }>} */
    const attempts = {
      upload: await open.upload(name, PNG),
      overwrite: await open.upload(published.path, Buffer.from("x"), { upsert: true }),
      update: await open.update(published.path, Buffer.from("x")),
      move: await open.move(published.path, name),
      copy: await open.copy(published.path, name),
      publish: await closed.copy(secret, name, { destinationBucket: "broadcast-media" }),
      "move out": await closed.move(secret, name, { destinationBucket: "broadcast-media" }),
      sign: await closed.createSignedUrl(secret, 10 * 365 * 24 * 3600),
      "sign an upload": await open.createSignedUploadUrl(name),
      "sign an upload over a file": await open.createSignedUploadUrl(published.path, { upsert: true }),
      download: await closed.download(secret),
      "upload beside customers' files": await closed.upload(name, PNG),
    };
    for (const [attempt, { data, error }] of Object.entries(attempts))
      assert.ok(error, `${attempt} succeeded: ${JSON.stringify(data)}`);
    for (const bucket of [open, closed, client.storage.from("imports")]) {
      assert.deepEqual((await bucket.list(tenant)).data ?? [], []);
      assert.deepEqual((await bucket.remove([published.path, secret])).data ?? [], []);
    }
    const many = await closed.createSignedUrls([secret], 60);
    assert.ok(many.error || many.data.every(({ signedUrl }) => !signedUrl));
  }
  const after = await admin.from("broadcast-media").list(tenant, { limit: 1000 });
  assert.deepEqual(
    after.data?.map(({ name }) => name),
    before.data?.map(({ name }) => name),
  );
  assert.ok(
    PNG.equals(Buffer.from(await (await fetch(published.url)).arrayBuffer())),
    "the published file is unchanged",
  );
});
