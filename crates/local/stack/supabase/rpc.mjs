// Calls SQL functions like PostgREST: the body goes to Postgres as text and the answer comes back as text, so that no
// number is rounded on the way. Unusual requests go to Lite.
import { applySettings } from "./request-settings.mjs";
import { restStatus } from "./rest-error.mjs";

/** @typedef {import("./lite.mjs").Caller} Caller */
/** @typedef {{ name: string, type: string, required: boolean }} Argument */
/** @typedef {{ arguments: Argument[], set: boolean, shape: "void" | "scalar" | "row", readOnly: boolean }} Routine */
/** @typedef {{ status: number, headers: Record<string, string>, body: string | null }} Answer */

const JSON_TYPE = "application/json";
const OBJECT_TYPE = "application/vnd.pgrst.object+json";
const SETTINGS = applySettings(5);

const CATALOG = `
  select
    p.proname as name,
    p.proretset as set,
    p.provolatile <> 'v' as "readOnly",
    case
      when t.typname = 'void' then 'void'
      when t.typtype = 'c' or p.prorettype = 'record'::regtype then 'row'
      else 'scalar'
    end as shape,
    t.typtype = 'd' as domain,
    p.provariadic <> 0 as variadic,
    p.pronargs as count,
    p.pronargdefaults as defaults,
    coalesce(p.proargnames, '{}') as names,
    coalesce(p.proargmodes::text[], '{}') as modes,
    array(select pg_catalog.format_type(a, null) from unnest(p.proargtypes) with ordinality as u (a, o) order by o) as types
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_type t on t.oid = p.prorettype
  where n.nspname = 'public' and p.prokind = 'f'`;

/**
 * @param {import("postgres").Sql} sql the superuser's connections
 * @param {ReturnType<import("./pre-request.mjs").preRequest>} preRequest
 * @param {ReturnType<import("./request-settings.mjs").requestSettings>} requestSettings
 */
export function rpcCaller(sql, preRequest, requestSettings) {
  /** @type {Promise<Map<string, Routine>> | null} */
  let catalog = null;
  /** @param {string} name */
  async function find(name) {
    catalog ??= readCatalog(sql);
    return (await catalog.catch(() => (catalog = null)))?.get(name);
  }

  return {
    /** Discards the cached list of functions. */
    reload: () => {
      catalog = null;
    },
    /** Whether PostgREST would call it in a read-only transaction. @param {string} name */
    isReadOnly: async (name) => (await find(name))?.readOnly ?? false,
    /**
     * @param {string} name @param {import("node:http").IncomingMessage} request @param {Buffer} body @param {Caller} caller
     * @returns {Promise<Answer | null>} null if Lite must handle the request
     */
    async call(name, request, body, caller) {
      const wanted = wantedForm(request);
      if (wanted === null) return null;
      const routine = await find(name);
      if (!routine) return null;
      const text = body.length === 0 ? "{}" : body.toString("utf8");
      const given = keysOf(text);
      if (!given || !accepts(routine, given)) return null;
      const role = caller.claims.role ?? "anon";
      const settings = await requestSettings.of(role, name);
      const before = await preRequest.statement();
      return invoke(sql, { name, routine, given, text, request, caller, role, settings, wanted, before });
    },
  };
}

/** @param {import("node:http").IncomingMessage} request @returns {"list" | "object" | null} */
function wantedForm({ headers, url = "" }) {
  if (url.includes("?")) return null;
  if (!(headers["content-type"] ?? JSON_TYPE).startsWith(JSON_TYPE)) return null;
  if (headers["content-profile"] !== undefined || headers.range !== undefined) return null;
  if (headers.prefer !== undefined && !/^return=(minimal|representation)$/.test(headers.prefer)) return null;
  const accept = headers.accept ?? "*/*";
  if (accept === OBJECT_TYPE) return "object";
  return accept.includes("*/*") || accept === JSON_TYPE ? "list" : null;
}

/** @param {import("postgres").Sql} sql */
async function readCatalog(sql) {
  // With an empty search path, Postgres prints the schema of all types that are not its own.
  const rows = await sql.begin(async (tx) => {
    await tx`set local search_path = ''`;
    return tx.unsafe(CATALOG);
  });
  /** @type {Map<string, Routine>} */
  const routines = new Map();
  const overloaded = new Set();
  for (const row of rows) {
    if (routines.has(row.name)) overloaded.add(row.name);
    const names =
      row.modes.length === 0
        ? row.names
        : row.names.filter((/** @type {string} */ _, /** @type {number} */ i) => "ib".includes(row.modes[i]));
    const outputs = row.modes.filter((/** @type {string} */ mode) => "obt".includes(mode)).length;
    const named = names.length === row.count && names.every((/** @type {string} */ name) => name !== "");
    if (row.domain || row.variadic || !named || (outputs === 1 && row.shape === "scalar")) overloaded.add(row.name);
    routines.set(row.name, {
      set: row.set,
      shape: outputs > 1 ? "row" : row.shape,
      readOnly: row.readOnly,
      arguments: names.map((/** @type {string} */ name, /** @type {number} */ i) => ({
        name,
        type: row.types[i],
        required: i < row.count - row.defaults,
      })),
    });
  }
  for (const name of overloaded) routines.delete(name);
  return routines;
}

/** @param {string} text @returns {string[] | null} */
function keysOf(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value) : null;
  } catch {
    return null;
  }
}

/** @param {Routine} routine @param {string[]} given */
function accepts(routine, given) {
  return (
    given.every((name) => routine.arguments.some((argument) => argument.name === name)) &&
    routine.arguments.every((argument) => !argument.required || given.includes(argument.name))
  );
}

/** @param {string} name */
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/** @param {string} name @param {Routine} routine @param {string[]} given */
function statement(name, routine, given) {
  const used = routine.arguments.filter((argument) => given.includes(argument.name));
  const call = `public.${quoted(name)}(${used.map((argument) => `${quoted(argument.name)} := a.${quoted(argument.name)}`).join(", ")})`;
  const source =
    used.length === 0
      ? "(select $1::json) a"
      : `json_to_record($1::json) as a (${used.map((argument) => `${quoted(argument.name)} ${argument.type}`).join(", ")})`;
  const result = {
    // The result is named, because otherwise the planner would not call the function at all.
    void: "r.value::text as body, 1 as rows",
    scalar: routine.set
      ? "coalesce(json_agg(to_json(r.value)), '[]')::text as body, count(*)::int as rows"
      : "coalesce(to_json(r.value)::text, 'null') as body, 1 as rows",
    row: routine.set
      ? "coalesce(json_agg(row_to_json(r)), '[]')::text as body, count(*)::int as rows"
      : "coalesce(row_to_json(r)::text, 'null') as body, 1 as rows",
  }[routine.shape];
  // Composite results are expanded in `from`, where the function is called only once.
  const from =
    routine.shape === "row" ? `${source}, lateral ${call} as r` : `${source}, lateral (select ${call} as value) r`;
  return `with answer as materialized (select ${result} from ${from})
    select body, rows, nullif(current_setting('response.status', true), '') as status, nullif(current_setting('response.headers', true), '') as headers from answer`;
}

/**
 * @param {import("postgres").Sql} sql
 * @param {{ name: string, routine: Routine, given: string[], text: string, request: import("node:http").IncomingMessage, caller: Caller, role: string, settings: string, wanted: "list" | "object", before: string | null }} call
 * @returns {Promise<Answer>}
 */
async function invoke(sql, { name, routine, given, text, request, caller, role, settings, wanted, before }) {
  const connection = await sql.reserve();
  try {
    // All steps are sent at once. If one is refused, the rest fail and the last one rolls back.
    const steps = [
      connection.unsafe(routine.readOnly ? "begin read only" : "begin"),
      connection.unsafe(
        `select ${SETTINGS}, set_config('search_path', 'public, extensions', true), set_config('request.jwt.claims', $1, true),
          set_config('request.method', 'POST', true), set_config('request.path', $2, true), set_config('request.headers', $3, true),
          set_config('role', $4, true)`,
        [JSON.stringify(caller.claims), `/rpc/${name}`, JSON.stringify(request.headers), role, settings],
        { prepare: true },
      ),
      ...(before === null ? [] : [connection.unsafe(before)]),
      connection.unsafe(statement(name, routine, given), [text], { prepare: true }),
    ];
    const main = steps.length - 1;
    const one = wanted === "object" && routine.set;
    if (!one) steps.push(connection.unsafe("commit"));
    const settled = await Promise.allSettled(steps);
    const failed = settled.find((step) => step.status === "rejected");
    if (failed) {
      if (one) await connection.unsafe("rollback").catch(() => {});
      return refusal(failed.reason, role);
    }
    const [row] = /** @type {PromiseFulfilledResult<any>} */ (settled[main]).value;
    if (one) {
      await connection.unsafe(row.rows === 1 ? "commit" : "rollback");
      if (row.rows !== 1) {
        return answer(406, {
          code: "PGRST116",
          details: `The result contains ${row.rows} rows`,
          hint: null,
          message: "Cannot coerce the result to a single JSON object",
        });
      }
    }
    return success(row, routine, one, wanted);
  } finally {
    connection.release();
  }
}

/** @param {any} row @param {Routine} routine @param {boolean} one @param {"list" | "object"} wanted @returns {Answer} */
function success(row, routine, one, wanted) {
  const status = row.status === null ? undefined : Number(row.status);
  /** @type {Record<string, string>} */
  const headers = {};
  for (const header of row.headers === null ? [] : JSON.parse(row.headers)) Object.assign(headers, header);
  if (routine.shape === "void") return { status: status ?? 204, headers, body: null };
  headers["content-type"] ??= `${wanted === "object" ? OBJECT_TYPE : JSON_TYPE}; charset=utf-8`;
  headers["content-range"] = row.rows === 0 ? "*/*" : `0-${row.rows - 1}/*`;
  // The only element of a list is the text between the brackets.
  return { status: status ?? 200, headers, body: one ? row.body.slice(1, -1) : row.body };
}

/** @param {any} error @param {string} role @returns {Answer} */
function refusal(error, role) {
  if (error?.severity === undefined || typeof error.code !== "string") throw error;
  if (error.code === "PGRST") {
    try {
      const { status, headers = {} } = JSON.parse(error.detail);
      return { status, headers: { "content-type": `${JSON_TYPE}; charset=utf-8`, ...headers }, body: error.message };
    } catch {
      // PostgREST does not accept this form either, so it is handled like any other error.
    }
  }
  return answer(restStatus(error.code, role === "anon"), {
    code: error.code,
    details: error.detail ?? null,
    hint: error.hint ?? null,
    message: error.message,
  });
}

/** @param {number} status @param {unknown} value @returns {Answer} */
function answer(status, value) {
  return { status, headers: { "content-type": `${JSON_TYPE}; charset=utf-8` }, body: JSON.stringify(value) };
}
