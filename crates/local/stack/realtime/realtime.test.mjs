import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { signToken, readToken } from "../supabase/keys.mjs";
import {
  client,
  projectConfig,
  signedIn,
  startProject,
  superuser,
  temporaryFolder,
} from "../supabase/test-project.mjs";

/** A wait that takes longer fails. Nothing is measured with it. */
const PATIENCE = 120_000;

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ada;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ben;
/** @type {ReturnType<typeof superuser>} */
let sql;
/** @type {ReturnType<typeof client>[]} */
const clients = [];

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  ada = await signedIn(project, "ada");
  ben = await signedIn(project, "ben");
  sql = superuser(project.config);
});
after(async () => {
  await sql?.end();
  await project?.stop();
  place?.remove();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((each) => each.removeAllChannels()));
});

/** A separate client, so that tests do not share channels. @param {{ session: { access_token: string } }} [user] @param {object} [options] */
async function listener(user, options = {}) {
  const each = client(project, project.config.anon_key, {
    ...options,
    realtime: { timeout: PATIENCE, .../** @type {any} */ (options).realtime },
  });
  clients.push(each);
  if (user) await each.realtime.setAuth(user.session.access_token);
  return each;
}

/** @param {ReturnType<ReturnType<typeof client>["channel"]>} channel @returns {Promise<{ status: string, error?: Error }>} */
const subscribed = (channel) =>
  new Promise((resolve) => channel.subscribe((status, error) => resolve({ status, error })));

/** A queue of incoming values, which a test awaits one by one. */
function inbox() {
  /** @type {any[]} */
  const waiting = [];
  /** @type {((value: any) => void)[]} */
  const takers = [];
  return {
    push: (/** @type {any} */ value) => {
      const taker = takers.shift();
      if (taker) taker(value);
      else waiting.push(value);
    },
    next: () =>
      new Promise((/** @type {(value: any) => void} */ resolve) =>
        waiting.length > 0 ? resolve(waiting.shift()) : takers.push(resolve),
      ),
    waiting,
  };
}

/** Joins and waits until row changes are received. @param {ReturnType<ReturnType<typeof client>["channel"]>} channel */
async function subscribedToChanges(channel) {
  const system = new Promise((/** @type {(value: any) => void} */ resolve) =>
    channel.on("system", {}, (/** @type {any} */ message) => {
      if (message.extension === "postgres_changes") resolve(message);
    }),
  );
  assert.equal((await subscribed(channel)).status, "SUBSCRIBED");
  return system;
}

const insertNote = (/** @type {{ id: string }} */ owner, /** @type {string} */ body) =>
  sql`insert into public.notes (owner_id, body, facts, tags) values (${owner.id}, ${body}, ${sql.json({ n: 1 })}, '{a,b}') returning id`;

test("subscribers receive the rows they may see, with the columns they may read", async () => {
  const [mine, theirs] = [inbox(), inbox()];
  const a = (await listener(ada))
    .channel("rows")
    .on("postgres_changes", { event: "*", schema: "public", table: "notes" }, mine.push);
  const b = (await listener(ben))
    .channel("rows")
    .on("postgres_changes", { event: "*", schema: "public", table: "notes" }, theirs.push);
  assert.equal((await subscribedToChanges(a)).status, "ok");
  assert.equal((await subscribedToChanges(b)).status, "ok");

  // One by one, because a row is read in its current state when its change is published.
  const [{ id }] = await insertNote(ada, "first");
  const inserted = await mine.next();
  assert.equal(inserted.eventType, "INSERT");
  const { created_at: createdAt, ...record } = inserted.new;
  assert.deepEqual(record, {
    id: Number(id),
    owner_id: ada.id,
    body: "first",
    facts: { n: 1 },
    tags: ["a", "b"],
    done: false,
  });
  assert.match(createdAt, /T.*\+00:00$/);
  assert.match(inserted.commit_timestamp, /^\d{4}-.*Z$/);
  await sql`update public.notes set body = 'second', done = true where id = ${id}`;
  const updated = await mine.next();
  assert.deepEqual(
    [updated.eventType, updated.new.body, updated.new.done, updated.old.body],
    ["UPDATE", "second", true, "first"],
  );
  await sql`delete from public.notes where id = ${id}`;
  const deleted = await mine.next();
  assert.deepEqual([deleted.eventType, deleted.old], ["DELETE", { id: Number(id) }]);

  const [other] = await insertNote(ben, "ben's");
  // Policies cannot be evaluated for a deleted row. All subscribers receive its key, as in hosted projects.
  assert.deepEqual((await theirs.next()).old, { id: Number(id) });
  assert.equal((await theirs.next()).new.id, Number(other.id));
  assert.deepEqual(mine.waiting, []);
});

test("filters and event types select changes", async () => {
  const seen = inbox();
  const channel = (await listener(ada))
    .channel("filtered")
    .on(
      "postgres_changes",
      { event: "INSERT", schema: "public", table: "notes", filter: 'body=in.(wanted one,"wanted, two")' },
      (change) => seen.push(["in", change.new.body]),
    )
    .on("postgres_changes", { event: "UPDATE", schema: "public", table: "notes", filter: "done=eq.true" }, (change) =>
      seen.push(["eq", change.new.body]),
    )
    .on("postgres_changes", { event: "INSERT", schema: "public", table: "notes", filter: "id=gt.1000000" }, (change) =>
      seen.push(["gt", change.new.body]),
    );
  await subscribedToChanges(channel);
  await insertNote(ada, "unwanted");
  await insertNote(ada, "wanted one");
  await sql`update public.notes set body = 'still open' where body = 'unwanted'`;
  await sql`update public.notes set done = true where body = 'still open'`;
  await insertNote(ada, "wanted, two");
  assert.deepEqual(
    [await seen.next(), await seen.next(), await seen.next()],
    [
      ["in", "wanted one"],
      ["eq", "still open"],
      ["in", "wanted, two"],
    ],
  );
  assert.deepEqual(seen.waiting, []);
});

test("a subscription to an unpublished table reports an error", async () => {
  const channel = (await listener(ada))
    .channel("unpublished")
    .on("postgres_changes", { event: "*", schema: "public", table: "nothing_here" }, () => {});
  const message = await subscribedToChanges(channel);
  assert.equal(message.status, "error");
  assert.match(message.message, /nothing_here/);
});

test("only users permitted by a policy can listen to a private topic", async () => {
  const topic = `user:${ada.id}`;
  const config = { config: { private: true } };
  const refused = await subscribed((await listener(ben)).channel(topic, config));
  assert.equal(refused.status, "CHANNEL_ERROR");
  assert.match(refused.error?.message ?? "", /You do not have permissions to read from this Channel topic/);
  assert.equal((await subscribed((await listener()).channel(topic, config))).status, "CHANNEL_ERROR");

  const received = inbox();
  const channel = (await listener(ada)).channel(topic, config).on("broadcast", { event: "*" }, received.push);
  assert.equal((await subscribed(channel)).status, "SUBSCRIBED");

  // A public topic of the same name is a different topic.
  const publicMessages = inbox();
  const spy = (await listener(ben)).channel(topic).on("broadcast", { event: "*" }, publicMessages.push);
  assert.equal((await subscribed(spy)).status, "SUBSCRIBED");

  await sql`select realtime.send('{"hello": "world"}', 'greeting', ${topic}, true)`;
  const message = await received.next();
  assert.equal(message.event, "greeting");
  assert.equal(message.payload.hello, "world");
  await insertNote(ada, "announced by a trigger");
  const announced = await received.next();
  assert.equal(announced.event, "note.insert");
  assert.equal(announced.payload.record.body, "announced by a trigger");
  assert.equal(announced.payload.operation, "INSERT");
  await sql
    .begin(async (tx) => {
      await tx`select realtime.send('{}', 'taken back', ${topic}, true)`;
      throw new Error("undo");
    })
    .catch(() => {});
  await sql`select realtime.send('{}', 'end', ${topic}, true), realtime.send('{}', 'public end', ${topic}, false)`;
  assert.equal((await received.next()).event, "end");
  assert.equal((await publicMessages.next()).event, "public end");
  assert.deepEqual(publicMessages.waiting, []);
});

test("the insert policy decides who may send on a private topic", async () => {
  const topic = `user:${ada.id}`;
  const received = inbox();
  const ear = (await listener(ada))
    .channel(topic, { config: { private: true, broadcast: { self: true, ack: true } } })
    .on("broadcast", { event: "*" }, received.push);
  assert.equal((await subscribed(ear)).status, "SUBSCRIBED");
  assert.equal(await ear.send({ type: "broadcast", event: "own", payload: { n: 1 } }), "ok");
  assert.deepEqual((await received.next()).payload, { n: 1 });

  const post = (/** @type {string} */ token) =>
    fetch(`${project.url}/realtime/v1/api/broadcast`, {
      method: "POST",
      headers: {
        apikey: project.config.anon_key,
        authorization: `Bearer ${token}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({
        messages: [{ topic, event: "posted", payload: { by: readToken(token)?.email ?? "service" }, private: true }],
      }),
    });
  assert.equal((await post(ben.session.access_token)).status, 202);
  assert.equal((await post(ada.session.access_token)).status, 202);
  assert.equal((await received.next()).payload.by, ada.email);
  assert.equal((await post(project.config.service_role_key)).status, 202);
  assert.equal((await received.next()).payload.by, "service");
  assert.deepEqual(received.waiting, []);
});

for (const vsn of ["1.0.0", "2.0.0"]) {
  test(`clients receive each other's broadcasts (protocol ${vsn})`, async () => {
    const received = inbox();
    const options = { realtime: { vsn } };
    const receiver = (await listener(undefined, options))
      .channel("lobby")
      .on("broadcast", { event: "talk" }, received.push);
    const sender = (await listener(undefined, options)).channel("lobby", { config: { broadcast: { ack: true } } });
    assert.equal((await subscribed(receiver)).status, "SUBSCRIBED");
    assert.equal((await subscribed(sender)).status, "SUBSCRIBED");
    assert.equal(await sender.send({ type: "broadcast", event: "talk", payload: { text: "häi 👋" } }), "ok");
    assert.deepEqual((await received.next()).payload, { text: "häi 👋" });
    assert.deepEqual(await (await listener(undefined, options)).channel("lobby").httpSend("talk", { by: "http" }), {
      success: true,
    });
    assert.deepEqual((await received.next()).payload, { by: "http" });
  });
}

test("presence is tracked, shared and removed", async () => {
  const [joins, leaves] = [inbox(), inbox()];
  const watcher = (await listener())
    .channel("room", { config: { presence: { key: "watcher" } } })
    .on("presence", { event: "join" }, joins.push)
    .on("presence", { event: "leave" }, leaves.push);
  assert.equal((await subscribed(watcher)).status, "SUBSCRIBED");
  const guest = await listener();
  const channel = guest.channel("room", { config: { presence: { key: "guest" } } });
  assert.equal((await subscribed(channel)).status, "SUBSCRIBED");
  assert.equal(await channel.track({ name: "Rina" }), "ok");
  const joined = await joins.next();
  assert.deepEqual([joined.key, joined.newPresences[0].name], ["guest", "Rina"]);
  assert.equal(watcher.presenceState().guest.length, 1);
  await guest.removeChannel(channel);
  assert.equal((await leaves.next()).key, "guest");
  assert.deepEqual(watcher.presenceState(), {});
});

test("a membership ends when its token expires, and continues with a new token", async () => {
  const claims = readToken(ada.session.access_token);
  const short = (/** @type {number} */ seconds) =>
    signToken({ ...claims, exp: Math.floor(Date.now() / 1000) + seconds }, project.config.jwt_secret);
  const topic = `user:${ada.id}`;

  const outdated = await listener();
  await outdated.realtime.setAuth(short(-10));
  const refused = await subscribed(outdated.channel(topic, { config: { private: true } }));
  assert.equal(refused.status, "CHANNEL_ERROR");
  assert.match(refused.error?.message ?? "", /expired/);

  /** Two clients join with tokens that expire after some seconds. Null if the machine was too slow for that. @param {number} seconds */
  const joinedFor = async (seconds) => {
    const [ending, lasting] = [await listener(), await listener()];
    const [closed, received] = [inbox(), inbox()];
    const token = short(seconds);
    await ending.realtime.setAuth(token);
    await lasting.realtime.setAuth(token);
    const kept = lasting
      .channel(topic, { config: { private: true, broadcast: { ack: true } } })
      .on("broadcast", { event: "*" }, received.push)
      .on("system", {}, received.push);
    if ((await subscribed(kept)).status !== "SUBSCRIBED") return null;
    ending
      .channel(topic, { config: { private: true } })
      .on("system", {}, (/** @type {any} */ message) => closed.push(message))
      .subscribe((status) => closed.push(status));
    if ((await closed.next()) !== "SUBSCRIBED") return null;
    await lasting.realtime.setAuth(ada.session.access_token);
    // The server handles messages in order: its answer to this one means that it has read the new token.
    await kept.send({ type: "broadcast", event: "renewed", payload: {} });
    return Date.now() < readToken(token).exp * 1000 ? { lasting, kept, closed, received } : null;
  };
  let joined = null;
  for (let seconds = 2; joined === null; seconds *= 2) joined = await joinedFor(seconds);
  const { lasting, kept, closed, received } = joined;
  assert.match((await closed.next()).message, /expired/);
  assert.equal(await closed.next(), "CLOSED");
  await sql`select realtime.send('{}', 'still here', ${topic}, true)`;
  assert.equal((await received.next()).event, "still here");

  // A token of a user who may not listen ends the membership at once.
  await lasting.realtime.setAuth(ben.session.access_token);
  await new Promise((resolve) => kept.on("system", {}, resolve));
});

test("a websocket without a key is refused", async () => {
  for (const query of ["", "?apikey=nobody"]) {
    const socket = new WebSocket(`${project.url.replace("http", "ws")}/realtime/v1/websocket${query}`);
    await new Promise((resolve) => socket.addEventListener("error", resolve));
  }
});
