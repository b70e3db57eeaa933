// Clients that are generated from the document.
import { copyFileSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { runs } from "./programs.mjs";

const CLIENTS = path.join(import.meta.dirname, "clients");

/**
 * Generates the TypeScript client and compiles the calls made with it.
 * @param {string} document path of the document @param {string} folder empty
 * @returns {Promise<{ callAll: typeof import("./clients/calls.ts").callAll }>}
 */
export async function typescriptClient(document, folder) {
  mkdirSync(folder, { recursive: true });
  await runs("openapi-typescript", [document, "--output", path.join(folder, "schema.d.ts")]);
  copyFileSync(path.join(CLIENTS, "calls.ts"), path.join(folder, "calls.ts"));
  symlinkSync(path.join(ROOT, "node_modules"), path.join(folder, "node_modules"));
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: "es2024",
    lib: ["es2024", "dom"],
    module: "esnext",
    moduleResolution: "bundler",
    types: [],
  };
  writeFileSync(
    path.join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["calls.ts", "schema.d.ts"] }),
  );
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await runs("tsc", ["--project", folder]);
  return import(path.join(folder, "calls.ts"));
}

/**
 * Generates the Python client and compiles it.
 * @param {import("./python.mjs").PythonTools} tools
 * @param {string} document path of the document @param {string} folder
 */
export async function pythonClient(tools, document, folder) {
  // Without a formatter, which the client does not need to run.
  const config = path.join(folder, "python-client.json");
  writeFileSync(config, JSON.stringify({ post_hooks: [] }));
  const printed = await tools.run("openapi-python-client", [
    ...["generate", "--path", document, "--meta", "none", "--output-path", path.join(folder, "crm_client")],
    ...["--fail-on-warning", "--config", config],
  ]);
  const client = path.join(folder, "crm_client");
  importUnset(client);
  await tools.run("python", ["-m", "compileall", "-q", client]);
  return printed;
}

/**
 * Adds an import that openapi-python-client 0.29.1 forgets: it makes a body with two media types optional, although the
 * document requires it, and uses `Unset` without importing it. A user of such an operation adds the same line.
 * @param {string} client folder of the generated client
 */
function importUnset(client) {
  for (const file of globSync(path.join(client, "api", "**", "*.py"))) {
    const text = readFileSync(file, "utf8");
    if (!/\bUnset\b/.test(text) || /^from .*types import .*\bUnset\b/m.test(text)) continue;
    writeFileSync(file, text.replace(/^from \.\.\.types import /m, "from ...types import Unset\n$&"));
  }
}
