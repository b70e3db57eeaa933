// Catching up after an absence: whatever changed meanwhile, in transactions of any length, the client ends with the
// current state.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { inboundText } from "./inbox.mjs";
import { someDigits } from "./tenancy.mjs";
import { DENIED, isRefused, retried } from "./refusals.mjs";
import { becomesTrue } from "./waiting.mjs";

const { sql, as, asService, calls, newTenant, newUser, epochOf, newNumber, receivesMessage, assign } =
  await useDatabase({
    own: true,
  });

const changes = (user, after = null, page_size = 500) =>
  calls(user, "list_changes", { after: after === null ? null : String(after), page_size });
const catchUp = async (user, after, page_size = 500) => {
  const all = [];
  for (let from = after; ;) {
    const page = await changes(user, from, page_size);
    all.push(...page.changes);
    if (!page.more) return { all, sequence: page.sequence };
    assert.notEqual(page.sequence, from);
    from = page.sequence;
  }
};

describe("catching up", () => {
  test("returns each object once in its current state, and reports removals", async () => {
    const tenant = await newTenant();
    const [number, admin, agent, colleague] = [
      await newNumber(tenant),
      await newUser(tenant, "admin"),
      await newUser(tenant, "agent"),
      await newUser(tenant, "agent"),
    ];
    const { sequence } = await changes(admin);
    const [kept, lost] = [await receivesMessage(number), await receivesMessage(number)];
    await receivesMessage(number, { from: kept.contact.wa_id });
    await calls(admin, "delete_conversation", { conversation_id: lost.conversation.id });
    await assign(kept.conversation, agent);
    const label = await calls(admin, "create_label", { name: "VIP" });
    const caughtUp = await catchUp(admin, sequence);
    const events = (all, id) => all.filter((change) => change.id === id);
    assert.equal(events(caughtUp.all, kept.conversation.id).length, 1);
    assert.deepEqual(
      [
        events(caughtUp.all, kept.conversation.id)[0].data.assigned_to,
        events(caughtUp.all, kept.conversation.id)[0].data.unread_count,
      ],
      [agent.id, 2],
    );
    assert.deepEqual(events(caughtUp.all, lost.conversation.id), [
      { event: "conversation.removed", id: lost.conversation.id },
    ]);
    assert.deepEqual(events(caughtUp.all, lost.message.id), [{ event: "message.removed", id: lost.message.id }]);
    assert.equal(events(caughtUp.all, label.id)[0].data.name, "VIP");
    const own = await catchUp(agent, sequence);
    assert.equal(events(own.all, kept.conversation.id)[0].event, "conversation.updated");
    const theirs = await catchUp(colleague, sequence);
    assert.deepEqual(events(theirs.all, kept.conversation.id), [
      { event: "conversation.removed", id: kept.conversation.id },
    ]);
    assert.ok(
      !JSON.stringify(theirs.all).includes("Halo"),
      "they receive no text of a conversation they can no longer see",
    );
    const foreigner = await newUser(await newTenant(), "super_admin");
    assert.deepEqual(
      (await catchUp(foreigner, sequence)).all.map(({ event, id }) => [event, id]),
      [["agent.created", foreigner.id]],
      "a person of another tenant hears of themselves alone",
    );
    assert.ok(
      !JSON.stringify((await catchUp(await newUser(tenant, "restricted"), sequence)).all).includes(
        kept.conversation.id,
      ),
    );
  });

  test("reads each changed object with the rights of its reader", async () => {
    const tenant = await newTenant();
    const [manager, agent] = [await newUser(tenant, "manager"), await newUser(tenant, "agent")];
    const [{ sequence }, { sequence: theirs }] = [await changes(manager), await changes(agent)];
    const segment = await calls(manager, "save_segment", {
      changes: { name: "Penting", filter: { field: "name", op: "is_set" } },
    });
    const reply = await calls(manager, "save_quick_reply", {
      changes: { shortcut: "halo", content: "Halo", shared: true },
    });
    const contact = (await calls(manager, "create_contact", { contact: { wa_id: someDigits(), name: "Ayu" } })).contact;
    const read = Object.fromEntries((await catchUp(manager, sequence)).all.map(({ id, data }) => [id, data]));
    assert.deepEqual(
      [read[segment.id].name, read[reply.id].content, read[contact.id].name],
      ["Penting", "Halo", "Ayu"],
    );
    const agents = Object.fromEntries((await catchUp(agent, theirs)).all.map(({ id, data }) => [id, data]));
    assert.deepEqual(
      [agents[segment.id], agents[reply.id]?.content, agents[contact.id]],
      [undefined, "Halo", undefined],
    );
  });

  test("asks for a full reload if the sequence is too old or was never issued", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "admin");
    const { sequence } = await changes(admin);
    for (const after of [sequence + 1_000_000, "999999999999999999"])
      await isRefused(changes(admin, after), { code: "PT409", detail: "resync_required" });
    for (const after of ["x", "", "-1", "1-", "1.5", "9".repeat(40), "1; select 1"])
      await isRefused(changes(admin, after), { code: "PT422", hint: "after" });
    await receivesMessage(await newNumber(tenant));
    await sql`update private.changes set changed_at = now() - interval '4 days'`;
    assert.ok((await calls("service", "prune_changes")) > 0);
    await isRefused(changes(admin, sequence), { code: "PT409", detail: "resync_required" });
    // The changes were not old: a transaction of another database of the server may be older.
    const [{ through }] = await sql`select through::text::bigint from private.changes_pruned`;
    await becomesTrue(async () => BigInt((await changes(admin)).sequence) > BigInt(through));
    assert.deepEqual((await changes(admin, (await changes(admin)).sequence)).changes, []);
  });

  test("never splits a transaction between pages, and moves on while another transaction is open", async () => {
    const tenant = await newTenant();
    const [number, admin] = [await newNumber(tenant), await newUser(tenant, "admin")];
    const open = await sql.reserve();
    await open`begin`;
    await open`select pg_current_xact_id()`;
    const { sequence } = await changes(admin);
    for (let i = 0; i < 4; i++) await receivesMessage(number);
    const large = Array.from({ length: 10 }, () => inboundText(number));
    await asService((sql) => sql`select public.ingest_webhook(body => '{}', messages => ${sql.json(large)})`);
    const { all } = await catchUp(admin, sequence, 3);
    await open`commit`;
    open.release();
    assert.equal(all.filter(({ event }) => event === "message.created").length, 14);
  });

  test("always ends with the current state, at whatever moment the client left", async () => {
    const { seed, integer, pick, number: random } = chance();
    const tenant = await newTenant();
    const [number, admin, ...agents] = [
      await newNumber(tenant),
      await newUser(tenant, "admin"),
      await newUser(tenant, "agent"),
      await newUser(tenant, "agent"),
    ];
    const first = [];
    for (let i = 0; i < 6; i++) first.push(await receivesMessage(number));
    const work = async () => {
      for (let turn = 0; turn < 15; turn++) {
        const target = pick(first);
        await retried(() =>
          sql.begin(async (sql) => {
            // some are long: a transaction that began before others ends after them
            await sql`select pg_current_xact_id()`;
            if (random() < 0.3) for (let i = integer(1, 3); i > 0; i--) await receivesMessage(number);
            await sql`
            update public.conversations set assigned_to = ${pick([null, agents[0].id, agents[1].id])}, priority = ${pick(["none", "high"])}
            where id = ${target.conversation.id}`;
            if (random() < 0.3) await sql`delete from public.messages where id = ${target.message.id}`;
          }),
        );
      }
    };
    const workers = [work(), work(), work()];
    /** The objects on each client's screen, as last received. */
    const clients = [admin, ...agents].map((user) => ({ user, screen: new Map(), /** @type {any} */ sequence: null }));
    for (const client of clients) {
      client.sequence = (await changes(client.user)).sequence;
      for (const row of (
        await calls(client.user, "list_inbox", { filter: {}, sort: "newest", cursor: null, page: 1, page_size: 1000 })
      ).rows)
        client.screen.set(row.id, row);
    }
    const update = async (client) => {
      const { all, sequence } = await catchUp(client.user, client.sequence, integer(1, 20));
      client.sequence = sequence;
      for (const { event, id, data } of all) {
        if (event === "conversation.removed") client.screen.delete(id);
        else if (event.startsWith("conversation.")) client.screen.set(id, data);
      }
    };
    let over = false;
    const ended = Promise.all(workers).then(() => (over = true));
    while (!over) await update(pick(clients));
    await ended;
    for (const client of clients) {
      await update(client);
      const { rows } = await calls(client.user, "list_inbox", {
        filter: {},
        sort: "newest",
        cursor: null,
        page: 1,
        page_size: 1000,
      });
      const state = (list) =>
        list
          .map(({ id, assigned_to, priority, unread_count }) => [id, assigned_to, priority, unread_count].join())
          .sort();
      assert.deepEqual(state([...client.screen.values()]), state(rows), `seed ${seed}, ${client.user.role}`);
    }
  });
});

describe("the topic of a conversation", () => {
  const meets = async (user, topic, extension) => {
    try {
      await as(user, async (sql) => {
        await sql`select set_config('realtime.topic', ${topic}, true)`;
        await sql`insert into realtime.messages (topic, extension, event, payload, private) values (${topic}, ${extension}, 'typing', '{}', true)`;
      });
      return true;
    } catch (error) {
      assert.equal(error.code, DENIED);
      return false;
    }
  };
  test("is open to people who see the conversation", async () => {
    const tenant = await newTenant();
    const [number, admin, agent, colleague, restricted, foreigner] = [
      await newNumber(tenant),
      await newUser(tenant, "admin"),
      await newUser(tenant, "agent"),
      await newUser(tenant, "agent"),
      await newUser(tenant, "restricted"),
      await newUser(await newTenant(), "super_admin"),
    ];
    const { conversation } = await receivesMessage(number);
    await assign(conversation, agent);
    const epoch = await epochOf(tenant);
    const topic = `conversation:${conversation.id}:${epoch}`;
    for (const extension of ["presence", "broadcast"]) {
      const who = [];
      for (const user of [admin, agent, colleague, restricted, foreigner])
        who.push(await meets(user, topic, extension));
      assert.deepEqual(who, [true, true, false, false, false], extension);
      for (const other of [
        `conversation:${conversation.id}`,
        `conversation:${conversation.id}:${epoch - 1}`,
        `conversation:${conversation.id}:0${epoch}`,
        `conversation:${randomUUID()}:${epoch}`,
        `conversation::${epoch}`,
        `conversation:%:${epoch}`,
        `conversation:${conversation.id.toUpperCase()}:${epoch}`,
        `${topic}:x`,
      ])
        assert.equal(await meets(admin, other, extension), false, other);
    }
    await isRefused(
      as(admin, async (sql) => {
        await sql`select set_config('realtime.topic', ${topic}, true)`;
        await sql`insert into realtime.messages (topic, extension, event, payload, private) values (${topic}, 'postgres_changes', 'x', '{}', true)`;
      }),
      { code: DENIED },
    );
  });
});
