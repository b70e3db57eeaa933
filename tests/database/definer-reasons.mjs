// Why a function has its owner's rights: a line of its own in the comment above the function.

/** A function with what stands above it. */
const FUNCTION = /((?:^--.*\n)*)^create (?:or replace )?function ([\w.]+)\(([\s\S]*?) as \$/gm;
const REASON = /^-- Security definer: \S/m;

/**
 * The functions of a migration that run with their owner's rights and give no reason for it.
 * @param {string} migration
 * @returns {string[]} their names
 */
export function unexplainedDefiners(migration) {
  return [...migration.matchAll(FUNCTION)]
    .filter(([, comment, , head]) => /\bsecurity definer\b/i.test(head) && !REASON.test(comment))
    .map(([, , name]) => name);
}
