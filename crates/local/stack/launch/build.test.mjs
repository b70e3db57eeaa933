import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../..");

/** Each crate with its features, as cargo resolves them for these packages. @param {string[]} packages */
const resolved = (packages) =>
  execFileSync(
    "cargo",
    [
      "tree",
      "--locked",
      "--edges",
      "normal,build",
      "--prefix",
      "none",
      "--format",
      "{p}|{f}",
      ...packages.flatMap((name) => ["--package", name]),
    ],
    { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 },
  )
    .split("\n")
    .map((line) => line.replace(/ \(proc-macro\)| \(\*\)/g, ""));

test("the functions are compiled with the same features for Vercel alone and together with the local stack", () => {
  const alone = new Set(resolved(["whatsapp-crm"]));
  const crates = new Set([...alone].map((line) => line.split("|")[0]));
  const otherwise = resolved(["whatsapp-crm", "crm-local"]).filter(
    (line) => crates.has(line.split("|")[0]) && !alone.has(line),
  );
  assert.deepEqual(
    [...new Set(otherwise)],
    [],
    "otherwise every crate is compiled twice, and the tested binaries differ from the deployed ones",
  );
});
