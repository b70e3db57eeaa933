// Every function, table, bucket and topic, reached past our functions as each kind of caller: with a token or a key alone,
// as anyone can who has one. The outcomes are those of direct-access.mjs. Objects come from the catalogue, so a new one
// without a line there fails.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { callWith, newTenantWithAll } from "./call-arguments.mjs";
import { PROOF } from "./callers.mjs";
import { rolledBack, useDatabase } from "./database.mjs";
import { BUCKETS, FUNCTIONS, OUTSIDERS, POLICIES, TOPICS, toCallers } from "./direct-access.mjs";
import { ROLES, TABLES } from "./matrix.mjs";

const database = await useDatabase({ own: true });
const { sql } = database;

/** Errors of a server in trouble, in place of a refusal. */
const TROUBLE = /^(XX|53|54|57|58|P0)/;
const FUNCTIONS_ONLY = "PT403 functions_only";

const [own, foreign] = [await newTenantWithAll(database), await newTenantWithAll(database)];
const people = await callersOf(own.tenant);
await sql`update public.conversations set assigned_to = ${people.agent.id} where id = ${own.ids.conversation}`;
await sql`update public.message_media set message_id = ${own.ids.message} where id = ${own.ids.media}`;
const [template] = await sql`select name, language from public.broadcast_templates where id = ${own.ids.template}`;
const INSIDE = new Set([
  own.tenant.id,
  own.owner.id,
  ...Object.values(own.ids),
  ...ROLES.map((role) => people[role].id),
]);

/** One person for each role, and everyone who has no rights in the tenant. @param {{ id: string }} tenant */
async function callersOf(tenant) {
  const { newUser, newStranger, newApiKey } = database;
  /** @type {Record<string, any>} */
  const callers = { anon: null, api_key: { key: (await newApiKey(tenant, "super_admin")).secret } };
  for (const role of ROLES) callers[role] = await newUser(tenant, role);
  callers.foreigner = foreign.owner;
  callers.newcomer = await newStranger();
  callers.deactivated = await newUser(tenant, "super_admin", { deactivated: true });
  return callers;
}
const CALLERS = Object.keys(people);

/**
 * A request, or a query of Storage or Realtime where `begins` is false. `proof`: it comes from our functions.
 * @typedef {{ caller: string, statement: string, writes?: boolean, begins?: boolean, proof?: boolean }} Attempt
 * @typedef {{ refused: string | null, answer: string | null, message?: string }} Outcome `message`: all that a refusal says
 */

/**
 * Runs each attempt as PostgREST would, and takes it back.
 * @param {Attempt[]} attempts
 * @param {import("postgres").Sql} [on]
 * @returns {Promise<Outcome[]>}
 */
async function outcomesOf(attempts, on = sql) {
  const inputs = attempts.map(({ caller, statement, writes = false, begins = true, proof = false }) => {
    const person = people[caller];
    const role = person === null || person.key ? "anon" : "authenticated";
    const headers = { ...(person?.key && { "x-api-key": person.key }), ...(proof && { "x-function-proof": PROOF }) };
    return { role, claims: { role, ...(person?.id && { sub: person.id }) }, headers, statement, writes, begins };
  });
  const work = async (/** @type {import("postgres").Sql} */ sql) => {
    await sql.unsafe(ATTEMPT);
    const [{ outcomes }] = await sql`
      select jsonb_agg(pg_temp.attempt(i.value) order by i.ordinality) as outcomes
      from jsonb_array_elements(${sql.json(inputs)}) with ordinality i`;
    return outcomes ?? [];
  };
  return on === sql ? sql.begin(work) : work(on);
}

// An error takes back all that its block did, the role and the mode of the transaction included.
const ATTEMPT = `
  create or replace function pg_temp.attempt(input jsonb) returns jsonb language plpgsql as $$
  declare
    answer text;
    detail text;
    hint text;
  begin
    perform set_config('request.jwt.claims', input ->> 'claims', true),
      set_config('request.headers', input ->> 'headers', true), set_config('search_path', 'public, extensions', true);
    if (input ->> 'begins')::boolean and not (input ->> 'writes')::boolean then
      perform set_config('transaction_read_only', 'on', true);
    end if;
    perform set_config('role', input ->> 'role', true);
    if (input ->> 'begins')::boolean then
      perform private.begin_request();
    end if;
    execute input ->> 'statement' into answer;
    raise sqlstate 'ZZ000' using message = coalesce(answer, '');
  exception when others then
    get stacked diagnostics detail = pg_exception_detail, hint = pg_exception_hint;
    if sqlstate = 'ZZ000' then
      return jsonb_build_object('refused', null, 'answer', nullif(sqlerrm, ''));
    end if;
    return jsonb_build_object('refused', case when sqlstate like 'PT%' then sqlstate || ' ' || detail else sqlstate end,
      'message', concat_ws(' / ', sqlerrm, detail, hint));
  end;
  $$`;

/**
 * The callers who get something of the tenant. An outsider must get nothing; where one does, the list says so.
 * @param {string[]} callers @param {Outcome[]} outcomes
 */
const reached = (callers, outcomes) =>
  callers.filter((caller, i) => {
    const { answer } = outcomes[i];
    if (answer === null || answer === undefined) return false;
    return !OUTSIDERS.includes(caller) || [...INSIDE].some((id) => answer.includes(id));
  });

/** An answer without the ids that it repeats because it did not find them. @param {string} answer */
const withoutUnfound = (answer) => answer.replaceAll(/\{[^{}]*"outcome": *"not_found"[^{}]*\}/g, "");

/** @param {Record<string, unknown>} expected @param {string[]} actual */
function eachHasALine(expected, actual) {
  assert.deepEqual(Object.keys(expected).toSorted(), actual.toSorted());
}

const functions = await sql`
  select p.proname as name, p.provolatile = 'v' as writes, array(
    select jsonb_build_object('name', a.name, 'type', format_type(a.type, null), 'required', a.nth <= p.pronargs - p.pronargdefaults)
    from unnest(p.proargnames[:p.pronargs], p.proargtypes::oid[]) with ordinality as a (name, type, nth)
  ) as parameters
  from pg_proc p
  where p.pronamespace = 'public'::regnamespace
    and (has_function_privilege('authenticated', p.oid, 'execute') or has_function_privilege('anon', p.oid, 'execute'))
  order by 1`;

/** Values for parameters that neither a sample nor an id fills. @type {Record<string, unknown>} */
const PLAIN = { integer: 1, bigint: 1, jsonb: {}, boolean: true, "text[]": [], "uuid[]": [] };
/** Arguments by function, where a call without them is refused or finds nothing. @type {Record<string, Record<string, unknown>>} */
const FURTHER = {
  get_module: { module_id: "inbox" },
  list_inbox: { filter: {}, sort: "newest", cursor: null },
  preview_segment: { filter: { field: "name", op: "is_set" } },
  sendable_template: { ...template, conversation_id: null, session_id: null },
};
/** Values that no client of ours sends. @type {Record<string, unknown[]>} */
const ABSURD = {
  integer: [-1, 2_147_483_647],
  bigint: [-1, "9223372036854775807"],
  jsonb: [[], { a: [null, { $where: 1 }] }],
  boolean: [null, false],
  text: ["'; drop table public.tenants; --", "x".repeat(20_000)],
  uuid: [null, "00000000-0000-0000-0000-000000000000"],
  "timestamp with time zone": ["infinity", "-infinity"],
};

/** @param {any} value @param {string} type */
function literal(value, type) {
  if (value === null || value === undefined) return `null::${type}`;
  const quoted = (/** @type {unknown} */ text) => `'${String(text).replaceAll("'", "''")}'`;
  if (type.endsWith("[]")) return `array[${value.map(quoted)}]::${type}`;
  if (value instanceof Date) return `${quoted(value.toISOString())}::${type}`;
  return `${quoted(type === "jsonb" ? JSON.stringify(value) : value)}::${type}`;
}

/** @param {any} fn @param {(parameter: any) => unknown} valueOf undefined leaves a parameter out */
function callOf({ name, parameters }, valueOf) {
  const given = parameters
    .map((/** @type {any} */ parameter) => ({ ...parameter, value: valueOf(parameter) }))
    .filter((/** @type {any} */ { value }) => value !== undefined);
  return `select string_agg(r::text, ',') from public.${name}(${given.map((/** @type {any} */ { name, type, value }) => `"${name}" => ${literal(value, type)}`)}) r`;
}

/** The call with the ids of a tenant, as the API makes it. @param {any} fn @param {Record<string, string>} ids */
function validCall(fn, ids) {
  const idParameters = fn.parameters.filter((/** @type {any} */ { type }) => type === "uuid" || type === "uuid[]");
  const call = { ...callWith(ids, fn.name, idParameters), ...FURTHER[fn.name] };
  return callOf(fn, ({ name, type, required }) => {
    if (name in call) return call[name] ?? null;
    return required ? (PLAIN[type] ?? null) : undefined;
  });
}

/** @param {any} fn @param {number} nth */
const absurdCall = (fn, nth) =>
  callOf(fn, ({ type }) => (type.endsWith("[]") ? [null, []][nth] : (ABSURD[type]?.[nth] ?? null)));

describe("functions", () => {
  test("have a line each, and write if it says so", () => {
    eachHasALine(
      FUNCTIONS,
      functions.map(({ name }) => name),
    );
    for (const { name, writes } of functions) assert.equal(writes, FUNCTIONS[name] === "writes", name);
  });

  for (const caller of CALLERS) {
    test(`of writes are refused to ${caller}, whatever the arguments`, async () => {
      const calls = functions
        .filter(({ writes }) => writes)
        .flatMap((fn) => [validCall(fn, own.ids), validCall(fn, foreign.ids), absurdCall(fn, 0)]);
      const outcomes = await outcomesOf(calls.map((statement) => ({ caller, statement, writes: true })));
      for (const [i, { refused }] of outcomes.entries()) assert.equal(refused, FUNCTIONS_ONLY, calls[i]);
    });
  }

  for (const fn of functions.filter(({ writes }) => !writes)) {
    test(`${fn.name} answers only: ${FUNCTIONS[fn.name]}`, async () => {
      const [valid, borrowed] = [validCall(fn, own.ids), validCall(fn, foreign.ids)];
      const outcomes = await outcomesOf(CALLERS.map((caller) => ({ caller, statement: valid })));
      assert.deepEqual(reached(CALLERS, outcomes), toCallers(FUNCTIONS[fn.name]));
      const others = await outcomesOf([
        ...CALLERS.filter((caller) => caller !== "foreigner").map((caller) => ({ caller, statement: borrowed })),
        ...["super_admin", "agent", "newcomer"].flatMap((caller) =>
          [absurdCall(fn, 0), absurdCall(fn, 1)].map((statement) => ({ caller, statement })),
        ),
      ]);
      for (const { refused, answer, ...more } of others) {
        assert.ok(!TROUBLE.test(refused ?? ""), JSON.stringify({ refused, ...more }));
        const said = withoutUnfound(answer ?? "");
        for (const id of Object.values(foreign.ids)) assert.ok(!said.includes(id), said);
      }
    });
  }

  test("quote no row of others in a refusal, with the proof of our functions or without", async () => {
    const attempts = ["super_admin", "agent", "viewer", "foreigner", "newcomer"].flatMap((caller) => {
      const others = caller === "foreigner" ? own : foreign;
      return functions
        .filter(({ name }) => name !== "create_tenant")
        .flatMap((fn) =>
          [validCall(fn, others.ids), absurdCall(fn, 0), absurdCall(fn, 1)].flatMap((statement) =>
            [true, false].map((proof) => ({ caller, statement, writes: fn.writes, proof, others })),
          ),
        );
    });
    const outcomes = await outcomesOf(attempts);
    assert.ok(outcomes.filter(({ message }) => message).length > 1000, "most are refused");
    for (const [i, { message = "" }] of outcomes.entries()) {
      const { caller, statement, proof, others } = attempts[i];
      const text = `${caller}: ${statement}: ${message}`;
      // With the proof the refusal goes to our functions, which show the values of no constraint.
      if (!proof) assert.doesNotMatch(message, /Failing row contains|Key \(/, text);
      const given = withoutUnfound(statement);
      for (const id of [others.tenant.id, ...Object.values(others.ids)])
        assert.ok(!message.includes(id) || given.includes(id), text);
    }
  });

  test("give an outsider nothing with the proof of our functions either", async () => {
    const attempts = functions
      .filter(({ name }) => name !== "create_tenant")
      .flatMap((fn) =>
        [
          ...OUTSIDERS.map((caller) => ({ caller, statement: validCall(fn, own.ids) })),
          { caller: "newcomer", statement: absurdCall(fn, 0) },
          { caller: "foreigner", statement: absurdCall(fn, 1) },
        ].map((attempt) => ({ ...attempt, writes: fn.writes, proof: attempt.caller !== "api_key" })),
      );
    const outcomes = await outcomesOf(attempts);
    for (const [i, { refused, answer, ...more }] of outcomes.entries()) {
      const { caller, statement } = attempts[i];
      const text = `${caller}: ${statement}: ${JSON.stringify({ refused, answer, ...more })}`;
      assert.ok(!TROUBLE.test(refused ?? ""), text);
      const said = withoutUnfound(answer ?? "");
      for (const id of INSIDE) assert.ok(!said.includes(id) || id === people[caller]?.id, text);
    }
  });
});

const tables = await sql`
  select c.relname as name from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') order by 1`;

describe("tables", () => {
  test("have a line each", () =>
    eachHasALine(
      TABLES,
      tables.map(({ name }) => name),
    ));

  test("quote no row of others where a value does not have the type that a reader asks for", async () => {
    const columns = await sql`
      select table_name as name, column_name as column from information_schema.columns
      where table_schema = 'public' and data_type in ('text', 'jsonb', 'uuid')`;
    const attempts = columns.flatMap(({ name, column }) =>
      ["agent", "viewer", "foreigner", "newcomer"].map((caller) => ({
        caller,
        statement: `select string_agg((t."${column}"::text::integer)::text, ',') from public.${name} t where t."${column}"::text <> ''`,
      })),
    );
    for (const [i, { message = "" }] of (await outcomesOf(attempts)).entries()) {
      const { caller, statement } = attempts[i];
      const others = caller === "foreigner" ? own : foreign;
      for (const id of [others.tenant.id, ...Object.values(others.ids)])
        assert.ok(!message.includes(id), `${caller}: ${statement}: ${message}`);
    }
  });

  for (const { name } of tables) {
    test(`${name} shows an outsider nothing, and takes writes of no caller`, async () => {
      const statement = `select string_agg(t::text, ',') from public.${name} t`;
      const outcomes = await outcomesOf(OUTSIDERS.map((caller) => ({ caller, statement })));
      for (const [i, { answer }] of outcomes.entries())
        for (const id of INSIDE) assert.ok(!answer?.includes(id), `${OUTSIDERS[i]}: ${answer}`);
      const writes = [`insert into public.${name} default values`, `delete from public.${name} where true`];
      const refusals = await outcomesOf(
        CALLERS.flatMap((caller) => writes.map((statement) => ({ caller, statement, writes: true }))),
      );
      for (const { refused } of refusals) assert.equal(refused, FUNCTIONS_ONLY);
    });
  }
});

describe("policies of Storage and Realtime", () => {
  test("have a line each", async () => {
    const policies = await sql`
      select format('%s %s: %s', tablename, lower(cmd), policyname) as name from pg_policies
      where schemaname in ('storage', 'realtime')`;
    assert.deepEqual(policies.map(({ name }) => name).toSorted(), POLICIES.toSorted());
  });
});

describe("buckets", async () => {
  const buckets = await sql`select id, public from storage.buckets order by id`;
  const folder = own.tenant.id;
  const [file] = await sql`
    select storage_path as path from public.message_media where id = ${own.ids.media}`;
  await sql`insert into storage.objects (bucket_id, name) values ('chat-media', ${file.path}), ('chat-media', ${`${folder}/x`})`;
  await sql`insert into storage.objects (bucket_id, name) values ('broadcast-media', ${`${folder}/x`}), ('imports', ${`${folder}/x`})`;

  test("have a line each", () => {
    eachHasALine(
      BUCKETS,
      buckets.map(({ id }) => id),
    );
  });

  for (const { id } of buckets) {
    for (const [operation, statement] of Object.entries({
      reads: `select string_agg(name, ',') from storage.objects where bucket_id = '${id}'`,
      adds: `insert into storage.objects (bucket_id, name) values ('${id}', '${folder}/y') returning name`,
      changes: `update storage.objects set name = name || '_' where bucket_id = '${id}' returning name`,
      removes: `with gone as (delete from storage.objects where bucket_id = '${id}' returning name) select string_agg(name, ',') from gone`,
    })) {
      test(`${id}: ${operation} only: ${BUCKETS[id]?.[operation]}`, async () => {
        const callers = CALLERS.filter((caller) => caller !== "api_key");
        const outcomes = await outcomesOf(callers.map((caller) => ({ caller, statement, begins: false })));
        assert.deepEqual(
          callers.filter((_, i) => outcomes[i].answer),
          toCallers(BUCKETS[id][operation]),
        );
      });
    }
  }
});

describe("topics", async () => {
  const [{ epoch }] = await sql`select private.live_epoch(${own.tenant.id}) as epoch`;
  for (const [kind, { listens, sends }] of Object.entries(TOPICS)) {
    const topic = `${kind
      .replace("<tenant>", own.tenant.id)
      .replace("<agent>", people.agent.id)
      .replace("<conversation>", own.ids.conversation)}:${epoch}`;
    for (const [operation, line, statement] of [
      ["listens", listens, `select string_agg(extension, ',') from realtime.messages where topic = '${topic}'`],
      [
        "sends",
        sends,
        `insert into realtime.messages (topic, extension) values ('${topic}', 'broadcast') returning topic`,
      ],
    ]) {
      test(`${kind}: ${operation} only: ${line}`, async () => {
        const callers = CALLERS.filter((caller) => caller !== "api_key");
        await rolledBack(sql, async ({ sql }) => {
          await sql`insert into realtime.messages (topic, extension) values (${topic}, 'broadcast')`;
          await sql`select set_config('realtime.topic', ${topic}, true)`;
          const outcomes = await outcomesOf(
            callers.map((caller) => ({ caller, statement, begins: false })),
            sql,
          );
          assert.deepEqual(
            callers.filter((_, i) => outcomes[i].answer),
            toCallers(line),
          );
        });
      });
    }
  }
});

describe("a hole is found", () => {
  /** What happens to one attempt after the schema has changed. @param {string} change @param {Attempt} attempt */
  const after = (change, attempt) =>
    rolledBack(sql, async ({ sql }) => {
      await sql.unsafe(change);
      return (await outcomesOf([attempt], sql))[0];
    });

  test("that lets every request write", async () => {
    const hole = "create or replace function private.begin_request() returns void language sql as ''";
    const statement = validCall(
      functions.find(({ name }) => name === "update_tenant"),
      own.ids,
    );
    const { refused, answer } = await after(hole, { caller: "super_admin", statement, writes: true });
    assert.equal(refused, null);
    assert.ok(answer?.includes(own.tenant.id));
  });

  test("that answers an outsider", async () => {
    const hole = `create function public.hole() returns text language sql stable security definer set search_path = ''
      as 'select string_agg(id::text, '','') from public.tenants'; grant execute on function public.hole() to authenticated`;
    const outcome = await after(hole, { caller: "newcomer", statement: "select public.hole()" });
    assert.deepEqual(reached(["newcomer"], [outcome]), ["newcomer"]);
  });

  test("that is a new object without a line", () => {
    assert.throws(() => eachHasALine(FUNCTIONS, [...Object.keys(FUNCTIONS), "hole"]));
    assert.throws(() => eachHasALine(FUNCTIONS, Object.keys(FUNCTIONS).slice(1)));
  });
});
