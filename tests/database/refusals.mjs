// How the database says no.
import assert from "node:assert/strict";

/** The row or table is out of the role's reach. */
export const DENIED = "42501";
/** A row of another table is missing. */
export const NO_SUCH_ROW = "23503";
/** What a caller tries again: a deadlock, a serialisation failure, a row that another has just made. */
export const PASSING = ["40P01", "40001", "23505"];

/** @param {Promise<unknown>} attempt @param {{ code: string, detail?: string, hint?: string, message?: RegExp }} expected */
export async function isRefused(attempt, expected) {
  const { message, ...fields } = expected;
  await assert.rejects(attempt, (/** @type {any} */ error) => {
    const told = Object.fromEntries(Object.keys(fields).map((field) => [field, error[field]]));
    assert.deepEqual(told, fields, `${error.code}: ${error.message}`);
    if (message) assert.match(error.message, message);
    return true;
  });
}
