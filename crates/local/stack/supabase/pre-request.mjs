// PostgREST's `db-pre-request`: the function a project names on role `authenticator`, called in each request's transaction
// before its query. It may refuse, or make the rest of the transaction somebody else's.

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
    /** Forget what was set. */
    reload: () => {
      known = null;
    },
    /** @returns {Promise<string | null>} the statement that calls the function; null when none is named */
    statement() {
      known ??= sql.unsafe(SETTING).then(([row]) => (row?.name ? `select ${quoted(row.name)}()` : null));
      known.catch(() => (known = null));
      return known;
    },
  };
}

/** As PostgREST reads it: what is before the first dot is the schema. @param {string} name */
function quoted(name) {
  const [schema, ...rest] = name.split(".");
  const parts = rest.length === 0 ? [schema] : [schema, rest.join(".")];
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join(".");
}
