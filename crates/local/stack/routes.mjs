// `npm run routes`: writes `api/**.rs`, the binaries in Cargo.toml, and the limits and the rewrite in vercel.json from the
// list of routes. `--check` changes nothing, and fails if a file differs from the list.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { LIST } from "./routes/list.mjs";
import { writeRoutes } from "./routes/write.mjs";
import { StackError } from "./supabase/stack-error.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const USAGE = "npm run routes [-- --check]";

try {
  const [flag, ...more] = process.argv.slice(2);
  if (more.length > 0 || (flag !== undefined && flag !== "--check")) throw new StackError(USAGE);
  const check = flag === "--check";
  const different = writeRoutes(ROOT, { check });
  for (const file of different) process.stdout.write(`${check ? "differs" : "written"}: ${file}\n`);
  if (check && different.length > 0) throw new StackError(`not as ${LIST} says: run npm run routes`);
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {any} */ (error).stack}\n`);
  process.exitCode = 1;
}
