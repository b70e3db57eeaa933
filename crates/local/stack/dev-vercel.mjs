// `npm run dev:vercel`: the functions under `vercel dev`, offline and without an account. Slower than `npm start` (cargo and
// a new process for each request), but Vercel's own routing.
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { prepare } from "./launch/prepare.mjs";
import { StackError } from "./supabase/stack-error.mjs";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
const USAGE = `npm run dev:vercel -- [options]
  --port N     where it listens (default 3010)
  --data DIR   the data folder of a running \`npm start\` (default .local)
  --help       this text

The functions get their variables from .env (see .env.example; vercel dev does not read .env.local), and what .env leaves
out from the stack of a running \`npm start\`. Crons do not tick here.`;

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

async function main() {
  const options = readArguments(process.argv.slice(2));
  if (options.help) return say(USAGE);
  await prepare(ROOT);
  // These packages exist only after the installation above.
  const { vercel } = await import("./vercel/cli.mjs");
  const { isLinked } = await import("./vercel/project.mjs");
  const { requireTools } = await import("./vercel/tools.mjs");
  const { stackEnvironment } = await import("./vercel/stack-environment.mjs");

  requireTools({ prebuilt: false });
  if (isLinked(ROOT))
    throw new StackError(
      "this folder is linked to a project on Vercel (.vercel/project.json): use npx vercel dev, which asks Vercel for its settings",
    );
  const own = existsSync(path.join(ROOT, ".env"));
  const ofStack = stackEnvironment({ root: ROOT, dataDir: path.resolve(ROOT, options.data) });
  if (!own && !ofStack)
    throw new StackError(
      "no variables for the functions: copy .env.example to .env and fill it in, or run npm start in another terminal",
    );
  say(
    `Variables from ${[own && ".env", ofStack && `the running stack (${options.data})`].filter(Boolean).join(", then ")}`,
  );
  say(
    "The first request to a function builds it (cargo build, debug). Where an answer says `must not contain maxDuration`, the",
  );
  say("function could not start: its reason is shown here.");

  const { code } = await vercel(["dev", "--local", "--yes", "--listen", `127.0.0.1:${options.port}`], {
    cwd: ROOT,
    environment: ofStack ?? {},
  });
  process.exitCode = code;
}

/** @param {string[]} args */
function readArguments(args) {
  const options = { port: "3010", data: ".local", help: false };
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i].split(/=(.*)/s, 2);
    const value = () => {
      const given = inline ?? args[++i];
      if (!given || given.startsWith("--"))
        throw new StackError(`${name} needs a value (see npm run dev:vercel -- --help)`);
      return given;
    };
    if (name === "--port") options.port = value();
    else if (name === "--data") options.data = value();
    else if (name === "--help" || name === "-h") options.help = true;
    else throw new StackError(`unknown option ${args[i]} (see npm run dev:vercel -- --help)`);
  }
  if (!/^\d+$/.test(options.port) || Number(options.port) < 1 || Number(options.port) > 65_535)
    throw new StackError(`--port needs a number from 1 to 65535, not ${JSON.stringify(options.port)}`);
  return options;
}

main().catch((error) => {
  process.stderr.write(`${error instanceof StackError ? error.message : (error?.stack ?? error)}\n`);
  process.exit(1);
});
