// The recipients of a campaign, as people of low roles see them: customers who have not written belong to the people who
// see every contact or every conversation. The file has a database of its own, because a run of the sender takes all
// due work.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { useDatabase } from "./database.mjs";
import { inboundText } from "./inbox.mjs";
import { senders } from "./senders.mjs";

const { sql, as, asService, newTenant, newUser, newNumber, newCampaign, recipientsOf, delivers } = await useDatabase({
  own: true,
});
const { begins, claims } = senders({ sql, asService });

test("a campaign shows its recipients to people who see everyone, until they write", async () => {
  const tenant = await newTenant({ agentsSeeUnassigned: true });
  const number = await newNumber(tenant);
  const campaign = await newCampaign(number, { status: "sending", recipients: 5 });
  const holder = randomUUID();
  await begins(holder);
  assert.equal((await claims(number, holder)).recipients.length, 5);

  /** What the caller finds of the recipients on each path. */
  const finds = (/** @type {any} */ user) =>
    as(user, async (sql) => ({
      contacts: (await sql`select id from public.contacts`).length,
      conversations: (await sql`select id from public.conversations`).length,
      messages: (await sql`select id from public.messages`).length,
      listed: (await sql`select public.list_contacts('{}', 'name', 1, 50) as page`)[0].page.total,
    }));
  const nothing = { contacts: 0, conversations: 0, messages: 0, listed: 0 };
  const low = await Promise.all(
    ["guest", "viewer", "junior_agent", "agent"].map((role) => newUser(tenant, /** @type {any} */ (role))),
  );
  for (const user of low) assert.deepEqual(await finds(user), nothing);
  const stranger = await newUser(await newTenant(), "admin");
  assert.deepEqual(await finds(stranger), nothing);
  const manager = await newUser(tenant, "manager");
  assert.deepEqual(await finds(manager), { contacts: 5, conversations: 5, messages: 5, listed: 5 });
  const senior = await finds(await newUser(tenant, "senior_agent"));
  assert.deepEqual([senior.contacts, senior.conversations, senior.listed], [5, 0, 5]);

  const [first] = await recipientsOf(campaign);
  await delivers({ messages: [inboundText(number, { from: first.wa_id })] });
  const [guest, ...others] = low;
  for (const user of others) {
    const { contacts, conversations, listed } = await finds(user);
    assert.deepEqual({ contacts, conversations, listed }, { contacts: 1, conversations: 1, listed: 1 });
  }
  // Without the right to view messages, conversations are read through our functions alone.
  const { contacts, conversations, listed } = await finds(guest);
  assert.deepEqual({ contacts, conversations, listed }, { contacts: 0, conversations: 0, listed: 1 });
});
