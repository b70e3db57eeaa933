// `npm run build:vercel`: builds the deployment in `.vercel/output` with Vercel's own CLI, without an account.
import { performance } from "node:perf_hooks";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { prepare } from "./launch/prepare.mjs";
import { StackError } from "./supabase/stack-error.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const USAGE = `npm run build:vercel -- [options]
  --prebuilt   for Vercel's machines (Linux, x86_64), to be sent with \`vercel deploy --prebuilt\`; needs cargo-zigbuild and Zig
  --help       this text`;

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

async function main() {
  const began = performance.now();
  const args = process.argv.slice(2);
  if (args.includes("--help") || args.includes("-h")) return say(USAGE);
  const unknown = args.find((argument) => argument !== "--prebuilt");
  if (unknown !== undefined) throw new StackError(`unknown option ${unknown} (see npm run build:vercel -- --help)`);
  const prebuilt = args.includes("--prebuilt");

  await prepare(ROOT);
  // These packages exist only after the installation above.
  const { buildOutput } = await import("./vercel/build.mjs");
  const { readOutput } = await import("./vercel/output.mjs");
  const { sizes } = await import("./vercel/sizes.mjs");
  await buildOutput({ root: ROOT, prebuilt, say });

  const { functions, staticFiles } = readOutput(ROOT);
  say("");
  for (const line of await sizes(functions)) say(line);
  say("");
  say(
    `.vercel/output: ${functions.length} functions, ${staticFiles.length} static (${((performance.now() - began) / 1000).toFixed(0)} s)`,
  );
  if (!prebuilt)
    say(
      "Built for this machine, to be tested. `vercel deploy` builds on Vercel; for `vercel deploy --prebuilt` use --prebuilt.",
    );
}

main().catch((error) => {
  process.stderr.write(`${error instanceof StackError ? error.message : (error?.stack ?? error)}\n`);
  process.exit(1);
});
