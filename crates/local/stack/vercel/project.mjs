// The CLI builds a folder only where `.vercel/project.json` says which project it is.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const OFFLINE = {
  projectId: "prj_offline",
  orgId: "team_offline",
  projectName: "whatsapp-crm",
  settings: { framework: null },
};

/**
 * Lends the folder a project that does not exist, if it is not linked to a real one: left there, `vercel deploy` would
 * look for it.
 * @param {string} root
 * @returns {() => void} takes it back
 */
export function lendProject(root) {
  const file = path.join(root, ".vercel", "project.json");
  if (existsSync(file) && !isLent(file)) return () => {};
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(OFFLINE, null, 2)}\n`);
  const takeBack = () => {
    if (existsSync(file) && isLent(file)) rmSync(file);
  };
  process.once("exit", takeBack);
  return takeBack;
}

/** Whether a real project is linked. @param {string} root */
export function isLinked(root) {
  const file = path.join(root, ".vercel", "project.json");
  return existsSync(file) && !isLent(file);
}

/** @param {string} file */
function isLent(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).projectId === OFFLINE.projectId;
  } catch {
    return false;
  }
}
