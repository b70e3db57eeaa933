// Prints the figures as a table.
import { status, formatted } from "./figure.mjs";

/** @typedef {import("./figure.mjs").Figure} Figure */

/** @param {{ name: string, figures: Figure[] }[]} sections @returns {string} */
export function table(sections) {
  const rows = [["figure", "prototype", "bound", "ours", "", "repeat with"]];
  for (const { name, figures } of sections) {
    for (const figure of figures)
      rows.push([
        figure.what,
        figure.prototype ?? "",
        bound(figure),
        ours(figure),
        status(figure),
        `npm run bench -- ${name}`,
      ]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );
  lines.splice(1, 0, widths.map((width) => "-".repeat(width)).join("  "));
  return lines.join("\n");
}

/** @param {Figure} figure */
function bound(figure) {
  const { most, least } = figure;
  if (most !== undefined) return `<= ${formatted(most, figure)}`;
  return least === undefined ? "" : `>= ${formatted(least, figure)}`;
}

/** @param {Figure} figure */
function ours(figure) {
  return figure.value === undefined ? (figure.skipped ?? "") : formatted(figure.value, figure);
}
