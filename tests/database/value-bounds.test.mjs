// Bounds of stored values: times that every client can read, sizes of what callers choose, words that are really sent.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useDatabase } from "./database.mjs";

const { sql, as, newTenant, newUser, newNumber, newTemplate, receivesMessage } = await useDatabase();

/** Columns that only the database writes, and that begin long ago. */
const UNBOUND = ["progress_announced_at"];

test("every time in a table that clients reach has a bound", async () => {
  const columns = await sql`
    select c.relname || '.' || a.attname as name
    from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
      and a.attnum > 0 and not a.attisdropped and a.atttypid in ('timestamptz'::regtype, 'date'::regtype)
      and not a.attname = any (${UNBOUND})
      and not exists (
        select 1 from pg_catalog.pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and a.attnum = any (k.conkey)
          and pg_catalog.pg_get_constraintdef(k.oid) like '%9999-12-3%'
      )
    order by 1`;
  assert.deepEqual(
    columns.map(({ name }) => name),
    [],
    "add these columns to value_bounds.sql",
  );
});

/** A conversation that its agent may answer, in an organisation with one number. */
async function newInbox() {
  const tenant = await newTenant();
  const number = await newNumber(tenant);
  const { conversation } = await receivesMessage(number);
  return { tenant, agent: await newUser(tenant, "admin"), number, conversation };
}

describe("a time", async () => {
  const { agent, number, conversation } = await newInbox();
  const template = await newTemplate({ id: number.tenant_id });
  const [{ id: role }] = await sql`select id from public.roles where tenant_id is null and key = 'agent'`;
  for (const time of ["infinity", "10000-01-01T00:00:00Z", "294276-01-01T00:00:00Z"]) {
    test(`of ${time} wakes no conversation`, async () => {
      const changes = { status: "snoozed", snoozed_until: time };
      await refused(
        as(agent, (sql) => sql`select public.update_conversation(${conversation.id}, ${sql.json(changes)})`),
      );
    });
    test(`of ${time} ends no API key`, async () => {
      await refused(
        as(agent, (sql) => sql`select public.create_api_key('Kasir', ${role}, ${time}::text::timestamptz)`),
      );
    });
    test(`of ${time} begins no campaign`, async () => {
      const recipients = sql.json([{ wa_id: "6281234567890" }]);
      await refused(
        as(
          agent,
          (sql) => sql`
            select public.create_campaign('Promo', ${template.id}, ${recipients}, ${number.id}, null, ${time}::text::timestamptz)`,
        ),
      );
    });
  }
});

describe("the text of a thread", async () => {
  const { agent, conversation } = await newInbox();

  /** @param {string} type @param {object} payload @returns {Promise<string | null>} */
  async function shown(type, payload, given = "Transfer ke rekening lain") {
    const [{ answer }] = await as(
      agent,
      (sql) => sql`
        select public.create_message(${conversation.id}, ${type}, ${given}, ${sql.json(/** @type {any} */ (payload))}) as answer`,
    );
    return answer.message.content;
  }

  for (const [type, payload] of Object.entries({
    text: { text: { body: "Halo" } },
    image: { image: { id: "7", caption: "Halo" } },
    interactive: { interactive: { type: "button", body: { text: "Halo" } } },
  })) {
    test(`is what the customer reads, whatever preview comes with ${type}`, async () => {
      assert.equal(await shown(type, payload), "Halo");
    });
  }

  test("is the filled template", async () => {
    const template = await newTemplate({ id: conversation.tenant_id }, { text: "Halo {{1}}, total {{2}}." });
    const parameters = [
      { type: "text", text: "Rina" },
      { type: "currency", currency: { fallback_value: "Rp 5.000", code: "IDR", amount_1000: 5_000_000 } },
    ];
    const payload = {
      template: {
        name: template.name,
        language: { code: template.language },
        components: [{ type: "body", parameters }],
      },
    };
    assert.equal(await shown("template", payload), "Halo Rina, total Rp 5.000.");
  });

  test("is the given preview for a kind without words", async () => {
    assert.equal(await shown("location", { location: { latitude: 1, longitude: 2 } }, "Kantor"), "Kantor");
  });

  test("and the request to Meta have a size", async () => {
    await refused(shown("text", { text: { body: "a".repeat(70_000) } }));
    await refused(shown("location", { location: { latitude: 1, longitude: 2, name: "a".repeat(300_000) } }, "Kantor"));
  });
});

/** Expects a refusal: of a function, or of a check constraint. @param {Promise<any>} work */
async function refused(work) {
  await assert.rejects(work, (/** @type {any} */ error) => {
    assert.ok(["PT422", "23514"].includes(error.code), `${error.code} ${error.message}`);
    return true;
  });
}
