// Installs the npm packages when what lies in node_modules is not what the lock file says.
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";

/** @typedef {{ version?: string, optional?: boolean, devOptional?: boolean, peer?: boolean, link?: boolean }} Package */

/** @param {string} root */
export function isInstalled(root) {
  const installedFile = path.join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return false;
  try {
    const wanted = packagesOf(path.join(root, "package-lock.json"));
    const installed = packagesOf(installedFile);
    return (
      Object.entries(installed).every(([place, { version }]) => wanted[place]?.version === version) &&
      // Optional packages of other systems are in the lock file and nowhere else.
      Object.entries(wanted).every(
        ([place, { optional, devOptional }]) => optional || devOptional || place in installed,
      ) &&
      existsSync(path.join(root, "node_modules", ".bin", "node"))
    );
  } catch {
    return false;
  }
}

/** @param {string} file @returns {Record<string, Package>} */
function packagesOf(file) {
  const { "": _root, ...packages } = JSON.parse(readFileSync(file, "utf8")).packages;
  return packages;
}

/** @param {string} root @returns {Promise<void>} */
export async function install(root) {
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith(".js") ? [process.execPath, [npm]] : ["npm", []];
  const code = await new Promise((resolve, reject) => {
    const child = spawn(command, [...args, "ci", "--no-audit", "--no-fund"], {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", () => reject(new StackError("npm is not installed")));
    child.once("exit", resolve);
  });
  if (code !== 0) throw new StackError(`npm ci failed (status ${code})`);
}
