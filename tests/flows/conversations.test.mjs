import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { createClient } from "@supabase/supabase-js";
import { eventually, useApp } from "./app.mjs";

const app = await useApp();
const tenant = app.user("admin").tenant_id;
const people = {
  admin: await app.personOf("admin"),
  manager: await app.personOf("manager"),
  agent: await app.personOf("agent"),
};

/** @param {string} [text] */
async function newConversation(text = "Halo") {
  const from = app.newCustomer();
  await app.receivesMessage({ from, text });
  return { from, ...(await app.conversationWith(from)) };
}

/**
 * Joins a topic, as a private one unless `isPrivate` is false.
 * @param {string | null} who null: without logging in
 * @param {string} topic
 */
async function join(who, topic, { private: isPrivate = true, client: known = /** @type {any} */ (null) } = {}) {
  const client =
    known ??
    (who === null
      ? createClient(app.stack.supabase_url, app.stack.anon_key, { auth: { persistSession: false } })
      : await app.signIn(who));
  /** @type {{ event: string, payload: any }[]} */
  const heard = [];
  const channel = client.channel(topic, {
    config: { private: isPrivate, broadcast: { self: false }, presence: { key: who ?? "nobody" } },
  });
  // without a listener a client takes no part in presence
  channel.on("presence", { event: "sync" }, () => {});
  channel.on("broadcast", { event: "*" }, ({ event, payload }) => void heard.push({ event, payload }));
  const state = await new Promise((resolve) => {
    channel.subscribe((status) => {
      if (status === "SUBSCRIBED" || status === "CHANNEL_ERROR" || status === "TIMED_OUT") resolve(status);
    });
  });
  return { channel, heard, state, close: () => client.removeAllChannels().then(() => client.realtime.disconnect()) };
}

test("the inbox is filtered, searched, counted and paged", async () => {
  const word = `kata${randomUUID().slice(0, 8)}`;
  const made = [];
  for (let i = 0; i < 3; i++) made.push((await newConversation(`${word} ${i}`)).id);
  const seen = [];
  for (let cursor = ""; ;) {
    const page = await app.succeeds("GET", `/api/conversations?search=${word}&limit=1${cursor}`, { as: "admin" });
    assert.deepEqual([page.total, page.complete, page.data.length], [3, true, 1]);
    seen.push(page.data[0].id);
    if (page.next_cursor === null) break;
    cursor = `&cursor=${page.next_cursor}`;
  }
  // Meta's times are whole seconds, so the newer of two may be unknown.
  assert.deepEqual(seen.toSorted(), made.toSorted());
  await app.succeeds("PATCH", `/api/conversations/${made[0]}`, { as: "admin", body: { priority: "urgent" } });
  const { data: first } = await app.succeeds("GET", `/api/conversations?search=${word}&sort=priority`, { as: "admin" });
  assert.equal(first[0].id, made[0]);
  await app.succeeds("POST", `/api/conversations/${made[1]}/assign`, { as: "agent", body: { user_id: people.agent } });
  const mine = await app.succeeds(
    "GET",
    `/api/conversations?search=${word}&assigned_to=me&status=open,pending&counts=true`,
    { as: "agent" },
  );
  assert.deepEqual(
    mine.data.map((/** @type {any} */ { id }) => id),
    [made[1]],
  );
  assert.ok(mine.counts.mine >= 1);
  for (const [query, field] of [
    ["status=lost", "status"],
    ["assigned_to=x", "assigned_to"],
    ["sort=x", "sort"],
    ["unread=x", "unread"],
    ["cursor=x", "cursor"],
    ["label=x", "label"],
  ]) {
    const { error } = (await app.call("GET", `/api/conversations?${query}`, { as: "admin" })).body;
    assert.deepEqual([error.code, Object.keys(error.fields)], ["invalid_field", [field]], query);
  }
});

test("a conversation is snoozed, woken by cron, and resolved together with others", async () => {
  const { id } = await newConversation();
  const path = `/api/conversations/${id}`;
  await app.refuses(422, "invalid_field", "PATCH", path, { as: "agent", body: { status: "snoozed" } });
  await app.succeeds("PATCH", path, {
    as: "agent",
    body: { status: "snoozed", snoozed_until: new Date(Date.now() + 3_600_000) },
  });
  await app.changes("conversations", `id=eq.${id}`, { snoozed_until: new Date(Date.now() - 1000) });
  await app.runsCron();
  assert.equal((await app.succeeds("GET", path, { as: "agent" })).status, "open");
  const { data } = await app.succeeds("POST", "/api/conversations/bulk", {
    as: "agent",
    body: { ids: [id, randomUUID()], action: "resolve" },
  });
  assert.deepEqual(
    data.map((/** @type {any} */ { outcome }) => outcome),
    ["done", "not_found"],
  );
  const events = await app.succeeds("GET", `${path}/events`, { as: "agent" });
  assert.deepEqual(
    events.data.map((/** @type {any} */ { details }) => details.to),
    ["resolved", "open", "snoozed", "snoozed"],
    "the time was changed too",
  );
  await app.refuses(403, "forbidden", "DELETE", path, { as: "agent" });
  assert.equal((await app.call("DELETE", path, { as: "admin" })).status, 204);
  await app.refuses(404, "not_found", "GET", path, { as: "admin" });
});

/** The topic of that name at this moment. @param {string} name */
const current = async (name) => `${name}:${(await app.live("admin")).epoch}`;

test("notes mention colleagues live, and labels appear on conversations", async () => {
  const { id } = await newConversation();
  const live = await join("manager", await current(`agent:${people.manager}`));
  const note = await app.succeeds("POST", `/api/conversations/${id}/notes`, {
    as: "agent",
    body: { content: "Tolong cek", mentions: [people.manager] },
  });
  await eventually("the mention is heard", () =>
    live.heard.find(({ event, payload }) => event === "mention.created" && payload.id === note.id),
  );
  await live.close();
  await app.succeeds("PATCH", `/api/conversations/notes/${note.id}`, { as: "agent", body: { content: "Sudah" } });
  await app.refuses(403, "forbidden", "PATCH", `/api/conversations/notes/${note.id}`, {
    as: "admin",
    body: { content: "x" },
  });
  assert.equal((await app.call("DELETE", `/api/conversations/notes/${note.id}`, { as: "agent" })).status, 204);

  const label = await app.succeeds("POST", "/api/crm/labels", {
    as: "admin",
    body: { name: `VIP ${randomUUID()}`, color: "#DC2626" },
  });
  await app.refuses(409, "name_taken", "POST", "/api/crm/labels", {
    as: "admin",
    body: { name: label.name.toLowerCase() },
  });
  const worn = await app.succeeds("POST", `/api/conversations/${id}/labels`, {
    as: "agent",
    body: { label_id: label.id },
  });
  assert.deepEqual(worn.data, [{ id: label.id, name: label.name, color: "#dc2626" }]);
  const { data } = await app.succeeds("GET", `/api/conversations?label=${label.id}`, { as: "agent" });
  assert.deepEqual(
    data.map((/** @type {any} */ row) => row.id),
    [id],
  );
  assert.deepEqual(
    (await app.succeeds("DELETE", `/api/conversations/${id}/labels?label_id=${label.id}`, { as: "agent" })).data,
    [],
  );
  assert.equal((await app.call("DELETE", `/api/crm/labels/${label.id}`, { as: "admin" })).status, 204);
});

test("a message is resent, forwarded, deleted or scheduled", async () => {
  const [one, other] = [await newConversation("Alamat toko?"), await newConversation()];
  await app.metaFails({ kind: "error_code", code: 131026, to: one.from, times: 1 });
  const failed = await app.succeeds("POST", `/api/conversations/${one.id}/messages`, {
    as: "agent",
    body: { text: "Jl. Kopi 1" },
  });
  await app.metaIsWell();
  assert.equal(failed.status, "failed");
  const again = await app.succeeds("POST", `/api/messages/${failed.id}/resend`, { as: "agent" });
  assert.equal(again.metadata.resend_of, failed.id);
  await app.refuses(409, "already_resent", "POST", `/api/messages/${failed.id}/resend`, { as: "agent" });

  const {
    data: [forwarded],
  } = await app.succeeds("POST", `/api/messages/${again.id}/forward`, {
    as: "agent",
    body: { conversation_ids: [other.id] },
  });
  assert.equal(forwarded.outcome, "created");
  await eventually(
    "the forwarded message is accepted",
    async () => (await app.ledger([other.from])).get(other.from)?.length === 1,
  );

  const deleted = await app.succeeds("DELETE", `/api/messages/${again.id}`, { as: "admin" });
  assert.deepEqual([deleted.deleted, deleted.content, deleted.payload], ["local", null, {}]);
  assert.match(deleted.notice, /WhatsApp/);

  const later = await app.succeeds("POST", `/api/conversations/${other.id}/messages`, {
    as: "admin",
    body: { text: "Nanti", send_at: new Date(Date.now() + 3_600_000) },
  });
  assert.equal(later.status, "pending");
  const { data: waiting } = await app.succeeds("GET", `/api/conversations/${other.id}/messages?scheduled=true`, {
    as: "admin",
  });
  assert.deepEqual(
    waiting.map((/** @type {any} */ { id }) => id),
    [later.id],
  );
  await app.changes("messages", `id=eq.${later.id}`, { send_at: new Date(Date.now() - 1000) });
  await Promise.all([app.runsCron(), app.runsCron()]);
  await eventually("it is sent", async () =>
    ["sent", "delivered", "read"].includes(
      (await app.succeeds("GET", `/api/messages/${later.id}`, { as: "admin" })).status,
    ),
  );
  const texts = (await app.ledger([other.from]))
    .get(other.from)
    ?.map((/** @type {any} */ message) => message.payload.text?.body);
  assert.deepEqual(
    texts?.filter((/** @type {string} */ body) => body === "Nanti"),
    ["Nanti"],
  );
});

test("a person who was away catches up with the changes they may see", async () => {
  const { sequence } = await app.succeeds("GET", "/api/changes", { as: "agent" });
  const { id } = await newConversation("kabar");
  const received = await app.succeeds("GET", `/api/changes?after=${sequence}`, { as: "agent" });
  assert.equal(
    received.changes.find((/** @type {any} */ change) => change.id === id).data.last_message_preview,
    "kabar",
  );
  await app.succeeds("POST", `/api/conversations/${id}/assign`, { as: "admin", body: { user_id: people.admin } });
  const since = await app.succeeds("GET", `/api/changes?after=${sequence}`, { as: "agent" });
  assert.deepEqual(
    since.changes.filter((/** @type {any} */ change) => change.id === id),
    [{ event: "conversation.removed", id }],
  );
  const strangers = await app.succeeds("GET", `/api/changes?after=${sequence}`, { as: "stranger" });
  assert.ok(!JSON.stringify(strangers.changes).includes(id));
  await app.refuses(409, "resync_required", "GET", "/api/changes?after=999999999999999", { as: "agent" });
  await app.refuses(422, "invalid_field", "GET", "/api/changes?after=x", { as: "agent" });
});

test("colleagues see each other in a conversation, and a person of another tenant joins no topic of theirs", async () => {
  const { id } = await newConversation();
  const topic = await current(`conversation:${id}`);
  const [one, other] = [await join("admin", topic), await join("agent", topic)];
  assert.deepEqual([one.state, other.state], ["SUBSCRIBED", "SUBSCRIBED"]);
  await one.channel.track({ user_id: people.admin });
  await eventually("the agent sees the admin", () => Object.keys(other.channel.presenceState()).includes("admin"));
  await eventually("typing is heard", async () => {
    await one.channel.send({ type: "broadcast", event: "typing", payload: { user_id: people.admin } });
    return other.heard.find(({ event }) => event === "typing");
  });
  const names = [
    `conversation:${id}`,
    `tenant:${tenant}`,
    `tenant:${tenant}:unassigned`,
    `agent:${people.agent}`,
    ...[
      "access",
      "account_events",
      "agents",
      "broadcasts",
      "contacts",
      "labels",
      "numbers",
      "quick_replies",
      "recipient_lists",
      "reports",
      "segments",
      "settings",
    ].map((subject) => `tenant:${tenant}:${subject}`),
    "*",
    "tenant:*",
    "tenant:%",
    "tenant:",
    `tenant:${tenant.toUpperCase()}`,
    `agent:${people.admin}`,
    "agent:*",
    "conversation:*",
    `conversation:${randomUUID()}`,
  ];
  const guesses = [...names, ...(await Promise.all(names.map(current)))];
  const strangers = await Promise.all(guesses.map((topic) => join("stranger", topic)));
  assert.deepEqual(
    strangers.map(({ state }) => state),
    guesses.map(() => "CHANNEL_ERROR"),
  );
  // Public channels may have the same names: private broadcasts are not heard there.
  const publicly = (
    await Promise.all(
      ["stranger", null].map((who) => Promise.all(guesses.map((topic) => join(who, topic, { private: false })))),
    )
  ).flat();
  const witness = await join("admin", await current(`tenant:${tenant}`));
  const { id: later } = await newConversation();
  await app.succeeds("POST", `/api/conversations/${later}/assign`, { as: "agent", body: { user_id: people.agent } });
  await one.channel.send({ type: "broadcast", event: "typing", payload: { user_id: people.admin } });
  await eventually("the listeners with permission hear the last change", () =>
    witness.heard.find(({ payload }) => payload.id === later && payload.assigned_to === people.agent),
  );
  assert.deepEqual(
    [...strangers, ...publicly].flatMap(({ heard }) => heard),
    [],
  );
  await Promise.all([one, other, witness, ...strangers, ...publicly].map(({ close }) => close()));
});

test("each change reaches the people who may see it, and no others", async (t) => {
  const { id, contact } = await newConversation();
  const [label, quick, fresh] = [randomUUID(), randomUUID().slice(0, 8), app.newCustomer()];
  const live = Object.fromEntries(
    await Promise.all(
      Object.entries({
        all: ["admin", `tenant:${tenant}`],
        labels: ["admin", `tenant:${tenant}:labels`],
        replies: ["admin", `tenant:${tenant}:quick_replies`],
        contacts: ["admin", `tenant:${tenant}:contacts`],
        segments: ["admin", `tenant:${tenant}:segments`],
        settings: ["admin", `tenant:${tenant}:settings`],
        agents: ["admin", `tenant:${tenant}:agents`],
        agent: ["agent", `agent:${people.agent}`],
        unassigned: ["agent", `tenant:${tenant}:unassigned`],
      }).map(async ([name, [who, topic]]) => [name, await join(who, await current(topic))]),
    ),
  );
  assert.ok(Object.values(live).every(({ state }) => state === "SUBSCRIBED"));
  const path = `/api/conversations/${id}`;
  const put =
    (/** @type {string} */ method, /** @type {string} */ where, /** @type {object} */ body, as = "admin") =>
    () =>
      app.succeeds(method, where, { as, body });
  /** The change, its event, and the topics that hear it. @type {[() => Promise<any>, string, string[]][]} */
  const changes = [
    [put("PATCH", path, { priority: "high" }), "conversation.updated", ["all", "unassigned"]],
    [put("POST", `${path}/assign`, { user_id: people.agent }), "conversation.updated", ["all", "agent"]],
    [put("POST", `${path}/notes`, { content: "Catatan" }), "note.created", ["all", "agent"]],
    [put("POST", `${path}/messages`, { text: "Siap" }, "agent"), "message.created", ["all", "agent"]],
    [put("PATCH", path, { status: "resolved" }, "agent"), "conversation.updated", ["all", "agent"]],
    [() => app.receivesMessage({ from: contact.wa_id, text: "Lagi" }), "message.created", ["all", "agent"]],
    [put("POST", `${path}/read`, {}, "agent"), "conversation.updated", ["all", "agent"]],
    [put("POST", `${path}/assign`, { user_id: people.admin }), "conversation.removed", ["agent"]],
    [put("PATCH", path, { priority: "low" }), "conversation.updated", ["all"]],
    [put("POST", "/api/crm/labels", { name: label }), "label.created", ["labels"]],
    [put("POST", "/api/quick-replies", { shortcut: quick, content: "Halo" }), "quick_reply.created", ["replies"]],
    [put("POST", "/api/crm/contacts", { phone_number: `+${fresh}`, name: "Ayu" }), "contact.created", ["contacts"]],
    [put("PATCH", `/api/crm/contacts/${contact.id}`, { name: "Siti" }), "contact.updated", ["contacts"]],
    [
      put("POST", "/api/crm/segments", { name: label, filter: { field: "name", op: "is_set" } }),
      "segment.created",
      ["segments"],
    ],
    [put("PUT", "/api/automations", { away: { enabled: false } }), "settings.updated", ["settings"]],
    [put("PATCH", `/api/agents/${people.agent}`, { availability: "busy" }, "agent"), "agent.updated", ["agents"]],
    [put("PATCH", `/api/agents/${people.agent}`, { availability: "online" }, "agent"), "agent.updated", ["agents"]],
  ];
  let slowest = 0;
  for (const [change, event, expected] of changes) {
    for (const { heard } of Object.values(live)) heard.length = 0;
    await change();
    const done = performance.now();
    const hears = () =>
      Object.keys(live)
        .filter((name) => live[name].heard.some((/** @type {any} */ received) => received.event === event))
        .sort();
    await eventually(`${event} is heard on ${expected}`, () => expected.every((name) => hears().includes(name)));
    slowest = Math.max(slowest, performance.now() - done);
    assert.deepEqual(hears(), expected.toSorted(), event);
  }
  t.diagnostic(`the slowest took ${slowest.toFixed(0)} ms`);
  await Promise.all(Object.values(live).map(({ close }) => close()));
});

test("a person whose rights end hears nothing more on the connection that stays open", async () => {
  const [before, mine] = [await app.live("manager"), await app.live("agent")];
  const client = await app.signIn("agent");
  const joins = (/** @type {string} */ topic) => join("agent", topic, { client });
  const joined = await Promise.all(mine.topics.map(joins));
  assert.deepEqual([...new Set(joined.map(({ state }) => state))], ["SUBSCRIBED"]);
  assert.ok(!mine.topics.some((/** @type {string} */ topic) => /:(broadcasts|account_events|reports):/.test(topic)));
  const heardOf = (/** @type {string} */ id) =>
    joined.flatMap(({ heard }) => heard).filter(({ payload }) => payload.id === id || payload.conversation_id === id);
  const first = await newConversation("sebelum");
  await eventually("the agent hears the first message", () => heardOf(first.id).length > 0);

  const active = (/** @type {boolean} */ is) =>
    app.succeeds("PATCH", `/api/agents/${people.agent}`, { as: "admin", body: { active: is } });
  await active(false);
  try {
    const after = await app.live("manager");
    assert.notEqual(after.epoch, before.epoch);
    const witness = await join("manager", `tenant:${tenant}:${after.epoch}`);
    assert.equal(witness.state, "SUBSCRIBED");
    const second = await newConversation("rahasia");
    await eventually("the manager hears the second message", () =>
      witness.heard.find(({ payload }) => payload.content === "rahasia"),
    );
    // The refusals arrive on the same connection, after everything that was sent before.
    for (const topic of [mine.topics[0].replace(/\d+$/, after.epoch), `tenant:${tenant}:unassigned:${after.epoch}`])
      assert.equal((await joins(topic)).state, "CHANNEL_ERROR");
    assert.ok(joined[0].heard.some(({ event }) => event === "access.changed"));
    assert.deepEqual(heardOf(second.id), []);
    await witness.close();
  } finally {
    await active(true);
  }
  const again = await app.live("agent");
  assert.ok(again.epoch > before.epoch);
  assert.deepEqual(
    again.topics.map((/** @type {string} */ topic) => topic.replace(/\d+$/, "")),
    mine.topics.map((/** @type {string} */ topic) => topic.replace(/\d+$/, "")),
  );
  await joined[0].close();
});
