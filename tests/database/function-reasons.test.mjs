import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { readMigrations } from "../../crates/local/stack/supabase/migrations.mjs";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { unexplainedDefiners, unexplainedTimeLimits } from "./function-reasons.mjs";

/** How many seconds the functions wait for the database (`DATABASE_TIME_LIMIT`), unless a call says otherwise. */
const CLIENT_SECONDS = 15;
const HEAD = "create function public.act(one text) returns void\nlanguage plpgsql";
const BODY = "set search_path = '' as $$\nbegin\nend;\n$$;\n";

describe("a function with its owner's rights gives its reason", () => {
  for (const { version, name, text } of readMigrations(path.join(ROOT, "supabase/migrations"))) {
    test(`in ${version}_${name}.sql`, () => {
      assert.deepEqual(unexplainedDefiners(text), []);
    });
  }

  test("and is reported without one", () => {
    const text = `-- Acts.\n${HEAD} security definer ${BODY}\n${HEAD} security definer ${BODY}`;
    assert.deepEqual(unexplainedDefiners(text), ["public.act", "public.act"]);
  });

  test("on a line of its own, in words", () => {
    for (const comment of [
      "-- Acts. Security definer: it must.\n",
      "-- Security definer:\n",
      "-- Security definer: it must.\n\n",
    ]) {
      assert.deepEqual(unexplainedDefiners(`${comment}${HEAD} security definer ${BODY}`), ["public.act"]);
    }
    assert.deepEqual(
      unexplainedDefiners(`-- Acts.\n-- Security definer: it must.\n${HEAD} security definer ${BODY}`),
      [],
    );
  });

  test("and needs none with the caller's rights", () => {
    assert.deepEqual(unexplainedDefiners(`${HEAD} ${BODY}`), []);
  });
});

describe("a function with a time limit of its own gives its reason", () => {
  for (const { version, name, text } of readMigrations(path.join(ROOT, "supabase/migrations"))) {
    test(`in ${version}_${name}.sql`, () => {
      assert.deepEqual(unexplainedTimeLimits(text), []);
    });
  }

  test("and is reported without one", () => {
    const limited = `${HEAD} set statement_timeout = '60s' ${BODY}`;
    assert.deepEqual(unexplainedTimeLimits(`-- Acts.\n${limited}`), ["public.act"]);
    assert.deepEqual(unexplainedTimeLimits(`-- Time limit: it changes every contact.\n${limited}`), []);
    assert.deepEqual(unexplainedTimeLimits(`${HEAD} ${BODY}`), []);
  });
});

test("a function that may take longer than a call of ours waits has a caller that waits longer", () => {
  const sources = globSync("crates/*/src/**/*.rs", { cwd: ROOT }).map((file) =>
    readFileSync(path.join(ROOT, file), "utf8"),
  );
  const long = readMigrations(path.join(ROOT, "supabase/migrations")).flatMap(({ text }) =>
    [...text.matchAll(/^create function public\.(\w+)\([^;]*? set statement_timeout = '(\d+)s' as \$/gm)]
      .filter(([, , seconds]) => Number(seconds) > CLIENT_SECONDS)
      .map(([, name]) => name),
  );
  assert.ok(long.includes("retry_failed"), long.join());
  const impatient = long.filter(
    (name) => !sources.some((source) => new RegExp(`with_time_limit\\([^]{0,300}"${name}"`).test(source)),
  );
  assert.deepEqual(impatient, []);
});
