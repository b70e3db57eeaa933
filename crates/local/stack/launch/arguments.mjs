// The options of `npm start -- ...`.
import { StackError } from "../supabase/stack-error.mjs";

export const USAGE = `npm start -- [options]
  --fresh         begin with an empty database
  --no-cron       nothing ticks
  --no-demo       no demo data beyond the users
  --port N        ports from N on: app, Supabase, Meta, Upstash, Postgres (default 3000)
  --data DIR      where data and stack.json lie (default .local)
  --functions     the function binaries of a deployment (cargo build --release) in place of one process for all routes
  --watch         builds and serves again after each change of the sources (npm run dev)
  --skip-build    use what was built before
  --help          this text`;

const HIGHEST_BASE = 65_531;

/**
 * @typedef {object} Options
 * @property {boolean} fresh @property {boolean} cron @property {boolean} demo @property {number} port @property {string} data
 * @property {boolean} build @property {boolean} functions whether any run @property {import("./build.mjs").Product} product what runs them
 * @property {boolean} watch @property {boolean} help
 */

/**
 * @param {string[]} args
 * @returns {Options}
 */
export function readArguments(args) {
  /** @type {Options} */
  const options = {
    fresh: false,
    cron: true,
    demo: true,
    port: 3000,
    data: ".local",
    build: true,
    functions: true,
    product: "server",
    watch: false,
    help: false,
  };
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i].split(/=(.*)/s, 2);
    const value = () => {
      const given = inline ?? args[++i];
      if (given === undefined || given === "" || given.startsWith("--"))
        throw new StackError(`${name} needs a value (see npm start -- --help)`);
      return given;
    };
    if (name === "--port") options.port = readPort(value());
    else if (name === "--data") options.data = value();
    else if (inline !== undefined) throw new StackError(`unknown option ${args[i]} (see npm start -- --help)`);
    else if (name === "--fresh") options.fresh = true;
    else if (name === "--no-cron") options.cron = false;
    else if (name === "--no-demo") options.demo = false;
    else if (name === "--functions") options.product = "functions";
    else if (name === "--watch") options.watch = true;
    else if (name === "--skip-build") options.build = false;
    else if (name === "--without-functions") options.functions = false;
    else if (name === "--help" || name === "-h") options.help = true;
    else throw new StackError(`unknown option ${args[i]} (see npm start -- --help)`);
  }
  if (options.watch && options.product === "functions")
    throw new StackError("--watch serves all routes from one process: leave out --functions");
  return options;
}

/** @param {string} text */
function readPort(text) {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > HIGHEST_BASE)
    throw new StackError(`--port needs a number from 1 to ${HIGHEST_BASE}, not ${JSON.stringify(text)}`);
  return port;
}
