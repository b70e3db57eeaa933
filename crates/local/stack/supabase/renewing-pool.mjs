// Connections that outlive their database. postgres.js keeps connections that died under a request: what it writes to
// them is never sent, and whoever waits for the answer waits for ever. So when one is lost, all are ended, whoever is asking
// is told, and all are made anew.

/** @typedef {import("postgres").Sql} Sql */
/** @typedef {{ sql: Sql, lost: boolean }} Generation */

export class LostConnection extends Error {
  code = "CONNECTION_LOST";
}

/**
 * @param {{ open: (onclose: () => void) => Sql, most: number }} options `open` makes connections that tell of each one
 *   that closes, and close none by themselves; at most `most` are reserved at once
 */
export function renewingPool({ open, most }) {
  /** @type {(() => void)[]} */
  const waiting = [];
  let free = most;
  let ended = false;
  let current = renew();

  function renew() {
    const generation = /** @type {Generation} */ ({ lost: false });
    generation.sql = open(() => lose(generation));
    return generation;
  }

  /** @param {Generation} generation */
  function lose(generation) {
    if (ended || generation.lost) return;
    generation.lost = true;
    current = renew();
    void generation.sql.end({ timeout: 0 }).catch(() => {});
  }

  async function takePlace() {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  }
  function leavePlace() {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  /** A connection for one request, as postgres.js gives it. Once any was lost, nothing more can be asked on it. */
  async function reserve() {
    await takePlace();
    const generation = current;
    let reserved;
    try {
      reserved = await generation.sql.reserve();
    } catch (error) {
      leavePlace();
      throw error;
    }
    let released = false;
    return {
      /** @param {string} text @param {any[]} [parameters] @param {object} [options] */
      unsafe: (text, parameters, options) =>
        generation.lost
          ? Promise.reject(new LostConnection("the connection to the database was lost"))
          : reserved.unsafe(text, parameters, options),
      release: () => {
        if (released) return;
        released = true;
        // What is lost ends with its generation: given back, it would be handed out again.
        if (!generation.lost) reserved.release();
        leavePlace();
      },
    };
  }

  const end = (/** @type {{ timeout?: number }} */ options) => {
    ended = true;
    return current.sql.end(options);
  };
  /** @type {Record<string | symbol, unknown>} */
  const own = { reserve, end };
  /** The connections of the moment, under one name. */
  const sql = /** @type {Sql} */ (
    new Proxy(/** @type {any} */ (() => {}), {
      apply: (_, __, args) => /** @type {any} */ (current.sql)(...args),
      get: (_, name) => own[name] ?? /** @type {any} */ (current.sql)[name],
      has: (_, name) => name in current.sql,
    })
  );
  return { sql, reserve, end };
}
