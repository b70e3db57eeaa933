import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { readMigrations } from "../../crates/local/stack/supabase/migrations.mjs";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { unexplainedDefiners, unexplainedTimeLimits } from "./function-reasons.mjs";

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
