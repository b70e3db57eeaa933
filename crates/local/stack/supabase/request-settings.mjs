// The settings of a request's transaction, as PostgREST applies them. Its sessions have the settings of role
// `authenticator`. For each request it adds those of the request's role, and the time limit of the called function: within
// the function the setting would come too late, because the limit of a statement counts from its start.

// Only settings that every role may change: PostgREST leaves out the others. The search path is PostgREST's own.
const OF_ROLES = `
  select r.rolname as role, s.setting
  from pg_catalog.pg_db_role_setting d
  join pg_catalog.pg_roles r on r.oid = d.setrole
  cross join lateral unnest(d.setconfig) as s (setting)
  join pg_catalog.pg_settings p on p.name = split_part(s.setting, '=', 1) and p.context = 'user'
  where d.setdatabase in (0, (select oid from pg_catalog.pg_database where datname = current_database()))
    and (r.rolname = 'authenticator' or pg_catalog.pg_has_role('authenticator', r.oid, 'set'))
    and p.name <> 'search_path'
  order by d.setdatabase`;

const OF_FUNCTIONS = `
  select p.proname as function, s.setting
  from pg_catalog.pg_proc p
  cross join lateral unnest(p.proconfig) as s (setting)
  where p.pronamespace = 'public'::regnamespace
    and split_part(s.setting, '=', 1) = 'statement_timeout'`;

const TIME_LIMITS = new Set(["statement_timeout", "lock_timeout"]);
const MILLISECONDS = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** @typedef {Record<string, string>} Settings */

/**
 * @param {import("postgres").Sql} sql the superuser's connections
 * @param {number} scale of the time limits; 1 on a hosted project
 */
export function requestSettings(sql, scale) {
  /** @type {Promise<{ roles: Map<string, Settings>, functions: Map<string, Settings> }> | null} */
  let known = null;

  async function read() {
    const [roles, functions] = await Promise.all([sql.unsafe(OF_ROLES), sql.unsafe(OF_FUNCTIONS)]);
    return { roles: grouped(roles, "role"), functions: grouped(functions, "function") };
  }

  return {
    /** Discards the cached settings. */
    reload: () => {
      known = null;
    },
    /**
     * @param {string} role of the request @param {string} [name] of the function it calls
     * @returns {Promise<string>} a JSON object of names and values
     */
    async of(role, name = "") {
      known ??= read();
      known.catch(() => (known = null));
      const { roles, functions } = await known;
      const settings = { ...roles.get("authenticator"), ...roles.get(role), ...functions.get(name) };
      if (scale !== 1)
        for (const limit of TIME_LIMITS) if (settings[limit]) settings[limit] = scaled(settings[limit], scale);
      return JSON.stringify(settings);
    },
  };
}

/** The expression that applies them. @param {number} parameter its number in the statement */
export const applySettings = (parameter) =>
  `(select count(set_config(s.key, s.value, true)) from json_each_text($${parameter}::json) as s)`;

/** @param {Iterable<any>} rows @param {string} owner @returns {Map<string, Settings>} */
function grouped(rows, owner) {
  /** @type {Map<string, Settings>} */
  const groups = new Map();
  for (const row of rows) {
    const split = row.setting.indexOf("=");
    const settings = groups.get(row[owner]) ?? {};
    settings[row.setting.slice(0, split)] = row.setting.slice(split + 1);
    groups.set(row[owner], settings);
  }
  return groups;
}

/** @param {string} limit as Postgres reads it @param {number} scale */
function scaled(limit, scale) {
  const [, amount, unit = "ms"] = /^(\d+)\s*(ms|s|min|h)?$/.exec(limit) ?? [];
  if (amount === undefined) throw new Error(`not a time limit: ${limit}`);
  return `${Math.round(Number(amount) * MILLISECONDS[/** @type {keyof typeof MILLISECONDS} */ (unit)] * scale)}ms`;
}
