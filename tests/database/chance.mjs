// Random choices that can be repeated: a failure names the seed, and CRM_TEST_SEED repeats the choices.

/** @param {number} [seed] */
export function chance(seed = Number(process.env.CRM_TEST_SEED) || Date.now() & 0x7fffffff) {
  let state = seed >>> 0;
  /** Mulberry32. From 0 to below 1. */
  const number = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  /** From `low` to `high`, both included. @param {number} low @param {number} high */
  const integer = (low, high) => low + Math.floor(number() * (high - low + 1));
  /** @template Item @param {Item[]} list @returns {Item} */
  const pick = (list) => list[integer(0, list.length - 1)];
  /** @template Item @param {Item[]} list @returns {Item[]} another list */
  const shuffle = (list) => {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const j = integer(0, i);
      [mixed[i], mixed[j]] = [mixed[j], mixed[i]];
    }
    return mixed;
  };
  return { seed, number, integer, pick, shuffle };
}
