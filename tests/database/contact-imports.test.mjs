// Contact imports: how rows become contacts even if readers die, and the history and data of a contact afterwards.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const {
  sql,
  calls,
  newTenant,
  newUser,
  newRole,
  giveRole,
  newApiKey,
  deactivate,
  newNumber,
  newCampaign,
  newOutbound,
  receivesMessage,
  assign,
} = await useDatabase();

/** @type {any} */
let tenant;
/** @type {any} */
let manager;
/** @type {any} */
let stranger;
before(async () => {
  tenant = await newTenant({ agentsSeeUnassigned: false });
  manager = await newUser(tenant, "manager");
  stranger = await newUser(await newTenant(), "super_admin");
  await sql`
    insert into public.contact_fields (tenant_id, key, name, type, choices) values
      (${tenant.id}, 'age', 'Umur', 'number', '{}'), (${tenant.id}, 'born', 'Lahir', 'date', '{}'), (${tenant.id}, 'tier', 'Tier', 'choice', '{Gold,Silver}')`;
  await sql`insert into public.labels (tenant_id, name) values (${tenant.id}, 'VIP')`;
});

const MAPPING = [
  "phone_number",
  "name",
  "labels",
  "owner",
  "custom_fields.age",
  "custom_fields.born",
  "custom_fields.tier",
].map((field) => ({ column: `kolom ${field}`, field }));

/** @param {Record<string, any>} [options] */
const begins = (options = {}, author = manager) =>
  calls(author, "begin_contact_import", {
    import: {
      storage_path: `${tenant.id}/${randomUUID()}`,
      file_name: "kontak.csv",
      country: "ID",
      mapping: MAPPING,
      total_rows: 10,
      ...options,
    },
  });
/** One reader. @param {any} started */
async function reader(started) {
  const holder = randomUUID();
  const claim = await calls("service", "claim_contact_import", { holder, lease_seconds: 60, import_id: started.id });
  return {
    claim,
    record: (
      /** @type {number} */ after,
      /** @type {number} */ through,
      /** @type {any[]} */ entries,
      /** @type {any[]} */ errors = [],
    ) =>
      calls("service", "record_contact_import", {
        import_id: started.id,
        holder,
        after_line: after,
        through_line: through,
        entries,
        errors,
        lease_seconds: 60,
      }),
    release: () => calls("service", "release_contact_import", { import_id: started.id, holder }),
    finish: (/** @type {string | null} */ failure = null) =>
      calls("service", "finish_contact_import", { import_id: started.id, holder, failure }),
  };
}
const now = (/** @type {any} */ started, user = manager) =>
  calls(user, "get_contact_import", { import_id: started.id });
const counts = (/** @type {any} */ i) => [
  i.created_count,
  i.updated_count,
  i.skipped_count,
  i.error_count,
  i.read_rows,
];
const contactOf = async (/** @type {string} */ wa_id) =>
  (await sql`select * from public.contacts where tenant_id = ${tenant.id} and wa_id = ${wa_id}`)[0];
const errorsOf = async (/** @type {any} */ started) =>
  (await calls(manager, "list_contact_import_errors", { import_id: started.id, page: 1, page_size: 100 })).rows;
let next = 628_310_000_000;
const someNumber = () => String(next++);

describe("an import", () => {
  test("creates contacts, completes existing ones, and reports invalid rows", async () => {
    const [fresh, known, wrong] = [someNumber(), someNumber(), someNumber()];
    await calls(manager, "create_contact", {
      contact: { wa_id: known, name: "Lama", tags: ["a"], custom_fields: { age: 30 } },
    });
    const started = await begins();
    assert.deepEqual([started.status, started.progress_percent], ["importing", 0]);
    const { record, finish } = await reader(started);
    const entries = [
      {
        line: 2,
        wa_id: fresh,
        name: "Baru",
        labels: ["vip"],
        owner: "MANAGER",
        fields: { age: "31,5", born: "17/2/1990", tier: "gold" },
      },
      { line: 3, wa_id: known, tags: ["b"], fields: { born: "1991-02-03" } },
      { line: 4, wa_id: fresh, name: "Baru lagi" },
      { line: 5, wa_id: wrong, fields: { age: "tua" } },
      { line: 6, wa_id: wrong.replace(/^62/, "63"), labels: ["Entah"] },
      { line: 7, wa_id: wrong.replace(/^62/, "64"), owner: "siapa" },
      { line: 8, wa_id: wrong.replace(/^62/, "65"), fields: { born: "31/2/1990" } },
    ];
    const errors = [{ line: 9, field: "kolom phone_number", code: "phone_invalid", value: "abc" }];
    assert.equal(await record(0, 9, entries, errors), true);
    assert.equal(await record(0, 9, entries, errors), true, "safe to repeat");
    assert.equal(await finish(), started.storage_path);

    const done = await now(started);
    assert.deepEqual([done.status, done.progress_percent, ...counts(done)], ["finished", 100, 1, 1, 0, 6, 8]);
    const contact = await contactOf(fresh);
    assert.deepEqual(
      [contact.name, contact.owner_id, contact.custom_fields],
      ["Baru", manager.id, { age: 31.5, born: "1990-02-17", tier: "Gold" }],
    );
    assert.equal((await sql`select from public.contact_labels where contact_id = ${contact.id}`).count, 1);
    const updated = await contactOf(known);
    assert.deepEqual(
      [updated.name, updated.tags, updated.custom_fields],
      ["Lama", ["a", "b"], { age: 30, born: "1991-02-03" }],
    );
    assert.deepEqual(
      (await errorsOf(started)).map((/** @type {any} */ e) => [e.line, e.field, e.code, e.value, e.first_line]),
      [
        [4, "kolom phone_number", "duplicate", fresh, 2],
        [5, "kolom custom_fields.age", "field_invalid", "tua", null],
        [6, "kolom labels", "label_unknown", "Entah", null],
        [7, "kolom owner", "owner_unknown", "siapa", null],
        [8, "kolom custom_fields.born", "field_invalid", "31/2/1990", null],
        [9, "kolom phone_number", "phone_invalid", "abc", null],
      ],
    );
    assert.equal(await now(started, stranger), null);
    assert.equal(
      await calls(stranger, "list_contact_import_errors", { import_id: started.id, page: 1, page_size: 10 }),
      null,
    );
    await isRefused(calls(await newUser(tenant, "agent"), "begin_contact_import", { import: {} }), { code: "PT403" });
    await isRefused(begins({ storage_path: `${stranger.tenant.id}/${randomUUID()}` }), {
      code: "PT422",
      hint: "storage_path",
    });
    await isRefused(begins({ mapping: [{ column: "x", field: "custom_fields.none" }] }), {
      code: "PT422",
      hint: "mapping",
    });
  });

  test("leaves existing contacts alone if asked to", async () => {
    const [fresh, known] = [someNumber(), someNumber()];
    await calls(manager, "create_contact", { contact: { wa_id: known, name: "Lama" } });
    const started = await begins({ on_existing: "skip" });
    const { record, finish } = await reader(started);
    await record(0, 3, [
      { line: 2, wa_id: known, name: "Baru", labels: ["VIP"] },
      { line: 3, wa_id: fresh },
    ]);
    await finish();
    assert.deepEqual(counts(await now(started)), [1, 0, 1, 0, 2]);
    const contact = await contactOf(known);
    assert.equal(contact.name, "Lama");
    assert.equal((await sql`select from public.contact_labels where contact_id = ${contact.id}`).count, 0);
  });

  test("can be tried first: a trial reports the result, writes nothing and keeps the file for the real import", async () => {
    const [fresh, known] = [someNumber(), someNumber()];
    await calls(manager, "create_contact", { contact: { wa_id: known, name: "Lama" } });
    const trial = await begins({ dry_run: true });
    const first = await reader(trial);
    await first.record(0, 4, [
      { line: 2, wa_id: known, name: "Baru" },
      { line: 3, wa_id: fresh },
      { line: 4, wa_id: someNumber(), labels: ["Entah"] },
    ]);
    assert.equal(await first.finish(), null);
    assert.deepEqual(counts(await now(trial)), [1, 1, 0, 1, 3]);
    assert.deepEqual([await contactOf(fresh), (await contactOf(known)).name], [undefined, "Lama"]);
    const started = await begins({ storage_path: trial.storage_path });
    await isRefused(begins({ storage_path: trial.storage_path }), { code: "PT409", detail: "file_in_use" });
    const second = await reader(started);
    assert.equal(await second.finish(), trial.storage_path);
  });

  test("records opt-outs once, and withdraws none", async () => {
    const [fresh, known, willing, silent] = [someNumber(), someNumber(), someNumber(), someNumber()];
    for (const wa_id of [known, willing]) await calls(manager, "create_contact", { contact: { wa_id } });
    const yes = await contactOf(willing);
    await calls(manager, "record_contact_consent", { contact_id: yes.id, state: "opted_in" });
    const entries = [
      { line: 2, wa_id: fresh, opted_out: true, opted_out_at: "2026-01-02T03:04:05Z" },
      { line: 3, wa_id: known, opted_out: true },
      { line: 4, wa_id: willing, opted_out: true, opted_out_at: "2020-01-01T00:00:00Z" },
      { line: 5, wa_id: silent },
    ];
    for (const on_existing of ["skip", "update", "update"]) {
      const { record, finish } = await reader(await begins({ on_existing }));
      await record(0, 5, entries);
      await finish();
      const outs = await Promise.all(
        [fresh, known, willing, silent].map(async (wa_id) => (await contactOf(wa_id)).marketing_opted_out_at !== null),
      );
      assert.deepEqual(outs, [true, true, false, false], on_existing);
    }
    const { marketing_opted_out_at, rows } = await calls(manager, "list_contact_consents", {
      contact_id: (await contactOf(fresh)).id,
    });
    assert.equal(new Date(marketing_opted_out_at).toISOString(), "2026-01-02T03:04:05.000Z");
    assert.deepEqual(
      rows.map((/** @type {any} */ row) => [row.state, row.source, row.proof.line]),
      [["opted_out", "import", 2]],
    );
  });

  test("records the opt-out of a row that is not imported for another reason", async () => {
    const [repeated, unlabelled, foreign] = [someNumber(), someNumber(), someNumber()];
    await calls(manager, "create_contact", { contact: { wa_id: unlabelled } });
    const other = await newUser(await newTenant(), "manager");
    await calls(other, "create_contact", { contact: { wa_id: foreign } });
    const { record, finish } = await reader(await begins());
    await record(0, 5, [
      { line: 2, wa_id: repeated },
      { line: 3, wa_id: repeated, opted_out: true, opted_out_at: "2026-01-02T03:04:05Z" },
      { line: 4, wa_id: unlabelled, labels: ["no such label"], opted_out: true },
      { line: 5, wa_id: foreign, labels: ["no such label"], opted_out: true },
    ]);
    await finish();
    for (const wa_id of [repeated, unlabelled])
      assert.notEqual((await contactOf(wa_id)).marketing_opted_out_at, null, wa_id);
    const [elsewhere] =
      await sql`select marketing_opted_out_at from public.contacts where wa_id = ${foreign} and tenant_id <> ${tenant.id}`;
    assert.equal(elsewhere.marketing_opted_out_at, null);
  });

  test("reads true and false as people and programs write them", async () => {
    for (const [words, value] of /** @type {[string[], boolean | null][]} */ ([
      [["true", "t", "T", "yes", "ya", "y", "1", "x", "benar"], true],
      [["false", "f", "F", "no", "tidak", "n", "0", "salah", "-"], false],
      [["mungkin", "2"], null],
    ]))
      for (const word of words) {
        const [{ read }] = await sql`select private.read_field_value('boolean', '{}', ${word}) as read`;
        assert.equal(read, value, word);
      }
  });

  test("writes nothing to a field that was deleted since it began", async () => {
    const field = await calls(manager, "create_contact_field", {
      field: { key: "sementara", name: "Sementara", type: "text" },
    });
    const wa_id = someNumber();
    const started = await begins({ mapping: [...MAPPING, { column: "lain", field: "custom_fields.sementara" }] });
    const { record } = await reader(started);
    await calls(manager, "delete_contact_field", { field_id: field.id });
    await record(0, 3, [
      { line: 2, wa_id, fields: { sementara: "x" } },
      { line: 3, wa_id: someNumber(), name: "Ani" },
    ]);
    assert.deepEqual(
      (await errorsOf(started)).map((/** @type {any} */ e) => [e.line, e.field, e.code]),
      [[2, "lain", "field_invalid"]],
    );
    assert.equal(await contactOf(wa_id), undefined);
  });

  test("continues where a reader stopped, and only the latest reader counts", async () => {
    const started = await begins();
    const [dead, a, b] = [await reader(started), someNumber(), someNumber()];
    await dead.record(0, 2, [{ line: 2, wa_id: a }]);
    assert.equal((await reader(started)).claim, null, "leased");
    await sql`update private.contact_import_readers set leased_until = now() - interval '1 second' where import_id = ${started.id}`;
    const heir = await reader(started);
    assert.deepEqual([heir.claim.done_line, heir.claim.idle_claims, heir.claim.mapping], [2, 1, MAPPING]);
    assert.equal(await dead.record(2, 3, [{ line: 3, wa_id: b }]), false);
    assert.equal(await heir.record(2, 3, [{ line: 3, wa_id: b }]), true);
    await heir.finish();
    assert.deepEqual(counts(await now(started)), [2, 0, 0, 0, 2]);
  });

  test("ends when its author may no longer import, and keeps what was stored", async () => {
    /** @type {[string, (author: any) => Promise<unknown>][]} */
    const losses = [
      ["membership", (author) => deactivate(author)],
      ["permission", (author) => sql`delete from public.user_roles where user_id = ${author.id}`],
    ];
    for (const [name, lose] of losses) {
      const author = await newUser(tenant, "manager");
      const started = await begins({}, author);
      const { record } = await reader(started);
      const [before, after] = [someNumber(), someNumber()];
      assert.equal(await record(0, 2, [{ line: 2, wa_id: before }]), true);
      await lose(author);
      assert.equal(await record(2, 3, [{ line: 3, wa_id: after }]), false, name);
      assert.ok(await contactOf(before));
      assert.equal(await contactOf(after), undefined);
      const { status, status_reason } = await now(started);
      assert.deepEqual([status, status_reason], ["failed", "not_permitted"], name);
      assert.equal((await reader(started)).claim, null);
    }
  });

  test("of an API key ends with the key, and needs the rights to what it changes", async () => {
    const key = await newApiKey(tenant, "manager");
    const started = await begins({}, key);
    const { record } = await reader(started);
    assert.equal(await record(0, 2, [{ line: 2, wa_id: someNumber() }]), true);
    await sql`update public.api_keys set revoked_at = now() where id = ${key.id}`;
    assert.equal(await record(2, 3, []), false);

    const role = await newRole(tenant, { permissions: ["contacts.import", "contacts.view", "labels.assign"] });
    const author = await newUser(tenant, null);
    await giveRole(author, role);
    const labelling = await begins({}, author);
    const reading = await reader(labelling);
    await sql`delete from public.role_permissions where role_id = ${role.id} and permission_key = 'labels.assign'`;
    assert.equal(await reading.record(0, 2, [{ line: 2, wa_id: someNumber() }]), false);
  });

  test("announces its progress to people who may view contacts, not each row", async () => {
    const started = await begins();
    const { record, finish } = await reader(started);
    await record(0, 3, [
      { line: 2, wa_id: someNumber() },
      { line: 3, wa_id: someNumber() },
    ]);
    await finish();
    const announced =
      await sql`select event from private.changes where tenant_id = ${tenant.id} and entity_id = ${started.id} order by id`;
    assert.deepEqual([...new Set(announced.map(({ event }) => event))], ["contacts.imported"]);
    const rows =
      await sql`select topic, payload from realtime.messages where topic ~ ${`^tenant:${tenant.id}:contacts:[0-9]+$`} and event = 'contacts.imported' and payload ->> 'id' = ${started.id}`;
    assert.ok(rows.length > 0);
    for (const { payload } of rows) assert.ok(!("storage_path" in payload) && !("file_name" in payload));
  });
});

describe("the report on a contact", () => {
  test("is its history, as far as each reader may see it, page by page", async () => {
    const number = await newNumber(tenant);
    const { contact, conversation, message } = await receivesMessage(number, { text: "halo" });
    const [agent, colleague] = [await newUser(tenant, "agent"), await newUser(tenant, "agent")];
    const senior = await newUser(tenant, "senior_agent");
    await assign(conversation, agent);
    const campaign = await newCampaign(number);
    const promo = await newOutbound(conversation, {
      metadata: { broadcast_campaign_id: campaign.id },
      at: new Date(Date.now() - 60_000),
    });
    const note = await calls(manager, "create_contact_note", { contact_id: contact.id, content: "catatan" });
    await calls(manager, "update_contact", {
      contact_id: contact.id,
      changes: { name: "Sari", email: "sari@kopi.test" },
    });
    await calls(manager, "record_contact_consent", { contact_id: contact.id, state: "opted_in", note: "toko" });

    const kinds = async (/** @type {any} */ user) => {
      const seen = [];
      for (let after = null, more = true; more;) {
        const page = await calls(user, "list_contact_timeline", { contact_id: contact.id, page_size: 2, after });
        if (page === null) return null;
        seen.push(...page.rows);
        after = page.next_cursor;
        more = after !== null;
      }
      return seen;
    };
    const seen = await kinds(manager);
    assert.deepEqual(
      seen?.map((event) => event.kind),
      ["consent", "change", "note", "event", "message", "campaign"],
    );
    assert.deepEqual([seen?.[1].details.fields, seen?.[1].details.actor_name], [["email", "name"], "manager"]);
    assert.deepEqual(
      [seen?.[2].id, seen?.[3].details.event, seen?.[4].id, seen?.[5].id, seen?.[5].details.campaign_name],
      [note.id, "assigned", message.id, promo.id, "Promo"],
    );
    assert.deepEqual(
      (await kinds(agent))?.map((event) => [event.kind, event.details.campaign_name]).at(-1),
      ["campaign", null],
      "a reader without access to campaigns gets no names of campaigns",
    );
    assert.deepEqual(
      (await kinds(senior))?.map((event) => event.kind),
      ["consent", "change", "note"],
      "no text of other people's conversations",
    );
    assert.equal(await kinds(colleague), null);
    assert.equal(await kinds(stranger), null);
  });

  test("is all its data for a person who answers privacy requests", async () => {
    const admin = await newUser(tenant, "admin");
    const number = await newNumber(tenant);
    const first = await receivesMessage(number, { text: "satu" });
    await receivesMessage(number, { from: first.element.from, text: "dua" });
    await newCampaign(number, { wa_ids: [first.contact.wa_id] });
    await sql`
      insert into public.message_media (tenant_id, session_id, message_id, kind, file_name, storage_path, state, expires_at)
      values (${tenant.id}, ${number.id}, ${first.message.id}, 'image', 'foto.jpg', ${randomUUID()}, 'stored', now() + interval '1 day')`;
    const data = await calls(admin, "get_contact_data", { contact_id: first.contact.id });
    assert.deepEqual(
      [data.contact.wa_id, data.conversations.length, data.campaigns.length],
      [first.contact.wa_id, 1, 1],
    );
    const [one] = await calls(admin, "list_contact_data_messages", { contact_id: first.contact.id, page_size: 1 });
    const rest = await calls(admin, "list_contact_data_messages", {
      contact_id: first.contact.id,
      page_size: 5,
      after: new Date(one.occurred_at),
      after_id: one.id,
    });
    assert.deepEqual([one, ...rest].map((/** @type {any} */ m) => m.content).sort(), ["dua", "satu"]);
    const files = [one, ...rest].flatMap((/** @type {any} */ m) => m.media.map((/** @type {any} */ f) => f.file_name));
    assert.deepEqual(files, ["foto.jpg"]);
    await isRefused(calls(manager, "get_contact_data", { contact_id: first.contact.id }), { code: "PT403" });
    assert.equal(await calls(stranger, "get_contact_data", { contact_id: first.contact.id }), null);
    assert.deepEqual(
      await calls(stranger, "list_contact_data_messages", { contact_id: first.contact.id, page_size: 5 }),
      [],
    );
  });
});
