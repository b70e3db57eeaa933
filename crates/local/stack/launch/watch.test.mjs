import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { changesOf, kindOf } from "./watch.mjs";

test("a file is classified by the part of a running stack that it belongs to", () => {
  const kinds = {
    "crates/core/src/inbox/read.rs": "code",
    "crates/core/src/inbox/samples/message.json": "code",
    "crates/core/Cargo.toml": "code",
    "Cargo.lock": "code",
    "Cargo.toml": "routing",
    "vercel.json": "routing",
    "supabase/migrations/20260101000000_contacts.sql": "migrations",
    "crates/local/stack/supabase/platform.sql": "scripts",
    "crates/local/stack/start.mjs": "scripts",
    "crates/local/stack/start.test.mjs": null,
    "crates/core/tests/openapi.rs": null,
    "crates/core/src/inbox": null,
    "crates/core/src/.read.rs.swp": null,
    "crates/core/src/read.rs~": null,
    "crates/core/src/4913": null,
    "README.md": null,
  };
  for (const [file, kind] of Object.entries(kinds)) assert.equal(kindOf(file), kind, file);
});

test("changes are collected while an earlier one is being handled, in every way that editors write files", async (t) => {
  const root = mkdtempSync(path.join(tmpdir(), "crm-watch-test-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const write = (/** @type {string} */ file) => {
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
    writeFileSync(path.join(root, file), String(process.hrtime.bigint()));
  };
  const replace = (/** @type {string} */ file) => {
    write(`${file}.tmp`);
    renameSync(path.join(root, `${file}.tmp`), path.join(root, file));
  };
  const [read, list, added] = [
    "crates/core/src/read.rs",
    "crates/core/src/inbox/list.rs",
    "crates/core/src/new/more.rs",
  ];
  for (const file of [read, list, "vercel.json", "supabase/migrations/1_a.sql"]) write(file);

  const controller = new AbortController();
  const changes = changesOf(root, controller.signal);
  /** @param {string[]} wanted */
  const until = async (...wanted) => {
    const seen = new Set();
    while (!wanted.every((file) => seen.has(file))) {
      const { value } = await changes.next();
      for (const [kind, files] of value) for (const file of files) seen.add(`${kind} ${file}`);
    }
  };
  // Watching begins with the first call.
  const first = until(`code ${read}`, `code ${list}`);
  write(read);
  replace(list);
  await first;
  for (let round = 0; round < 2; round++) {
    replace(list);
    await until(`code ${list}`);
  }
  write("supabase/migrations/2_b.sql");
  write("vercel.json");
  await until("migrations supabase/migrations/2_b.sql", "routing vercel.json");
  write(added);
  await until(`code ${added}`);

  const last = changes.next();
  controller.abort();
  assert.equal((await last).done, true);
});
