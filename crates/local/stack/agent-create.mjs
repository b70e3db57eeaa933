// `npm run agent:create -- --email a@b.c --name "A" --role agent`: adds a person to a tenant, who can then sign in. Works
// against the running `npm start`, or against the project that SUPABASE_URL and SUPABASE_SERVICE_ROLE_KEY name.
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";
import { StackError } from "./supabase/stack-error.mjs";

await prepare(ROOT);
const { readArguments, USAGE } = await import("./agent/arguments.mjs");
const { findProject } = await import("./agent/project.mjs");
const { createAgent } = await import("./agent/create.mjs");

try {
  const wanted = readArguments(process.argv.slice(2));
  process.stdout.write(`${wanted === "help" ? USAGE : await createAgent(findProject(ROOT, process.env), wanted)}\n`);
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
