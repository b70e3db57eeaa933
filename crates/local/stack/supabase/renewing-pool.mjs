// A connection pool that survives the loss of its database. postgres.js keeps connections that died during a request:
// queries on them are never sent, and their callers wait forever. Therefore, when one connection is lost, the pool
// closes all of them, rejects the pending queries and opens new connections.

/** @typedef {import("postgres").Sql} Sql */
/** @typedef {{ sql: Sql, lost: boolean }} Generation */

export class LostConnection extends Error {
  code = "CONNECTION_LOST";
}

/**
 * @param {{ open: (onclose: () => void) => Sql, most: number }} options `open` creates connections that call `onclose` when they close and that do not close automatically; `most` is the largest number of reserved connections
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

  /**
   * Reserves a connection for one request, like postgres.js. After the loss of any connection, it rejects further queries. The
   * pool then has new ones.
   */
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
        // A lost connection ends with its generation. If it were released, it would be handed out again.
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
  /** The current connections under one name. */
  const sql = /** @type {Sql} */ (
    new Proxy(/** @type {any} */ (() => {}), {
      apply: (_, __, args) => /** @type {any} */ (current.sql)(...args),
      get: (_, name) => own[name] ?? /** @type {any} */ (current.sql)[name],
      has: (_, name) => name in current.sql,
    })
  );
  return { sql, reserve, end };
}
