// Lines of a table: texts to the left, numbers to the right.

/** @param {string[]} heads @param {(string | number)[][]} rows @returns {string[]} */
export function table(heads, rows) {
  const texts = rows.map((row) => row.map((cell) => (typeof cell === "number" ? cell.toFixed(1) : cell)));
  const widths = heads.map((head, i) => Math.max(head.length, ...texts.map((row) => row[i].length)));
  const toTheRight = heads.map((_, i) => rows.some((row) => typeof row[i] === "number"));
  const line = (/** @type {string[]} */ cells) =>
    `  ${cells.map((cell, i) => (toTheRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join("  ")}`.trimEnd();
  return [line(heads), line(widths.map((width) => "-".repeat(width))), ...texts.map(line)];
}
