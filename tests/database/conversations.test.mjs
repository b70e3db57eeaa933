// Conversations as agents work with them: lists, search, states, assignment, notes, labels and history.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { chance } from "./chance.mjs";
import { useDatabase } from "./database.mjs";
import { inboundText, seconds } from "./inbox.mjs";
import { isRefused, retried } from "./refusals.mjs";

const database = await useDatabase();
const {
  sql,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newNumber,
  receivesMessage,
  newOutbound,
  assign,
  conversationOf,
  delivers,
} = database;

const newOffice = async (options) => {
  const tenant = await newTenant(options);
  const [number, admin, agent, colleague] = [
    await newNumber(tenant),
    await newUser(tenant, "admin"),
    await newUser(tenant, "agent"),
    await newUser(tenant, "agent"),
  ];
  return { tenant, number, admin, agent, colleague };
};
const newForeigner = async () => newUser(await newTenant(), "super_admin");
const inboxOf = (user, filter = {}, { sort = "newest", cursor = null, page = 1, limit = 20 } = {}) =>
  calls(user, "list_inbox", { filter, sort, cursor, page, page_size: limit });
const idsOf = ({ rows }) => rows.map(({ id }) => id);
const now = async ({ id }) => (await sql`select * from public.conversations where id = ${id}`)[0];

describe("the inbox list", () => {
  test("is filtered by each property and by several", async () => {
    const { number, admin, agent, tenant } = await newOffice();
    const other = await newNumber(tenant);
    const [open, urgent, away] = [
      await receivesMessage(number),
      await receivesMessage(number),
      await receivesMessage(other),
    ];
    const [first, second, third] = [open, urgent, away].map(({ conversation }) => conversation.id);
    await calls(admin, "update_conversation", {
      conversation_id: second,
      changes: { priority: "urgent", status: "pending" },
    });
    await calls(admin, "assign_conversation", { conversation_id: third, user_id: agent.id });
    const label = await calls(admin, "create_label", { name: "VIP" });
    await calls(admin, "label_conversation", { conversation_id: first, label_ids: [label.id] });
    await calls(admin, "read_conversation", { conversation_id: third });
    await sql`update public.conversations set window_expires_at = now() - interval '1 minute' where id = ${first}`;
    /** @type {[object, string[]][]} */
    const cases = [
      [{}, [first, second, third]],
      [{ status: ["open"] }, [first, third]],
      [{ status: ["pending", "snoozed"] }, [second]],
      [{ status: ["open", "pending"] }, [first, second, third]],
      [{ assigned_to: agent.id }, [third]],
      [{ assigned_to: "none" }, [first, second]],
      [{ assigned_to: randomUUID() }, []],
      [{ label: label.id }, [first]],
      [{ label: randomUUID() }, []],
      [{ session_id: other.id }, [third]],
      [{ unread: true }, [first, second]],
      [{ unread: false }, [third]],
      [{ window_open: false }, [first]],
      [{ window_open: true }, [second, third]],
      [{ priority: ["urgent"] }, [second]],
      [{ status: ["open"], unread: true, assigned_to: "none", label: label.id }, [first]],
    ];
    for (const [filter, expected] of cases) {
      const list = await inboxOf(admin, filter);
      assert.deepEqual(idsOf(list).sort(), [...expected].sort(), JSON.stringify(filter));
      assert.equal(list.total, expected.length, JSON.stringify(filter));
    }
    const [row] = (await inboxOf(admin, { label: label.id })).rows;
    assert.deepEqual(row.labels, [{ id: label.id, name: "VIP", color: "#64748b" }]);
    assert.deepEqual([row.priority, row.unread_for_me, row.contact.tags, row.contact.blocked], ["none", 1, [], false]);
  });

  test("comes in each order", async () => {
    const { number, admin } = await newOffice();
    const made = [];
    for (const ago of [400, 300, 200, 100])
      made.push((await receivesMessage(number, { timestamp: seconds(ago) })).conversation.id);
    const [a, b, c, d] = made;
    await calls(admin, "update_conversation", { conversation_id: b, changes: { priority: "high" } });
    await sql`update public.conversations set last_message_direction = 'outbound', waiting_since = null where id = ${a}`;
    assert.deepEqual(idsOf(await inboxOf(admin, {}, { sort: "newest" })), [d, c, b, a]);
    assert.deepEqual(idsOf(await inboxOf(admin, {}, { sort: "oldest" })), [a, b, c, d]);
    assert.deepEqual(idsOf(await inboxOf(admin, {}, { sort: "waiting" })), [b, c, d]);
    assert.deepEqual(idsOf(await inboxOf(admin, {}, { sort: "priority" })), [b, d, c, a]);
  });

  test("shows and counts the conversations that each person may see", async () => {
    for (const agentsSeeUnassigned of [true, false]) {
      const { tenant, number, admin, agent, colleague } = await newOffice({ agentsSeeUnassigned });
      const [manager, lead, viewer, foreigner] = [
        await newUser(tenant, "manager"),
        await newUser(tenant, "team_lead"),
        await newUser(tenant, "viewer"),
        await newForeigner(),
      ];
      const [mine, theirs, free] = await Promise.all(
        [0, 1, 2].map(() => receivesMessage(number, { text: "Zebra", profile_name: "Rina" })),
      );
      await assign(mine.conversation, agent);
      await assign(theirs.conversation, colleague);
      const all = [mine, theirs, free].map(({ conversation }) => conversation.id).sort();
      const unassigned = agentsSeeUnassigned ? [free.conversation.id] : [];
      const expected = new Map([
        [admin, all],
        [manager, all],
        [lead, all],
        [agent, [mine.conversation.id, ...unassigned].sort()],
        [colleague, [theirs.conversation.id, ...unassigned].sort()],
        [viewer, unassigned],
        [foreigner, []],
      ]);
      for (const [user, ids] of expected) {
        for (const filter of [{}, { search: "zeb" }, { search: "rina" }, { status: ["open"] }]) {
          const list = await inboxOf(user, filter);
          assert.deepEqual(
            [idsOf(list).sort(), list.total],
            [ids, ids.length],
            `${user.role} ${JSON.stringify(filter)}`,
          );
        }
        const counts = await calls(user, "count_inbox");
        assert.deepEqual([counts.all, counts.open], [ids.length, ids.length], user.role ?? "");
        assert.equal(counts.mine, [agent, colleague].includes(user) ? 1 : 0);
      }
    }
  });

  test("finds customers and words in any spelling", async () => {
    const { number, admin } = await newOffice();
    const rina = await receivesMessage(number, {
      from: "6281234567890",
      profile_name: "Rína Ápriyani",
      text: "Pesanan INV-2931 sudah café belum?",
    });
    const budi = await receivesMessage(number, { from: "6285798765432", profile_name: "Budi", text: "Terima kasih" });
    const [r, b] = [rina.conversation.id, budi.conversation.id];
    for (const [search, expected] of /** @type {[string, string[]][]} */ ([
      ["rina", [r]],
      ["RINA apri", [r]],
      ["ína", [r]],
      ["yani", [r]],
      ["+62 812-3456-7890", [r]],
      ["0812 3456", [r]],
      ["4567", [r]],
      ["62857", [b]],
      ["inv-2931", [r]],
      ["2931", [r]],
      ["CAFE", [r]],
      ["pesan", [r]],
      ["kasih terima", [b]],
      ["terima pesanan", []],
      ["tidak ada", []],
      ["%", []],
      ["' or 1=1 --", []],
      [":*&|!('", []],
    ])) {
      assert.deepEqual(idsOf(await inboxOf(admin, { search })), expected, search);
    }
    await sql`update public.contacts set name = 'Ibu Siti' where id = ${rina.contact.id}`;
    assert.deepEqual(idsOf(await inboxOf(admin, { search: "siti" })), [r]);
  });

  test("finds words by their roots, and numbers as they are copied", async () => {
    const { number, admin } = await newOffice();
    const said = {};
    for (const text of [
      "Kapan dikirimkan kak?",
      "Tolong mengirim ulang",
      "Pengiriman kemarin",
      "Mau membeli dua",
      "Sudah memesan",
      "Maaf atas keterlambatan",
      "Kode INV2931 ya",
      "Diskon?",
      "Tolong diperbaiki",
    ]) {
      said[text] = (await receivesMessage(number, { text })).conversation.id;
    }
    for (const [search, expected] of /** @type {[string, string[]][]} */ ([
      ["kirim", ["Kapan dikirimkan kak?", "Tolong mengirim ulang", "Pengiriman kemarin"]],
      ["beli", ["Mau membeli dua"]],
      ["pesan", ["Sudah memesan"]],
      ["lambat", ["Maaf atas keterlambatan"]],
      ["2931", ["Kode INV2931 ya"]],
      ["inv2931", ["Kode INV2931 ya"]],
      ["mengirim", ["Tolong mengirim ulang"]],
      ["baik", ["Tolong diperbaiki"]],
      ["isko", []],
    ])) {
      assert.deepEqual(
        idsOf(await inboxOf(admin, { search })).sort(),
        expected.map((text) => said[text]).sort(),
        search,
      );
    }
    const copied = await receivesMessage(number, { from: "6285211112222" });
    for (const search of [
      "\u202a+62 852\u20111111\u20112222\u202c",
      "+62\u00a0852\u00a01111\u00a02222",
      "(0852) 1111–2222",
      "62.852.1111.2222",
    ]) {
      assert.deepEqual(idsOf(await inboxOf(admin, { search })), [copied.conversation.id], JSON.stringify(search));
    }
  });

  test("finds matches within the filter, even if most matches are outside it", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation, contact } = await receivesMessage(number, { text: "Kapibara", profile_name: "Kapibara" });
    await assign(conversation, agent);
    await sql`
      with people as (
        insert into public.contacts (tenant_id, wa_id, name)
        select ${number.tenant_id}, '62811' || lpad(n::text, 7, '0'), 'Kapibara ' || n from generate_series(1, 2100) n returning id
      )
      insert into public.conversations (tenant_id, session_id, contact_id, last_message_at, last_message_direction)
      select ${number.tenant_id}, ${number.id}, id, now() + interval '1 minute', 'outbound' from people`;
    const all = await inboxOf(admin, { search: "kapibara" });
    assert.deepEqual([all.total >= 2000, all.complete], [true, false]);
    for (const [user, filter] of [
      [agent, { assigned_to: agent.id }],
      [admin, { assigned_to: agent.id }],
      [admin, { unread: true }],
    ]) {
      const { rows, total, complete } = await inboxOf(user, { search: "kapibara", ...filter });
      assert.deepEqual(
        [rows.map(({ contact: { id } }) => id), total, complete],
        [[contact.id], 1, true],
        JSON.stringify(filter),
      );
    }
  });

  test("finds old messages too, but none of campaigns", async () => {
    const { number, admin } = await newOffice();
    const old = await receivesMessage(number, { text: "Kapibara", timestamp: seconds(86_400 * 200) });
    const { conversation } = await receivesMessage(number);
    await sql`
      insert into public.messages (tenant_id, session_id, conversation_id, direction, type, status, content, metadata)
      values (${conversation.tenant_id}, ${number.id}, ${conversation.id}, 'outbound', 'template', 'sent', 'Kapibara', '{"broadcast_campaign_id": "x"}')`;
    const found = await inboxOf(admin, { search: "kapib" });
    assert.deepEqual([idsOf(found), found.complete], [[old.conversation.id], true]);
  });

  test("refuses a cursor that it did not issue", async () => {
    const { number, admin } = await newOffice();
    for (let i = 0; i < 3; i++) await receivesMessage(number);
    const { next_cursor: cursor } = await inboxOf(admin, {}, { limit: 1 });
    for (const [bad, sort] of [
      ["x", "newest"],
      ["", "newest"],
      ["e30=", "newest"],
      [cursor, "oldest"],
      [Buffer.from('["newest","1","2"]').toString("base64"), "newest"],
    ]) {
      await isRefused(inboxOf(admin, {}, { cursor: bad, sort }), { code: "PT422", hint: "cursor" });
    }
  });

  for (const sort of ["newest", "oldest", "waiting", "priority"]) {
    test(`by cursor (${sort}) returns each unchanged conversation exactly once while messages arrive`, async () => {
      const { seed, integer, pick } = chance();
      const { number, admin } = await newOffice();
      /** @type {any[]} */
      const all = [];
      for (let i = 0; i < 40; i++) all.push(await receivesMessage(number, { timestamp: seconds(integer(10, 30)) }));
      for (const { conversation } of all) {
        await sql`update public.conversations set priority = ${pick(["none", "low", "urgent"])} where id = ${conversation.id}`;
      }
      const busy = all.filter((_, i) => i % 3 === 0);
      const quiet = new Set(all.filter((_, i) => i % 3 !== 0).map(({ conversation }) => conversation.id));
      let over = false;
      const writers = [0, 1].map(async () => {
        while (!over) await retried(() => receivesMessage(number, over ? {} : { from: pick(busy).contact.wa_id }));
      });
      /** @type {string[]} */
      const seen = [];
      for (let cursor = null; ;) {
        const page = await inboxOf(admin, {}, { sort, cursor, limit: integer(1, 5) });
        seen.push(...idsOf(page).filter((id) => quiet.has(id)));
        cursor = page.next_cursor;
        if (cursor === null) break;
      }
      over = true;
      await Promise.all(writers);
      assert.deepEqual([...seen].sort(), [...quiet].sort(), `seed ${seed}`);
    });
  }
});

test("rows, totals, pages and counts agree while everything changes", async () => {
  const { seed, integer, pick, number: random } = chance();
  const { tenant, number, admin, agent, colleague } = await newOffice();
  const [lead, people] = [await newUser(tenant, "team_lead"), [agent, colleague]];
  const label = await calls(admin, "create_label", { name: "VIP" });
  /** @type {any[]} */
  const all = [];
  for (let i = 0; i < 25; i++)
    all.push(await receivesMessage(number, { timestamp: seconds(integer(10, 20)), text: pick(["Zebra", "Kuda"]) }));
  const works = async () => {
    for (let turn = 0; turn < 25; turn++) {
      const { conversation, contact } = pick(all);
      const conversation_id = conversation.id;
      const user = pick([admin, lead]);
      await retried(() =>
        pick([
          () => receivesMessage(number, { from: contact.wa_id }),
          () => receivesMessage(number),
          () => calls(user, "assign_conversation", { conversation_id, user_id: pick([null, agent.id, colleague.id]) }),
          () =>
            calls(user, "update_conversation", {
              conversation_id,
              changes: { status: pick(["open", "pending", "resolved"]), priority: pick(["none", "high"]) },
            }),
          () =>
            calls(user, "label_conversation", {
              conversation_id,
              label_ids: [label.id],
              action: pick(["add", "remove"]),
            }),
          () => calls(user, pick(["read_conversation", "unread_conversation"]), { conversation_id }),
        ])(),
      );
    }
  };
  const someFilter = () =>
    Object.fromEntries(
      Object.entries({
        status: [pick(["open", "pending", "resolved"])],
        assigned_to: pick([agent.id, "none"]),
        label: label.id,
        session_id: number.id,
        unread: random() < 0.5,
        window_open: random() < 0.5,
        priority: ["high"],
        search: pick(["zeb", "kuda", "62"]),
      }).filter(() => random() < 0.25),
    );
  /** All values come from one snapshot: one answer must agree with itself during concurrent changes. */
  const holds = async () => {
    const [user, filter, sort] = [
      pick([admin, lead, ...people]),
      someFilter(),
      pick(["newest", "oldest", "waiting", "priority"]),
    ];
    const { rows, total } = await inboxOf(user, filter, { sort, limit: 100 });
    assert.equal(rows.length, total, `seed ${seed} ${JSON.stringify(filter)} ${sort}`);
    for (const row of rows) {
      assert.ok(!filter.status || filter.status.includes(row.status));
      assert.ok(!("unread" in filter) || filter.unread === row.unread_for_me > 0, `seed ${seed}`);
      assert.ok(!("window_open" in filter) || filter.window_open === row.window_open);
      assert.ok(!filter.label || row.labels.some(({ id }) => id === label.id));
      assert.ok(!people.includes(user) || [null, user.id].includes(row.assigned_to), "agents only have their own");
    }
    const counts = await calls(user, "count_inbox");
    assert.equal(counts.all, counts.open + counts.pending + counts.snoozed + counts.resolved, `seed ${seed}`);
  };
  let over = false;
  const workers = Promise.all([works(), works(), works()]).then(() => (over = true));
  while (!over) await holds();
  await workers;
  for (const user of [admin, lead, ...people]) {
    const counts = await calls(user, "count_inbox");
    const totals = [{}, { unread: true }, { status: ["open"] }, { status: ["pending"] }, { status: ["resolved"] }].map(
      async (filter) => (await inboxOf(user, filter)).total,
    );
    assert.deepEqual(
      await Promise.all(totals),
      [counts.all, counts.unread, counts.open, counts.pending, counts.resolved],
      `seed ${seed} ${user.role}`,
    );
    for (const sort of ["newest", "oldest", "waiting", "priority"]) {
      const filter = someFilter();
      const whole = await inboxOf(user, filter, { sort, limit: 100 });
      const [byCursor, byPage] = [[], []];
      for (let cursor = null; ;) {
        const page = await inboxOf(user, filter, { sort, cursor, limit: 3 });
        byCursor.push(...idsOf(page));
        cursor = page.next_cursor;
        if (cursor === null) break;
      }
      for (let page = 1; byPage.length < whole.total; page++)
        byPage.push(...idsOf(await inboxOf(user, filter, { sort, page, limit: 4 })));
      assert.deepEqual(
        [byCursor, byPage],
        [idsOf(whole), idsOf(whole)],
        `seed ${seed} ${user.role} ${sort} ${JSON.stringify(filter)}`,
      );
    }
  }
});

describe("a conversation", () => {
  test("changes its state and priority, and records its history", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation } = await receivesMessage(number);
    const conversation_id = conversation.id;
    const until = new Date(Date.now() + 3_600_000);
    const change = (changes, user = agent) => calls(user, "update_conversation", { conversation_id, changes });
    assert.equal((await change({ status: "pending" })).status, "pending");
    const snoozed = await change({ status: "snoozed", snoozed_until: until });
    assert.deepEqual([snoozed.status, Date.parse(snoozed.snoozed_until)], ["snoozed", +until]);
    for (const bad of [
      { status: "snoozed", snoozed_until: new Date(Date.now() - 1000) },
      { status: "snoozed" },
      { status: "open", snoozed_until: until },
    ]) {
      await isRefused(change(bad), { code: "PT422", hint: "snoozed_until" });
    }
    await change({ priority: "high" }, admin);
    const resolved = await change({ status: "resolved" });
    assert.deepEqual([resolved.snoozed_until, resolved.waiting_since], [null, null]);
    await change({ status: "resolved" });
    const { rows } = await calls(agent, "list_conversation_events", { conversation_id, before: null, page_size: 10 });
    assert.deepEqual(rows.map(({ kind, actor_id, details }) => [kind, actor_id, details.to]).reverse(), [
      ["status_changed", agent.id, "pending"],
      ["status_changed", agent.id, "snoozed"],
      ["priority_changed", admin.id, "high"],
      ["status_changed", agent.id, "resolved"],
    ]);
    const page = await calls(agent, "list_conversation_events", { conversation_id, before: null, page_size: 3 });
    const rest = await calls(agent, "list_conversation_events", {
      conversation_id,
      before: page.next_cursor,
      page_size: 3,
    });
    assert.deepEqual(
      [...page.rows, ...rest.rows].map(({ id }) => id),
      rows.map(({ id }) => id),
    );
    await isRefused(change({ status: "open" }, await newForeigner()), { code: "PT404" });
    assert.equal(
      await calls(await newForeigner(), "list_conversation_events", { conversation_id, before: null, page_size: 3 }),
      null,
    );
  });

  for (const status of ["pending", "snoozed", "resolved"]) {
    test(`that is ${status} opens when the customer writes, and not by an echo or a reaction`, async () => {
      const { number, admin } = await newOffice();
      const { conversation, contact, message } = await receivesMessage(number);
      const changes = status === "snoozed" ? { status, snoozed_until: new Date(Date.now() + 60_000) } : { status };
      await calls(admin, "update_conversation", { conversation_id: conversation.id, changes });
      await receivesMessage(number, { from: contact.wa_id, source: "echo", direction: "outbound" });
      await delivers({
        messages: [
          {
            ...(await import("./inbox.mjs")).aboutMessage(number, "reaction", message.whatsapp_message_id, {
              emoji: "👍",
              from: contact.wa_id,
            }),
          },
        ],
      });
      assert.equal((await now(conversation)).status, status);
      await receivesMessage(number, { from: contact.wa_id });
      const open = await now(conversation);
      assert.deepEqual([open.status, open.snoozed_until], ["open", null]);
    });
  }

  test("wakes at its time", async () => {
    const { number } = await newOffice();
    const [due, later] = [await receivesMessage(number), await receivesMessage(number)];
    await sql`update public.conversations set status = 'snoozed', snoozed_until = now() - interval '1 second' where id = ${due.conversation.id}`;
    await sql`update public.conversations set status = 'snoozed', snoozed_until = now() + interval '1 hour' where id = ${later.conversation.id}`;
    assert.ok((await calls("service", "wake_conversations")) >= 1);
    assert.deepEqual(
      [(await now(due.conversation)).status, (await now(later.conversation)).status],
      ["open", "snoozed"],
    );
  });

  test("is deleted with its messages and files by people with the permission alone", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation, message } = await receivesMessage(number);
    await sql`
      insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, storage_path, state, expires_at)
      values (${conversation.tenant_id}, ${number.id}, ${message.id}, 'image', 'image.jpg', 'a/b/c', 'stored', now())`;
    const conversation_id = conversation.id;
    await isRefused(calls(agent, "delete_conversation", { conversation_id }), { code: "PT403" });
    await isRefused(calls(await newForeigner(), "delete_conversation", { conversation_id }), { code: "PT404" });
    assert.deepEqual(await calls(admin, "delete_conversation", { conversation_id }), ["a/b/c"]);
    assert.equal((await sql`select from public.messages where conversation_id = ${conversation_id}`).count, 0);
  });

  test("is read by each person separately, and can be marked as unread", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation, contact } = await receivesMessage(number);
    await receivesMessage(number, { from: contact.wa_id });
    const conversation_id = conversation.id;
    const seen = async (user) => {
      const { unread_count, unread_for_me } = await calls(user, "get_conversation", { conversation_id });
      return [unread_count, unread_for_me];
    };
    assert.deepEqual(
      [await seen(admin), await seen(agent)],
      [
        [2, 2],
        [2, 2],
      ],
    );
    await calls(agent, "read_conversation", { conversation_id });
    assert.deepEqual(await seen(agent), [0, 0]);
    await receivesMessage(number, { from: contact.wa_id, timestamp: seconds(3600) });
    assert.deepEqual(await seen(agent), [1, 1]);
    await calls(admin, "read_conversation", { conversation_id });
    assert.deepEqual(
      [await seen(admin), await seen(agent)],
      [
        [0, 0],
        [0, 1],
      ],
    );
    await calls(admin, "unread_conversation", { conversation_id });
    assert.deepEqual(
      [await seen(admin), await seen(agent)],
      [
        [1, 1],
        [1, 1],
      ],
    );
    await calls(agent, "create_message", {
      conversation_id,
      type: "text",
      content: "Siap",
      payload: { text: { body: "Siap" } },
    });
    assert.deepEqual(
      [await seen(admin), await seen(agent)],
      [
        [0, 1],
        [0, 0],
      ],
    );
    await isRefused(calls(await newForeigner(), "unread_conversation", { conversation_id }), { code: "PT404" });
  });

  test("is unread for each person until they read it, in rows, filters and counts", async () => {
    const { number, admin, agent, colleague } = await newOffice();
    const people = [admin, agent, colleague];
    const [one, other] = [await receivesMessage(number), await receivesMessage(number)];
    await receivesMessage(number, { from: one.contact.wa_id });
    const [first, second] = [one, other].map(({ conversation }) => conversation.id);
    /** The unread messages of each person; the filter, its opposite and the count agree with them. */
    const unread = async () => {
      const all = [];
      for (const user of people) {
        const rows = new Map((await inboxOf(user)).rows.map(({ id, unread_for_me }) => [id, unread_for_me]));
        const mine = [...rows].flatMap(([id, count]) => (count > 0 ? [id] : [])).sort();
        const [yes, no] = [await inboxOf(user, { unread: true }), await inboxOf(user, { unread: false })];
        assert.deepEqual(
          [idsOf(yes).sort(), yes.total, no.total],
          [mine, mine.length, rows.size - mine.length],
          user.role ?? "",
        );
        assert.deepEqual(
          idsOf(no).filter((id) => mine.includes(id)),
          [],
        );
        assert.equal((await calls(user, "count_inbox")).unread, mine.length, user.role ?? "");
        all.push([first, second].map((id) => rows.get(id)));
      }
      return all;
    };
    assert.deepEqual(await unread(), [
      [2, 1],
      [2, 1],
      [2, 1],
    ]);
    await calls(agent, "read_conversation", { conversation_id: first });
    assert.deepEqual(
      await unread(),
      [
        [2, 1],
        [0, 1],
        [2, 1],
      ],
      "a person who never opened it has not read it",
    );
    await calls(admin, "create_message", {
      conversation_id: first,
      ...{ type: "text", content: "Siap", payload: { text: { body: "Siap" } } },
    });
    assert.deepEqual(await unread(), [
      [0, 1],
      [0, 1],
      [2, 1],
    ]);
    await receivesMessage(number, { from: one.contact.wa_id });
    assert.deepEqual(await unread(), [
      [1, 1],
      [1, 1],
      [3, 1],
    ]);
    await calls(colleague, "read_conversation", { conversation_id: first });
    await calls(agent, "read_conversation", { conversation_id: second });
    assert.deepEqual(await unread(), [
      [1, 1],
      [1, 0],
      [0, 1],
    ]);
    await calls(agent, "update_conversation", { conversation_id: second, changes: { status: "resolved" } });
    assert.deepEqual(
      await unread(),
      [
        [1, 0],
        [1, 0],
        [0, 0],
      ],
      "a resolved conversation is not unread, even for a person who never opened it",
    );
    await calls(agent, "unread_conversation", { conversation_id: second });
    assert.deepEqual(await unread(), [
      [1, 1],
      [1, 1],
      [0, 1],
    ]);
    await calls(agent, "read_conversation", { conversation_id: second });
    await receivesMessage(number, { from: other.contact.wa_id, source: "echo", direction: "outbound" });
    assert.equal((await unread())[1][1], 0, "our own message is not unread");
  });

  test("stays unread if a message arrives while it is being read", async () => {
    const { number, agent } = await newOffice();
    const { conversation, contact } = await receivesMessage(number);
    const unread = async () =>
      (await calls(agent, "get_conversation", { conversation_id: conversation.id })).unread_for_me;
    const element = inboundText(number, { from: contact.wa_id });
    await calls(agent, "read_conversation", { conversation_id: conversation.id });
    // a delivery that began before the reading, and ends after it
    const delivery = await sql.reserve();
    await delivery`begin`;
    await delivery`select now()`;
    await calls(agent, "read_conversation", { conversation_id: conversation.id });
    await delivery`set local role service_role`;
    await delivery`select public.ingest_webhook(body => '{}', messages => ${sql.json([element])})`;
    await delivery`commit`;
    delivery.release();
    assert.equal(await unread(), 1);
    assert.deepEqual(idsOf(await inboxOf(agent, { unread: true })), [conversation.id]);
  });

  test("changes with many others in one call, which answers for each", async () => {
    const { number, admin, agent, colleague } = await newOffice();
    const [mine, theirs] = [await receivesMessage(number), await receivesMessage(number)];
    await assign(mine.conversation, agent);
    await assign(theirs.conversation, colleague);
    const stranger = await receivesMessage(await newNumber(await newTenant()));
    const ids = [mine, theirs, stranger].map(({ conversation }) => conversation.id);
    const outcomes = (user, action, options = {}) =>
      calls(user, "act_on_conversations", { ids, action, options }).then((rows) =>
        rows.map(({ id, outcome }) => (assert.ok(ids.includes(id)), outcome)),
      );
    assert.deepEqual(await outcomes(agent, "resolve"), ["done", "not_found", "not_found"]);
    assert.deepEqual(await outcomes(admin, "resolve"), ["done", "done", "not_found"]);
    const label = await calls(admin, "create_label", { name: "Retur" });
    for (const [action, options] of [
      ["reopen"],
      ["pending"],
      ["snooze", { snoozed_until: new Date(Date.now() + 60_000) }],
      ["priority", { priority: "low" }],
      ["label", { label_ids: [label.id] }],
      ["unlabel", { label_ids: [label.id] }],
      ["read"],
      ["unread"],
      ["assign", { user_id: agent.id }],
      ["assign", { strategy: "least_busy" }],
      ["unassign"],
    ]) {
      assert.deepEqual(await outcomes(admin, action, options), ["done", "done", "not_found"], action);
    }
    const { assigned_to, status, priority } = await now(theirs.conversation);
    assert.deepEqual([assigned_to, status, priority], [null, "snoozed", "low"]);
    assert.equal((await now(stranger.conversation)).status, "open");
    await isRefused(outcomes(admin, "snooze", { snoozed_until: new Date(0) }), { code: "PT422" });
  });
});

describe("assignment", () => {
  test("by hand follows the permission to assign", async () => {
    const { tenant, number, admin, agent, colleague } = await newOffice();
    const { conversation } = await receivesMessage(number);
    const conversation_id = conversation.id;
    const give = (user, user_id, strategy = null) =>
      calls(user, "assign_conversation", { conversation_id, user_id, strategy });
    await isRefused(give(agent, colleague.id), { code: "PT403" });
    await isRefused(give(agent, null, "round_robin"), { code: "PT403" });
    await isRefused(give(await newUser(tenant, "viewer"), (await newUser(tenant, "viewer")).id), { code: "PT403" });
    assert.equal((await give(agent, agent.id)).assigned_to, agent.id);
    await isRefused(give(colleague, colleague.id), { code: "PT404" });
    await isRefused(give(agent, colleague.id), { code: "PT403" });
    assert.equal((await give(agent, null)).assigned_to, null);
    assert.equal((await give(admin, colleague.id)).assigned_to, colleague.id);
    for (const wrong of [
      (await newForeigner()).id,
      (await newUser(tenant, "restricted")).id,
      (await newUser(tenant, "agent", { deactivated: true })).id,
      randomUUID(),
    ]) {
      await isRefused(give(admin, wrong), { code: "PT422", hint: "user_id" });
    }
    await isRefused(give(await newForeigner(), null), { code: "PT404" });
  });

  test("takes turns among the people who are available", async () => {
    const { tenant, number, admin } = await newOffice();
    const people = await Promise.all([0, 1, 2].map(() => newUser(tenant, "agent")));
    const pool = people.map(({ id }) => id);
    assert.deepEqual(
      (
        await calls(admin, "set_assignment", { session_id: number.id, changes: { strategy: "round_robin", pool } })
      ).pool.sort(),
      [...pool].sort(),
    );
    await calls(people[0], "update_agent", { user_id: people[0].id, changes: { availability: "busy" } });
    const owners = [];
    for (let i = 0; i < 4; i++) owners.push((await receivesMessage(number)).conversation.assigned_to);
    assert.deepEqual(new Set(owners.slice(0, 2)), new Set([people[1].id, people[2].id]));
    assert.deepEqual(owners.slice(2), owners.slice(0, 2));
    for (const person of people.slice(1))
      await calls(admin, "update_agent", { user_id: person.id, changes: { availability: "offline" } });
    assert.equal((await receivesMessage(number)).conversation.assigned_to, null);
    await isRefused(
      calls(admin, "assign_conversation", {
        conversation_id: (await receivesMessage(number)).conversation.id,
        user_id: null,
        strategy: "least_busy",
      }),
      { code: "PT409", detail: "no_agent_available" },
    );
  });

  test("covers a reopened unassigned conversation, keeps an assigned one, and ignores the history", async () => {
    const { number, admin, agent, colleague } = await newOffice();
    const [free, held] = [await receivesMessage(number), await receivesMessage(number)];
    await assign(held.conversation, colleague);
    await sql`update public.conversations set status = 'resolved' where session_id = ${number.id}`;
    await calls(admin, "set_assignment", {
      session_id: number.id,
      changes: { strategy: "least_busy", pool: [agent.id] },
    });
    for (const { contact } of [free, held]) await receivesMessage(number, { from: contact.wa_id });
    assert.deepEqual(
      [(await now(free.conversation)).assigned_to, (await now(held.conversation)).assigned_to],
      [agent.id, colleague.id],
    );
    const past = await receivesMessage(number, { source: "history" });
    assert.equal(past.conversation.assigned_to, null);
  });

  for (const strategy of ["round_robin", "least_busy"]) {
    test(`is fair (${strategy}) when a hundred customers write at the same time`, async () => {
      const { tenant, number, admin } = await newOffice();
      const pool = (await Promise.all([0, 1, 2].map(() => newUser(tenant, "agent")))).map(({ id }) => id);
      await calls(admin, "set_assignment", { session_id: number.id, changes: { strategy, pool } });
      await Promise.all(Array.from({ length: 100 }, () => retried(() => receivesMessage(number))));
      const shares = (
        await sql`select assigned_to, count(*)::integer as n from public.conversations where session_id = ${number.id} group by 1`
      ).map(({ n }) => n);
      assert.equal(shares.length, 3);
      assert.ok(Math.max(...shares) - Math.min(...shares) <= 1, shares.join());
    });
  }

  test("without a pool covers the people who answer; a person who distributes work gets none unless there is no other person", async () => {
    const { number, admin, agent, colleague } = await newOffice();
    await calls(admin, "set_assignment", { session_id: number.id, changes: { strategy: "round_robin" } });
    const owners = [];
    for (let i = 0; i < 4; i++) owners.push((await receivesMessage(number)).conversation.assigned_to);
    assert.deepEqual(new Set(owners), new Set([agent.id, colleague.id]));
    assert.deepEqual(owners.slice(2), owners.slice(0, 2));
    for (const person of [agent, colleague])
      await calls(person, "update_agent", { user_id: person.id, changes: { availability: "offline" } });
    assert.equal((await receivesMessage(number)).conversation.assigned_to, null);
    const tenant = await newTenant();
    const [alone, line] = [await newUser(tenant, "super_admin"), await newNumber(tenant)];
    await calls(alone, "set_assignment", { session_id: line.id, changes: { strategy: "least_busy" } });
    assert.equal((await receivesMessage(line)).conversation.assigned_to, alone.id);
  });

  test("covers a conversation that waited while no person was available, or whose person has left", async () => {
    const { tenant, number, admin, agent, colleague } = await newOffice();
    await calls(admin, "set_assignment", {
      session_id: number.id,
      changes: { strategy: "round_robin", pool: [agent.id] },
    });
    await calls(agent, "update_agent", { user_id: agent.id, changes: { availability: "offline" } });
    const { conversation, contact } = await receivesMessage(number);
    assert.equal(conversation.assigned_to, null);
    await calls(agent, "update_agent", { user_id: agent.id, changes: { availability: "online" } });
    await receivesMessage(number, { from: contact.wa_id });
    assert.equal((await now(conversation)).assigned_to, agent.id);

    const other = await newNumber(tenant);
    const theirs = await receivesMessage(other);
    await assign(theirs.conversation, colleague);
    await calls(admin, "update_conversation", {
      conversation_id: theirs.conversation.id,
      changes: { status: "resolved" },
    });
    await isRefused(
      calls(admin, "update_agent", {
        user_id: colleague.id,
        changes: { active: false, reassign_to: (await newUser(tenant, "restricted")).id },
      }),
      { code: "PT422", hint: "reassign_to" },
    );
    await calls(admin, "update_agent", { user_id: colleague.id, changes: { active: false } });
    await receivesMessage(other, { from: theirs.contact.wa_id });
    const open = await now(theirs.conversation);
    assert.deepEqual([open.status, open.assigned_to], ["open", null]);
    assert.ok(idsOf(await inboxOf(agent)).includes(open.id), "colleagues see it");
  });

  test("stops at a person's limit of open conversations", async () => {
    const { number, admin, agent } = await newOffice();
    await calls(admin, "set_assignment", {
      session_id: number.id,
      changes: { strategy: "least_busy", pool: [agent.id], max_open: 2 },
    });
    const owners = [];
    for (let i = 0; i < 3; i++) owners.push((await receivesMessage(number)).conversation.assigned_to);
    assert.deepEqual(owners, [agent.id, agent.id, null]);
  });

  test("settings need the permission to distribute work, and refuse people of other tenants", async () => {
    const { number, admin, agent } = await newOffice();
    const session_id = number.id;
    await isRefused(calls(agent, "set_assignment", { session_id, changes: { strategy: "round_robin" } }), {
      code: "PT403",
    });
    await isRefused(calls(await newForeigner(), "set_assignment", { session_id, changes: {} }), { code: "PT404" });
    await isRefused(calls(admin, "set_assignment", { session_id, changes: { pool: [(await newForeigner()).id] } }), {
      code: "PT422",
    });
    assert.equal(await calls(await newForeigner(), "get_assignment", { session_id }), null);
    await isRefused(calls(agent, "update_agent", { user_id: admin.id, changes: { availability: "offline" } }), {
      code: "PT403",
    });
  });
});

describe("notes", () => {
  test("are written, mention colleagues, and are changed by their author", async () => {
    const { tenant, number, admin, agent, colleague } = await newOffice();
    const { conversation } = await receivesMessage(number);
    await assign(conversation, agent);
    const conversation_id = conversation.id;
    const manager = await newUser(tenant, "manager");
    const note = await calls(agent, "create_note", {
      conversation_id,
      content: "Tanya gudang",
      mentions: [manager.id],
    });
    assert.deepEqual(
      [note.author_id, note.content, note.mentions, note.edited_at],
      [agent.id, "Tanya gudang", [manager.id], null],
    );
    const announced =
      await sql`select payload from realtime.messages where topic ~ ${`^agent:${manager.id}:[0-9]+$`} and event = 'mention.created'`;
    assert.deepEqual(
      announced.map(({ payload }) => payload.id),
      [note.id],
    );
    for (const stranger of [colleague, await newForeigner(), await newUser(tenant, "guest")]) {
      await isRefused(calls(agent, "create_note", { conversation_id, content: "x", mentions: [stranger.id] }), {
        code: "PT422",
        hint: "mentions",
      });
    }
    const changed = await calls(agent, "update_note", { note_id: note.id, content: "Sudah" });
    assert.deepEqual([changed.content, changed.mentions], ["Sudah", [manager.id]]);
    assert.ok(changed.edited_at);
    await isRefused(calls(admin, "update_note", { note_id: note.id, content: "x" }), { code: "PT403" });
    await isRefused(calls(colleague, "update_note", { note_id: note.id, content: "x" }), { code: "PT404" });
    await isRefused(calls(await newForeigner(), "delete_note", { note_id: note.id }), { code: "PT404" });
    for (let i = 0; i < 3; i++) await calls(admin, "create_note", { conversation_id, content: `n${i}` });
    const page = await calls(agent, "list_notes", { conversation_id, before: null, page_size: 3 });
    const rest = await calls(agent, "list_notes", { conversation_id, before: page.next_cursor, page_size: 3 });
    assert.deepEqual(
      [...page.rows, ...rest.rows].map(({ content }) => content),
      ["n2", "n1", "n0", "Sudah"],
    );
    assert.equal(await calls(colleague, "list_notes", { conversation_id, before: null, page_size: 3 }), null);
    await calls(agent, "delete_note", { note_id: note.id });
    await isRefused(calls(agent, "delete_note", { note_id: page.rows[0].id }), { code: "PT403" });
    await calls(admin, "delete_note", { note_id: page.rows[0].id });
    const [kept] =
      await sql`select after from public.audit_logs where entity = 'conversation_notes' and entity_id = ${note.id} and action like '%created'`;
    assert.equal(kept.after.content, "***");
  });
});

describe("labels", () => {
  test("are created, attached to conversations, counted and deleted", async () => {
    const { number, admin, agent } = await newOffice();
    const { conversation } = await receivesMessage(number);
    const conversation_id = conversation.id;
    const [vip, retur] = [
      await calls(admin, "create_label", { name: "VIP", color: "#FF0000" }),
      await calls(admin, "create_label", { name: "Retur" }),
    ];
    assert.equal(vip.color, "#ff0000");
    await isRefused(calls(admin, "create_label", { name: "vip" }), { code: "PT409", detail: "name_taken" });
    await isRefused(calls(admin, "update_label", { label_id: retur.id, changes: { name: "Vip" } }), {
      code: "PT409",
      detail: "name_taken",
    });
    await isRefused(calls(agent, "create_label", { name: "x" }), { code: "PT403" });
    const put = (label_ids, action, user = agent) =>
      calls(user, "label_conversation", { conversation_id, label_ids, action }).then((labels) =>
        labels.map(({ name }) => name),
      );
    assert.deepEqual(await put([vip.id], "add"), ["VIP"]);
    assert.deepEqual(await put([retur.id, vip.id], "add"), ["Retur", "VIP"]);
    assert.deepEqual(await put([retur.id], "replace"), ["Retur"]);
    assert.deepEqual(await put([retur.id], "remove"), []);
    await put([vip.id], "replace");
    const foreigner = await newForeigner();
    const alien = await calls(foreigner, "create_label", { name: "Alien" });
    await isRefused(put([alien.id], "add"), { code: "PT422", hint: "label_ids" });
    await isRefused(put([alien.id], "add", foreigner), { code: "PT404" });
    await isRefused(calls(foreigner, "delete_label", { label_id: vip.id }), { code: "PT404" });
    assert.deepEqual(
      (await calls(agent, "list_labels")).map(({ name, conversations }) => [name, conversations]),
      [
        ["Retur", 0],
        ["VIP", 1],
      ],
    );
    const { rows } = await calls(agent, "list_conversation_events", { conversation_id, before: null, page_size: 20 });
    assert.deepEqual(
      rows.map(({ kind, details }) => `${kind} ${details.name}`),
      ["label_added VIP", "label_removed Retur", "label_removed VIP", "label_added Retur", "label_added VIP"],
    );
    await calls(admin, "delete_label", { label_id: vip.id });
    assert.deepEqual((await calls(agent, "get_conversation", { conversation_id })).labels, []);
  });
});
