// Files of messages: they are recorded with the message, handed out for the download, and visible to people who see the
// message.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { hasFields } from "../fields.mjs";
import { useDatabase } from "./database.mjs";
import { seconds, someWamid } from "./inbox.mjs";
import { DENIED, isRefused } from "./refusals.mjs";
import { someDigits } from "./tenancy.mjs";

const { sql, as, asService, newTenant, newUser, newNumber, receivesMessage, delivers, assign } = await useDatabase({
  own: true,
});

/** A customer sends a file. @param {any} number @param {object} [file] @param {object} [element] */
async function receivesFile(number, file = {}, { kind = "image", ...element } = /** @type {any} */ ({})) {
  const wamid = someWamid();
  const body = { id: someDigits(), mime_type: "image/jpeg", sha256: "abc", ...file };
  await delivers({
    messages: [
      {
        phone_number_id: number.meta_phone_number_id,
        wamid,
        timestamp: seconds(),
        kind,
        from: someDigits(),
        payload: { id: wamid, type: kind, [kind]: body },
        ...element,
      },
    ],
  });
  const [message] =
    await sql`select * from public.messages where session_id = ${number.id} and whatsapp_message_id = ${wamid}`;
  const [media] = await sql`select * from public.message_media where message_id = ${message.id}`;
  return { message, media, id: body.id };
}
const claims = (batch = 100) =>
  asService(async (sql) => (await sql`select public.claim_media(${batch}) as files`)[0].files);
const finishes = (/** @type {any} */ media, /** @type {string} */ outcome, /** @type {any} */ found = {}) =>
  asService(
    (sql) => sql`
  select public.finish_media(${media.id}, ${outcome}, ${found.path ?? null}, ${found.size ?? null}, null, null, ${found.problem ?? null})`,
  );
const now = async (/** @type {any} */ media) =>
  (await sql`select * from public.message_media where id = ${media.id}`)[0];
const gets = (/** @type {any} */ user, /** @type {any} */ row) =>
  as(user, async (sql) => (await sql`select public.get_media(${row.id}) as file`)[0].file);

describe("a customer's file", () => {
  test("is recorded with its message, for download within seven days", async () => {
    const { message, media, id } = await receivesFile(await newNumber(await newTenant()));
    hasFields(media, {
      meta_media_id: id,
      kind: "image",
      mime_type: "image/jpeg",
      sha256: "abc",
      state: "pending",
      file_name: "image.jpg",
    });
    assert.equal(media.expires_at - message.occurred_at, 7 * 86_400_000);
  });

  test("is recorded for each kind of message with a file, and for no other", async () => {
    const number = await newNumber(await newTenant());
    for (const kind of ["image", "video", "audio", "document", "sticker"])
      assert.equal((await receivesFile(number, {}, { kind })).media.kind, kind);
    for (const kind of ["text", "location", "unsupported"])
      assert.equal((await receivesFile(number, {}, { kind })).media, undefined);
    assert.equal((await receivesFile(number, { id: "../../etc" })).media, undefined);
  });

  test("gets a harmless file name from any given one", async () => {
    const number = await newNumber(await newTenant());
    for (const [filename, mime_type, expected] of [
      ["laporan.pdf", "application/pdf", "laporan.pdf"],
      ["../../etc/passwd", "application/pdf", "etc_passwd.pdf"],
      ["..\\..\\boot.ini", "text/plain", "boot.ini.txt"],
      ["tagihan.pdf.exe", "application/pdf", "tagihan.pdf.exe.pdf"],
      ["gnp\u202efdp.exe", "application/x-msdownload", "gnpfdp.exe.bin"],
      ['a\r\nSet-Cookie: x"\u0001', "application/pdf", "aSet-Cookie_ x.pdf"],
      [".htaccess", "text/plain", "htaccess.txt"],
      ["", "audio/ogg; codecs=opus", "document.ogg"],
      ["x".repeat(500), "application/pdf", `${"x".repeat(110)}.pdf`],
      ["foto.JPEG", "image/jpeg", "foto.JPEG"],
    ]) {
      const { media } = await receivesFile(number, { filename, mime_type }, { kind: "document" });
      assert.equal(media.file_name, expected, filename);
    }
  });

  test("is handed out once, and again later and later if it could not be fetched", async () => {
    const number = await newNumber(await newTenant());
    const files = await Promise.all(Array.from({ length: 6 }, () => receivesFile(number)));
    const ids = new Set(files.map(({ media }) => media.id));
    const handed = (await Promise.all([claims(), claims(), claims()])).flat().filter(({ id }) => ids.has(id));
    assert.equal(handed.length, 6);
    assert.equal(new Set(handed.map(({ id }) => id)).size, 6);
    assert.deepEqual(
      handed.map(({ storage_path, id }) => storage_path === `${number.tenant_id}/${number.id}/${id}`),
      Array(6).fill(true),
    );
    const { media } = files[0];
    const waits = [];
    for (let attempt = 1; attempt <= 3; attempt++) {
      const { next_attempt_at, attempts } = await now(media);
      assert.equal(attempts, attempt);
      waits.push(Math.round((next_attempt_at - Date.now()) / 60_000));
      await finishes(media, "failed", { problem: "Meta does not answer" });
      await sql`update public.message_media set next_attempt_at = now() where id = ${media.id}`;
      await claims();
    }
    assert.deepEqual(waits, [2, 10, 60]);
  });

  test("is stored, gone, or given up", async () => {
    const number = await newNumber(await newTenant());
    const [stored, gone, failing, late] = await Promise.all(Array.from({ length: 4 }, () => receivesFile(number)));
    await finishes(stored.media, "stored", { path: "a/b", size: 5 });
    assert.deepEqual([(await now(stored.media)).state, (await now(stored.media)).storage_path], ["stored", "a/b"]);
    await finishes(stored.media, "gone");
    assert.equal((await now(stored.media)).state, "stored", "a stored file stays stored");
    await finishes(gone.media, "gone");
    assert.equal((await now(gone.media)).state, "gone");
    await finishes(failing.media, "retry", { problem: "away" });
    assert.deepEqual([(await now(failing.media)).state, (await now(failing.media)).last_error], ["pending", "away"]);
    await sql`update public.message_media set attempts = 15, next_attempt_at = expires_at - interval '1 second' where id = ${failing.media.id}`;
    await finishes(failing.media, "retry");
    assert.equal((await now(failing.media)).state, "pending", "as long as Meta keeps it");
    await sql`update public.message_media set next_attempt_at = expires_at where id = ${failing.media.id}`;
    await finishes(failing.media, "retry");
    assert.equal((await now(failing.media)).state, "failed");
    await sql`update public.message_media set expires_at = now(), next_attempt_at = now() where id = ${late.media.id}`;
    await claims();
    assert.equal((await now(late.media)).state, "gone");
  });

  test("is visible to people who see its message, by its id or the message's", async () => {
    const tenant = await newTenant();
    const { media, message } = await receivesFile(await newNumber(tenant));
    const [admin, agent, colleague, foreigner] = [
      await newUser(tenant, "admin"),
      await newUser(tenant, "agent"),
      await newUser(tenant, "agent"),
      await newUser(await newTenant(), "admin"),
    ];
    await assign({ id: message.conversation_id }, agent);
    for (const row of [media, message]) {
      for (const user of [admin, agent]) assert.equal((await gets(user, row)).id, media.id);
      for (const user of [colleague, foreigner]) assert.equal(await gets(user, row), null);
    }
    await sql`update public.message_media set state = 'stored', storage_path = ${`${tenant.id}/x/${media.id}`} where id = ${media.id}`;
    await sql`insert into storage.objects (bucket_id, name) values ('chat-media', ${`${tenant.id}/x/${media.id}`})`;
    const objects = (/** @type {any} */ user) =>
      as(user, async (sql) => (await sql`select from storage.objects where name like ${`%${media.id}`}`).count);
    assert.deepEqual(
      await Promise.all([admin, agent, colleague, foreigner].map(objects)),
      [0, 0, 0, 0],
      "the file itself is reached through a short link of the API alone",
    );
  });
});

describe("an upload", () => {
  const begins = (/** @type {any} */ user, /** @type {any} */ number, name = "a.png") =>
    as(
      user,
      async (sql) =>
        (await sql`select public.begin_upload(${number?.id ?? null}, 'image', 'image/png', ${name}) as place`)[0].place,
    );
  const finishesUpload = (/** @type {any} */ place, kind = "image") =>
    asService(
      async (sql) =>
        (
          await sql`select public.finish_upload(${sql.json({ ...place, kind, mime_type: "image/png", meta_media_id: someDigits(), file_size: 5, sha256: "x" })}) as file`
        )[0].file,
    );
  const sends = (/** @type {any} */ user, /** @type {any} */ conversation, /** @type {string} */ id, type = "image") =>
    as(
      user,
      async (sql) =>
        (
          await sql`select public.create_message(${conversation.id}, ${type}, null, ${sql.json({ [type]: { id } })}) as answer`
        )[0].answer,
    );

  test("belongs to its uploader until it is sent, and then to all who see the message", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const [agent, colleague] = [await newUser(tenant, "agent"), await newUser(tenant, "agent")];
    const place = await begins(agent, null, "../x.png");
    assert.deepEqual(
      [place.session_id, place.file_name, place.storage_path],
      [number.id, "x.png", `${tenant.id}/${number.id}/${place.id}`],
    );
    const file = await finishesUpload(place);
    assert.equal((await gets(agent, file)).id, file.id);
    assert.equal(await gets(colleague, file), null);
    const { conversation } = await receivesMessage(number);
    for (const named of [file.id, file.meta_media_id]) {
      const { message } = await sends(agent, conversation, named);
      assert.deepEqual(message.payload, { image: { id: file.meta_media_id } });
      const seen = await gets(colleague, message);
      assert.deepEqual([seen.message_id, seen.storage_path, seen.state], [message.id, place.storage_path, "stored"]);
    }
    const { message } = await sends(agent, conversation, file.id, "document");
    assert.equal(message.payload.document.filename, "x.png");
  });

  test("is refused for another number, tenant or kind", async () => {
    const tenant = await newTenant();
    const [number, other] = [await newNumber(tenant), await newNumber(tenant)];
    const agent = await newUser(tenant, "agent");
    const { conversation } = await receivesMessage(number);
    const elsewhere = await finishesUpload(await begins(agent, other));
    const film = await finishesUpload(await begins(agent, number), "video");
    for (const id of [elsewhere.id, film.id, randomUUID()]) {
      await isRefused(sends(agent, conversation, id), { code: "PT422", hint: "image.id" });
    }
    const foreigner = await newUser(await newTenant(), "admin");
    await isRefused(begins(foreigner, number), { code: "PT422", hint: "session_id" });
    await isRefused(begins(await newUser(tenant, null), number), { code: "PT403" });
    await isRefused(
      as(agent, (sql) => sql`select public.finish_upload('{}')`),
      { code: DENIED },
    );
  });

  test("is deleted with its object once no other message shows it", async () => {
    const tenant = await newTenant();
    const number = await newNumber(tenant);
    const manager = await newUser(tenant, "admin");
    const file = await finishesUpload(await begins(manager, number));
    const { conversation } = await receivesMessage(number);
    const { message } = await sends(manager, conversation, file.id);
    const deletes = (/** @type {any} */ user, /** @type {any} */ media) =>
      as(user, async (sql) => (await sql`select public.delete_media(${media.id}) as answer`)[0].answer);
    await isRefused(deletes(await newUser(await newTenant(), "admin"), file), { code: "PT404" });
    assert.deepEqual(await deletes(manager, file), { storage_path: null });
    const shown = await gets(manager, message);
    assert.deepEqual(await deletes(manager, shown), { storage_path: shown.storage_path });
    assert.equal((await gets(manager, message)).state, "gone");
  });
});

describe("a file in Storage", () => {
  const waiting = async () =>
    (await asService((sql) => sql`select public.files_to_remove(1000) as files`))[0].files.map(
      (/** @type {any} */ file) => file.path,
    );

  test("is removed with the last row that names it, whoever deletes that row", async () => {
    const number = await newNumber(await newTenant());
    const first = await receivesFile(number);
    await finishes(first.media, "stored", { path: `${first.media.id}/a`, size: 3 });
    const second = await receivesFile(number);
    await finishes(second.media, "stored", { path: `${first.media.id}/a`, size: 3 });
    await sql`delete from public.messages where id = ${first.message.id}`;
    assert.ok(!(await waiting()).includes(`${first.media.id}/a`), "another message still shows it");
    await sql`delete from public.messages where id = ${second.message.id}`;
    assert.ok((await waiting()).includes(`${first.media.id}/a`));
  });

  test("is removed from its future place if it is still being fetched", async () => {
    const number = await newNumber(await newTenant());
    const { message, media } = await receivesFile(number);
    await sql`delete from public.messages where id = ${message.id}`;
    assert.ok((await waiting()).includes(`${media.tenant_id}/${number.id}/${media.id}`));
  });

  test("is removed if it was uploaded, never sent, and has expired at Meta", async () => {
    const number = await newNumber(await newTenant());
    const upload = async (/** @type {string} */ ends) =>
      (
        await sql`
      insert into public.message_media (tenant_id, session_id, kind, meta_media_id, file_name, storage_path, state, expires_at)
      values (${number.tenant_id}, ${number.id}, 'image', ${someDigits()}, 'image.jpg', ${randomUUID()}, 'stored', now() + ${ends}::interval)
      returning *`
      )[0];
    const [old, young] = [await upload("-1 second"), await upload("1 day")];
    const sent = await receivesFile(number);
    await sql`update public.message_media set expires_at = now() - interval '1 day' where id = ${sent.media.id}`;
    assert.equal(
      await asService(async (sql) =>
        Number((await sql`select public.run_retention('prune_unsent_uploads') as n`)[0].n),
      ),
      1,
    );
    assert.equal(await now(old), undefined);
    assert.ok(
      (await now(young)) && (await now(sent.media)),
      "files that can still be sent, and files that were sent, stay",
    );
    assert.ok((await waiting()).includes(old.storage_path));
  });
});
