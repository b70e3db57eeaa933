// Measures the queries that agents wait for, in a tenant with a million messages: the pages and searches of inbox and
// contacts. Each runs as a manager or an agent on the real Postgres. The result shows the indexes in its plan and the
// number of rows that the plan expects.
import { TENANTS } from "../launch/demo-tenants.mjs";
import { fillTenant } from "../large/tenant.mjs";
import { localStack, onDatabase } from "./local-stack.mjs";

const ROUNDS = 40;
const WARM_UP = 3;
const LARGE_TABLES = ["messages", "contacts", "conversations", "contact_labels", "conversation_labels"];
const WORDS = ["pesanan", "ongkir", "rusak", "langka1007", "garansi merah", "langka500007", "invoice lunas"];
const NAMES = ["budi", "santoso", "wulan utami", "0810000", "josé", "+62 8110", "nguyen"];

/** @typedef {{ what: string, as: "manager" | "agent", most: number, ask: (sql: import("postgres").TransactionSql, round: number) => Promise<unknown> }} Question */

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function inbox() {
  const stack = await localStack();
  return onDatabase(stack, async (sql) => {
    const tenant = TENANTS[0].id;
    const [number] =
      await sql`select id from public.whatsapp_sessions where tenant_id = ${tenant} order by created_at limit 1`;
    await fillTenant(sql, { tenant, session: number.id });
    await sql`set random_page_cost = 1.1`;
    const people = Object.fromEntries(
      stack.users
        .filter((user) => user.tenant_id === tenant)
        .reverse()
        .map((user) => [user.role, user.email]),
    );
    const [label] = await sql`select id from public.labels where tenant_id = ${tenant} order by name limit 1`;
    /** @type {import("./figure.mjs").Figure[]} */
    const figures = [];
    for (const question of questions(sql, label.id)) {
      const [user] = await sql`select id from auth.users where email = ${people[question.as]}`;
      const times = [];
      for (let round = -WARM_UP; round < ROUNDS; round++) {
        const took = await timed(sql, user.id, question, Math.abs(round));
        if (round >= 0) times.push(took);
      }
      const plan = await planOf(user.id, question, stack);
      const [p50, p95] = [0.5, 0.95].map(
        (share) => times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))],
      );
      figures.push(
        { what: `${question.what}, ${question.as}, p50`, value: p50, unit: "ms", digits: 1, plan },
        { what: `${question.what}, ${question.as}, p95`, value: p95, most: question.most, unit: "ms", digits: 1 },
      );
    }
    return figures;
  });
}

/** @param {import("postgres").Sql} sql @param {string} label @returns {Question[]} */
function questions(sql, label) {
  const list =
    (/** @type {object} */ filter, /** @type {string} */ sort = "newest") =>
    (/** @type {import("postgres").TransactionSql} */ tx) =>
      tx`select public.list_inbox(${sql.json(/** @type {any} */ (filter))}, ${sort}, null, 1, 20)`;
  const search = (/** @type {import("postgres").TransactionSql} */ tx, /** @type {number} */ round) =>
    tx`select public.list_inbox(${sql.json({ search: WORDS[round % WORDS.length] })}, 'newest', null, 1, 20)`;
  return [
    { what: "first page of the inbox", as: "manager", most: 50, ask: list({}) },
    { what: "first page of the inbox", as: "agent", most: 50, ask: list({}) },
    { what: "open ones, longest waiting", as: "manager", most: 50, ask: list({ status: ["open"] }, "waiting") },
    { what: "unread ones", as: "agent", most: 50, ask: list({ unread: true }) },
    { what: "those with a label", as: "manager", most: 50, ask: list({ label }) },
    { what: "counts of the tabs", as: "manager", most: 100, ask: (tx) => tx`select public.count_inbox()` },
    { what: "search of messages and customers", as: "manager", most: 500, ask: search },
    { what: "search of messages and customers", as: "agent", most: 500, ask: search },
    { what: "first page of contacts", as: "manager", most: 100, ask: (tx) => tx`select public.list_contacts()` },
    {
      what: "search of contacts",
      as: "manager",
      most: 300,
      ask: (tx, round) => tx`select public.list_contacts(${sql.json({ search: NAMES[round % NAMES.length] })})`,
    },
    {
      what: "contacts with a label",
      as: "manager",
      most: 100,
      ask: (tx) => tx`select public.list_contacts(${sql.json({ label_id: label })})`,
    },
    {
      what: "contacts with a tag",
      as: "manager",
      most: 200,
      ask: (tx) => tx`select public.list_contacts(${sql.json({ tag: "vip" })})`,
    },
    {
      what: "a segment's count: tag, and silent for 30 days",
      as: "manager",
      most: 300,
      ask: (tx) => tx`
      select public.preview_segment(${sql.json({
        all: [
          { field: "tags", op: "has", value: "vip" },
          { field: "last_message_at", op: "more_than_days_ago", value: 30 },
        ],
      })})`,
    },
  ];
}

/**
 * Measures one query in milliseconds.
 * @param {import("postgres").Sql} sql @param {string} user @param {Question} question @param {number} round
 */
async function timed(sql, user, question, round) {
  let took = 0;
  await sql.begin(async (tx) => {
    await become(tx, user);
    const since = performance.now();
    await question.ask(tx, round);
    took = performance.now() - since;
  });
  return took;
}

/** @param {import("postgres").TransactionSql} tx @param {string} user */
const become = (tx, user) => tx`
  select set_config('request.jwt.claims', ${JSON.stringify({ sub: user, role: "authenticated" })}, true), set_config('role', 'authenticated', true)`;

/**
 * The indexes in the plan, with their expected rows. A full table scan is written in capitals.
 * @param {string} user @param {Question} question @param {import("../stack.mjs").Stack} stack
 */
async function planOf(user, question, stack) {
  const { default: postgres } = await import("postgres");
  /** @type {string[]} */
  const said = [];
  const sql = postgres(stack.database_url ?? "", { max: 1, onnotice: ({ message }) => said.push(message ?? "") });
  try {
    await sql.unsafe(`load 'auto_explain'; set random_page_cost = 1.1; set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on; set client_min_messages = log`);
    await sql.begin(async (tx) => {
      await become(tx, user);
      await question.ask(tx, 0);
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
  /** @type {Map<string, number>} */
  const scans = new Map();
  for (const [, kind, index, table, rows] of said
    .join("\n")
    .matchAll(
      /(Index Only Scan|Index Scan|Bitmap Index Scan|Seq Scan)(?: using (\w+))? on (\w+)(?: \w+)?\s+\(cost=\S+ rows=(\d+)/g,
    )) {
    const name = kind === "Seq Scan" ? `ALL OF ${table}` : kind === "Bitmap Index Scan" ? table : index;
    if (kind === "Seq Scan" && !LARGE_TABLES.includes(table)) continue;
    if (kind !== "Seq Scan" && !LARGE_TABLES.some((large) => name.startsWith(large))) continue;
    scans.set(name, Math.max(scans.get(name) ?? 0, Number(rows)));
  }
  return scans.size > 0 ? [...scans].map(([name, rows]) => `${name} ${rows}`) : ["no large table"];
}
