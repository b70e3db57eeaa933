// The pace of announcements: at most one a second.

/**
 * Moves the last announcement of a campaign or list into the future, so that the next one is too early, however long
 * the test takes. Triggers are off, because this change must not be announced.
 * @param {import("postgres").Sql} sql
 * @param {"broadcast_campaigns" | "recipient_lists"} table
 * @param {{ id: string }} row
 */
export async function justAnnounced(sql, table, { id }) {
  await sql.begin(async (sql) => {
    await sql`set local session_replication_role = replica`;
    await sql`update ${sql("public." + table)} set progress_announced_at = now() + interval '1 hour' where id = ${id}`;
  });
}
