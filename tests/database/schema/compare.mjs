// The differences between two catalogues.

/** @typedef {import("./catalogue.mjs").Catalogue} Catalogue */

/**
 * One line for each object that only one of them has, and for each property that differs.
 * @param {Catalogue} left @param {Catalogue} right @param {{ left: string, right: string }} [names]
 * @returns {string[]} sorted; empty when they are equal
 */
export function differences(left, right, names = { left: "left", right: "right" }) {
  const found = [];
  for (const object of new Set([...Object.keys(left), ...Object.keys(right)])) {
    if (!(object in right)) found.push(`${object}: only in ${names.left}`);
    else if (!(object in left)) found.push(`${object}: only in ${names.right}`);
    else found.push(...differencesOfObject(object, left[object], right[object]));
  }
  return found.sort();
}

/** @param {string} object @param {Record<string, string>} left @param {Record<string, string>} right */
function differencesOfObject(object, left, right) {
  return Object.keys(left)
    .filter((property) => left[property] !== right[property])
    .map((property) => {
      const [one, other] = fromFirstDifference(left[property], right[property]);
      return `${object}: ${property} is ${one}, and ${other}`;
    });
}

const SHOWN = 160;

/** Long texts, from a little before the first difference. @param {string} left @param {string} right */
function fromFirstDifference(left, right) {
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  const start = Math.max(0, same - 40);
  return [left, right].map((text) => JSON.stringify(`${start > 0 ? "…" : ""}${text.slice(start, start + SHOWN)}`));
}
