// Holds the product at a chosen step: triggers of the test wait for an advisory lock that the test holds.
import postgres from "postgres";
import { eventually } from "../flows/app.mjs";

/**
 * The database steps that can be held, each with its own number: three of the sender, the later batches of a
 * recipient list, and every batch of an import of contacts.
 */
export const HOLDS = Object.freeze({ handOver: 1, claim: 2, record: 3, laterBatch: 4, contactBatch: 5 });
const SPACE = 0x63_72_61;

/** @param {string} url of the database, as its superuser */
export async function openHolds(url) {
  const sql = postgres(url, { max: 2, onnotice: () => {} });
  await sql.unsafe(`
    create schema if not exists held;
    grant usage on schema held to public;
    create or replace function held.at() returns trigger language plpgsql security definer as $$
    begin
      perform pg_advisory_xact_lock_shared(${SPACE}, tg_argv[0]::integer);
      return new;
    end;
    $$;
    create or replace trigger held_hand_over before update on private.sender_leases
      for each row when (old.holder <> new.holder) execute function held.at('${HOLDS.handOver}');
    create or replace trigger held_claim before update on private.sender_leases
      for each row when (old.holder = new.holder and old.leased_until <> new.leased_until) execute function held.at('${HOLDS.claim}');
    create or replace trigger held_record before update on public.messages
      for each row when (old.status = 'sending' and new.status <> 'sending') execute function held.at('${HOLDS.record}');
    create or replace trigger held_later_batch before update on public.recipient_lists
      for each row when (old.read_rows > 0 and new.read_rows > old.read_rows) execute function held.at('${HOLDS.laterBatch}');
    create or replace trigger held_contact_batch before update on private.contact_import_readers
      for each row when (old.done_line <> new.done_line) execute function held.at('${HOLDS.contactBatch}');
  `);
  const locks = (/** @type {number} */ step) => sql`
    select pid from pg_locks where locktype = 'advisory' and classid = ${SPACE} and objid = ${step} and not granted`;

  return {
    sql,
    /**
     * Blocks this step until it is released.
     * @param {number} step of HOLDS
     */
    async hold(step) {
      const connection = await sql.reserve();
      await connection`select pg_advisory_lock(${SPACE}, ${step})`;
      return {
        /** The number of calls that wait here. */
        waiting: async () => (await locks(step)).length,
        /** Releases the waiting calls, or cancels them with `cancel`. @param {{ cancel?: boolean }} [options] */
        release: async ({ cancel = false } = {}) => {
          const held = (await locks(step)).map(({ pid }) => pid);
          if (cancel) await sql`select pg_cancel_backend(pid) from unnest(${held}::integer[]) as pid`;
          await connection`select pg_advisory_unlock(${SPACE}, ${step})`;
          connection.release();
        },
      };
    },
    /** Waits until calls whose client has gone have ended. */
    quiet: () =>
      eventually(
        "the database is quiet",
        async () =>
          (
            await sql`select from pg_stat_activity where backend_type = 'client backend' and state <> 'idle' and pid <> pg_backend_pid()`
          ).count === 0,
      ),
    close: () => sql.end({ timeout: 5 }),
  };
}
