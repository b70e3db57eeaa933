// Which sources have changed, for `npm run dev`.
import { watchFolders } from "./watch-folders.mjs";

/** Editors write a file in several steps: a change counts once this many milliseconds have brought no other. */
const SETTLES_IN = 100;
/** What editors and tools write beside the files. */
const PASSING = /(^|\/)(\.[^/]*|[^/]*(~|\.tmp|\.sw[a-z])|#[^/]*#|\d+)$/;

/** @typedef {"code" | "routing" | "migrations" | "scripts"} Kind what a file is to a running stack */
/** @typedef {Map<Kind, Set<string>>} Changes files by kind, named from the root */

/** @param {string} file named from the root @returns {Kind | null} null where the stack does not depend on it */
export function kindOf(file) {
  if (PASSING.test(file)) return null;
  if (file === "vercel.json" || file === "Cargo.toml") return "routing";
  if (file === "Cargo.lock") return "code";
  if (/^supabase\/migrations\/.*\.sql$/.test(file)) return "migrations";
  if (file.startsWith("crates/local/stack/"))
    return /\.(mjs|sql)$/.test(file) && !file.endsWith(".test.mjs") ? "scripts" : null;
  // A file without a dot is a folder.
  return /^crates\/[^/]+\/(src\/.*|Cargo)\.\w+$/.test(file) ? "code" : null;
}

/**
 * @param {string} root @param {AbortSignal} signal ends it
 * @returns {AsyncGenerator<Changes>} what has changed since the last time it was asked
 */
export async function* changesOf(root, signal) {
  /** @type {Changes} */
  let changes = new Map();
  /** @type {() => void} */
  let changed = () => {};
  /** @param {string} file */
  const note = (file) => {
    const kind = kindOf(file);
    if (!kind) return;
    changes.set(kind, (changes.get(kind) ?? new Set()).add(file));
    changed();
  };
  const unwatch = watchFolders(root, ["crates", "supabase/migrations", "."], note);
  const end = () => changed();
  signal.addEventListener("abort", end);
  try {
    while (!signal.aborted) {
      while (changes.size === 0 && !signal.aborted)
        await new Promise((resolve) => (changed = () => resolve(undefined)));
      for (let quiet = false; !quiet && !signal.aborted;) {
        quiet = await new Promise((resolve) => {
          const timer = setTimeout(() => resolve(true), SETTLES_IN);
          changed = () => {
            clearTimeout(timer);
            resolve(false);
          };
        });
      }
      if (signal.aborted) return;
      changed = () => {};
      const settled = changes;
      changes = new Map();
      yield settled;
    }
  } finally {
    signal.removeEventListener("abort", end);
    unwatch();
  }
}
