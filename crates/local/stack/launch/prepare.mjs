// What every command of package.json needs before it can begin: packages, and the Node among them.
import { spawnSync } from "node:child_process";
import path from "node:path";
import { install, isInstalled } from "./install.mjs";

const WANTED_NODE = 24;

/**
 * Installs the packages if they are missing, and runs the command again on the Node from node_modules if this one is
 * older. Returns only on a Node that will do.
 * @param {string} root
 */
export async function prepare(root) {
  if (!isInstalled(root)) {
    process.stdout.write("Installing npm packages\n");
    await install(root);
  }
  if (Number(process.versions.node.split(".")[0]) >= WANTED_NODE) return;
  const newer = path.join(root, "node_modules", ".bin", "node");
  const { status } = spawnSync(newer, process.argv.slice(1), { stdio: "inherit" });
  process.exit(status ?? 1);
}
