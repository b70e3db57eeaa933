// The schema of a database as text: each object by its kind and name, with every property that a migration can set.
// Column order, object ids and the layout of a function's source are left out: two databases that differ in nothing
// else are equal.
import { normalisedSource } from "./source.mjs";

const OURS = `('public', 'private')`;
/** Triggers and policies of ours also stand on tables of the platform. */
const WITH_PLATFORM = `('public', 'private', 'auth', 'storage', 'realtime')`;

/** Grants as sorted text. @param {string} acl @param {string} defaults the meaning of an empty list */
const grants = (acl, defaults) => `(
  select coalesce(string_agg(format('%s %s by %s%s', g.grantee, g.privilege_type, g.grantor, case when g.is_grantable then ' with grant option' end), ', '
    order by g.grantee::text, g.privilege_type, g.grantor::text), '')
  from (
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as grantee, a.grantor::regrole as grantor,
      a.privilege_type, a.is_grantable
    from aclexplode(coalesce(${acl}, ${defaults})) a
  ) g
)`;

/** Objects of an extension belong to the extension. @param {string} catalogue @param {string} oid */
const ofNoExtension = (catalogue, oid) =>
  `not exists (select from pg_depend d where d.classid = '${catalogue}'::regclass and d.objid = ${oid} and d.deptype = 'e')`;

/**
 * Each query returns rows with `name` and the properties of the object.
 * @type {Record<string, string>}
 */
const QUERIES = {
  schema: `
    select n.nspname as name, n.nspowner::regrole::text as owner, obj_description(n.oid, 'pg_namespace') as comment,
      ${grants("n.nspacl", "acldefault('n', n.nspowner)")} as grants
    from pg_namespace n
    where n.nspname !~ '^(pg_|information_schema|supabase_|auth$|storage$|realtime$)'`,
  extension: `
    select e.extname as name, e.extnamespace::regnamespace::text as schema, e.extversion as version from pg_extension e`,
  "default privilege": `
    select concat_ws(' ', d.defaclrole::regrole::text, 'in', coalesce(n.nspname, 'every schema'), d.defaclobjtype::text) as name,
      ${grants("d.defaclacl", "null")} as grants
    from pg_default_acl d
    left join pg_namespace n on n.oid = d.defaclnamespace`,
  "setting of a role": `
    select concat_ws(' ', coalesce(nullif(s.setrole, 0)::regrole::text, 'every role'), 'in', case s.setdatabase when 0 then 'every database' else 'this database' end) as name,
      (select string_agg(c, ', ' order by c) from unnest(s.setconfig) c) as settings
    from pg_db_role_setting s
    where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))`,
  table: `
    select c.oid::regclass::text as name, c.relkind::text as kind, c.relpersistence::text as persistence, c.relowner::regrole::text as owner,
      c.relrowsecurity as row_level_security, c.relforcerowsecurity as forced_row_level_security, c.relreplident::text as replica_identity,
      c.reloptions::text as options, obj_description(c.oid, 'pg_class') as comment,
      ${grants("c.relacl", "acldefault('r', c.relowner)")} as grants
    from pg_class c
    where c.relnamespace::regnamespace::text in ${OURS} and c.relkind in ('r', 'p', 'f') and ${ofNoExtension("pg_class", "c.oid")}`,
  view: `
    select c.oid::regclass::text as name, c.relkind::text as kind, c.relowner::regrole::text as owner, c.reloptions::text as options,
      pg_get_viewdef(c.oid) as definition, obj_description(c.oid, 'pg_class') as comment,
      ${grants("c.relacl", "acldefault('r', c.relowner)")} as grants
    from pg_class c
    where c.relnamespace::regnamespace::text in ${OURS} and c.relkind in ('v', 'm') and ${ofNoExtension("pg_class", "c.oid")}`,
  column: `
    select format('%s.%s', a.attrelid::regclass, a.attname) as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as not_null,
      pg_get_expr(d.adbin, d.adrelid) as value, a.attgenerated::text as generated, a.attidentity::text as identity,
      nullif(a.attcollation, 0)::regcollation::text as collation, a.attstorage::text as storage, a.attcompression::text as compression,
      a.attstattarget as statistics, a.attoptions::text as options, col_description(a.attrelid, a.attnum) as comment,
      ${grants("a.attacl", "null")} as grants
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace::regnamespace::text in ${OURS} and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c') and a.attnum > 0 and not a.attisdropped
      and ${ofNoExtension("pg_class", "c.oid")}`,
  constraint: `
    select concat_ws(': ', coalesce(nullif(k.conrelid, 0)::regclass::text, k.contypid::regtype::text), k.conname) as name,
      pg_get_constraintdef(k.oid) as definition, k.convalidated as validated, obj_description(k.oid, 'pg_constraint') as comment
    from pg_constraint k
    where k.connamespace::regnamespace::text in ${OURS}`,
  index: `
    select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition, i.indisvalid as valid, i.indisclustered as clustered,
      i.indisreplident as replica_identity, obj_description(i.indexrelid, 'pg_class') as comment
    from pg_index i
    join pg_class c on c.oid = i.indrelid
    where c.relnamespace::regnamespace::text in ${OURS}`,
  sequence: `
    select c.oid::regclass::text as name, c.relowner::regrole::text as owner, format_type(s.seqtypid, null) as type, s.seqstart as start,
      s.seqincrement as increment, s.seqmin as least, s.seqmax as greatest, s.seqcache as cache, s.seqcycle as cycle,
      ${grants("c.relacl", "acldefault('s', c.relowner)")} as grants
    from pg_sequence s
    join pg_class c on c.oid = s.seqrelid
    where c.relnamespace::regnamespace::text in ${OURS}`,
  type: `
    select t.oid::regtype::text as name, t.typtype::text as kind, t.typowner::regrole::text as owner, nullif(t.typbasetype, 0)::regtype::text as base,
      t.typnotnull as not_null, t.typdefault as value, obj_description(t.oid, 'pg_type') as comment,
      (select string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid) as labels
    from pg_type t
    left join pg_class c on c.oid = t.typrelid
    where t.typnamespace::regnamespace::text in ${OURS} and t.typtype in ('d', 'e', 'c', 'r') and coalesce(c.relkind, 'c') = 'c'
      and ${ofNoExtension("pg_type", "t.oid")}`,
  function: `
    select p.oid::regprocedure::text as name, p.prokind::text as kind, pg_get_function_arguments(p.oid) as arguments,
      pg_get_function_result(p.oid) as result, l.lanname as language, p.prosecdef as security_definer, p.proleakproof as leakproof,
      p.provolatile::text as volatility, p.proisstrict as strict, p.proparallel::text as parallel, p.procost as cost, p.prorows as rows,
      nullif(p.prosupport, 0)::regprocedure::text as support, p.proconfig::text as settings, p.proowner::regrole::text as owner,
      ${grants("p.proacl", "acldefault('f', p.proowner)")} as grants,
      coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) as source, obj_description(p.oid, 'pg_proc') as comment
    from pg_proc p
    join pg_language l on l.oid = p.prolang
    where p.pronamespace::regnamespace::text in ${OURS} and ${ofNoExtension("pg_proc", "p.oid")}`,
  trigger: `
    select format('%s: %s', t.tgrelid::regclass, t.tgname) as name, pg_get_triggerdef(t.oid) as definition, t.tgenabled::text as enabled,
      obj_description(t.oid, 'pg_trigger') as comment,
      -- Triggers of the same moment run in the order of their names.
      (
        select string_agg(b.tgname, ', ' order by b.tgname collate "C") from pg_trigger b
        where b.tgrelid = t.tgrelid and not b.tgisinternal and b.tgtype & 67 = t.tgtype & 67 and (b.tgtype & 60) & (t.tgtype & 60) <> 0
      ) as firing_order
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    where c.relnamespace::regnamespace::text in ${WITH_PLATFORM} and not t.tgisinternal`,
  policy: `
    select format('%s: %s', p.polrelid::regclass, p.polname) as name, p.polpermissive as permissive, p.polcmd::text as command,
      (select string_agg(case r when 0 then 'public' else r::regrole::text end, ', ' order by r::regrole::text) from unnest(p.polroles) r) as roles,
      pg_get_expr(p.polqual, p.polrelid) as visible, pg_get_expr(p.polwithcheck, p.polrelid) as checked,
      obj_description(p.oid, 'pg_policy') as comment
    from pg_policy p
    join pg_class c on c.oid = p.polrelid
    where c.relnamespace::regnamespace::text in ${WITH_PLATFORM}`,
  publication: `
    select p.pubname as name, p.puballtables as all_tables, p.pubinsert as inserts, p.pubupdate as updates, p.pubdelete as deletes,
      p.pubtruncate as truncates, p.pubviaroot as via_root, p.pubowner::regrole::text as owner
    from pg_publication p`,
  "published table": `
    select format('%s: %s.%s', t.pubname, t.schemaname, t.tablename) as name,
      (select string_agg(c, ', ' order by c) from unnest(t.attnames) c) as columns, t.rowfilter as filter
    from pg_publication_tables t`,
  bucket: `
    select b.id as name, (to_jsonb(b) - '{id,created_at,updated_at}'::text[])::text as properties from storage.buckets b`,
  // Kinds of objects that this project does not use: a name shows that one was created.
  "other object": `
    select distinct concat_ws(' ', o.type, o.identity) as name
    from pg_depend d
    cross join lateral pg_identify_object(d.classid, d.objid, 0) o
    where d.refclassid = 'pg_namespace'::regclass and d.refobjid::regnamespace::text in ${OURS} and d.deptype = 'n'
      and d.classid not in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass, 'pg_default_acl'::regclass)
      and not exists (select from pg_depend e where e.classid = d.classid and e.objid = d.objid and e.deptype = 'e')
    union all
    select concat_ws(' ', 'event trigger', e.evtname) from pg_event_trigger e
    union all
    select format('rule %s on %s', r.rulename, r.ev_class::regclass) from pg_rewrite r
    join pg_class c on c.oid = r.ev_class
    where c.relnamespace::regnamespace::text in ${OURS} and r.rulename <> '_RETURN'`,
};

/** @typedef {Record<string, Record<string, string>>} Catalogue of each object, as `kind name`, its properties */

const ROWS = "row";
/** The kinds in a catalogue, with which the names of their objects begin. */
export const KINDS = [...Object.keys(QUERIES), ROWS];

/**
 * @param {import("postgres").Sql} sql of the superuser
 * @param {string[]} [kinds] of `KINDS`
 * @returns {Promise<Catalogue>}
 */
export async function readCatalogue(sql, kinds = KINDS) {
  // Without a search path every name in an answer carries its schema.
  await sql.unsafe("set search_path = ''; set extra_float_digits = 1");
  /** @type {Catalogue} */
  const catalogue = {};
  for (const kind of kinds)
    Object.assign(catalogue, kind === ROWS ? await readRows(sql) : await readObjects(sql, kind));
  return catalogue;
}

/** @param {import("postgres").Sql} sql @param {string} kind @returns {Promise<Catalogue>} */
async function readObjects(sql, kind) {
  /** @type {Catalogue} */
  const objects = {};
  for (const { name, ...properties } of await sql.unsafe(QUERIES[kind])) {
    if (kind === "function") properties.source = normalisedSource(properties.source);
    objects[`${kind} ${name}`] = Object.fromEntries(
      Object.entries(properties).map(([key, value]) => [key, String(value ?? "")]),
    );
  }
  return objects;
}

/** Ids that migrations write by hand begin with zeros; each database generates the others anew. */
const GENERATED_ID = /"(?!00000000-)[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"/g;

/** The rows that migrations insert. @param {import("postgres").Sql} sql @returns {Promise<Catalogue>} */
async function readRows(sql) {
  const tables = await sql.unsafe(`
    select c.oid::regclass::text as name, array(
      select a.attname::text from pg_attribute a
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
      where a.attrelid = c.oid and a.attnum > 0 and pg_get_expr(d.adbin, d.adrelid) = 'now()'
    ) as written_at
    from pg_class c where c.relnamespace::regnamespace::text in ${OURS} and c.relkind = 'r'`);
  /** @type {Catalogue} */
  const rows = {};
  for (const { name, written_at: writtenAt } of tables) {
    const found = await sql.unsafe(`select (to_jsonb(t) - $1::text[])::text as row from ${name} t`, [writtenAt]);
    const seen = new Map();
    for (const text of found.map(({ row }) => row.replaceAll(GENERATED_ID, '"generated"'))) {
      seen.set(text, (seen.get(text) ?? 0) + 1);
      rows[`${ROWS} of ${name} ${text}`] = { times: String(seen.get(text)) };
    }
  }
  return rows;
}
