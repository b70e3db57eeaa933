// Compares some fields of an object, each by its name.
import assert from "node:assert/strict";

/**
 * The object has exactly these values in these fields, whatever else it has.
 * @param {any} object @param {Record<string, unknown>} expected @param {string} [message]
 */
export function hasFields(object, expected, message) {
  const found = Object.fromEntries(Object.keys(expected).map((field) => [field, object[field]]));
  assert.deepEqual(found, expected, message);
}
