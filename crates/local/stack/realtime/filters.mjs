// Filters of postgres_changes: `column=operator.value`, joined by commas.

/** @typedef {{ column: string, operator: string, value: string | string[] }} Filter */

const OPERATORS = new Set(["eq", "neq", "lt", "lte", "gt", "gte", "in"]);
const NUMBERS = new Set(["int2", "int4", "int8", "float4", "float8", "numeric", "oid"]);
const TIMES = new Set(["timestamp", "timestamptz", "date"]);

/** @param {string | undefined} text @returns {Filter[]} throws an error with a message for people */
export function parseFilters(text) {
  if (!text) return [];
  return split(text).map((part) => {
    const [, column, operator, value] = /^([^=]+)=([a-z]+)\.([\s\S]*)$/.exec(part.trim()) ?? [];
    if (column === undefined || !OPERATORS.has(operator)) throw new Error(`Error parsing \`filter\` params: ${part}`);
    if (operator !== "in") return { column, operator, value: unquote(value) };
    const list = /^\(([\s\S]*)\)$/.exec(value)?.[1] ?? value.replace(/^\{|\}$/g, "");
    return { column, operator, value: split(list).map(unquote) };
  });
}

/** Splits at commas that are neither quoted nor in parentheses. @param {string} text */
function split(text) {
  const parts = [""];
  let depth = 0;
  let inQuotes = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i];
    if (character === "\\" && inQuotes) {
      parts[parts.length - 1] += character + (text[++i] ?? "");
      continue;
    }
    if (character === '"') inQuotes = !inQuotes;
    else if (!inQuotes && "({".includes(character)) depth++;
    else if (!inQuotes && ")}".includes(character)) depth--;
    else if (character === "," && !inQuotes && depth === 0) {
      parts.push("");
      continue;
    }
    parts[parts.length - 1] += character;
  }
  return parts;
}

/** @param {string} text */
function unquote(text) {
  const inner = /^"([\s\S]*)"$/.exec(text.trim())?.[1];
  return inner === undefined ? text : inner.replace(/\\(.)/g, "$1");
}

/**
 * @param {Filter[]} filters @param {Record<string, string | null> | null} row values in text form
 * @param {Map<string, { type: string }>} columns
 */
export function passes(filters, row, columns) {
  return filters.every(({ column, operator, value }) => {
    const actual = row?.[column];
    if (actual === null || actual === undefined) return false;
    const type = columns.get(column)?.type ?? "text";
    if (Array.isArray(value)) return value.some((item) => compare(actual, item, type) === 0);
    const order = compare(actual, value, type);
    return (
      { eq: order === 0, neq: order !== 0, lt: order < 0, lte: order <= 0, gt: order > 0, gte: order >= 0 }[operator] ??
      false
    );
  });
}

/** @param {string} a @param {string} b @param {string} type */
function compare(a, b, type) {
  if (NUMBERS.has(type)) return Number(a) - Number(b);
  if (TIMES.has(type)) return Date.parse(a) - Date.parse(b);
  const [left, right] = type === "bool" ? [a[0], b[0]] : [a, b];
  return left < right ? -1 : left > right ? 1 : 0;
}
