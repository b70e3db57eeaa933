// How fast Meta was written to, by its own clock.

/**
 * @param {import("./app.mjs").App} app @param {string[]} people who got a message of one number
 * @returns {Promise<{ sends: number, seconds: number, perSecond: number }>} between the first and the last
 */
export async function paceOf(app, people) {
  const ledger = await app.ledger(people);
  const times = [...ledger.values()].flat().map(({ accepted_at }) => Date.parse(accepted_at)).sort((a, b) => a - b);
  const seconds = ((times.at(-1) ?? 0) - times[0]) / 1000;
  return { sends: times.length, seconds, perSecond: (times.length - 1) / seconds };
}
