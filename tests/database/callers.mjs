// The callers of the database: PostgREST sets the role and the claims of the token for each transaction, and so do
// these functions.
import { randomBytes } from "node:crypto";

/** @typedef {import("postgres").Sql} Sql */

/** The proof with which the requests of this process come from our functions. */
export const PROOF = randomBytes(32).toString("hex");

/** Makes the database accept the requests of this process as those of our functions. @param {Sql} sql */
export const acceptRequests = (sql) => sql`
  insert into private.function_proofs (proof_hash, expires_at)
  values (sha256(convert_to(${PROOF}, 'UTF8')), now() + interval '1 hour')`;

/** @param {Sql} sql a pool, or a transaction */
export function callers(sql) {
  /**
   * As a signed-in user. `claims` are the token's further claims.
   * @template Result
   * @param {{ id: string }} user
   * @param {(sql: Sql) => Promise<Result>} work
   * @param {object} [claims]
   * @returns {Promise<Result>}
   */
  const as = (user, work, claims = {}) => acting(sql, "authenticated", { sub: user.id, ...claims }, work);
  /** Without a token. @template Result @param {(sql: Sql) => Promise<Result>} work @returns {Promise<Result>} */
  const asAnon = (work) => acting(sql, "anon", {}, work);
  /** With the service key. @template Result @param {(sql: Sql) => Promise<Result>} work @returns {Promise<Result>} */
  const asService = (work) => acting(sql, "service_role", {}, work);
  /**
   * A request that does not come from our functions, as PostgREST runs it: with headers, and with the function that it
   * calls before everything else. `user` null: without a token.
   * @template Result
   * @param {{ id: string } | "service" | null} user
   * @param {Record<string, string>} headers
   * @param {(sql: Sql) => Promise<Result>} work
   * @returns {Promise<Result>}
   */
  const goesAround = (user, headers, work) => {
    const begun = async (/** @type {Sql} */ sql) => {
      await sql`select set_config('request.headers', ${JSON.stringify(headers)}, true)`;
      await sql`select private.begin_request()`;
      return work(sql);
    };
    if (user === "service") return asService(begun);
    return user === null ? asAnon(begun) : as(user, begun);
  };
  /** The same for a request of our functions. @type {typeof goesAround} */
  const requests = (user, headers, work) => goesAround(user, { "x-function-proof": PROOF, ...headers }, work);
  /**
   * Calls a function of schema public, as the API does.
   * @param {{ id: string } | "service"} caller @param {string} name @param {Record<string, any>} [parameters]
   */
  const calls = async (caller, name, parameters = {}) => {
    const named = Object.keys(parameters).map((parameter, i) => `${parameter} => $${i + 1}`);
    const work = async (/** @type {Sql} */ sql) => {
      await sql`select set_config('app.request_is_ours', 'on', true)`;
      return sql.unsafe(`select public.${name}(${named}) as answer`, Object.values(parameters));
    };
    const [{ answer }] = await (caller === "service" ? asService(work) : as(caller, work));
    return answer;
  };
  return { as, asAnon, asService, requests, goesAround, calls };
}

/** @param {Sql} sql @param {string} role @param {object} claims @param {(sql: Sql) => Promise<any>} work */
function acting(sql, role, claims, work) {
  const become = async (/** @type {any} */ transaction) => {
    await transaction`select
      set_config('request.jwt.claims', ${JSON.stringify({ role, ...claims })}, true), set_config('role', ${role}, true)`;
    const result = await work(transaction);
    // Within a larger transaction the next statement runs as the superuser again.
    await transaction`select
      set_config('role', 'none', true), set_config('request.jwt.claims', '', true), set_config('request.headers', '', true),
      set_config('app.request_is_ours', '', true)`;
    return result;
  };
  return "savepoint" in sql ? /** @type {any} */ (sql).savepoint(become) : sql.begin(become);
}
