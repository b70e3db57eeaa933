// The environment variables of the functions of a running `npm start`.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { releaseFolder } from "../launch/build.mjs";
import { configure } from "../launch/configuration.mjs";
import { portsFrom } from "../launch/ports.mjs";
import { keepSecrets } from "../launch/secrets.mjs";

/** @param {{ root: string, dataDir: string }} options @returns {Record<string, string> | null} null if no stack is running */
export function stackEnvironment({ root, dataDir }) {
  const file = path.join(dataDir, "stack.json");
  if (!existsSync(file)) return null;
  const { app_url: appUrl, pid } = JSON.parse(readFileSync(file, "utf8"));
  if (!isRunning(pid)) return null;
  const { functions } = configure({
    root,
    dataDir,
    ports: portsFrom(Number(new URL(appUrl).port)),
    secrets: keepSecrets(dataDir),
    functionsDir: releaseFolder(root),
    fresh: false,
    cron: false,
    durable: true,
    given: process.env,
  });
  return functions.environment;
}

/** @param {number} pid */
function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
