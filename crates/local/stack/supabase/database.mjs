// Database connections whose values have the form in which PostgREST prints them.
import postgres from "postgres";

/**
 * A time with `T` and a full offset, as PostgREST prints it, from Postgres's own text.
 * @param {string} text
 */
const isoTime = (text) => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
/** @param {unknown} value */
const timeText = (value) => (value instanceof Date ? value.toISOString() : value);
/** @param {unknown} value */
const asIs = (value) => value;
/** Lite passes text that is already encoded. @param {unknown} value */
const jsonOnce = (value) => (typeof value === "string" ? value : JSON.stringify(value));
/** @param {string} text */
const asText = (text) => text;

/**
 * Type mappings without the faults of Lite's driver, which prints times without `T`, encodes JSON twice and turns `bytea` into
 * objects.
 */
export const TYPES = {
  json: { to: 114, from: [114], serialize: jsonOnce, parse: JSON.parse },
  jsonb: { to: 3802, from: [3802], serialize: jsonOnce, parse: JSON.parse },
  timestamptz: { to: 1184, from: [1184], serialize: timeText, parse: isoTime },
  timestamp: { to: 1114, from: [1114], serialize: timeText, parse: isoTime },
  bytea: { to: 17, from: [17], serialize: asIs, parse: asText },
};

/**
 * @param {string} url @param {import("postgres").Options<any>} [options]
 * @returns {import("postgres").Sql}
 */
export function connect(url, options = {}) {
  return postgres(url, {
    onnotice: () => {},
    types: TYPES,
    connect_timeout: 10,
    ...options,
    connection: { TimeZone: "UTC", ...options.connection },
  });
}
