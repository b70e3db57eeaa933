// Watches whole folders. `fs.watch` with `recursive` loses a file on Linux once an editor has put a new one in its place;
// a watcher on each folder does not.
import { readdirSync, statSync, watch } from "node:fs";
import path from "node:path";

/**
 * @param {string} root
 * @param {string[]} folders below it, watched with all that is below them; `.` is watched alone
 * @param {(file: string) => void} note gets what has changed, named from the root
 * @returns {() => void} ends it
 */
export function watchFolders(root, folders, note) {
  /** @type {Map<string, import("node:fs").FSWatcher>} */
  const watchers = new Map();

  /** @param {string} folder @param {boolean} whole */
  function add(folder, whole) {
    watchers.get(folder)?.close();
    const watcher = watch(path.join(root, folder), (_, name) => {
      if (!name) return;
      const changed = path.join(folder, name);
      if (whole && isFolder(path.join(root, changed))) addNew(changed);
      else note(changed);
    });
    // A folder that goes takes its watcher with it.
    watcher.on("error", () => watcher.close());
    watchers.set(folder, watcher);
    if (whole) for (const name of foldersIn(path.join(root, folder))) add(path.join(folder, name), true);
  }

  /** A folder that has come: what it held before it was watched is new as well. @param {string} folder */
  function addNew(folder) {
    try {
      add(folder, true);
      for (const entry of readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" }))
        note(path.join(folder, entry));
    } catch (error) {
      // It may have gone again.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ENOENT") throw error;
    }
  }

  for (const folder of folders) add(folder, folder !== ".");
  return () => {
    for (const watcher of watchers.values()) watcher.close();
  };
}

/** @param {string} file */
const isFolder = (file) => statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** @param {string} folder */
const foldersIn = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
