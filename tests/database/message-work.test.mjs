// Work with messages: paging and searching a thread, deleting, resending, forwarding and scheduling.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { aboutMessage, seconds } from "./inbox.mjs";
import { useDatabase } from "./database.mjs";
import { chance } from "./chance.mjs";
import { isRefused, retried } from "./refusals.mjs";

const {
  sql,
  calls,
  delivers,
  newTenant,
  newUser,
  newNumber,
  receivesMessage,
  newOutbound,
  messageNow,
  conversationOf,
  assign,
} = await useDatabase();

const newOffice = async () => {
  const tenant = await newTenant();
  const [number, admin, agent, senior] = [
    await newNumber(tenant),
    await newUser(tenant, "admin"),
    await newUser(tenant, "agent"),
    await newUser(tenant, "senior_agent"),
  ];
  const first = await receivesMessage(number, { text: "Selamat pagi", timestamp: seconds(1000) });
  return { tenant, number, admin, agent, senior, ...first };
};
const newForeigner = async () => newUser(await newTenant(), "super_admin");
const read = (
  user,
  conversation,
  { place = null, message_id = null, search = null, scheduled = false, page_size = 20 } = {},
) => calls(user, "read_thread", { conversation_id: conversation.id, place, message_id, search, scheduled, page_size });
const text = (body) => ({ type: "text", content: body, payload: { text: { body } } });

describe("a thread", () => {
  test("is paged in both directions and around a message", async () => {
    const { number, agent, contact, conversation } = await newOffice();
    for (let i = 0; i < 9; i++)
      await receivesMessage(number, { from: contact.wa_id, text: `m${i}`, timestamp: seconds(900 - i * 10) });
    const whole = (await read(agent, conversation)).rows.map(({ id }) => id);
    assert.equal(whole.length, 10);
    const down = [];
    for (
      let page = await read(agent, conversation, { page_size: 3 });
      ;
      page = await read(agent, conversation, { place: "before", message_id: page.older, page_size: 3 })
    ) {
      down.push(...page.rows.map(({ id }) => id));
      if (page.older === null) break;
    }
    assert.deepEqual(down, whole);
    const up = [];
    for (let at = whole.at(-1); at;) {
      const page = await read(agent, conversation, { place: "after", message_id: at, page_size: 4 });
      up.unshift(...page.rows.map(({ id }) => id));
      at = page.newer;
    }
    assert.deepEqual(up, whole.slice(0, -1));
    const around = await read(agent, conversation, { place: "around", message_id: whole[5], page_size: 5 });
    assert.deepEqual(
      around.rows.map(({ id }) => id),
      whole.slice(3, 8),
    );
    assert.deepEqual([around.newer, around.older], [whole[3], whole[7]]);
    const edge = await read(agent, conversation, { place: "around", message_id: whole[0], page_size: 5 });
    assert.deepEqual([edge.rows.map(({ id }) => id), edge.newer], [whole.slice(0, 5), null]);
    await isRefused(read(agent, conversation, { place: "before", message_id: randomUUID() }), {
      code: "PT422",
      hint: "before",
    });
    assert.equal(await read(await newForeigner(), conversation), null);
  });

  test("is read completely by paging while messages arrive and change", async () => {
    const { seed, integer, pick } = chance();
    const { number, agent, contact, conversation } = await newOffice();
    // several in each second, because Meta's times are whole seconds
    for (let i = 0; i < 40; i++)
      await receivesMessage(number, { from: contact.wa_id, text: `m${i}`, timestamp: seconds(900 - integer(0, 12)) });
    const whole = (await read(agent, conversation, { page_size: 100 })).rows.map(({ id }) => id);
    let over = false;
    const writers = [0, 1].map(async () => {
      while (!over) {
        await retried(() => receivesMessage(number, { from: contact.wa_id, text: "baru" }));
        await newOutbound(conversation);
        await sql`update public.messages set status = 'read' where conversation_id = ${conversation.id} and direction = 'outbound' and status = 'sent'`;
      }
    });
    const [down, up] = [[], []];
    for (
      let page = await read(agent, conversation, { page_size: integer(1, 6) });
      ;
      page = await read(agent, conversation, { place: "before", message_id: page.older, page_size: integer(1, 6) })
    ) {
      down.push(...page.rows.map(({ id }) => id));
      if (page.older === null) break;
    }
    for (let at = whole.at(-1); up.length < whole.length - 1;) {
      const page = await read(agent, conversation, { place: "after", message_id: at, page_size: integer(1, 6) });
      up.push(...page.rows.map(({ id }) => id).reverse());
      at = up.at(-1);
    }
    over = true;
    await Promise.all(writers);
    const old = new Set(whole);
    assert.deepEqual(
      down.filter((id) => old.has(id)),
      whole,
      `seed ${seed}`,
    );
    assert.deepEqual(
      up.filter((id) => old.has(id)),
      whole.slice(0, -1).reverse(),
      `seed ${seed}`,
    );
    const now = await read(agent, conversation, { page_size: 100 });
    assert.equal(now.total, (await sql`select from public.messages where conversation_id = ${conversation.id}`).count);
    const around = await read(agent, conversation, {
      place: "around",
      message_id: pick(whole.slice(5, 35)),
      page_size: 9,
    });
    assert.equal(new Set(around.rows.map(({ id }) => id)).size, 9);
  });

  test("is searched by words", async () => {
    const { number, agent, contact, conversation } = await newOffice();
    await receivesMessage(number, { from: contact.wa_id, text: "Kapan Café buka?", timestamp: seconds(500) });
    await receivesMessage(number, { from: contact.wa_id, text: "café lagi", timestamp: seconds(400) });
    const found = await read(agent, conversation, { search: "CAFE" });
    assert.deepEqual([found.rows.map(({ content }) => content), found.total], [["café lagi", "Kapan Café buka?"], 2]);
    const page = await read(agent, conversation, { search: "cafe", page_size: 1 });
    const rest = await read(agent, conversation, {
      search: "cafe",
      page_size: 1,
      place: "before",
      message_id: page.older,
    });
    assert.deepEqual(
      rest.rows.map(({ content }) => content),
      ["Kapan Café buka?"],
    );
    assert.deepEqual((await read(agent, conversation, { search: "!!" })).rows, []);
    assert.deepEqual(
      (await read(agent, conversation, { search: "uka ap" })).rows.map(({ content }) => content),
      ["Kapan Café buka?"],
      "by parts of words",
    );
  });
});

describe("deleting", () => {
  test("erases its text for good and leaves a tombstone", async () => {
    const { number, admin, agent, contact, conversation, message } = await newOffice();
    const edit = aboutMessage(number, "edit", message.whatsapp_message_id, {
      from: contact.wa_id,
      text: "Rahasia besar",
    });
    await delivers({ messages: [edit] });
    await sql`
      insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, storage_path, state, expires_at)
      values (${conversation.tenant_id}, ${number.id}, ${message.id}, 'image', 'rahasia.jpg', ${message.id}, 'stored', now())`;
    await isRefused(calls(agent, "delete_message", { message_id: message.id }), { code: "PT403" });
    await isRefused(calls(await newForeigner(), "delete_message", { message_id: message.id }), { code: "PT404" });
    const { message: tombstone, paths } = await calls(admin, "delete_message", { message_id: message.id });
    assert.deepEqual([tombstone.content, tombstone.payload, paths], [null, {}, [message.id]]);
    assert.ok(tombstone.deleted_at);
    assert.deepEqual((await calls(admin, "delete_message", { message_id: message.id })).paths, []);
    await delivers({
      messages: [
        aboutMessage(number, "edit", message.whatsapp_message_id, {
          from: contact.wa_id,
          text: "Rahasia lagi",
          timestamp: seconds(-5),
        }),
      ],
    });
    const kept =
      JSON.stringify(await messageNow(message)) +
      JSON.stringify(
        await sql`select content from public.messages where id <> ${message.id} and conversation_id = ${conversation.id} and content like 'Rahasia besar'`,
      );
    assert.ok(!/Rahasia|Selamat/.test(kept), kept);
    const { last_message_preview, last_message_type } = await conversationOf(message);
    assert.deepEqual([last_message_preview, last_message_type], ["🚫", "deleted"]);
    const logs = JSON.stringify(
      await sql`select before, after from public.audit_logs where tenant_id = ${conversation.tenant_id} and entity = 'messages'`,
    );
    assert.ok(!/Rahasia|Selamat/.test(logs));
    assert.equal((await read(agent, conversation, { search: "selamat" })).total, 0);
  });
});

describe("resending a message", () => {
  test("is allowed once for a failed or unknown message, and creates a new message", async () => {
    const { agent, conversation, number } = await newOffice();
    const sent = await newOutbound(conversation, { status: "sent" });
    await isRefused(calls(agent, "resend_message", { message_id: sent.id }), {
      code: "PT409",
      detail: "message_not_failed",
    });
    for (const status of ["failed", "unknown"]) {
      const message = await newOutbound(conversation, { status, wamid: null });
      await sql`update public.messages set payload = '{"text": {"body": "Siap"}}' where id = ${message.id}`;
      await isRefused(calls(await newForeigner(), "resend_message", { message_id: message.id }), { code: "PT404" });
      const made = await calls(agent, "resend_message", { message_id: message.id, idempotency_key: `k-${status}` });
      assert.deepEqual(
        [made.message.status, made.message.metadata.resend_of, made.message.payload, made.phone_number_id],
        ["sending", message.id, { text: { body: "Siap" } }, number.meta_phone_number_id],
      );
      const repeated = await calls(agent, "resend_message", { message_id: message.id, idempotency_key: `k-${status}` });
      assert.deepEqual([repeated.repeated, repeated.message.id], [true, made.message.id]);
      await isRefused(calls(agent, "resend_message", { message_id: message.id }), {
        code: "PT409",
        detail: "already_resent",
      });
      await sql`update public.messages set status = 'failed' where id = ${made.message.id}`;
      assert.ok(await calls(agent, "resend_message", { message_id: message.id }));
    }
    const late = await newOutbound(conversation, { status: "failed" });
    await sql`update public.conversations set window_expires_at = now() where id = ${conversation.id}`;
    await isRefused(calls(agent, "resend_message", { message_id: late.id }), {
      code: "PT409",
      detail: "window_closed",
    });
  });
});

describe("resending a resent message", () => {
  test("never sends the customer a message they already have", async () => {
    const { agent, conversation } = await newOffice();
    const first = await newOutbound(conversation, { status: "failed", wamid: null });
    const again = async (message, status) => {
      const { message: made } = await calls(agent, "resend_message", { message_id: message.id });
      await sql`update public.messages set status = ${status} where id = ${made.id}`;
      return made;
    };
    const refused = (message) =>
      isRefused(calls(agent, "resend_message", { message_id: message.id }), {
        code: "PT409",
        detail: "already_resent",
      });
    const second = await again(first, "failed");
    const third = await again(second, "sent");
    await refused(first);
    await refused(second);
    await sql`update public.messages set status = 'failed' where id = ${third.id}`;
    const fourth = await again(first, "delivered");
    for (const message of [first, second, third]) await refused(message);
    assert.ok(fourth);

    // The first message is unknown and the second failed, so a resend is allowed until the first turns out to be
    // delivered.
    const unknown = await newOutbound(conversation, { status: "unknown", wamid: null });
    const failed = await again(unknown, "failed");
    await sql`update public.messages set status = 'delivered' where id = ${unknown.id}`;
    await refused(failed);
    await sql`update public.messages set status = 'unknown' where id = ${unknown.id}`;
    await again(failed, "sent");
    await refused(failed);
    await refused(unknown);
  });

  test("sends it once, even among many concurrent requests", async () => {
    const { agent, admin, conversation } = await newOffice();
    const message = await newOutbound(conversation, { status: "failed", wamid: null });
    const answers = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) => calls(i % 2 ? agent : admin, "resend_message", { message_id: message.id })),
    );
    assert.equal(answers.filter(({ status }) => status === "fulfilled").length, 1);
    assert.equal((await sql`select from public.messages where metadata ->> 'resend_of' = ${message.id}`).count, 1);
  });
});

describe("forwarding", () => {
  test("answers for each conversation", async () => {
    const { tenant, number, agent, message } = await newOffice();
    const [open, closed, theirs] = [
      await receivesMessage(number),
      await receivesMessage(number),
      await receivesMessage(number),
    ];
    await sql`update public.conversations set window_expires_at = now() where id = ${closed.conversation.id}`;
    await assign(theirs.conversation, await newUser(tenant, "agent"));
    const ids = [open, closed, theirs].map(({ conversation }) => conversation.id);
    const answers = await calls(agent, "forward_message", { message_id: message.id, conversation_ids: ids });
    const outcome = (id) => answers.find(({ conversation_id }) => conversation_id === id);
    assert.deepEqual(
      ids.map((id) => outcome(id).outcome),
      ["created", "window_closed", "not_found"],
    );
    const { made } = outcome(ids[0]);
    assert.deepEqual(
      [made.message.content, made.message.payload, made.message.metadata.forward_of],
      ["Selamat pagi", { text: { body: "Selamat pagi" } }, message.id],
    );
    const button = await receivesMessage(number, { kind: "interactive" });
    await isRefused(calls(agent, "forward_message", { message_id: button.message.id, conversation_ids: ids }), {
      code: "PT409",
      detail: "not_forwardable",
    });
    await isRefused(calls(await newForeigner(), "forward_message", { message_id: message.id, conversation_ids: ids }), {
      code: "PT404",
    });
  });
});

describe("forwarding a customer's file", () => {
  const fileOf = async (message) =>
    (
      await sql`
    insert into public.message_media (tenant_id, session_id, message_id, meta_media_id, kind, mime_type, sha256, file_size, file_name, storage_path, state, expires_at)
    values (${message.tenant_id}, ${message.session_id}, ${message.id}, ${`in${randomUUID()}`}, 'image', 'image/jpeg', 'abc', 3, 'image.jpg', ${randomUUID()}, 'stored', now() + interval '7 days')
    returning *`
    )[0];
  const newPhoto = async (number) => {
    const { message } = await receivesMessage(number, { kind: "image" });
    await sql`update public.messages set payload = '{"type": "image", "image": {"id": "1"}}' where id = ${message.id}`;
    return { message, file: await fileOf(message) };
  };

  test("uploads it to Meta once for each number that sends it", async () => {
    const { tenant, number, agent, message: said } = await newOffice();
    const other = await newNumber(tenant);
    const { message, file } = await newPhoto(number);
    const [here, there, closed] = [
      await receivesMessage(number),
      await receivesMessage(other),
      await receivesMessage(await newNumber(tenant)),
    ];
    await sql`update public.conversations set window_expires_at = now() where id = ${closed.conversation.id}`;
    const conversation_ids = [here, there, closed].map(({ conversation }) => conversation.id);
    const wanted = await calls(agent, "files_to_upload", { message_id: message.id, conversation_ids });
    assert.deepEqual(wanted.map(({ upload }) => upload.session_id).sort(), [number.id, other.id].sort());
    assert.ok(
      wanted.every(({ upload }) => upload.storage_path === file.storage_path && upload.tenant_id === tenant.id),
    );
    const [refused] = await calls(agent, "forward_message", {
      message_id: message.id,
      conversation_ids: [here.conversation.id],
    });
    assert.equal(refused.outcome, "not_forwardable", "the id that it arrived with cannot be used to send");

    for (const { upload } of wanted)
      await calls("service", "finish_upload", { upload: { ...upload, meta_media_id: `up-${upload.session_id}` } });
    assert.deepEqual(await calls(agent, "files_to_upload", { message_id: message.id, conversation_ids }), []);
    const answers = await calls(agent, "forward_message", { message_id: message.id, conversation_ids });
    const sent = Object.fromEntries(
      answers.map(({ conversation_id, outcome, made }) => [conversation_id, made?.message.payload.image.id ?? outcome]),
    );
    assert.deepEqual(
      conversation_ids.map((id) => sent[id]),
      [`up-${number.id}`, `up-${other.id}`, "window_closed"],
    );
    assert.deepEqual(
      await calls(agent, "files_to_upload", { message_id: said.id, conversation_ids }),
      [],
      "a text has no file",
    );
  });

  test("is refused for people who do not see the message, and skips conversations they do not see", async () => {
    const { tenant, number, agent } = await newOffice();
    const { message } = await newPhoto(number);
    const theirs = await receivesMessage(number);
    await assign(theirs.conversation, await newUser(tenant, "agent"));
    assert.deepEqual(
      await calls(agent, "files_to_upload", { message_id: message.id, conversation_ids: [theirs.conversation.id] }),
      [],
    );
    await isRefused(calls(await newForeigner(), "files_to_upload", { message_id: message.id, conversation_ids: [] }), {
      code: "PT404",
    });
    await isRefused(
      calls(await newUser(tenant, "viewer"), "files_to_upload", { message_id: message.id, conversation_ids: [] }),
      { code: "PT403" },
    );
  });
});

describe("a scheduled message", () => {
  const tomorrow = () => new Date(Date.now() + 86_400_000);
  const schedule = (user, conversation, body = "Besok", options = {}) =>
    calls(user, "schedule_message", {
      conversation_id: conversation.id,
      ...text(body),
      send_at: tomorrow(),
      ...options,
    });
  const falls = (message) =>
    sql`update public.messages set send_at = now() - interval '1 second' where id = ${message.id}`;
  const claim = async (conversation) =>
    (await calls("service", "claim_scheduled_messages", { batch: 1000 })).filter(
      ({ message }) => message.conversation_id === conversation.id,
    );

  test("waits without a trace in the inbox, and is sent once", async () => {
    const { agent, senior, conversation, message: first } = await newOffice();
    await isRefused(schedule(agent, conversation), { code: "PT403" });
    const before = await conversationOf(first);
    const message = await schedule(senior, conversation);
    assert.deepEqual([message.status, message.content], ["pending", "Besok"]);
    const { updated_at: _, ...state } = await conversationOf(first);
    const { updated_at: __, ...was } = before;
    assert.deepEqual(state, was);
    assert.deepEqual(
      (await read(senior, conversation, { scheduled: true })).rows.map(({ id }) => id),
      [message.id],
    );
    assert.deepEqual(await claim(conversation), []);
    await falls(message);
    const claims = (await Promise.all(Array.from({ length: 8 }, () => claim(conversation)))).flat();
    assert.deepEqual(
      claims.map(({ message: { id, status } }) => [id, status]),
      [[message.id, "sending"]],
    );
    assert.equal((await conversationOf(first)).last_message_preview, "Besok");
    // a run that looks for dead senders leaves it alone
    await calls("service", "begin_sender_run", { holder: randomUUID(), lease_seconds: 15, max_sessions: 0 });
    assert.equal((await messageNow(message)).status, "sending");
    assert.deepEqual((await read(senior, conversation, { scheduled: true })).rows, []);
  });

  test("among several in one conversation is sent after the one before it has its outcome", async () => {
    const { senior, conversation } = await newOffice();
    const [first, second, third] = [
      await schedule(senior, conversation, "Satu"),
      await schedule(senior, conversation, "Dua"),
      await schedule(senior, conversation, "Tiga"),
    ];
    await sql`
      update public.messages set send_at = now() - interval '1 second'
      where id = any (${[first, second, third].map(({ id }) => id)})`;
    const claims = async () => (await claim(conversation)).map(({ message: { id }, behind }) => [id, behind]);
    const ends = (message) =>
      calls("service", "record_replies", { results: sql.json([{ message_id: message.id, outcome: "failed" }]) });
    assert.deepEqual(await claims(), [[first.id, false]]);
    assert.deepEqual(await claims(), [[second.id, true]], "another run waits until the first is sent");
    await ends(first);
    await ends(second);
    assert.deepEqual(await claims(), [[third.id, false]]);
    assert.deepEqual(await claims(), []);
  });

  test("does not hide later messages from a client that asks for newer ones", async () => {
    const { number, senior, admin, contact, conversation } = await newOffice();
    const planned = await schedule(senior, conversation);
    const [{ id: newest }] = (await read(senior, conversation)).rows;
    assert.equal(newest, planned.id);
    const { message } = await receivesMessage(number, { from: contact.wa_id, text: "Baru" });
    assert.deepEqual(
      (await read(senior, conversation, { place: "after", message_id: newest })).rows.map(({ id }) => id),
      [message.id],
      "and not the scheduled message again",
    );
    await calls(admin, "delete_message", { message_id: planned.id });
    const { message: later } = await receivesMessage(number, {
      from: contact.wa_id,
      text: "Lagi",
      timestamp: seconds(-2),
    });
    assert.deepEqual(
      (await read(senior, conversation, { page_size: 1 })).rows.map(({ id }) => id),
      [later.id],
      "a cancelled message belongs to the past",
    );
  });

  test("neither opens nor assigns its conversation", async () => {
    const { tenant, number, senior, conversation, message: said } = await newOffice();
    await newUser(tenant, "agent");
    await sql`update public.whatsapp_sessions set assignment = 'round_robin' where id = ${number.id}`;
    await sql`update public.conversations set status = 'pending' where id = ${conversation.id}`;
    const before = await conversationOf(said);
    assert.equal(before.unread_count, 1);
    await schedule(senior, conversation);
    const after = await conversationOf(said);
    assert.deepEqual(
      [after.status, after.assigned_to, after.unread_count, after.waiting_since],
      ["pending", null, 1, before.waiting_since],
    );
  });

  test("does not wait for another number's trouble, and does not delay other numbers", async () => {
    const [broken, well] = [await newOffice(), await newOffice()];
    const held = [
      await schedule(broken.senior, broken.conversation),
      await schedule(broken.senior, broken.conversation, "Dua"),
    ];
    const late = [];
    for (let i = 0; i < 4; i++) {
      const { conversation } = await receivesMessage(well.number);
      late.push(await schedule(well.senior, conversation));
      await sql`update public.conversations set window_expires_at = now() where id = ${conversation.id}`;
    }
    const good = await schedule(well.senior, well.conversation);
    for (const [i, message] of [...held, ...late, good].entries())
      await sql`update public.messages set send_at = now() - make_interval(secs => ${100 - i}) where id = ${message.id}`;
    await sql`insert into private.number_breakers (session_id, state, open_until) values (${broken.number.id}, 'open', now() + interval '1 hour')`;
    const claimed = await calls("service", "claim_scheduled_messages", { batch: 2 });
    assert.deepEqual(
      claimed.map(({ message }) => message.id),
      [good.id],
    );
    for (const message of late) assert.equal((await messageNow(message)).status, "failed");
    for (const message of held) assert.equal((await messageNow(message)).status, "pending");
    await sql`update public.messages set status = 'failed' where id = any (${held.map(({ id }) => id)})`;
  });

  test("is either sent or cancelled, never both", async () => {
    const { senior, conversation } = await newOffice();
    for (let i = 0; i < 8; i++) {
      const message = await schedule(senior, conversation, `Nomor ${i}`);
      await falls(message);
      const [cancelled, ...claims] = await Promise.allSettled([
        calls(senior, "delete_message", { message_id: message.id }),
        claim(conversation),
        claim(conversation),
      ]);
      const handed = claims.flatMap(
        (answer) => (assert.equal(answer.status, "fulfilled", String(answer.reason)), answer.value),
      ).length;
      assert.equal(handed, cancelled.status === "fulfilled" ? 0 : 1, JSON.stringify(cancelled.reason?.detail ?? null));
      if (cancelled.status === "rejected") assert.equal(cancelled.reason.detail, "message_sending");
    }
  });

  test("fails with the reason if it cannot be sent at its time", async () => {
    for (const [spoil, reason] of [
      [(v) => sql`update public.conversations set window_expires_at = now() where id = ${v.id}`, /24 hours/],
      [(v) => sql`update public.whatsapp_sessions set status = 'broken' where id = ${v.session_id}`, /number/],
      [(v) => sql`update public.contacts set blocked_at = now() where id = ${v.contact_id}`, /blocked/],
    ]) {
      const { senior, conversation } = await newOffice();
      const message = await schedule(senior, conversation);
      await spoil(conversation);
      await falls(message);
      assert.deepEqual(await claim(conversation), []);
      const { status, error_title } = await messageNow(message);
      assert.equal(status, "failed");
      assert.match(error_title, reason);
    }
  });

  test("can be cancelled by the person who scheduled it until it is sent", async () => {
    const { agent, admin, senior, conversation } = await newOffice();
    const [own, other] = [await schedule(senior, conversation), await schedule(admin, conversation, "Lusa")];
    await isRefused(calls(senior, "delete_message", { message_id: other.id }), { code: "PT403" });
    await isRefused(calls(agent, "delete_message", { message_id: own.id }), { code: "PT403" });
    await calls(senior, "delete_message", { message_id: own.id });
    await falls(own);
    assert.deepEqual(await claim(conversation), []);
    assert.equal((await messageNow(own)).status, "failed");
    await falls(other);
    await claim(conversation);
    await isRefused(calls(admin, "delete_message", { message_id: other.id }), {
      code: "PT409",
      detail: "message_sending",
    });
  });

  test("needs a time within the next 30 days, and one key creates one message", async () => {
    const { senior, conversation } = await newOffice();
    for (const send_at of [new Date(Date.now() - 1000), new Date(Date.now() + 31 * 86_400_000)])
      await isRefused(schedule(senior, conversation, "x", { send_at }), { code: "PT422", hint: "send_at" });
    await isRefused(schedule(await newForeigner(), conversation), { code: "PT404" });
    const [one, same] = [
      await schedule(senior, conversation, "x", { idempotency_key: "k" }),
      await schedule(senior, conversation, "x", { idempotency_key: "k" }),
    ];
    assert.equal(one.id, same.id);
  });

  test("is not the inbox preview if the customer writes before its time", async () => {
    const { number, senior, conversation, contact, message: first } = await newOffice();
    await schedule(senior, conversation);
    await receivesMessage(number, { from: contact.wa_id, text: "Halo lagi" });
    const { last_message_preview, waiting_since } = await conversationOf(first);
    assert.equal(last_message_preview, "Halo lagi");
    assert.ok(waiting_since);
  });
});

test("merged conversations keep the labels, notes, reads and history of both", async () => {
  const { number, admin, conversation: kept, contact } = await newOffice();
  const gone = await receivesMessage(number, { from: null, user_id: `ID.${randomUUID()}`, timestamp: seconds(800) });
  const [both, one] = [
    await calls(admin, "create_label", { name: "Dua" }),
    await calls(admin, "create_label", { name: "Satu" }),
  ];
  await calls(admin, "label_conversation", { conversation_id: kept.id, label_ids: [both.id] });
  await calls(admin, "label_conversation", { conversation_id: gone.conversation.id, label_ids: [both.id, one.id] });
  await calls(admin, "create_note", { conversation_id: gone.conversation.id, content: "catatan" });
  await calls(admin, "update_conversation", {
    conversation_id: gone.conversation.id,
    changes: { priority: "urgent", status: "pending" },
  });
  await calls(admin, "update_conversation", {
    conversation_id: kept.id,
    changes: { priority: "low", status: "resolved" },
  });
  for (const { id } of [kept, gone.conversation]) await calls(admin, "read_conversation", { conversation_id: id });
  await receivesMessage(number, {
    from: contact.wa_id,
    user_id: gone.contact.user_id,
    kind: "system",
    timestamp: seconds(700),
  });
  const left = await sql`select * from public.conversations where session_id = ${number.id}`;
  assert.equal(left.length, 1);
  const merged = await calls(admin, "get_conversation", { conversation_id: left[0].id });
  assert.deepEqual(
    [merged.labels.map(({ name }) => name), merged.priority, merged.status],
    [["Dua", "Satu"], "urgent", "pending"],
  );
  assert.equal(
    (await calls(admin, "list_notes", { conversation_id: merged.id, before: null, page_size: 10 })).rows.length,
    1,
  );
  const { rows } = await calls(admin, "list_conversation_events", {
    conversation_id: merged.id,
    before: null,
    page_size: 50,
  });
  assert.ok(rows.some(({ kind }) => kind === "merged"));
  assert.ok(rows.filter(({ kind }) => kind === "priority_changed").length >= 2);
});
