// Auth removes an account with a role of its own, which has no rights in our schemas. All that follows from the removal
// must work without such rights.
import assert from "node:assert/strict";
import { test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql } = await useDatabase();

test("Auth's own role can remove the account of a person who has worked", () =>
  rolledBack(sql, async (world) => {
    const tenant = await world.newTenant();
    const number = await world.newNumber(tenant);
    const agent = await world.newUser(tenant, "senior_agent");
    const { conversation } = await world.receivesMessage(number);
    await world.assign(conversation, agent);
    const text = { type: "text", content: "Siap", payload: { text: { body: "Siap" } } };
    await world.calls(agent, "create_message", { conversation_id: conversation.id, ...text });
    await world.calls(agent, "create_note", { conversation_id: conversation.id, content: "VIP", mentions: [] });
    const reply = { shortcut: "hi", title: "Hi", content: "Halo", scope: "personal" };
    await world.calls(agent, "save_quick_reply", { changes: reply });

    await world.sql`set local role supabase_auth_admin`;
    await world.sql`delete from auth.users where id = ${agent.id}`;
    await world.sql`reset role`;

    const [left] = await world.sql`
      select v.assigned_to,
        array(select m.sent_by is null from public.messages m
          where m.conversation_id = v.id and m.direction = 'outbound') as unnamed_senders,
        array(select n.author_id is null from public.conversation_notes n
          where n.conversation_id = v.id) as unnamed_authors,
        (select count(*)::integer from public.profiles p where p.user_id = ${agent.id}) as people
      from public.conversations v where v.id = ${conversation.id}`;
    assert.deepEqual({ ...left }, { assigned_to: null, unnamed_senders: [true], unnamed_authors: [true], people: 0 });
  }));

test("Auth's own role cannot remove the account of the last Super Admin", () =>
  rolledBack(sql, async (world) => {
    const owner = await world.newUser(await world.newTenant(), "super_admin");
    await world.sql`set local role supabase_auth_admin`;
    await isRefused(world.sql`delete from auth.users where id = ${owner.id}`, { code: "PT409" });
  }));
