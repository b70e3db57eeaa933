// The source of a function without its comments and its layout.

// Text in quotes stays as it is. A comment or white space between two words counts as one space.
const PARTS =
  /(E'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_]\w*)?\$)[\s\S]*?\2)|--[^\n]*|\/\*[\s\S]*?\*\/|\s+/gi;

/** @param {string} source @returns {string} */
export function normalisedSource(source) {
  return source
    .replace(PARTS, (part, quoted) => (quoted === undefined ? "\0" : quoted))
    .replaceAll(/\0+/g, " ")
    .trim();
}
