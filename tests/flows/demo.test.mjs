// The README promises the demo: its counts must match Meta's ledger.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { useApp } from "./app.mjs";

const DEMO = fileURLToPath(new URL("../../crates/local/stack/demo.mjs", import.meta.url));

test("npm run demo ends with all counts in agreement", async (t) => {
  const app = await useApp();
  await app.setsPace(80);
  const folder = mkdtempSync(path.join(tmpdir(), "crm-demo-test-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(path.join(folder, "stack.json"), JSON.stringify(app.stack));
  const child = spawn(process.execPath, [DEMO], {
    env: { ...process.env, CRM_STACK: path.join(folder, "stack.json") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (output += piece));
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, output);
  assert.match(output, /All agree/);
  assert.match(output, /131026/);
});
