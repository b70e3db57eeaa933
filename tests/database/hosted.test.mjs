// The database has the limits of a hosted project: the rights of its roles, and the time limits of their requests.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import postgres from "postgres";
import { openStack } from "../stack.mjs";
import { acceptRequests } from "./callers.mjs";
import { world } from "./database.mjs";
import { asOwner, copyDatabase } from "./own-database.mjs";
import { DENIED, isRefused } from "./refusals.mjs";
import { unconditionalChanges } from "./unconditional-changes.mjs";

const { stack, stop } = await openStack({ functions: false });
const url = String(stack.database_url);
const connect = (/** @type {string} */ address) => postgres(address, { max: 2, onnotice: () => {} });
const sql = connect(url);
const owner = connect(asOwner(url));
const { newTenant, newApiKey } = world(sql);
await acceptRequests(sql);
after(async () => {
  await Promise.all([sql.end({ timeout: 5 }), owner.end({ timeout: 5 })]);
  await stop();
});

describe("time limits", () => {
  test("of the roles are those of a hosted project", async () => {
    const roles = await sql`
      select r.rolname as role, array(
        select s from unnest(r.rolconfig) s where s !~ '^(pgrst\\.|search_path=)' order by s
      ) as settings
      from pg_roles r where r.rolname in ('anon', 'authenticated', 'service_role', 'authenticator') order by r.rolname`;
    assert.deepEqual(Object.fromEntries(roles.map(({ role, settings }) => [role, settings])), {
      anon: ["statement_timeout=3s"],
      authenticated: ["statement_timeout=8s"],
      authenticator: ["lock_timeout=8s", "statement_timeout=8s"],
      service_role: [],
    });
  });

  test("end a statement of any role", async () => {
    const late = sql.begin(async (sql) => {
      await sql`select set_config('statement_timeout', '50ms', true), set_config('role', 'authenticated', true)`;
      await sql`select pg_sleep(60)`;
    });
    await isRefused(late, { code: "57014" });
  });

  for (const { applied, kept } of [
    // of role `anon`, of a function, of no role
    { applied: "3s", kept: "8s" },
    { applied: "60s", kept: "1min" },
    { applied: "0", kept: "0" },
  ]) {
    test(`of an API key: ${applied} becomes ${kept}`, async () => {
      const key = await newApiKey(await newTenant(), "agent");
      const limit = await sql.begin(async (transaction) => {
        await transaction`select set_config('statement_timeout', ${applied}, true)`;
        return world(transaction).requests(
          null,
          { "x-api-key": key.secret },
          async (sql) => (await sql`select current_setting('statement_timeout') as limit`)[0].limit,
        );
      });
      assert.equal(limit, kept);
    });
  }
});

describe("the role of migrations", () => {
  test("is no superuser", async () => {
    const [role] = await owner`
      select rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls from pg_roles
      where rolname = session_user`;
    assert.deepEqual(
      { ...role },
      {
        rolname: "postgres",
        rolsuper: false,
        rolcreatedb: true,
        rolcreaterole: true,
        rolreplication: true,
        rolbypassrls: true,
      },
    );
  });

  for (const statement of [
    "alter system set work_mem = '8MB'",
    "copy (select 1) to program 'true'",
    "copy (select 1) to '/dev/null'",
    "select pg_read_file('PG_VERSION')",
    "create function public.refused() returns integer language c as 'refused', 'refused'",
    "create role refused superuser",
    "alter role postgres superuser",
    "set session authorization supabase_admin",
    "set role supabase_admin",
    "set role supabase_auth_admin",
    "set role supabase_storage_admin",
    "create table auth.refused (id integer)",
    "alter table auth.users add column refused integer",
    "update pg_catalog.pg_authid set rolsuper = true where rolname = 'postgres'",
    "alter role authenticator set session_preload_libraries = 'refused'",
  ]) {
    test(`may not: ${statement}`, async () => {
      await isRefused(owner.unsafe(statement), { code: DENIED });
    });
  }

  test("adds only policies and triggers to the platform's schemas", async () => {
    const found = [];
    for (const migrated of [false, true]) {
      const database = await copyDatabase(url, { migrated });
      const copy = connect(database.url);
      found.push(await platformObjects(copy));
      await copy.end({ timeout: 5 });
      await database.drop();
    }
    assert.ok(found[0].length > 100);
    assert.deepEqual(found[1], found[0]);
  });
});

describe("a statement that safeupdate refuses", () => {
  test("is in no function", async () => {
    const functions = await sql`
      select p.oid::regprocedure::text as name, p.prosrc as source from pg_proc p
      where p.pronamespace in ('public'::regnamespace, 'private'::regnamespace)`;
    assert.ok(functions.length > 400);
    const found = functions.map(({ name, source }) => ({ name, statements: unconditionalChanges(source) }));
    assert.deepEqual(
      found.filter(({ statements }) => statements.length > 0),
      [],
    );
  });

  for (const source of [
    "delete from public.lint",
    "begin DELETE FROM public.lint; return; end",
    "update public.lint l set name = (select 'a' where true)",
    "update public.lint as l set name = o.name from other o",
    "with gone as (delete from public.lint returning id) select 1 from gone where true",
    "for found in update public.lint set name = 'a' returning id loop select 1 where true; end loop;",
    "execute 'delete from public.lint'; perform 1 where true;",
    "execute format($f$update %I set name = 'a'$f$, known);",
    "/* where */ delete from public.lint -- where",
  ]) {
    test(`is found: ${source}`, () => {
      assert.equal(unconditionalChanges(source).length, 1);
    });
  }

  for (const source of [
    "delete from public.lint where true",
    "update public.lint set name = 'a' where id in (select 1)",
    "insert into public.lint values (1) on conflict (id) do update set name = excluded.name",
    "select 1 from public.lint for update; perform 1",
    "select 1 from public.lint for no key update of lint",
    "raise exception 'delete or update the number first'",
    "execute format('update %I set name = ''a'' where id = $1', known)",
    "with gone as (delete from public.lint where true) select 1",
  ]) {
    test(`is not reported: ${source}`, () => {
      assert.deepEqual(unconditionalChanges(source), []);
    });
  }
});

/** The contents of the platform's schemas, except policies and triggers. @param {postgres.Sql} sql */
async function platformObjects(sql) {
  const rows = await sql`
    with known as (
      select oid, nspname from pg_namespace where nspname in ('auth', 'storage', 'realtime')
    )
    select 'schema ' || n.nspname || ' ' || coalesce(s.nspacl::text, '') as object
    from known n join pg_namespace s on s.oid = n.oid
    union all
    select format('%s %s.%s of %s: %s', c.relkind, n.nspname, c.relname, c.relowner::regrole, c.relacl)
    from pg_class c join known n on n.oid = c.relnamespace
    union all
    select format('column %s.%s.%s %s', n.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    from pg_attribute a join pg_class c on c.oid = a.attrelid join known n on n.oid = c.relnamespace
    where a.attnum > 0
    union all
    select format('constraint %s.%s %s', n.nspname, k.conname, pg_get_constraintdef(k.oid))
    from pg_constraint k join known n on n.oid = k.connamespace
    union all
    select format('function %s.%s of %s: %s %s', n.nspname, p.proname, p.proowner::regrole, p.proacl, md5(p.prosrc))
    from pg_proc p join known n on n.oid = p.pronamespace
    union all
    select format('type %s.%s', n.nspname, t.typname) from pg_type t join known n on n.oid = t.typnamespace
    order by 1`;
  return rows.map(({ object }) => object);
}
