// Recipient lists: permissions, entries, and imports that survive the death of their readers.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { justAnnounced } from "./announcements.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { entriesOf } from "./recipient-lists.mjs";
import { isRefused } from "./refusals.mjs";
import { becomesTrue } from "./waiting.mjs";

const {
  sql,
  calls,
  newTenant,
  newUser,
  newUserWith,
  newApiKey,
  newNumber,
  receivesMessage,
  newRecipientList,
  newImport,
  newReader,
  listNow,
  peopleOn,
} = await useDatabase();

/** @type {any} */
let tenant;
/** @type {any} */
let manager;
/** @type {any} */
let stranger;
before(async () => {
  tenant = await newTenant();
  manager = await newUser(tenant, "manager");
  stranger = await newUser(await newTenant(), "super_admin");
});

const pageOf = (/** @type {any} */ user, /** @type {any} */ list, options = {}) =>
  calls(user, "list_recipient_list_entries", { list_id: list.id, search: null, page: 1, page_size: 20, ...options });
const errorsOf = (/** @type {any} */ user, /** @type {any} */ list, options = {}) =>
  calls(user, "list_recipient_list_errors", { list_id: list.id, page: 1, page_size: 20, ...options });
const bad = (/** @type {number} */ line, field = "no hp") => ({ line, field, code: "phone_invalid", value: "abc" });

describe("a list of people given one by one", () => {
  test("holds each number once, and reports the rows that were left out", async () => {
    const list = await newRecipientList(manager, {
      columns: ["kota"],
      entries: [["6281234567890", "Ani", { kota: "Solo" }], ["6281234567891"], ["6281234567890", "Ani lagi"]],
      errors: [bad(9), bad(9, "nama")],
    });
    const { status, entry_count, error_count, duplicate_count, total_rows, read_rows, progress_percent, source } = list;
    assert.deepEqual(
      { status, entry_count, error_count, duplicate_count, total_rows, read_rows, progress_percent, source },
      {
        status: "ready",
        entry_count: 2,
        error_count: 1,
        duplicate_count: 1,
        total_rows: 4,
        read_rows: 4,
        progress_percent: 100,
        source: { type: "manual" },
      },
    );
    const { total, rows, columns } = await pageOf(manager, list);
    assert.deepEqual([total, columns], [2, ["kota"]]);
    assert.deepEqual(rows[0], {
      line: 2,
      phone_number: "+6281234567890",
      name: "Ani",
      variables: { kota: "Solo" },
      opted_out: false,
    });
    const errors = await errorsOf(manager, list);
    assert.deepEqual(
      errors.rows.map((/** @type {any} */ error) => [error.line, error.field, error.code, error.first_line]),
      [
        [4, "phone_number", "duplicate", 2],
        [9, "nama", "phone_invalid", null],
        [9, "no hp", "phone_invalid", null],
      ],
    );
    const behind = await errorsOf(manager, list, { after_line: 9, after_field: "nama" });
    assert.deepEqual(
      behind.rows.map((/** @type {any} */ error) => error.field),
      ["no hp"],
      "a page may end within a row",
    );
  });

  test("is refused without any valid entry", async () => {
    await isRefused(newRecipientList(manager, { name: "Kosong", entries: [], errors: [bad(2)] }), {
      code: "PT422",
      hint: "recipients",
    });
    const rows = await sql`select from public.recipient_lists where tenant_id = ${tenant.id} and name = 'Kosong'`;
    assert.equal(rows.count, 0);
  });

  test("is found by its name and by its people", async () => {
    const list = await newRecipientList(manager, {
      name: "Rapat Ünik",
      entries: [
        ["6281234500001", "Sari"],
        ["6281234500002", "Tono"],
      ],
    });
    const { rows } = await calls(manager, "list_recipient_lists", {
      search: "rapat ü",
      status_filter: "ready",
      page: 1,
      page_size: 20,
    });
    assert.deepEqual(
      rows.map((/** @type {any} */ row) => row.id),
      [list.id],
    );
    const found = await pageOf(manager, list, { search: "sar" });
    assert.deepEqual([found.total, found.rows.map((/** @type {any} */ row) => row.name)], [1, ["Sari"]]);
    assert.equal((await pageOf(manager, list, { search: "00002" })).rows[0].name, "Tono");
  });

  test("updates its count when an entry is removed", async () => {
    const list = await newRecipientList(manager, { entries: [["6281234500011"], ["6281234500012"]] });
    await sql`delete from public.recipient_list_entries where list_id = ${list.id} and wa_id = '6281234500011'`;
    assert.equal((await listNow(list)).entry_count, 1);
  });

  test("may be created by an API key, and then names no creator", async () => {
    const key = await newApiKey(tenant, "manager");
    const list = await newRecipientList(key, { entries: [["6281234567890"]] });
    assert.equal(list.created_by, null);
    assert.equal((await newRecipientList(manager, { entries: [["6281234567890"]] })).created_by, manager.id);
  });
});

describe("a list", () => {
  test("of another tenant is not found", async () => {
    const list = await newRecipientList(manager, { entries: [["6281234567890"]] });
    assert.equal(await calls(stranger, "get_recipient_list", { list_id: list.id }), null);
    assert.equal(await pageOf(stranger, list), null);
    assert.equal(await errorsOf(stranger, list), null);
    await isRefused(calls(stranger, "rename_recipient_list", { list_id: list.id, name: "Punya saya" }), {
      code: "PT404",
      detail: "not_found",
    });
    await isRefused(calls(stranger, "delete_recipient_list", { list_id: list.id }), {
      code: "PT404",
      detail: "not_found",
    });
    assert.deepEqual(await peopleOn(list), ["6281234567890"]);
  });

  test("needs a permission for each action", async () => {
    const list = await newRecipientList(manager, { entries: [["6281234567890"]] });
    const everything = ["view", "create", "import", "export", "delete"].map((action) => `recipient_lists.${action}`);
    const without = (/** @type {string} */ missing) =>
      newUserWith(tenant, { permissions: [...everything, "contacts.view"].filter((key) => key !== missing) });
    const forbidden = { code: "PT403", detail: "forbidden" };
    await isRefused(
      newRecipientList(await without("recipient_lists.create"), { entries: [["6281234567890"]] }),
      forbidden,
    );
    await isRefused(
      calls(await without("recipient_lists.create"), "rename_recipient_list", { list_id: list.id, name: "x" }),
      forbidden,
    );
    await isRefused(newImport(await without("recipient_lists.import"), tenant), forbidden);
    await isRefused(
      calls(await without("recipient_lists.delete"), "delete_recipient_list", { list_id: list.id }),
      forbidden,
    );
    await isRefused(
      calls(await without("contacts.view"), "create_recipient_list_from_contacts", { name: "x" }),
      forbidden,
    );
    assert.equal(await calls(await without("recipient_lists.view"), "get_recipient_list", { list_id: list.id }), null);
  });

  test("can be renamed, and is deleted with all its entries", async () => {
    const list = await newRecipientList(manager, { entries: [["6281234567890"]], errors: [bad(5)] });
    assert.equal((await calls(manager, "rename_recipient_list", { list_id: list.id, name: "Baru" })).name, "Baru");
    await calls(manager, "delete_recipient_list", { list_id: list.id });
    const left = await sql`
      select from public.recipient_list_entries where list_id = ${list.id}
      union all select from public.recipient_list_errors where list_id = ${list.id}`;
    assert.equal(left.count, 0);
  });

  test("marks people who have opted out by now", async () => {
    const own = await newTenant();
    const [user, number] = [await newUser(own, "manager"), await newNumber(own)];
    const people = [await receivesMessage(number), await receivesMessage(number)].map(({ contact }) => contact);
    const list = await newRecipientList(user, { entries: people.map(({ wa_id }) => [wa_id]) });
    await rolledBack(sql, async ({ sql, calls }) => {
      await sql`update public.contacts set marketing_opted_out_at = now() where id = ${people[1].id}`;
      assert.equal((await calls(user, "get_recipient_list", { list_id: list.id })).opted_out_count, 1);
      const { rows } = await calls(user, "list_recipient_list_entries", {
        list_id: list.id,
        search: null,
        page: 1,
        page_size: 20,
      });
      assert.deepEqual(
        rows.map((/** @type {any} */ row) => row.opted_out),
        [false, true],
      );
      const handed = await sql`select opted_out from private.recipient_list_rows(${list.id})`;
      assert.deepEqual(
        handed.map(({ opted_out }) => opted_out),
        [false, true],
      );
      const [{ lines }] = await sql`select count(*)::integer as lines from private.opted_out_lines(${list.id})`;
      assert.equal(lines, 0, "no line without the permission to read the list");
    });
    assert.equal((await calls(user, "get_recipient_list", { list_id: list.id })).opted_out_count, 0);
  });

  test("recognises people who have opted out by any form of their number", async () => {
    const own = await newTenant();
    const [user, number] = [await newUser(own, "manager"), await newNumber(own)];
    const { contact } = await receivesMessage(number, { from: "5511987654321" });
    await sql`update public.contacts set marketing_opted_out_at = now() where id = ${contact.id}`;
    const list = await newRecipientList(user, { entries: [["551187654321"], ["5511987650000"]] });
    assert.equal((await calls(user, "get_recipient_list", { list_id: list.id })).opted_out_count, 1);
    const handed = await sql`select opted_out from private.recipient_list_rows(${list.id})`;
    assert.deepEqual(
      handed.map(({ opted_out }) => opted_out),
      [true, false],
    );
  });

  test("gives a campaign its people with the values by name, in the order of the columns", async () => {
    const list = await newRecipientList(manager, {
      columns: ["zona", "kota"],
      entries: [
        ["6281234567890", "Ani", { kota: "Solo", zona: "1" }],
        ["6281234567891", null, { kota: "Bogor" }],
      ],
    });
    const rows = await sql`select * from private.recipient_list_rows(${list.id})`;
    assert.deepEqual(
      rows.map(({ wa_id, name, variables, ordered, opted_out }) => [wa_id, name, variables, ordered, opted_out]),
      [
        ["6281234567890", "Ani", { kota: "Solo", zona: "1" }, ["1", "Solo"], false],
        ["6281234567891", null, { kota: "Bogor" }, ["", "Bogor"], false],
      ],
    );
  });
});

describe("a list of contacts", () => {
  test("holds the contacts that match the filter, and no contact of another tenant", async () => {
    const own = await newTenant();
    const [user, first, second] = [await newUser(own, "manager"), await newNumber(own), await newNumber(own)];
    const here = await receivesMessage(first);
    const there = await receivesMessage(second);
    await receivesMessage(await newNumber(tenant));
    const nameless = await receivesMessage(first, { from: null, user_id: `ID.${randomUUID()}` });
    assert.equal(nameless.contact.wa_id, null);

    const make = (filter = {}) =>
      calls(user, "create_recipient_list_from_contacts", { name: "Kontak", filter: sql.json(filter) });
    const all = await make();
    assert.deepEqual(
      await peopleOn(all),
      [here.contact.wa_id, there.contact.wa_id],
      "contacts with a phone number, the oldest first",
    );
    assert.deepEqual(
      [all.status, all.entry_count, all.progress_percent, all.source],
      ["ready", 2, 100, { type: "contacts", filter: {} }],
    );
    assert.deepEqual(await peopleOn(await make({ session_id: second.id })), [there.contact.wa_id]);
    assert.deepEqual(await peopleOn(await make({ search: here.contact.wa_id.slice(-9) })), [here.contact.wa_id]);
    assert.deepEqual(await peopleOn(await make({ wrote_since: "2001-01-01", session_id: first.id })), [
      here.contact.wa_id,
    ]);
    await isRefused(make({ created_until: "2001-01-01" }), { code: "PT422", hint: "filter" });
    await isRefused(make({ wrote_since: "2999-01-01" }), { code: "PT422", hint: "filter" });
    await isRefused(make({ created_since: "2999-01-01" }), { code: "PT422", hint: "filter" });
  });
});

describe("an import", () => {
  test("accepts no file of another tenant, and each file once", async () => {
    const other = await newTenant();
    for (const path of [
      `${other.id}/${randomUUID()}`,
      `${tenant.id}/../${other.id}/${randomUUID()}`,
      "",
      `${tenant.id}/x`,
      `${tenant.id}/${randomUUID()}/${randomUUID()}`,
    ]) {
      await isRefused(newImport(manager, tenant, { path }), { code: "PT422", hint: "storage_path" });
    }
    const { path } = await newImport(manager, tenant);
    await isRefused(newImport(manager, tenant, { path }), { code: "PT409", detail: "file_in_use" });
  });

  test("belongs to one reader at a time", async () => {
    const list = await newImport(manager, tenant);
    const [first, second] = [newReader(), newReader()];
    const claimed = await first.claims(list);
    assert.deepEqual(
      [claimed.done_line, claimed.file_path, claimed.country, claimed.idle_claims],
      [0, list.path, "ID", 1],
    );
    assert.equal(await second.claims(list), null);
    assert.equal(await second.records(list, 0, 3, { entries: entriesOf([["6281234567890"]]) }), false);
    assert.equal(await second.finishes(list), null);
    assert.equal((await listNow(list)).status, "importing");
  });

  test("continues where a reader died, and records no row twice", async () => {
    const list = await newImport(manager, tenant, { rows: 4 });
    const [dead, next] = [newReader(), newReader()];
    await dead.claims(list);
    const batch = { entries: entriesOf([["6281234567890"], ["6281234567891"]]) };
    assert.equal(await dead.records(list, 0, 3, batch), true);
    assert.equal(await dead.records(list, 0, 3, batch), true, "a lost answer is requested again");
    assert.equal((await listNow(list)).read_rows, 2);

    await sql`update private.recipient_imports set leased_until = now() - interval '1 second' where list_id = ${list.id}`;
    const claimed = await next.claims(list);
    assert.deepEqual(
      [claimed.done_line, claimed.idle_claims],
      [3, 1],
      "a reader that made progress did not die of the file",
    );
    assert.equal(
      await dead.records(list, 3, 5, { entries: entriesOf([["6281234567892"]], 4) }),
      false,
      "the first reader has lost it",
    );
    assert.equal(
      await next.records(list, 3, 5, { entries: entriesOf([["6281234567890"], ["6281234567893"]], 4) }),
      true,
    );
    assert.equal(await next.finishes(list), list.path);
    assert.deepEqual(await peopleOn(list), ["6281234567890", "6281234567891", "6281234567893"]);
    const { status, read_rows, entry_count, duplicate_count, error_count } = await listNow(list);
    assert.deepEqual([status, read_rows, entry_count, duplicate_count, error_count], ["ready", 4, 3, 1, 0]);
    assert.equal(await next.claims(list), null, "the import is over");
  });

  test("ends without a row when its author may no longer import", async () => {
    const [person, key] = [await newUser(tenant, "manager"), await newApiKey(tenant, "manager")];
    for (const [author, lose] of /** @type {[any, () => Promise<unknown>][]} */ ([
      [person, () => sql`update public.profiles set deactivated_at = now() where user_id = ${person.id}`],
      [key, () => sql`update public.api_keys set expires_at = now() where id = ${key.id}`],
    ])) {
      const list = await newImport(author, tenant, { rows: 4 });
      const reader = newReader();
      await reader.claims(list);
      assert.equal(await reader.records(list, 0, 3, { entries: entriesOf([["6281234567890"]]) }), true);
      await lose();
      assert.equal(await reader.records(list, 3, 4, { entries: entriesOf([["6281234567891"]], 4) }), false);
      const { status, status_reason } = await listNow(list);
      assert.deepEqual([status, status_reason], ["failed", "not_permitted"]);
      assert.deepEqual(await peopleOn(list), []);
      assert.equal(await newReader().claims(list), null);
    }
  });

  test("counts the readers that died at one place, but not those that gave it back", async () => {
    const list = await newImport(manager, tenant);
    assert.equal((await newReader().claims(list, { seconds: 0 })).idle_claims, 1);
    const patient = newReader();
    assert.equal((await patient.claims(list)).idle_claims, 2);
    await patient.releases(list);
    assert.equal((await newReader().claims(list)).idle_claims, 2);
  });

  test("with an error keeps no row of the file if the request wants all or nothing", async () => {
    const list = await newImport(manager, tenant, { onError: "refuse" });
    const reader = newReader();
    await reader.claims(list);
    await reader.records(list, 0, 4, { entries: entriesOf([["6281234567890"], ["6281234567890"]]), errors: [bad(4)] });
    await reader.finishes(list);
    const { status, status_reason, entry_count, error_count, duplicate_count } = await listNow(list);
    assert.deepEqual(
      [status, status_reason, entry_count, error_count, duplicate_count],
      ["refused", "rows_with_errors", 0, 1, 1],
    );
    assert.deepEqual(await peopleOn(list), []);
    assert.equal((await errorsOf(manager, list)).total, 2, "the errors can be read");
    assert.equal((await sql`select from private.recipient_list_rows(${list.id})`).count, 0);

    const doubled = await newImport(manager, tenant, { onError: "refuse" });
    await reader.claims(doubled);
    await reader.records(doubled, 0, 3, { entries: entriesOf([["6281234567890"], ["6281234567890"]]) });
    await reader.finishes(doubled);
    assert.equal((await listNow(doubled)).status, "ready", "a repeated number is not an error");
  });

  test("fails if no valid entry is left, and if the file cannot be read", async () => {
    const reader = newReader();
    for (const [failure, reason] of [
      [null, "no_recipients"],
      ["file_unreadable", "file_unreadable"],
    ]) {
      const list = await newImport(manager, tenant);
      await reader.claims(list);
      if (failure) await reader.records(list, 0, 2, { entries: entriesOf([["6281234567890"]]) });
      assert.equal(await reader.finishes(list, failure), list.path);
      const { status, status_reason, entry_count } = await listNow(list);
      assert.deepEqual([status, status_reason, entry_count], ["failed", reason, 0]);
    }
  });

  test("ends with its list", async () => {
    const list = await newImport(manager, tenant);
    const reader = newReader();
    await reader.claims(list);
    assert.equal(
      await calls(manager, "delete_recipient_list", { list_id: list.id }),
      list.path,
      "the file remains to be removed",
    );
    assert.equal(await reader.records(list, 0, 2, { entries: entriesOf([["6281234567890"]]) }), false);
    assert.equal(await reader.finishes(list), null);
  });

  test("stands still while the module is off", async () => {
    const own = await newTenant();
    const list = await newImport(await newUser(own, "manager"), own);
    await sql`insert into public.tenant_modules values (${own.id}, 'broadcast', false)`;
    assert.equal(await newReader().claims(list), null);
    await sql`update public.tenant_modules set enabled = true where tenant_id = ${own.id}`;
    assert.notEqual(await newReader().claims(list), null);
  });

  test("broadcasts its progress at most once a second and at its end", async () => {
    const list = await newImport(manager, tenant, { rows: 3 });
    const reader = newReader();
    await reader.claims(list);
    const announced = async () =>
      (
        await sql`
        select payload from realtime.messages
        where topic ~ ${`^tenant:${tenant.id}:recipient_lists:[0-9]+$`} and event = 'recipient_list.updated' and payload ->> 'id' = ${list.id} order by inserted_at`
      ).map(({ payload }) => payload);
    await reader.records(list, 0, 2, { entries: entriesOf([["6281234567890"]]) });
    await justAnnounced(sql, "recipient_lists", list);
    await reader.records(list, 2, 3, { entries: entriesOf([["6281234567891"]], 3) });
    assert.deepEqual(
      (await announced()).map((payload) => payload.read_rows),
      [1],
    );
    await sql`update public.recipient_lists set progress_announced_at = now() - interval '1 second' where id = ${list.id}`;
    await reader.records(list, 3, 4, { entries: entriesOf([["6281234567892"]], 4) });
    await reader.finishes(list);
    await becomesTrue(async () => (await announced()).at(-1)?.status === "ready");
    const last = (await announced()).at(-1);
    assert.deepEqual([last.entry_count, last.progress_percent], [3, 100]);
    assert.ok(!("name" in last) && !("source" in last), "Realtime keeps no names");
  });

  test("leaves no file behind", async () => {
    const list = await newImport(manager, tenant);
    const forgotten = `${tenant.id}/${randomUUID()}`;
    const fresh = `${tenant.id}/${randomUUID()}`;
    for (const [name, age] of [
      [list.path, "2 days"],
      [forgotten, "2 days"],
      [fresh, "1 hour"],
    ]) {
      await sql`insert into storage.objects (bucket_id, name, created_at) values ('imports', ${name}, now() - ${age}::interval)`;
    }
    const stale = await calls("service", "stale_import_files", { most: 10_000 });
    assert.deepEqual(
      [list.path, forgotten, fresh].map((path) => stale.includes(path)),
      [false, true, false],
    );
  });
});
