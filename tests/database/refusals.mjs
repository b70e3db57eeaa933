// The refusals of the database.
import assert from "node:assert/strict";

/** The role has no access to the row or table. */
export const DENIED = "42501";
/** A row of another table is missing. */
export const NO_SUCH_ROW = "23503";
/** A deadlock, a serialisation failure, or a row that another transaction has just created. */
const PASSING = ["40P01", "40001", "23505"];

/** @param {Promise<unknown>} attempt @param {{ code: string, detail?: string, hint?: string, message?: RegExp }} expected */
export async function isRefused(attempt, expected) {
  const { message, ...fields } = expected;
  await assert.rejects(attempt, (/** @type {any} */ error) => {
    const actual = Object.fromEntries(Object.keys(fields).map((field) => [field, error[field]]));
    assert.deepEqual(actual, fields, `${error.code}: ${error.message}`);
    if (message) assert.match(error.message, message);
    return true;
  });
}

/**
 * Retries like the functions do: an attempt that lost against another one is repeated.
 * @template Result
 * @param {() => Promise<Result>} attempt
 */
export async function retried(attempt) {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      if (tries === 10 || !PASSING.includes(/** @type {any} */ (error).code)) throw error;
    }
  }
}
