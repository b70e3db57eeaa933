// Recipient lists that belong to one test.
import { randomUUID } from "node:crypto";

/** @typedef {[waId: string, name?: string | null, variables?: Record<string, string>]} Given */

/** Rows as the API passes them: the first has line `from`. @param {Given[]} given @param {number} [from] */
export const entriesOf = (given, from = 2) =>
  given.map(([wa_id, name = null, variables = {}], i) => ({ line: from + i, wa_id, name, variables }));

/** @param {{ sql: import("postgres").Sql, calls: Function }} known */
export function recipientLists({ sql, calls }) {
  /**
   * A list of people who are given one by one.
   * @param {{ id: string }} user
   * @param {{ name?: string, entries: Given[], columns?: string[], errors?: object[], onError?: string }} options
   */
  const newRecipientList = (user, { name = "Pelanggan", entries, columns = [], errors = [], onError = "keep" }) =>
    calls(user, "create_recipient_list", {
      name,
      columns,
      entries: sql.json(entriesOf(entries)),
      errors: sql.json(errors),
      on_error: onError,
    });

  /**
   * A list whose file has not been read.
   * @param {{ id: string }} user @param {{ id: string }} tenant
   * @param {{ onError?: string, rows?: number, columns?: string[], path?: string }} [options]
   */
  const newImport = async (
    user,
    tenant,
    { onError = "keep", rows = 100, columns = ["kota"], path = `${tenant.id}/${randomUUID()}` } = {},
  ) => ({
    ...(await calls(user, "begin_recipient_import", {
      name: "Pelanggan",
      file_path: path,
      file_name: "pelanggan.csv",
      columns,
      total_rows: rows,
      on_error: onError,
      country: "ID",
    })),
    path,
  });

  /** A reader of import files. @param {string} [id] */
  const newReader = (id = randomUUID()) => {
    const service = (/** @type {string} */ name, /** @type {object} */ rest) =>
      calls("service", name, { holder: id, ...rest });
    return {
      id,
      /** @param {{ id: string }} list @param {{ seconds?: number }} [options] */
      claims: ({ id: list_id }, { seconds = 60 } = {}) =>
        service("claim_recipient_import", { list_id, lease_seconds: seconds }),
      /** @param {{ id: string }} list @param {number} after @param {number} through @param {{ entries?: object[], errors?: object[] }} batch */
      records: ({ id: list_id }, after, through, { entries = [], errors = [] }) =>
        service("record_recipient_import", {
          list_id,
          after_line: after,
          through_line: through,
          entries: sql.json(/** @type {any} */ (entries)),
          errors: sql.json(/** @type {any} */ (errors)),
          lease_seconds: 60,
        }),
      /** @param {{ id: string }} list */
      releases: ({ id: list_id }) => service("release_recipient_import", { list_id }),
      /** @param {{ id: string }} list @param {string | null} [failure] */
      finishes: ({ id: list_id }, failure = null) => service("finish_recipient_import", { list_id, failure }),
    };
  };

  /** @param {{ id: string }} list */
  const listNow = async ({ id }) => {
    const [row] = await sql`select * from public.recipient_lists where id = ${id}`;
    return row;
  };

  /** The phone numbers on a list, in order. @param {{ id: string }} list */
  const peopleOn = async ({ id }) =>
    (await sql`select wa_id from public.recipient_list_entries where list_id = ${id} order by line`).map(
      ({ wa_id }) => wa_id,
    );

  return { newRecipientList, newImport, newReader, listNow, peopleOn };
}
