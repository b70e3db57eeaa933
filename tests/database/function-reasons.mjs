// The reason why a function has its owner's rights or a time limit of its own: a line in the comment above the
// function.

/** A function with the comment above it. */
const FUNCTION = /((?:^--.*\n)*)^create (?:or replace )?function ([\w.]+)\(([\s\S]*?) as \$/gm;

/**
 * The functions of a migration that run with their owner's rights and give no reason for it.
 * @param {string} migration
 */
export const unexplainedDefiners = (migration) =>
  unexplained(migration, /\bsecurity definer\b/i, /^-- Security definer: \S/m);

/**
 * The functions of a migration that may take longer than their caller's role allows and give no reason for it.
 * @param {string} migration
 */
export const unexplainedTimeLimits = (migration) =>
  unexplained(migration, /\bset statement_timeout\b/i, /^-- Time limit: \S/m);

/**
 * @param {string} migration @param {RegExp} clause @param {RegExp} reason
 * @returns {string[]} the names of the functions
 */
function unexplained(migration, clause, reason) {
  return [...migration.matchAll(FUNCTION)]
    .filter(([, comment, , head]) => clause.test(head) && !reason.test(comment))
    .map(([, , name]) => name);
}

/**
 * The reasons of a migration's functions for their owner's rights, by the name of the function.
 * @param {string} migration
 * @returns {Record<string, string>}
 */
export const definerReasons = (migration) =>
  Object.fromEntries(
    [...migration.matchAll(FUNCTION)]
      .filter(([, , , head]) => /\bsecurity definer\b/i.test(head))
      .map(([, comment, name]) => {
        const [, reason] = /^-- Security definer: ([^]*?)(?:\n-- Time limit: [^]*)?\n$/m.exec(comment) ?? [];
        return [name, reason?.replaceAll("\n-- ", " ") ?? ""];
      }),
  );
