import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { serveChanges } from "./serve-changes.mjs";

/** @typedef {import("./watch.mjs").Kind} Kind */

/**
 * The lines that are printed and the steps that are taken for changes that come one after the other.
 * @param {import("node:test").TestContext} t
 * @param {{ kind: Kind, built?: string[], broken?: boolean, refuses?: string, migrated?:
 * Partial<Awaited<ReturnType<import("../stack.mjs").Parts["migrate"]>>>, dies?: boolean }[]} steps `built`: the
 * binaries that come out of the build anew
 */
async function served(t, steps) {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-changes-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["crm-server", "crm-local"]) writeFileSync(path.join(folder, name), "");
  /** @type {string[]} */
  const done = [];
  /** @type {typeof steps[number]} */
  let step = { kind: "code" };
  async function* changes() {
    for (step of steps) yield new Map([[step.kind, new Set([`changed.${step.kind}`])]]);
  }
  await serveChanges({
    changes: changes(),
    folder,
    build: async () => {
      done.push("build");
      if (step.broken) throw new Error("does not compile");
      for (const name of step.built ?? []) writeFileSync(path.join(folder, name), done.join());
    },
    parts: {
      replaceFunctions: async () => {
        done.push("replace");
        return step.refuses ?? null;
      },
      restartGateway: async () => {
        done.push("restart");
        if (step.dies) throw new Error("crm-local ended while starting");
      },
      migrate: async () => {
        done.push("migrate");
        return { applied: [], changed: [], failure: null, ...step.migrated };
      },
    },
    say: (line) => done.push(line.replace(/\(.* s\)/, "(s)")),
  });
  return done;
}

test("a change is built, and the parts it changed are restarted", async (t) => {
  assert.deepEqual(await served(t, [{ kind: "code", built: ["crm-server"] }]), [
    "changed.code: building",
    "build",
    "replace",
    "Served again (s)",
  ]);
  const both = await served(t, [{ kind: "code", built: ["crm-server", "crm-local"] }]);
  assert.deepEqual(both.slice(1), ["build", "restart", "Served again, gateway and simulators too (s)"]);
  assert.deepEqual((await served(t, [{ kind: "routing" }])).slice(1), [
    "build",
    "restart",
    "Served again, gateway and simulators too (s)",
  ]);
  assert.deepEqual((await served(t, [{ kind: "code" }])).slice(1), ["build", "Nothing of it is served"]);
});

test("the old version keeps running if the new one does not compile or does not start", async (t) => {
  const broken = await served(t, [
    { kind: "code", broken: true },
    { kind: "code", built: ["crm-server"] },
  ]);
  assert.deepEqual(broken, [
    "changed.code: building",
    "build",
    "does not compile\nWhat was built before is still served",
    "changed.code: building",
    "build",
    "replace",
    "Served again (s)",
  ]);
  const refused = await served(t, [
    { kind: "code", built: ["crm-server"], refuses: "CRON_SECRET is missing" },
    { kind: "code" },
  ]);
  assert.deepEqual(
    refused.slice(2),
    [
      "replace",
      "CRON_SECRET is missing\nWhat was built before is still served",
      "changed.code: building",
      "build",
      "replace",
      "Served again (s)",
    ],
    "the part that did not start is tried again",
  );
  const dead = await served(t, [{ kind: "code", built: ["crm-local"], dies: true }, { kind: "code" }]);
  assert.deepEqual(dead.slice(2), [
    "restart",
    "crm-local ended while starting",
    "changed.code: building",
    "build",
    "restart",
    "Served again, gateway and simulators too (s)",
  ]);
});

test("new migrations are applied, a changed migration needs an empty database, and changed scripts of the stack need a restart", async (t) => {
  const migrated = { applied: ["/m/2_b.sql"], changed: ["/m/1_a.sql"] };
  assert.deepEqual(await served(t, [{ kind: "migrations", migrated }]), [
    "migrate",
    "2_b.sql is applied",
    "1_a.sql has changed since it was applied: stop, and start with --fresh to apply it",
  ]);
  const failure = "migration 2_b.sql:1:1: syntax error";
  assert.deepEqual(await served(t, [{ kind: "migrations", migrated: { failure } }]), [
    "migrate",
    `${failure}\nNothing of this migration is applied`,
  ]);
  assert.deepEqual(await served(t, [{ kind: "scripts" }]), [
    "changed.scripts: this is part of the stack itself, stop it and start it again to use it",
  ]);
});
