// The project link of the Vercel CLI. The CLI builds a folder only if `.vercel/project.json` names its project.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const OFFLINE = {
  projectId: "prj_offline",
  orgId: "team_offline",
  projectName: "whatsapp-crm",
  settings: { framework: null },
};

/**
 * Links the folder temporarily to a project that does not exist, unless it is linked to a real one. If the link stayed, `vercel
 * deploy` would look for that project.
 * @param {string} root
 * @returns {() => void} removes the link
 */
export function linkTemporaryProject(root) {
  const file = path.join(root, ".vercel", "project.json");
  if (existsSync(file) && !isTemporary(file)) return () => {};
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(OFFLINE, null, 2)}\n`);
  const unlink = () => {
    if (existsSync(file) && isTemporary(file)) rmSync(file);
  };
  process.once("exit", unlink);
  return unlink;
}

/** Whether the folder is linked to a real project. @param {string} root */
export function isLinked(root) {
  const file = path.join(root, ".vercel", "project.json");
  return existsSync(file) && !isTemporary(file);
}

/** @param {string} file */
function isTemporary(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8")).projectId === OFFLINE.projectId;
  } catch {
    return false;
  }
}
