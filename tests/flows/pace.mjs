// The pace of sends to Meta, by Meta's own clock.

/**
 * Between the first and the last message; with `since`, from that moment on: then a late first message cannot make the
 * others look too fast.
 * @param {import("./app.mjs").App} app
 * @param {string[]} people who got a message of one number
 * @param {{ since?: number }} [options]
 * @returns {Promise<{ sends: number, seconds: number, perSecond: number }>}
 */
export async function paceOf(app, people, { since } = {}) {
  const ledger = await app.ledger(people);
  const times = [...ledger.values()]
    .flat()
    .map(({ accepted_at }) => Date.parse(accepted_at))
    .sort((a, b) => a - b);
  const seconds = ((times.at(-1) ?? 0) - (since ?? times[0])) / 1000;
  return { sends: times.length, seconds, perSecond: (times.length - 1) / seconds };
}
