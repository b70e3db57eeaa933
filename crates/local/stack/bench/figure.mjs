// A measured figure, with the prototype's figure and our target.

/**
 * @typedef {object} Figure
 * @property {string} what
 * @property {string} [prototype] as docs/figures.md explains it
 * @property {number} [most] the bound, where less is better
 * @property {number} [least] the bound, where more is better
 * @property {number} [value] in `unit`
 * @property {string} [unit]
 * @property {number} [digits] after the point
 * @property {string[]} [plan] the indexes a query takes, each with the rows expected of it
 * @property {string} [skipped] why there is no value
 */

/** The reason why a figure cannot be measured on this machine. It is not a failure. */
export class Skipped extends Error {}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {Figure} figure @returns {"" | "ok" | "MISSED" | "skipped"} */
export function status({ value, most, least, skipped }) {
  if (skipped !== undefined || value === undefined) return "skipped";
  if (most === undefined && least === undefined) return "";
  return (most === undefined || value <= most) && (least === undefined || value >= least) ? "ok" : "MISSED";
}

/** @param {number} value @param {Figure} figure */
export function formatted(value, { unit = "", digits = 0 }) {
  const number = value.toLocaleString("en", { minimumFractionDigits: 0, maximumFractionDigits: digits });
  return unit === "" ? number : `${number} ${unit}`;
}
