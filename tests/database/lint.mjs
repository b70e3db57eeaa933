// The rules of Supabase's database linter (splinter) that matter here, and a few of our own. Each finds the objects
// that break it.

const OURS = `array['public'::regnamespace, 'private'::regnamespace]`;
// The table is new, because a rule must not lock the tables of other tests.
const NEW_TABLE = "create table public.lint (id uuid primary key, name text)";
const FROM_PLATFORM = `not exists (
  select 1 from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
)`;

/**
 * `broken` is SQL that breaks the rule, to show that the rule sees it; `found` is the name that the rule must report.
 * @typedef {{ query: string, broken: string, found: string | string[] }} Rule
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
    broken:
      "create table public.lint_forgotten (id integer primary key); alter table public.lint_forgotten enable row level security",
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
  "a time limit belongs to a function that requests call": {
    // The limit of a statement counts from its start: PostgREST applies that of the called function before it.
    query: `
      select p.oid::regprocedure::text as offender from pg_proc p
      where p.pronamespace = 'private'::regnamespace
        and exists (select 1 from unnest(p.proconfig) c where c like 'statement_timeout=%')`,
    broken:
      "create function private.lint_limit() returns integer language sql set search_path = '' set statement_timeout = '1s' as 'select 1'",
    found: "private.lint_limit()",
  },
  "only the functions that identify the caller are open to every role": {
    query: `
      select p.oid::regprocedure::text as offender from pg_proc p
      where p.pronamespace = any (${OURS}) and ${FROM_PLATFORM}
        and p.oid <> all (array['private.begin_request()', 'private.api_key_of(text)', 'private.is_function_proof(text)']::regprocedure[])
        and (has_function_privilege('anon', p.oid, 'execute')
          or exists (select 1 from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee = 0))`,
    broken:
      "create function private.lint_call() returns integer language sql set search_path = '' as 'select 1'; grant execute on function private.lint_call() to public",
    found: "private.lint_call()",
  },
  "every table of schema private has row-level security and a policy": {
    query: `
      select c.relname as offender from pg_class c
      where c.relnamespace = 'private'::regnamespace and c.relkind in ('r', 'p')
        and (not c.relrowsecurity or not exists (select 1 from pg_policy p where p.polrelid = c.oid))`,
    broken:
      "create table private.lint_open (id integer primary key); alter table private.lint_open enable row level security",
    found: "lint_open",
  },
  "every policy is in force": {
    query: `
      select format('%s: %s', p.polrelid::regclass, p.polname) as offender from pg_policy p
      join pg_class c on c.oid = p.polrelid where c.relnamespace = any (${OURS}) and not c.relrowsecurity`,
    broken: `${NEW_TABLE}; create policy idle on public.lint to authenticated using (false)`,
    found: "lint: idle",
  },
  "no policy lets everything through": {
    query: `
      select format('%s: %s', tablename, policyname) as offender from pg_policies
      where (schemaname in ('public', 'private') or (schemaname, tablename) in (('realtime', 'messages'), ('storage', 'objects')))
        and permissive = 'PERMISSIVE'
        and (btrim(qual, '() ') in ('true', '1 = 1') or btrim(with_check, '() ') in ('true', '1 = 1'))`,
    broken: `${NEW_TABLE}; create policy wide on public.lint to authenticated using (true)`,
    found: "lint: wide",
  },
  "no policy trusts metadata that users can edit, or admits a caller without an identity": {
    query: `
      select format('%s: %s', tablename, policyname) as offender from pg_policies
      where (schemaname in ('public', 'private') or (schemaname, tablename) in (('realtime', 'messages'), ('storage', 'objects')))
        and coalesce(qual, '') || coalesce(with_check, '') ~ '(user_metadata|(auth\\.(uid|jwt|role)\\(\\)( AS \\w+)?|private\\.tenant_id\\(\\)( AS \\w+)?)\\)? IS NULL)'`,
    broken: `${NEW_TABLE}; create policy planted on public.lint to authenticated
      using (id = ((select auth.jwt()) -> 'user_metadata' ->> 'tenant_id')::uuid);
      create table public.lint_other (id integer primary key); create policy stranger on public.lint_other to authenticated using ((select auth.uid()) is null)`,
    found: ["lint: planted", "lint_other: stranger"],
  },
  "no column has a type that pg_upgrade cannot carry over": {
    query: `
      select format('%s.%s', c.oid::regclass, a.attname) as offender
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = any (${OURS}) and c.relkind in ('r', 'p', 'm')
        and a.atttypid in (
          'regproc'::regtype, 'regprocedure'::regtype, 'regoper'::regtype, 'regoperator'::regtype, 'regconfig'::regtype,
          'regdictionary'::regtype, 'regnamespace'::regtype, 'regcollation'::regtype
        )`,
    broken: "create table public.lint (id integer primary key, reader regproc)",
    found: "lint.reader",
  },
  "each kind of change has a function that reads it": {
    query: `
      select k.kind as offender from private.live_kinds k
      where to_regprocedure(k.reader || '(uuid)') is null`,
    broken: "insert into private.live_kinds (kind, reader) values ('lint', 'public.lint_reader')",
    found: "lint",
  },
  "accounts of Auth are shown by no view": {
    query: `
      select distinct c.relname as offender
      from pg_depend d
      join pg_rewrite r on r.oid = d.objid
      join pg_class c on c.oid = r.ev_class
      where d.classid = 'pg_rewrite'::regclass and d.refobjid = 'auth.users'::regclass
        and c.relnamespace = any (${OURS}) and c.relkind in ('v', 'm')`,
    broken: "create view public.lint_accounts with (security_invoker = on) as select id, email from auth.users",
    found: "lint_accounts",
  },
  "no secret is in a column that clients read": {
    query: `
      select format('%s.%s', c.relname, a.attname) as offender
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and a.attname ~ '(password|passwd|secret|token|api_key|private_key|key_hash|sealed|credential|cvv|otp|_pin$|^pin$)'
        and a.attname !~ '_id$'
        -- where a token is from, and whether it works
        and format('%s.%s', c.relname, a.attname) not in ('whatsapp_sessions.token_source', 'whatsapp_sessions.token_status')
        and has_column_privilege('authenticated', c.oid, a.attnum, 'select')`,
    broken:
      "create table public.lint (id integer primary key, access_token text); grant select on public.lint to authenticated",
    found: "lint.access_token",
  },
  "every table has a primary key": {
    query: `
      select c.oid::regclass::text as offender from pg_class c
      where c.relnamespace = any (${OURS}) and c.relkind in ('r', 'p')
        and not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary)`,
    broken: "create table public.lint (id integer)",
    found: "lint",
  },
  "no index is broken": {
    query: `
      select i.indexrelid::regclass::text as offender from pg_index i join pg_class c on c.oid = i.indrelid
      where c.relnamespace = any (${OURS}) and not (i.indisvalid and i.indisready)`,
    broken: `${NEW_TABLE}; create index lint_broken on public.lint (name); update pg_index set indisvalid = false where indexrelid = 'public.lint_broken'::regclass`,
    found: "lint_broken",
  },
  "no extension is in a schema of ours": {
    query: `select e.extname as offender from pg_extension e where e.extnamespace = any (${OURS})`,
    broken: "create extension citext schema public",
    found: "citext",
  },
  "no foreign key to an account of Auth uses a column that may change": {
    query: `
      select format('%s.%s', f.conrelid::regclass, f.conname) as offender from pg_constraint f
      where f.contype = 'f' and f.connamespace = any (${OURS}) and f.confrelid = 'auth.users'::regclass
        and not exists (select 1 from pg_index i where i.indexrelid = f.conindid and i.indisprimary)`,
    broken: "create table public.lint (id integer primary key, phone text references auth.users (phone))",
    found: "lint.lint_phone_fkey",
  },
  "a function with its owner's rights checks its caller": {
    // The matrix says which of them users may call; the tests of each subject say what each refuses.
    query: `
      select p.oid::regprocedure::text as offender from pg_proc p
      where p.pronamespace = any (${OURS}) and p.prosecdef and p.prorettype <> 'trigger'::regtype
        and has_function_privilege('authenticated', p.oid, 'execute')
        and p.prosrc !~ '(private\\.(require|require_campaign|own_number|own_conversation|tenant_id|has_permission|caller_roles)\\(|auth\\.uid\\()'
        -- look a key, a proof and a claim up by their secret
        and p.oid <> all (array[
          'private.api_key_of(text)', 'private.is_function_proof(text)', 'private.note_repeatable_write(uuid)'
        ]::regprocedure[])`,
    broken: `create function public.lint_all() returns bigint language sql security definer set search_path = '' as 'select count(*) from public.messages';
      grant execute on function public.lint_all() to authenticated`,
    found: "lint_all()",
  },
  "clients may only read tables": {
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
  "no index exists twice": {
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
  "policies identify the caller once, not for each row": {
    // After '( SELECT function(...' is taken out, the rest is called for each row.
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
  "tables of the inbox send the whole row to Realtime": {
    query: `
      select format('%s.%s', p.schemaname, p.tablename) as offender
      from pg_publication_tables p
      join pg_class c on c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
      where p.pubname = 'supabase_realtime' and c.relreplident <> 'f'`,
    broken: `${NEW_TABLE}; alter publication supabase_realtime add table public.lint`,
    found: "public.lint",
  },
  "no trigger decides about conversations and messages": {
    // Triggers set the time, record and announce a change, derive the shown text, and keep erased messages empty.
    query: `
      select format('%s: %s', t.tgrelid::regclass, t.tgname) as offender
      from pg_trigger t
      join pg_proc p on p.oid = t.tgfoid
      where t.tgrelid in ('public.conversations'::regclass, 'public.messages'::regclass) and not t.tgisinternal
        and p.proname not in ('touch_updated_at', 'audit', 'announce_conversations', 'announce_messages',
          'record_conversation_changes', 'annotate_created', 'annotate_updated', 'keep_deleted')`,
    broken: `create function private.lint_opens() returns trigger language plpgsql set search_path = '' as 'begin return new; end';
      create trigger lint_opens before update on public.conversations for each row execute function private.lint_opens()`,
    found: "conversations: lint_opens",
  },
  "a session variable identifies the caller, and steers nothing": {
    // Those of contact imports and of the audit log decide about no row: they say what is announced, and who prunes the
    // log.
    // `app.request_is_ours` says whose headers a request has.
    query: `
      select format('%s: %s', p.oid::regprocedure, v.name[1]) as offender
      from pg_proc p
      cross join lateral regexp_matches(p.prosrc, 'current_setting\\(''(app\\.[a-z_]+)''', 'g') as v (name)
      where p.pronamespace = any (${OURS})
        and v.name[1] <> all (array[
          'app.actor_id', 'app.request_is_ours', 'app.importing_contacts', 'app.pruning_audit_logs',
          'app.erasing_audit_logs'
        ])`,
    broken: `create function private.lint_steered() returns text language sql set search_path = ''
      as 'select current_setting(''app.quietly'', true)'`,
    found: "private.lint_steered(): app.quietly",
  },
};
