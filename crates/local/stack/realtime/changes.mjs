// postgres_changes: the subscriptions to changes of tables, and the check of which subscribers may see a change.
import { parseFilters, passes } from "./filters.mjs";

/** @typedef {import("./channel.mjs").Channel} Channel */
/** @typedef {import("./replication.mjs").Change} Change */
/** @typedef {{ id: number, channel: Channel, params: { event: string, schema?: string, table?: string, filter?: string, select?: string[] }, filters: import("./filters.mjs").Filter[], problem?: string }} Subscription */
/** @typedef {{ type: string, key: boolean }} ColumnFacts */
/** @typedef {{ rls: boolean, columns: Map<string, ColumnFacts> }} TableFacts */

const FACTS = `
  select a.attname as name, t.typname as type, c.relrowsecurity as rls, coalesce(a.attnum = any (k.conkey), false) as key
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
  left join pg_catalog.pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
  where n.nspname = $1 and c.relname = $2
  order by a.attnum`;

export class Changes {
  /** @type {Set<Subscription>} */
  #subscriptions = new Set();
  /** Facts are valid as long as Postgres's own description of the relation. @type {WeakMap<object, Promise<TableFacts>>} */
  #facts = new WeakMap();
  /** Changes are delivered in commit order. @type {Promise<void>} */
  #queue = Promise.resolve();
  #ids = 0;

  /** @param {import("postgres").Sql} sql of the superuser */
  constructor(sql) {
    this.sql = sql;
  }

  /** @param {Channel} channel @param {Subscription["params"]} params @returns {Subscription} */
  subscribe(channel, params) {
    /** @type {Subscription} */
    const subscription = { id: ++this.#ids, channel, params, filters: [] };
    try {
      subscription.filters = parseFilters(params.filter);
    } catch (error) {
      subscription.problem = /** @type {Error} */ (error).message;
    }
    if (!subscription.problem) this.#subscriptions.add(subscription);
    return subscription;
  }

  /** @param {Subscription} subscription */
  unsubscribe(subscription) {
    this.#subscriptions.delete(subscription);
  }

  /**
   * The reason why a subscription can never receive a change, if there is one.
   * @param {Subscription} subscription @returns {Promise<string | undefined>}
   */
  async problemOf(subscription) {
    const { schema = "public", table } = subscription.params;
    if (subscription.problem || !table || table === "*") return subscription.problem;
    const rows = await this.sql`select c.attnames from pg_catalog.pg_publication_tables c
      where c.pubname = 'supabase_realtime' and c.schemaname = ${schema} and c.tablename = ${table}`;
    const columns = rows[0]?.attnames;
    if (columns && subscription.filters.every((filter) => columns.includes(filter.column))) return undefined;
    return `Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: [schema: ${schema}, table: ${table}, filters: ${subscription.params.filter ?? "[]"}]`;
  }

  /** @param {Change} change */
  publish(change) {
    const asked = [...this.#subscriptions].filter(({ params }) => wants(params, change));
    if (asked.length === 0) return;
    this.#queue = this.#queue
      .then(() => this.#deliver(change, asked))
      .catch((error) => console.error(`realtime change: ${error.message}`));
  }

  /** @param {Change} change @param {Subscription[]} asked */
  async #deliver(change, asked) {
    const table = await this.#factsOf(change);
    const values = change.type === "DELETE" ? change.old : { ...change.old, ...change.row };
    /** Subscriptions with the same claims see the same rows. @type {Map<string, Subscription[]>} */
    const groups = new Map();
    for (const subscription of asked) {
      if (!subscription.channel.open || !passes(subscription.filters, values, table.columns)) continue;
      const claims = JSON.stringify(subscription.channel.claims);
      groups.set(claims, [...(groups.get(claims) ?? []), subscription]);
    }
    for (const [claims, subscriptions] of groups) {
      const seen = await this.#look(change, values ?? {}, table, claims);
      if (!seen) continue;
      for (const [channel, ids] of byChannel(subscriptions)) {
        if (channel.open)
          channel.push("postgres_changes", {
            ids,
            data: describe(change, values ?? {}, table, seen.columns, seen.errors),
          });
      }
    }
  }

  /**
   * The columns of this row that these claims may read; null if they may not see the row.
   * @param {Change} change @param {import("./replication.mjs").Row} values @param {TableFacts} table @param {string} claims
   * @returns {Promise<{ columns: Set<string>, errors: string[] | null } | null>}
   */
  async #look({ type, relation }, values, table, claims) {
    const role = JSON.parse(claims).role ?? "anon";
    const name = `${quoted(relation.schema)}.${quoted(relation.table)}`;
    const readable = await this.sql`
      select a.attname as name from pg_catalog.pg_attribute a
      where a.attrelid = ${name}::regclass and a.attnum > 0 and not a.attisdropped
        and pg_catalog.has_column_privilege(${role}, a.attrelid, a.attnum, 'select')`;
    const columns = new Set(readable.map((row) => row.name));
    const keys = [...table.columns].filter(([, facts]) => facts.key).map(([column]) => column);
    if (type === "DELETE") return { columns, errors: null };
    if (keys.length === 0) return { columns: new Set(), errors: ["Error 400: Bad Request, no primary key"] };
    if (!keys.every((key) => columns.has(key))) return { columns: new Set(), errors: ["Error 401: Unauthorized"] };
    if (!table.rls) return { columns, errors: null };
    const found = await this.sql.begin("read only", async (tx) => {
      await tx`select set_config('request.jwt.claims', ${claims}, true), set_config('role', ${role}, true)`;
      return tx.unsafe(
        `select 1 from ${name} where ${keyCondition(keys, table)} limit 1`,
        keys.map((key) => values[key] ?? null),
      );
    });
    return found.length === 0 ? null : { columns, errors: null };
  }

  /** @param {Change} change @returns {Promise<TableFacts>} */
  #factsOf({ relation }) {
    let facts = this.#facts.get(relation);
    if (!facts) {
      facts = this.sql.unsafe(FACTS, [relation.schema, relation.table]).then((rows) => ({
        rls: rows[0]?.rls ?? false,
        columns: new Map(rows.map((row) => [row.name, { type: row.type, key: row.key }])),
      }));
      this.#facts.set(relation, facts);
    }
    return facts;
  }
}

/** @param {string} name */
const quoted = (name) => `"${name.replaceAll('"', '""')}"`;

/**
 * The condition uses the key's own type, so that Postgres can use the key's index.
 * @param {string[]} keys @param {TableFacts} table
 */
function keyCondition(keys, table) {
  return keys
    .map((key, i) => `${quoted(key)} = $${i + 1}::text::${quoted(table.columns.get(key)?.type ?? "text")}`)
    .join(" and ");
}

/** @param {Subscription["params"]} params @param {Change} change */
function wants({ event, schema = "public", table = "*" }, { type, relation }) {
  return (
    (event === "*" || event?.toUpperCase() === type) &&
    (schema === "*" || schema === relation.schema) &&
    (table === "*" || table === relation.table)
  );
}

/** @param {Subscription[]} subscriptions @returns {Map<Channel, number[]>} */
function byChannel(subscriptions) {
  const channels = new Map();
  for (const { channel, id } of subscriptions) channels.set(channel, [...(channels.get(channel) ?? []), id]);
  return channels;
}

/** @param {Change} change @param {import("./replication.mjs").Row} values @param {TableFacts} table @param {Set<string>} readable @param {string[] | null} errors */
function describe(change, values, table, readable, errors) {
  const { relation, type } = change;
  const head = { schema: relation.schema, table: relation.table, type, errors };
  if (errors) return head;
  const pick = (
    /** @type {import("./replication.mjs").Row | null} */ row,
    /** @type {(column: string) => boolean} */ keep,
  ) =>
    Object.fromEntries(
      Object.entries(row ?? {})
        .filter(([column]) => readable.has(column) && keep(column))
        .map(([column, text]) => [column, asJson(text, table.columns.get(column)?.type ?? "text")]),
    );
  return {
    ...head,
    commit_timestamp: change.time.toISOString(),
    columns: [...table.columns]
      .filter(([name]) => readable.has(name))
      .map(([name, facts]) => ({ name, type: facts.type })),
    ...(type === "DELETE" ? {} : { record: pick(values, () => true) }),
    ...(type === "UPDATE" ? { old_record: pick(change.old, () => true) } : {}),
    // Policies cannot be evaluated for a deleted row, so only its key is published.
    ...(type === "DELETE"
      ? { old_record: pick(change.old, (column) => !table.rls || (table.columns.get(column)?.key ?? false)) }
      : {}),
  };
}

/** @param {string | null} text @param {string} type */
function asJson(text, type) {
  if (text === null) return null;
  switch (type) {
    case "bool":
      return text === "t";
    case "int2":
    case "int4":
    case "int8":
    case "float4":
    case "float8":
    case "numeric":
    case "oid":
      return Number.isFinite(Number(text)) ? Number(text) : text;
    case "json":
    case "jsonb":
      return JSON.parse(text);
    case "timestamp":
      return text.replace(" ", "T");
    case "timestamptz":
      return text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
    default:
      return text;
  }
}
