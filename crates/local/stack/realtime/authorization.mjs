// Checks whether a caller may listen to or send on a private topic. The row-level security of realtime.messages
// decides, and the check works like that of the hosted service.

/** @typedef {import("../supabase/keys.mjs").Claims} Claims */
/** @typedef {{ broadcast: boolean, presence: boolean }} Permissions */

const UNDONE = Symbol("undone");

/** @param {import("postgres").Sql} sql of the superuser */
export function topicAuthorization(sql) {
  return {
    /**
     * Checks the policies `for select`: inserts rows for the topic and reads them as the caller.
     * @param {string} topic @param {Claims} claims @returns {Promise<Permissions>}
     */
    async mayRead(topic, claims) {
      return undone(sql, async (tx) => {
        const rows = await tx`
          insert into realtime.messages (topic, extension) values (${topic}, 'broadcast'), (${topic}, 'presence') returning id, extension`;
        await become(tx, topic, claims);
        const seen =
          await tx`select extension from realtime.messages where topic = ${topic} and id in ${tx(rows.map((row) => row.id))}`;
        const extensions = seen.map((row) => row.extension);
        return { broadcast: extensions.includes("broadcast"), presence: extensions.includes("presence") };
      });
    },

    /**
     * Checks the policies `for insert`.
     * @param {string} topic @param {Claims} claims @returns {Promise<Permissions>}
     */
    async mayWrite(topic, claims) {
      return undone(sql, async (tx) => {
        await become(tx, topic, claims);
        const attempt = async (/** @type {string} */ extension) => {
          try {
            await tx.savepoint(
              (save) => save`insert into realtime.messages (topic, extension) values (${topic}, ${extension})`,
            );
            return true;
          } catch (error) {
            if (/** @type {any} */ (error).code === "42501") return false;
            throw error;
          }
        };
        return { broadcast: await attempt("broadcast"), presence: await attempt("presence") };
      });
    },
  };
}

/** @param {import("postgres").TransactionSql} tx @param {string} topic @param {Claims} claims */
async function become(tx, topic, claims) {
  await tx`select set_config('realtime.topic', ${topic}, true), set_config('request.jwt.claims', ${JSON.stringify(claims)}, true),
    set_config('request.headers', '{}', true), set_config('role', ${claims.role ?? "anon"}, true)`;
}

/**
 * Runs work in a transaction and rolls it back.
 * @template T
 * @param {import("postgres").Sql} sql @param {(tx: import("postgres").TransactionSql) => Promise<T>} work
 * @returns {Promise<T>}
 */
async function undone(sql, work) {
  /** @type {T | undefined} */
  let result;
  await sql
    .begin(async (tx) => {
      result = await work(tx);
      throw UNDONE;
    })
    .catch((error) => {
      if (error !== UNDONE) throw error;
    });
  return /** @type {T} */ (result);
}
