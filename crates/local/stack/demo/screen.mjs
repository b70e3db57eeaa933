// The output of the demo: in colour and with updating lines on a terminal, otherwise as plain lines.
const live = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;

/** @param {number} code */
const paint = (code) => (/** @type {string} */ text) => (live ? `\u001b[${code}m${text}\u001b[0m` : text);
export const bold = paint(1);
export const dim = paint(2);
export const green = paint(32);
export const blue = paint(34);
export const cyan = paint(36);
export const red = paint(31);

/** @param {string} line */
export const say = (line) => void process.stdout.write(`${line}\n`);

/** @param {string} title */
export const heading = (title) => say(`\n${bold(title)}\n${dim("─".repeat(title.length))}`);

/** A line that is redrawn in place on a terminal. Elsewhere only its last state is printed. */
export class MovingLine {
  text = "";

  /** @param {string} text */
  show(text) {
    this.text = text;
    if (live) process.stdout.write(`\r\u001b[2K${text}`);
  }

  end() {
    process.stdout.write(live ? "\n" : `${this.text}\n`);
  }
}

/** @param {string} status */
export function ticks(status) {
  switch (status) {
    case "sent":
      return dim("✓");
    case "delivered":
      return dim("✓✓");
    case "read":
    case "played":
      return blue("✓✓");
    case "failed":
      return red("✗");
    default:
      return dim("○");
  }
}

const WIDTH = 40;

/** @param {number} part @param {number} whole */
export function bar(part, whole) {
  const filled = whole === 0 ? 0 : Math.round((part / whole) * WIDTH);
  return green("█".repeat(filled)) + dim("░".repeat(WIDTH - filled));
}

/** @typedef {{ what: string, ours: number, metas: number }} Row */

/** Prints both columns. @param {Row[]} rows @returns {boolean} whether all rows agree */
export function table(rows) {
  const wide = Math.max(...rows.map(({ what }) => what.length));
  say(`${"".padEnd(wide)}  ${"ours".padStart(6)}  ${"Meta".padStart(6)}`);
  for (const { what, ours, metas } of rows) {
    const mark = ours === metas ? green("agree") : red("DIFFER");
    say(`${what.padEnd(wide)}  ${String(ours).padStart(6)}  ${String(metas).padStart(6)}  ${mark}`);
  }
  return rows.every(({ ours, metas }) => ours === metas);
}
