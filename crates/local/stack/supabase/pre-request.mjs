// PostgREST's `db-pre-request`: a function that a project configures on role `authenticator`. It runs in each request's
// transaction before the query. It may refuse the request, or change the identity for the rest of the transaction.

const SETTING = `
  select split_part(s.setting, '=', 2) as name
  from pg_catalog.pg_db_role_setting d
  join pg_catalog.pg_roles r on r.oid = d.setrole
  cross join lateral unnest(d.setconfig) as s (setting)
  where r.rolname = 'authenticator' and split_part(s.setting, '=', 1) = 'pgrst.db_pre_request'
    and d.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
  order by d.setdatabase desc
  limit 1`;

/** @param {import("postgres").Sql} sql the superuser's connections */
export function preRequest(sql) {
  /** @type {Promise<string | null> | null} */
  let known = null;

  return {
    /** Discards the cached setting. */
    reload: () => {
      known = null;
    },
    /** @returns {Promise<string | null>} the statement that calls the function; null if none is configured */
    statement() {
      known ??= sql.unsafe(SETTING).then(([row]) => (row?.name ? `select ${quoted(row.name)}()` : null));
      known.catch(() => (known = null));
      return known;
    },
  };
}

/** Quotes a name like PostgREST: the part before the first dot is the schema. @param {string} name */
function quoted(name) {
  const [schema, ...rest] = name.split(".");
  const parts = rest.length === 0 ? [schema] : [schema, rest.join(".")];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
}
