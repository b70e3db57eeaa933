import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { readMigrations } from "../../../crates/local/stack/supabase/migrations.mjs";
import { ROOT } from "../../../crates/local/stack/stack.mjs";
import { rolledBack, useDatabase } from "../database.mjs";
import { buildCatalogue } from "./build.mjs";
import { KINDS, readCatalogue } from "./catalogue.mjs";
import { differences } from "./compare.mjs";
import { normalisedSource } from "./source.mjs";

const MIGRATIONS = path.join(ROOT, "supabase/migrations");
/** After the first release: the schema in its final form, one file for each subject. */
const SCHEMAS = path.join(ROOT, "supabase/schemas");

/**
 * One change of each kind, and the start of the line that must report it. Both databases get the objects in `before`.
 * @type {Record<string, { before?: string, change: string, found: string }>}
 */
const CONTROLS = {
  "a schema": { change: "create schema lint", found: "schema lint: only in" },
  "the grants of a schema": {
    change: "grant create on schema private to authenticated",
    found: "schema private: grants",
  },
  "an extension": { change: "create extension citext schema extensions", found: "extension citext: only in" },
  "a default privilege": {
    change: "alter default privileges for role postgres in schema public grant select on tables to anon",
    found: "default privilege postgres in public r: grants",
  },
  "a setting of a role": {
    change: "alter role authenticator set pgrst.db_max_rows = '7'",
    found: "setting of a role authenticator in every database: settings",
  },
  "a table": { change: "create table private.other (id integer)", found: "table private.other: only in" },
  "the owner of a table": {
    change: "alter table public.labels owner to supabase_admin",
    found: "table public.labels: owner",
  },
  "the grants of a table": {
    change: "grant update on public.labels to authenticated",
    found: "table public.labels: grants",
  },
  "row-level security": {
    change: "alter table public.labels disable row level security",
    found: "table public.labels: row_level_security",
  },
  "forced row-level security": {
    change: "alter table public.labels force row level security",
    found: "table public.labels: forced_row_level_security",
  },
  "a replica identity": {
    change: "alter table public.contacts replica identity full",
    found: "table public.contacts: replica_identity",
  },
  "the options of a table": {
    change: "alter table public.labels set (fillfactor = 70)",
    found: "table public.labels: options",
  },
  "the comment of a table": {
    change: "comment on table public.labels is 'other'",
    found: "table public.labels: comment",
  },
  "a view": {
    change: "create view public.other with (security_invoker = on) as select 1 as one",
    found: "view public.other: only in",
  },
  "the definition of a view": {
    before: "create view public.other with (security_invoker = on) as select 1 as one",
    change: "create or replace view public.other with (security_invoker = on) as select 2 as one",
    found: "view public.other: definition",
  },
  "a column": {
    change: "alter table public.labels add column other text",
    found: "column public.labels.other: only in",
  },
  "the type of a column": {
    change: "alter table public.labels alter column name type varchar(60)",
    found: "column public.labels.name: type",
  },
  "the default of a column": {
    change: "alter table public.labels alter column name set default 'x'",
    found: "column public.labels.name: value",
  },
  "the not-null rule of a column": {
    change: "alter table public.labels alter column name drop not null",
    found: "column public.labels.name: not_null",
  },
  "a generated column": {
    change: "alter table public.contacts alter column phone_key drop expression",
    found: "column public.contacts.phone_key: generated",
  },
  "an identity": {
    change: "alter table public.webhook_events alter column id drop identity",
    found: "column public.webhook_events.id: identity",
  },
  "a collation": {
    change: 'alter table public.labels alter column name type text collate "C"',
    found: "column public.labels.name: collation",
  },
  "the grants of a column": {
    change: "grant update (name) on public.labels to authenticated",
    found: "column public.labels.name: grants",
  },
  "a constraint": {
    change: "alter table public.labels add constraint other check (name <> 'x')",
    found: "constraint public.labels: other: only in",
  },
  "the deletion rule of a foreign key": {
    before: "create table private.other (id uuid constraint parent references public.tenants (id))",
    change:
      "alter table private.other drop constraint parent, add constraint parent foreign key (id) references public.tenants (id) on delete cascade",
    found: "constraint private.other: parent: definition",
  },
  "an index": { change: "drop index public.contacts_email_idx", found: "index public.contacts_email_idx: only in" },
  "the definition of an index": {
    change:
      "drop index public.contacts_email_idx; create index contacts_email_idx on public.contacts (tenant_id, lower(email))",
    found: "index public.contacts_email_idx: definition",
  },
  "a sequence": {
    change: "alter sequence private.assignment_turns increment 2",
    found: "sequence private.assignment_turns: increment",
  },
  "a type": { change: "create type private.other as enum ('a')", found: "type private.other: only in" },
  "the labels of a type": {
    before: "create type private.other as enum ('a')",
    change: "alter type private.other rename value 'a' to 'b'",
    found: "type private.other: labels",
  },
  "a function": {
    change: "create function private.other() returns integer language sql as 'select 1'",
    found: "function private.other(): only in",
  },
  "the source of a function": {
    before: "create function private.other() returns integer language sql as 'select 1'",
    change: "create or replace function private.other() returns integer language sql as 'select 2'",
    found: "function private.other(): source",
  },
  "the name of an argument": {
    before: "create function private.other(one integer) returns integer language sql as 'select 1'",
    change:
      "drop function private.other(integer); create function private.other(two integer) returns integer language sql as 'select 1'",
    found: "function private.other(integer): arguments",
  },
  "the default of an argument": {
    before: "create function private.other(one integer default 1) returns integer language sql as 'select 1'",
    change:
      "create or replace function private.other(one integer default 2) returns integer language sql as 'select 1'",
    found: "function private.other(integer): arguments",
  },
  "the result of a function": {
    before: "create function private.other() returns integer language sql as 'select 1'",
    change: "drop function private.other(); create function private.other() returns bigint language sql as 'select 1'",
    found: "function private.other(): result",
  },
  "the rights that a function runs with": {
    change: "alter function private.touch_updated_at() security definer",
    found: "function private.touch_updated_at(): security_definer",
  },
  "the volatility of a function": {
    change: "alter function private.touch_updated_at() stable",
    found: "function private.touch_updated_at(): volatility",
  },
  "the handling of null by a function": {
    change: "alter function private.touch_updated_at() strict",
    found: "function private.touch_updated_at(): strict",
  },
  "the parallel safety of a function": {
    change: "alter function private.touch_updated_at() parallel safe",
    found: "function private.touch_updated_at(): parallel",
  },
  "the cost of a function": {
    change: "alter function private.touch_updated_at() cost 7",
    found: "function private.touch_updated_at(): cost",
  },
  "the rows of a function": {
    change: "alter function private.caller_roles() rows 7",
    found: "function private.caller_roles(): rows",
  },
  "a setting of a function": {
    change: "alter function private.touch_updated_at() set statement_timeout = '1s'",
    found: "function private.touch_updated_at(): settings",
  },
  "the grants of a function": {
    change: "grant execute on function private.touch_updated_at() to anon",
    found: "function private.touch_updated_at(): grants",
  },
  "the owner of a function": {
    change: "alter function private.touch_updated_at() owner to supabase_admin",
    found: "function private.touch_updated_at(): owner",
  },
  "a trigger": {
    change: "drop trigger touch_updated_at on public.tenants",
    found: "trigger public.tenants: touch_updated_at: only in",
  },
  "the definition of a trigger": {
    change:
      "create or replace trigger touch_updated_at before insert on public.tenants for each row execute function private.touch_updated_at()",
    found: "trigger public.tenants: touch_updated_at: definition",
  },
  "a disabled trigger": {
    change: "alter table public.tenants disable trigger touch_updated_at",
    found: "trigger public.tenants: touch_updated_at: enabled",
  },
  "the order of triggers": {
    change:
      "create trigger a_first before update on public.tenants for each row execute function private.touch_updated_at()",
    found: "trigger public.tenants: touch_updated_at: firing_order",
  },
  "a policy": {
    change: "create policy other on storage.objects to authenticated using (false)",
    found: "policy storage.objects: other: only in",
  },
  "the condition of a policy": {
    change: 'alter policy "people read their tenant" on public.tenants using (false)',
    found: "policy public.tenants: people read their tenant: visible",
  },
  "the roles of a policy": {
    change: 'alter policy "people read their tenant" on public.tenants to anon',
    found: "policy public.tenants: people read their tenant: roles",
  },
  "a publication": {
    change: "alter publication supabase_realtime set (publish = 'insert')",
    found: "publication supabase_realtime: ",
  },
  "a published table": {
    change: "alter publication supabase_realtime add table public.labels",
    found: "published table supabase_realtime: public.labels: only in",
  },
  "a bucket": {
    change: "update storage.buckets set public = true where id = 'imports'",
    found: "bucket imports: properties",
  },
  "a row that was inserted": {
    change: "update public.permissions set permission_name = 'Other' where permission_key = 'reports.view'",
    found: "row of public.permissions ",
  },
  "an object of a kind that this project does not use": {
    change: 'create collation private.other from "C"',
    found: "other object collation private.other: only in",
  },
  "a rule": {
    change: "create rule other as on delete to public.labels do instead nothing",
    found: "other object rule other on public.labels: only in",
  },
};

const { sql } = await useDatabase({ own: true });

for (const [name, { before, change, found }] of Object.entries(CONTROLS)) {
  const kinds = KINDS.filter((kind) => found.startsWith(`${kind} `));
  test(`the comparison sees ${name}`, () =>
    rolledBack(sql, async (world) => {
      if (before !== undefined) await world.sql.unsafe(before);
      const left = await readCatalogue(world.sql, kinds);
      await world.sql.unsafe(change);
      const reported = differences(left, await readCatalogue(world.sql, kinds));
      assert.ok(
        reported.some((line) => line.startsWith(found)),
        `${found} is not among:\n${reported.join("\n")}`,
      );
    }));
}

test("the comparison has a control for each kind", () => {
  const controlled = Object.values(CONTROLS).map(({ found }) => found);
  assert.deepEqual(
    KINDS.filter((kind) => !controlled.some((found) => found.startsWith(`${kind} `))),
    [],
  );
});

test("the comparison ignores comments, layout and the order of columns", () =>
  rolledBack(sql, async (world) => {
    await world.sql.unsafe(`
      create table private.other (a integer, b text);
      create function private.other() returns integer language sql as 'select 1 + 2'`);
    const left = await readCatalogue(world.sql);
    await world.sql.unsafe(`
      drop table private.other;
      create table private.other (b text, a integer);
      create or replace function private.other() returns integer language sql as $$
        -- the sum
        select 1   +
          2 /* in all */
      $$`);
    assert.deepEqual(differences(left, await readCatalogue(world.sql)), []);
  }));

test("text in quotes is not layout", () => {
  assert.equal(
    normalisedSource(`select 'a  -- b', "c  d", $q$ e  f $q$ -- g`),
    `select 'a  -- b', "c  d", $q$ e  f $q$`,
  );
  assert.equal(normalisedSource("'it''s  /* so */', E'a\\'  b'"), "'it''s  /* so */', E'a\\'  b'");
});

test("each function, table and type stands once in the schema", () => {
  const times = new Map();
  for (const { text } of readMigrations(existsSync(SCHEMAS) ? SCHEMAS : MIGRATIONS)) {
    for (const [, kind, name, signature] of text.matchAll(
      /^create (?:or replace )?(function|table|type|view) ([\w.]+)(.*?)(?: as \$|;$)/gms,
    )) {
      const made = kind === "function" ? `${kind} ${name}${argumentsIn(signature)}` : `${kind} ${name}`;
      times.set(made, (times.get(made) ?? 0) + 1);
    }
  }
  assert.ok(times.size > 500);
  assert.deepEqual(
    [...times].filter(([, count]) => count > 1),
    [],
  );
});

/** The part of a signature that separates functions of one name. @param {string} signature */
const argumentsIn = (signature) => signature.slice(0, signature.search(/\)\s*returns/) + 1).replaceAll(/\s+/g, " ");

test(
  "the final form of the schema equals the result of the migrations",
  { skip: existsSync(SCHEMAS) ? false : "migrations are the schema until the first release" },
  async () => {
    const names = { left: "supabase/migrations", right: "supabase/schemas" };
    assert.deepEqual(differences(await buildCatalogue(MIGRATIONS), await buildCatalogue(SCHEMAS), names), []);
  },
);
