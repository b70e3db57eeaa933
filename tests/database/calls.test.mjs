// Calls from the code to the database: each called function exists in the database, and the code knows each refusal
// that the database raises.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { after, describe, test } from "node:test";
import postgres from "postgres";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { useStack } from "../stack.mjs";

const stack = await useStack({ functions: false });
const sql = postgres(stack.database_url, { max: 1, onnotice: () => {} });
after(() => sql.end());

const sources = globSync("crates/*/src/**/*.rs", { cwd: ROOT }).map((file) => ({
  file,
  text: readFileSync(path.join(ROOT, file), "utf8"),
}));

/**
 * The text that a bracket at `start` encloses. Brackets within it, and within string literals, are passed over.
 * @param {string} text
 * @param {number} start
 */
function enclosed(text, start) {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text[at] === '"') {
      while (text[(at += 1)] !== '"') if (text[at] === "\\") at += 1;
    } else if ("([{".includes(text[at])) {
      depth += 1;
    } else if (")]}".includes(text[at]) && (depth -= 1) === 0) {
      return text.slice(start + 1, at);
    }
  }
  throw new Error("a bracket is not closed");
}

/** The keys of an object that is written out in `json!({ … })`. @param {string} object */
function keysOf(object) {
  const keys = [];
  for (let at = 0; at < object.length; at += 1) {
    if ("([{".includes(object[at])) at += enclosed(object, at).length + 1;
    else if (object[at] === '"') {
      const end = object.indexOf('"', at + 1);
      if (/^\s*:/.test(object.slice(end + 1))) keys.push(object.slice(at + 1, end));
      at = end;
    }
  }
  return keys;
}

/**
 * The names of the arguments of a call, or null if they are not written out beside it.
 * @param {string} text
 * @param {number} start of the arguments, behind the function's name
 */
function argumentsOf(text, start) {
  const given = text.slice(start);
  if (/^&\(\)/.test(given)) return [];
  const inline = /^&(?:serde_json::)?json!\(\s*\{/.exec(given);
  if (inline) return keysOf(enclosed(text, start + inline[0].length - 1));
  const variable = /^&?(\w+)/.exec(given)?.[1];
  const before = text.slice(0, start);
  const declared = [
    ...before.matchAll(new RegExp(`let (?:mut )?${variable} = (?:serde_json::)?json!\\(\\s*\\{`, "g")),
  ].at(-1);
  if (!declared) return null;
  if (endsWithin(before.slice(declared.index))) return null;
  const added = [...before.matchAll(new RegExp(`${variable}\\["(\\w+)"\\] =`, "g"))].filter(
    ({ index }) => index > declared.index && !endsWithin(before.slice(index)),
  );
  return [...keysOf(enclosed(text, declared.index + declared[0].length - 1)), ...added.map(([, key]) => key)];
}

/** Whether the block that contains the start of a text ends within the text. @param {string} text */
function endsWithin(text) {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') {
      while (text[(at += 1)] !== '"') if (text[at] === "\\") at += 1;
    } else if (text[at] === "{") {
      depth += 1;
    } else if (text[at] === "}" && (depth -= 1) < 0) {
      return true;
    }
  }
  return false;
}

/** Every call of a database function by its name. */
function* calls() {
  for (const { file, text } of sources) {
    for (const match of text.matchAll(/\brpc(?:::<(?:[^<>(]|<[^<>]*>)*>)?\(\s*"(\w+)"\s*,\s*/g)) {
      const line = text.slice(0, match.index).split("\n").length;
      yield { place: `${file}:${line}`, name: match[1], given: argumentsOf(text, match.index + match[0].length) };
    }
  }
}

describe("calls of the database", () => {
  test("each called function exists and takes the given arguments", async () => {
    const functions = await sql`
      select proname as name, pronargs - pronargdefaults as required, coalesce(proargnames, '{}') as names,
        proargmodes::text[] as modes, pronargs as count
      from pg_proc where pronamespace = 'public'::regnamespace`;
    const wrong = [];
    let read = 0;
    for (const { place, name, given } of calls()) {
      const known = functions.filter((one) => one.name === name);
      if (known.length !== 1) wrong.push(`${place}: ${known.length} functions are called ${name}`);
      if (known.length !== 1 || given === null) continue;
      read += 1;
      const [{ names, modes, required }] = known;
      const inputs = names.filter(
        (/** @type {string} */ _, /** @type {number} */ nth) => !modes || "ib".includes(modes[nth]),
      );
      for (const key of given) if (!inputs.includes(key)) wrong.push(`${place}: ${name} has no argument ${key}`);
      for (const key of inputs.slice(0, required))
        if (!given.includes(key)) wrong.push(`${place}: ${name} needs ${key}`);
    }
    assert.deepEqual(wrong, []);
    assert.ok(read > 130, `only ${read} calls could be read`);
  });
});

/** Refusals that no caller of the API meets: of requests that go around it, and one that crates/supabase answers. */
const BELOW_THE_API = { functions_only: 403, unknown_function_proof: 401 };

describe("refusals of the database", async () => {
  /** The refusals that the code knows: code -> status. @type {Map<string, number>} */
  const known = new Map(Object.entries(BELOW_THE_API));
  const statuses = {
    UNAUTHORIZED: 401,
    FORBIDDEN: 403,
    NOT_FOUND: 404,
    CONFLICT: 409,
    UNPROCESSABLE_ENTITY: 422,
    TOO_MANY_REQUESTS: 429,
    SERVICE_UNAVAILABLE: 503,
  };
  const table = sources.find(({ file }) => file === "crates/core/src/refusals.rs")?.text ?? "";
  for (const [, code, status, sentence] of table.matchAll(/\(\s*"(\w+)",\s*StatusCode::(\w+),\s*"([^"]+)"/g)) {
    assert.ok(sentence.length > 10, code);
    known.set(code, statuses[/** @type {keyof typeof statuses} */ (status)]);
  }

  /** The refusals that the functions of the database raise. */
  const raised = [];
  const functions = await sql`
    select oid::regprocedure::text as name, prosrc as source from pg_proc
    where pronamespace in ('public'::regnamespace, 'private'::regnamespace) and prosrc like '%PT%'`;
  for (const { name, source } of functions) {
    for (const match of source.matchAll(
      /raise\s+(?:exception\s+)?sqlstate\s+'PT(\d{3})'((?:[^;']|'(?:[^']|'')*')*);/gi,
    )) {
      const detail = /detail\s*=\s*((?:[^,']|'(?:[^']|'')*')*)/i.exec(match[2])?.[1] ?? "";
      const codes = [...detail.matchAll(/'([a-z_]+)'/g)].map(([, code]) => code);
      raised.push({ name, status: Number(match[1]), codes, detail: detail.trim() });
    }
  }

  test("the code knows each refusal with the same status", () => {
    const wrong = [];
    for (const { name, status, codes, detail } of raised) {
      if (codes.length === 0) wrong.push(`${name} raises PT${status} without a code: ${detail}`);
      for (const code of codes) {
        if (known.get(code) !== status) wrong.push(`${name} raises ${code} as ${status}, known as ${known.get(code)}`);
      }
    }
    assert.deepEqual(wrong, []);
    assert.ok(raised.length > 200, `only ${raised.length} refusals were found`);
  });

  test("the database raises each refusal that the code knows", () => {
    const codes = new Set(raised.flatMap((one) => one.codes));
    assert.deepEqual(
      [...known.keys()].filter((code) => !codes.has(code)),
      [],
    );
  });
});
