// Senders of campaigns, like the cron function.
import { someWamid } from "./inbox.mjs";

/** Seconds. Long enough that no lease ends during a test; `leaseEnds` ends one. */
const LEASE = 600;

/** @param {any} claim @param {string} outcome @param {object} [more] */
export const reportsOf = (claim, outcome, more = {}) =>
  claim.recipients.map(({ recipient_id, message_id }) => ({
    recipient_id,
    message_id,
    claim_id: claim.claim_id,
    outcome,
    ...(outcome === "sent" ? { whatsapp_message_id: someWamid() } : {}),
    ...more,
  }));
/** The numbers of a run. @param {any} run @returns {string[]} */
export const leasedBy = (run) => run.sessions.map(({ session_id }) => session_id);
/** @param {any} claim @returns {string[]} */
export const idsOf = (claim) => claim.recipients.map(({ recipient_id }) => recipient_id);

/** @param {{ sql: import("postgres").Sql, asService: ReturnType<import("./callers.mjs").callers>["asService"] }} known */
export function senders({ sql, asService }) {
  const answer = async (/** @type {Promise<any>} */ query) => (await query)[0].answer;
  /** @param {string} holder @param {number} [most] numbers */
  const begins = (holder, most = 50) =>
    asService((sql) => answer(sql`select public.begin_sender_run(${holder}, ${LEASE}, ${most}) as answer`));
  /**
   * @param {any} number
   * @param {string} holder
   * @param {number} [size]
   * @param {string[] | null} [known] claims that the holder has received
   */
  const claims = (number, holder, size = 5, known = null) =>
    asService((sql) =>
      answer(
        sql`select public.claim_recipients(${number.id}, ${holder}, ${size}, ${LEASE}, ${known}::uuid[]) as answer`,
      ),
    );
  /** @param {any} number @param {string} holder @param {object[]} results */
  const records = (number, holder, results) =>
    asService((sql) =>
      answer(sql`select public.record_recipients(${number.id}, ${holder}, ${LEASE}, ${sql.json(results)}) as answer`),
    );
  /** @param {any} number @param {string} holder @param {string[] | null} [known] claims that the holder has received */
  const releases = (number, holder, known = null) =>
    asService((sql) => sql`select public.release_sender(${number.id}, ${holder}, ${known}::uuid[])`);
  /** @param {any[]} numbers @param {string} from @param {string} to */
  const takesOver = (numbers, from, to) =>
    asService((sql) =>
      answer(
        sql`select public.take_over_sender(${numbers.map(({ id }) => id)}::uuid[], ${from}, ${to}, ${LEASE}) as answer`,
      ),
    );
  /** Ends the lease of a number. @param {any} number */
  const leaseEnds = (number) =>
    sql`update private.sender_leases set leased_until = now() where session_id = ${number.id}`;
  return { LEASE, begins, claims, records, releases, takesOver, leaseEnds };
}
