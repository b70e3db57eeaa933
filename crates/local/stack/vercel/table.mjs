// The lines of a table, with figures aligned right and texts aligned left.

const FIGURE = /^[\d.]+( \w+)?$/;

/** @param {string[]} heads @param {string[][]} rows @returns {string[]} */
export function table(heads, rows) {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i].length)));
  const rightAligned = heads.map((_, i) => rows.every((row) => FIGURE.test(row[i])));
  const line = (/** @type {string[]} */ cells) =>
    `  ${cells.map((cell, i) => (rightAligned[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")}`.trimEnd();
  return [line(heads), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}
