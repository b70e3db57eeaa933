// The rules of Supabase's database linter (splinter) that matter here, and a few of our own. Each finds what breaks it.

const OURS = `array['public'::regnamespace, 'private'::regnamespace]`;
// A table of its own: a rule must not lock those of other tests.
const NEW_TABLE = "create table public.lint (id uuid primary key, name text)";
const FROM_PLATFORM = `not exists (
  select 1 from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
)`;

/**
 * `broken` is SQL that makes an offence, to show that the rule sees it; `found` is what the rule must call it.
 * @typedef {{ query: string, broken: string, found: string }} Rule
 * @type {Record<string, Rule>}
 */
export const RULES = {
  "every public table has row-level security": {
    query: `
      select c.relname as offender from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relrowsecurity`,
    broken: "create table public.lint_open (id integer primary key)",
    found: "lint_open",
  },
  "every public table has a policy": {
    query: `
      select c.relname as offender from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        and not exists (select 1 from pg_policy p where p.polrelid = c.oid)`,
    broken: "create table public.lint_forgotten (id integer primary key); alter table public.lint_forgotten enable row level security",
    found: "lint_forgotten",
  },
  "policies name the roles they are for": {
    query: `
      select format('%s: %s', p.polrelid::regclass, p.polname) as offender from pg_policy p
      join pg_class c on c.oid = p.polrelid
      where (c.relnamespace = any (${OURS}) or c.oid = 'realtime.messages'::regclass)
        and p.polroles && array[0::oid, 'anon'::regrole]`,
    broken: `${NEW_TABLE}; create policy everybody on public.lint using (false)`,
    found: "lint: everybody",
  },
  "views do not run with their owner's rights": {
    query: `
      select c.relname as offender from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'v'
        and not coalesce(c.reloptions @> array['security_invoker=true'] or c.reloptions @> array['security_invoker=on'], false)`,
    broken: "create view public.lint_view as select 1 as one",
    found: "lint_view",
  },
  "no materialised view or foreign table is exposed": {
    query: `
      select c.relname as offender from pg_class c
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('m', 'f')`,
    broken: "create materialized view public.lint_snapshot as select 1 as one",
    found: "lint_snapshot",
  },
  "every function fixes its search path": {
    query: `
      select p.oid::regprocedure::text as offender from pg_proc p
      where p.pronamespace = any (${OURS}) and ${FROM_PLATFORM}
        and not coalesce(exists (select 1 from unnest(p.proconfig) c where c like 'search_path=%'), false)`,
    broken: "create function private.lint_path() returns integer language sql as 'select 1'",
    found: "private.lint_path()",
  },
  "no function can be called by everybody, but those that find out who asks": {
    query: `
      select p.oid::regprocedure::text as offender from pg_proc p
      where p.pronamespace = any (${OURS}) and ${FROM_PLATFORM}
        and p.oid <> all (array['private.begin_request()', 'private.api_key_of(text)']::regprocedure[])
        and (has_function_privilege('anon', p.oid, 'execute')
          or exists (select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0))`,
    broken: "create function private.lint_call() returns integer language sql set search_path = '' as 'select 1'; grant execute on function private.lint_call() to public",
    found: "private.lint_call()",
  },
  "clients may read tables and no more": {
    query: `
      select format('%s: %s by %s', c.relname, privilege, role) as offender
      from pg_class c
      cross join unnest(array['anon', 'authenticated']) as role
      cross join unnest(array['select', 'insert', 'update', 'references']) as privilege
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_any_column_privilege(role, c.oid, privilege)
        and (role, privilege) <> ('authenticated', 'select')
      union all
      select format('%s: %s by %s', c.relname, privilege, role)
      from pg_class c
      cross join unnest(array['anon', 'authenticated']) as role
      cross join unnest(array['delete', 'truncate', 'trigger', 'maintain']) as privilege
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_table_privilege(role, c.oid, privilege)
      union all
      select format('%s: %s by %s', c.relname, privilege, role)
      from pg_class c
      cross join unnest(array['anon', 'authenticated']) as role
      cross join unnest(array['usage', 'select', 'update']) as privilege
      where c.relnamespace = 'public'::regnamespace and c.relkind = 'S'
        and has_sequence_privilege(role, c.oid, privilege)`,
    broken: `${NEW_TABLE}; grant update (name) on public.lint to authenticated`,
    found: "lint: update by authenticated",
  },
  "clients reach no table of schema private": {
    query: `
      select c.relname as offender from pg_class c cross join unnest(array['anon', 'authenticated']) as role
      where c.relnamespace = 'private'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and (has_any_column_privilege(role, c.oid, 'select') or has_table_privilege(role, c.oid, 'delete'))`,
    broken: "create table private.lint_secret (id integer); grant select on private.lint_secret to authenticated",
    found: "lint_secret",
  },
  "every foreign key is covered by an index": {
    query: `
      select format('%s.%s', f.conrelid::regclass, f.conname) as offender
      from pg_constraint f
      where f.contype = 'f' and f.connamespace = any (${OURS})
        and not exists (
          select 1 from pg_index i
          where i.indrelid = f.conrelid and i.indisvalid
            -- its first columns, in any order
            and (i.indkey::smallint[])[0:cardinality(f.conkey) - 1] @> f.conkey
            -- a partial one serves where it leaves out nothing but nulls
            and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = any (
              select format('(%I IS NOT NULL)', a.attname) from pg_attribute a
              where a.attrelid = f.conrelid and a.attnum = any (f.conkey)
            ))
        )`,
    broken: `${NEW_TABLE}; create table public.lint_child (id integer primary key, parent uuid references public.lint (id))`,
    found: "lint_child.lint_child_parent_fkey",
  },
  "no index is there twice": {
    query: `
      select a.indexrelid::regclass::text as offender
      from pg_index a join pg_index b on b.indrelid = a.indrelid and b.indexrelid < a.indexrelid
      join pg_class c on c.oid = a.indrelid
      where c.relnamespace = any (${OURS})
        and a.indkey = b.indkey and a.indoption = b.indoption and a.indclass = b.indclass
        and a.indpred is not distinct from b.indpred and a.indexprs is not distinct from b.indexprs`,
    broken: `${NEW_TABLE}; create index once on public.lint (name); create index lint_again on public.lint (name)`,
    found: "lint_again",
  },
  "policies ask who the caller is once, not for each row": {
    // What is left after taking out '( SELECT function(...' is called for each row.
    query: `
      select format('%s: %s', tablename, policyname) as offender from pg_policies
      cross join lateral (
        select regexp_replace(coalesce(qual, '') || ' ' || coalesce(with_check, ''), '\\( SELECT (auth|private|realtime)\\.\\w+\\(', '', 'g')
      ) as asked (per_row)
      where (schemaname in ('public', 'private') or (schemaname, tablename) = ('realtime', 'messages'))
        and per_row ~ '((auth|private|realtime)\\.\\w+|current_setting)\\('`,
    broken: `${NEW_TABLE}; create policy slow on public.lint to authenticated using (id = private.tenant_id())`,
    found: "lint: slow",
  },
  "a role has one policy for each command": {
    query: `
      select format('%s: %s for %s', t.oid::regclass, command, role.rolname) as offender
      from pg_class t
      cross join unnest(array['r', 'a', 'w', 'd']) as command
      cross join pg_roles role
      join pg_policy p on p.polrelid = t.oid and p.polpermissive and p.polcmd::text in (command, '*')
        and p.polroles && array[0::oid, role.oid]
      where t.relnamespace = any (${OURS}) and role.rolname in ('anon', 'authenticated')
      group by 1
      having count(*) > 1`,
    broken: `${NEW_TABLE}; create policy one on public.lint for select to authenticated using (true);
      create policy two on public.lint for select to authenticated using (false)`,
    found: "lint: r for authenticated",
  },
  "tables of the inbox tell the whole row to Realtime": {
    query: `
      select format('%s.%s', p.schemaname, p.tablename) as offender
      from pg_publication_tables p
      join pg_class c on c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
      where p.pubname = 'supabase_realtime' and c.relreplident <> 'f'`,
    broken: `${NEW_TABLE}; alter publication supabase_realtime add table public.lint`,
    found: "public.lint",
  },
};
