// The list of functions that run with their owner's rights for people is complete, and its reasons are those of the schema.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { readMigrations } from "../../crates/local/stack/supabase/migrations.mjs";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { READERS, WRITERS } from "./client-definers.mjs";
import { useDatabase } from "./database.mjs";
import { definerReasons } from "./function-reasons.mjs";

const { sql } = await useDatabase();
/** @type {Record<string, string>} */
const reasons = Object.assign(
  {},
  ...readMigrations(path.join(ROOT, "supabase/migrations")).map(({ text }) => definerReasons(text)),
);

for (const [list, volatile] of /** @type {const} */ ([
  [WRITERS, true],
  [READERS, false],
])) {
  test(`the ${volatile ? "volatile" : "other"} ones are those of the list, each with its reason`, async () => {
    const functions = await sql`
      select p.proname as name from pg_proc p
      where p.pronamespace = 'public'::regnamespace and p.prosecdef and (p.provolatile = 'v') = ${volatile}
        and (has_function_privilege('authenticated', p.oid, 'execute') or has_function_privilege('anon', p.oid, 'execute'))`;
    const stated = Object.entries(list).flatMap(([reason, names]) => names.map((name) => [name, reason]));
    assert.deepEqual(
      Object.fromEntries(functions.map(({ name }) => [name, reasons[`public.${name}`]])),
      Object.fromEntries(stated),
    );
  });
}

test("none is open without a token", async () => {
  const open = await sql`
    select p.proname from pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.prosecdef and has_function_privilege('anon', p.oid, 'execute')`;
  assert.deepEqual([...open], []);
});
