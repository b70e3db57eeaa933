// Prints the figures as a table that fits a terminal, and the indexes of the query plans as a second table.
import { status, formatted } from "./figure.mjs";

/** @typedef {import("./figure.mjs").Figure} Figure */
/** @typedef {{ name: string, figures: Figure[] }} Section */

const COLUMNS = 100;
const GAP = "  ";

/** @param {Section[]} sections @returns {string} */
export function tables(sections) {
  return [figureTable(sections), ...indexTable(sections)].join("\n\n");
}

/** A section begins with the command that repeats it. @param {Section[]} sections */
function figureTable(sections) {
  const head = ["figure", "prototype", "bound", "ours", ""];
  const rowOf = (/** @type {Figure} */ figure) => [
    figure.what,
    figure.prototype ?? "",
    bound(figure),
    figure.value === undefined ? "" : formatted(figure.value, figure),
    status(figure),
  ];
  const rows = [head, ...sections.flatMap(({ figures }) => figures.map(rowOf))];
  const widths = fitted(rows);
  return [
    ...laidOut(head, widths),
    rule(widths),
    ...sections.flatMap(({ name, figures }) => [
      `npm run bench -- ${name}`,
      ...figures.flatMap((figure) => [
        ...laidOut(rowOf(figure), widths),
        ...(figure.skipped === undefined ? [] : wrapped(figure.skipped, COLUMNS - 4).map((line) => `    ${line}`)),
      ]),
    ]),
  ].join("\n");
}

/** @param {Section[]} sections @returns {string[]} nothing where no figure has a plan */
function indexTable(sections) {
  const planned = sections.flatMap(({ figures }) => figures.filter(({ plan }) => plan !== undefined));
  if (planned.length === 0) return [];
  const head = ["figure", "index, with the rows expected of it"];
  const rows = planned.flatMap(({ what, plan = [] }) => plan.map((scan, i) => [i === 0 ? what : "", scan]));
  const widths = fitted([head, ...rows]);
  return [[...laidOut(head, widths), rule(widths), ...rows.flatMap((row) => laidOut(row, widths))].join("\n")];
}

/** Each column as wide as its widest cell; the first gives way where that is too wide. @param {string[][]} rows */
function fitted(rows) {
  const [first, ...others] = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const left = COLUMNS - others.reduce((sum, width) => sum + width + GAP.length, 0);
  return [Math.min(first, left), ...others];
}

/** @param {number[]} widths */
const rule = (widths) => widths.map((width) => "-".repeat(width)).join(GAP);

/** A row, on several lines where its first cell is too long for one. @param {string[]} row @param {number[]} widths */
function laidOut([first, ...others], widths) {
  const [start, ...more] = wrapped(first, widths[0]);
  const cells = [start, ...others].map((cell, column) => cell.padEnd(widths[column]));
  return [cells.join(GAP).trimEnd(), ...more];
}

/** @param {string} text @param {number} width @returns {string[]} lines of words */
function wrapped(text, width) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** @param {Figure} figure */
function bound(figure) {
  const { most, least } = figure;
  if (most !== undefined) return `<= ${formatted(most, figure)}`;
  return least === undefined ? "" : `>= ${formatted(least, figure)}`;
}
