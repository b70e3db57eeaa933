// Work that kills its worker: after two tries it is set aside, and the work behind it goes on. Each queue counts a try when
// it hands the work out, and a lease ends here because its stored time is moved.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";
import { inboundText, seconds, someWamid } from "./inbox.mjs";
import { leasedBy, reportsOf, senders } from "./senders.mjs";
import { someDigits } from "./tenancy.mjs";

const world = await useDatabase({ own: true });
const {
  sql,
  calls,
  asService,
  newTenant,
  newUser,
  newNumber,
  newCampaign,
  newImport,
  newReader,
  delivers,
  campaignNow,
} = world;
const { begins, claims, records, releases, leaseEnds } = senders(world);

/** The items that were set aside from a queue. @param {string} queue */
const setAside = async (queue) =>
  (await sql`select item from private.set_aside_work where queue = ${queue} order by id`).map(({ item }) => item);
/** @param {string} queue */
const counted = async (queue) => (await calls("service", "worker_health")).set_aside[queue] ?? 0;
/** @param {string} entity */
const auditOf = (entity) =>
  sql`select after ->> 'status' as status from public.audit_logs where entity_id = ${entity} order by id desc limit 1`;

describe("the import of contacts", () => {
  /** @param {{ id: string }} manager @param {{ id: string }} tenant */
  const newContactImport = (manager, tenant) =>
    calls(manager, "begin_contact_import", {
      import: {
        storage_path: `${tenant.id}/${randomUUID()}`,
        file_name: "kontak.csv",
        country: "ID",
        mapping: [{ column: "nomor", field: "phone_number" }],
        total_rows: 10,
      },
    });
  const dies = async () => {
    const claim = await calls("service", "claim_contact_import", { holder: randomUUID(), lease_seconds: 60 });
    await sql`update private.contact_import_readers set leased_until = now() where import_id = ${claim.id}`;
    return claim.id;
  };

  test("fails after two readers, and the next one is read", async () => {
    const tenant = await newTenant();
    const manager = await newUser(tenant, "manager");
    const deadly = await newContactImport(manager, tenant);
    assert.deepEqual([await dies(), await dies()], [deadly.id, deadly.id]);
    const next = await newContactImport(manager, tenant);
    const holder = randomUUID();
    const claim = await calls("service", "claim_contact_import", { holder, lease_seconds: 60 });
    assert.equal(claim.id, next.id);
    const now = await calls(manager, "get_contact_import", { import_id: deadly.id });
    assert.deepEqual([now.status, now.status_reason, now.finished_at !== null], ["failed", "gave_up", true]);
    assert.deepEqual(await setAside("contact_imports"), [deadly.id]);
    assert.equal(await counted("contact_imports"), 1);
    await calls("service", "finish_contact_import", { import_id: next.id, holder });
    assert.equal(await calls("service", "claim_contact_import", { holder, lease_seconds: 60 }), null);
  });

  test("goes on after two readers that each recorded something", async () => {
    const tenant = await newTenant();
    const long = await newContactImport(await newUser(tenant, "manager"), tenant);
    for (let line = 0; line < 5; line++) {
      const holder = randomUUID();
      await calls("service", "claim_contact_import", { holder, lease_seconds: 60, import_id: long.id });
      const batch = { after_line: line, through_line: line + 1, entries: sql.json([]), errors: sql.json([]) };
      await calls("service", "record_contact_import", { import_id: long.id, holder, lease_seconds: 60, ...batch });
      await sql`update private.contact_import_readers set leased_until = now() where import_id = ${long.id}`;
    }
    assert.equal(
      (await calls("service", "claim_contact_import", { holder: randomUUID(), lease_seconds: 60 })).id,
      long.id,
    );
  });
});

test("the upload of a recipient list fails after two readers, and the next one is read", async () => {
  const tenant = await newTenant();
  const manager = await newUser(tenant, "manager");
  const deadly = await newImport(manager, tenant);
  for (let death = 1; death <= 2; death++) {
    assert.equal((await newReader().claims(deadly)).list_id, deadly.id);
    await sql`update private.recipient_imports set leased_until = now() where list_id = ${deadly.id}`;
  }
  const next = await newImport(manager, tenant);
  const claim = await calls("service", "claim_recipient_import", { holder: randomUUID(), lease_seconds: 60 });
  assert.equal(claim.list_id, next.id);
  const now = await calls(manager, "get_recipient_list", { list_id: deadly.id });
  assert.deepEqual([now.status, now.status_reason], ["failed", "gave_up"]);
  assert.deepEqual(await setAside("recipient_lists"), [deadly.id]);
  assert.equal(await counted("recipient_lists"), 1);
});

describe("a campaign", () => {
  const newSending = async (/** @type {any} */ tenant) => {
    const number = await newNumber(tenant);
    return { number, campaign: await newCampaign(number, { status: "sending", recipients: 6 }) };
  };

  test("is paused after two senders, whose recipients stay unknown, and the others are sent", async () => {
    const tenant = await newTenant();
    const deadly = await newSending(tenant);
    const innocent = await newSending(await newTenant());
    let holder = randomUUID();
    assert.deepEqual(leasedBy(await begins(holder)).sort(), [deadly.number.id, innocent.number.id].sort());
    for (const { number } of [deadly, innocent]) {
      await claims(number, holder, 1);
      await leaseEnds(number);
    }

    // Either may be the cause: each is sent for alone.
    const alone = [];
    for (let run = 1; run <= 2; run++) {
      holder = randomUUID();
      const [id, ...others] = leasedBy(await begins(holder));
      assert.deepEqual(others, []);
      alone.push(id);
      const number = { id };
      const claim = await claims(number, holder, 1);
      if (id === innocent.number.id) await records(number, holder, reportsOf(claim, "sent"));
      else await leaseEnds(number);
    }
    assert.deepEqual(alone.sort(), [deadly.number.id, innocent.number.id].sort());

    await sql`delete from private.sender_leases`;
    const run = await begins(randomUUID());
    assert.deepEqual(leasedBy(run), [innocent.number.id]);
    const now = await campaignNow(deadly.campaign);
    assert.deepEqual(
      [now.status, now.status_reason],
      ["paused", "Pengiriman terputus dua kali. Periksa kampanye ini, lalu lanjutkan."],
    );
    const statuses = await sql`
      select status, count(*)::integer as n from public.broadcast_recipients where campaign_id = ${deadly.campaign.id} group by status order by status`;
    assert.deepEqual(
      statuses.map(({ status, n }) => [status, n]),
      [
        ["pending", 4],
        ["unknown", 2],
      ],
    );
    assert.deepEqual(await setAside("campaigns"), [deadly.campaign.id]);
    assert.equal(await counted("campaigns"), 1);
    assert.equal((await auditOf(deadly.campaign.id))[0].status, "paused");
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${innocent.campaign.id}`;
    await sql`delete from private.sender_leases`;
  });

  test("of a dead sender is probed once, and keeps no other number waiting", async () => {
    const tenant = await newTenant();
    const [first, second, resting] = [await newSending(tenant), await newSending(tenant), await newSending(tenant)];
    const holder = randomUUID();
    await begins(holder);
    for (const { number } of [first, second, resting]) {
      await claims(number, holder, 1);
      await leaseEnds(number);
    }
    await sql`
      insert into private.number_breakers (session_id, state, open_until) values
        (${resting.number.id}, 'open', now() + interval '5 minutes')`;
    const busy = await newSending(tenant);

    const runs = [];
    for (let run = 0; run < 4; run++) {
      const probe = randomUUID();
      const { sessions } = await begins(probe);
      runs.push(sessions.map((/** @type {any} */ number) => [number.session_id, number.probe]));
      for (const { session_id } of sessions) {
        if (session_id !== second.number.id) continue;
        const claim = await claims(second.number, probe, 1);
        await records(second.number, probe, reportsOf(claim, "sent"));
      }
      await sql`delete from private.sender_leases`;
    }
    assert.deepEqual(runs.slice(0, 2).sort(), [[[first.number.id, true]], [[second.number.id, true]]].sort());
    const others = [busy.number.id, second.number.id].sort().map((id) => [id, false]);
    assert.deepEqual(
      runs.slice(2).map((run) => run.sort()),
      [others, others],
      "neither the resting number nor the probe without an outcome is in the way",
    );
    await sql`update public.broadcast_campaigns set probed_at = now() - interval '2 minutes' where id = ${first.campaign.id}`;
    assert.deepEqual(
      (await begins(randomUUID())).sessions.map((/** @type {any} */ number) => [number.session_id, number.probe]),
      [[first.number.id, true]],
    );
    await sql`
      update public.broadcast_campaigns set status = 'cancelled'
      where id = any (${[first, second, resting, busy].map(({ campaign }) => campaign.id)}::uuid[])`;
    await sql`delete from private.sender_leases`;
  });

  test("goes on when a person resumes it, and when its sender was only slow", async () => {
    const tenant = await newTenant();
    const admin = await newUser(tenant, "super_admin");
    const { number, campaign } = await newSending(tenant);
    const dies = async () => {
      const holder = randomUUID();
      assert.deepEqual(leasedBy(await begins(holder)), [number.id]);
      const claim = await claims(number, holder, 1);
      await leaseEnds(number);
      return { holder, claim };
    };
    await dies();
    const { holder, claim } = await dies();
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "paused");
    await records(number, holder, reportsOf(claim, "sent"));
    assert.deepEqual(
      [(await campaignNow(campaign)).status, (await campaignNow(campaign)).status_reason],
      ["sending", null],
    );

    await sql`delete from private.sender_leases`;
    await dies();
    await dies();
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "paused");
    await calls(admin, "act_on_campaign", { campaign_id: campaign.id, action: "resume", options: sql.json({}) });
    await dies();
    await begins(randomUUID());
    assert.equal((await campaignNow(campaign)).status, "sending", "the count began anew");
    await sql`update public.broadcast_campaigns set status = 'cancelled' where id = ${campaign.id}`;
    await sql`delete from private.sender_leases`;
  });
});

test("a customer's file is given up after two workers, and the others are fetched without it", async () => {
  const number = await newNumber(await newTenant());
  const receivesFile = async () => {
    const wamid = someWamid();
    const file = { id: someDigits(), mime_type: "image/jpeg", sha256: "abc" };
    const at = { phone_number_id: number.meta_phone_number_id, wamid, timestamp: seconds(), from: someDigits() };
    await delivers({ messages: [{ ...at, kind: "image", payload: { id: wamid, type: "image", image: file } }] });
    const [media] = await sql`select id from public.message_media where meta_media_id = ${file.id}`;
    return media.id;
  };
  const claimed = async () =>
    (await calls("service", "claim_media", { batch: 10 })).map((/** @type {any} */ { id }) => id);
  const due = () => sql`update public.message_media set next_attempt_at = now() where state = 'pending'`;
  const finishes = (/** @type {string} */ media_id) =>
    calls("service", "finish_media", { media_id, outcome: "stored", storage_path: `there/${media_id}` });

  const [deadly, innocent] = [await receivesFile(), await receivesFile()];
  assert.deepEqual((await claimed()).sort(), [deadly, innocent].sort(), "the worker dies with both");
  await due();
  const later = await receivesFile();
  assert.deepEqual(await claimed(), [later], "the others come first");
  await finishes(later);
  const alone = [];
  for (let worker = 1; worker <= 2; worker++) {
    const [id, ...others] = await claimed();
    assert.deepEqual(others, [], "each may be the cause");
    alone.push(id);
    if (id === innocent) await finishes(id);
  }
  assert.deepEqual(alone.sort(), [deadly, innocent].sort());
  await due();
  assert.deepEqual(await claimed(), []);
  const [{ state, last_error }] = await sql`select state, last_error from public.message_media where id = ${deadly}`;
  assert.deepEqual([state, last_error], ["failed", "Two workers died while they fetched this file."]);
  assert.deepEqual(await setAside("media"), [deadly]);
  assert.equal(await counted("media"), 1);
});

test("a kept delivery is not replayed a third time, unless an operator names it", async () => {
  const number = await newNumber(await newTenant());
  const keep = async () => (await delivers({ messages: [inboundText(number)], keep_event: true })).event_id;
  const [deadly, next] = [await keep(), await keep()];
  const replay = (/** @type {number} */ event_id, insists = false) =>
    calls("service", "begin_webhook_replay", { event_id, insists });
  assert.deepEqual([await replay(deadly), await replay(deadly), await replay(deadly)], [true, true, false]);
  assert.equal(await replay(deadly), false);
  assert.equal(await replay(next), true);
  assert.deepEqual(await setAside("webhook_replays"), [String(deadly)]);
  assert.equal(await replay(deadly, true), true);
  await calls("service", "end_webhook_replay", { event_id: deadly });
  assert.equal(await replay(deadly), true, "the worker lived");
});

test("a step of housekeeping is skipped after two runs, and begins once a day", async () => {
  const begin = (/** @type {string} */ step) => calls("service", "begin_housekeeping_step", { step });
  assert.deepEqual([await begin("media"), await begin("media"), await begin("media")], [true, true, false]);
  assert.equal(await begin("changes"), true);
  assert.deepEqual(await setAside("housekeeping"), ["media"]);
  await sql`update private.housekeeping_steps set begun_at = now() - interval '1 day' where name = 'media'`;
  assert.deepEqual([await begin("media"), await begin("media")], [true, false]);
  await sql`update private.housekeeping_steps set begun_at = now() - interval '1 day' where name = 'media'`;
  assert.equal(await begin("media"), true);
  await calls("service", "end_housekeeping_step", { step: "media" });
  assert.deepEqual([await begin("media"), await begin("media"), await begin("media")], [true, true, false]);
});
