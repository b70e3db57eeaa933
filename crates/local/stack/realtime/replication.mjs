// Reads committed changes row by row through a temporary slot of logical replication (pgoutput, version 1).
import { setTimeout as pause } from "node:timers/promises";
import { connect } from "../supabase/database.mjs";

/** @typedef {{ name: string, type: number }} Column */
/** @typedef {{ schema: string, table: string, columns: Column[] }} Relation */
/** @typedef {Record<string, string | null>} Row values in Postgres's text form; a value that is stored apart and did not change is absent */
/** @typedef {{ type: "INSERT" | "UPDATE" | "DELETE", relation: Relation, time: Date, row: Row | null, old: Row | null }} Change */

const EPOCH = Date.UTC(2000, 0, 1);
const RETRY = 500;

/**
 * Follows the publications until it is stopped.
 * @param {{ url: string, publications: string[], onChange: (change: Change) => void }} options
 * @returns {Promise<{ stop: () => Promise<void> }>} once it follows
 */
export async function followPublications({ url, publications, onChange }) {
  let stopped = false;
  let current = await follow();

  async function follow() {
    let following = false;
    const sql = connect(url, {
      max: 1,
      fetch_types: false,
      idle_timeout: undefined,
      max_lifetime: null,
      connection: { application_name: "realtime", .../** @type {any} */ ({ replication: "database" }) },
      // This runs once, and only after following began. If following cannot begin, the caller gets the error.
      onclose: () => {
        if (following && !stopped) void again();
        following = false;
      },
    });
    try {
      const stream = await begin(sql);
      following = true;
      return { sql, stream };
    } catch (error) {
      void sql.end({ timeout: 0 }).catch(() => {});
      throw error;
    }
  }

  /** @param {import("postgres").Sql} sql */
  async function begin(sql) {
    const slot = `realtime_${process.pid}_${Math.random().toString(36).slice(2)}`;
    // Replication commands must be written in capitals.
    const [{ consistent_point: start }] = await sql.unsafe(
      `CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`,
    );
    const names = publications.join(",");
    const stream = await sql
      .unsafe(`START_REPLICATION SLOT ${slot} LOGICAL ${start} (proto_version '1', publication_names '${names}')`)
      .writable();
    const decode = decoder(onChange);
    stream.on("data", (/** @type {Buffer} */ data) => {
      if (data[0] === 0x77) decode(data.subarray(25));
      // Acknowledge all received data at once, so that Postgres can discard it.
      else if (data[0] === 0x6b) stream.write(standbyStatus(data.subarray(1, 9)));
    });
    stream.on("error", () => {});
    return stream;
  }

  async function again() {
    const { sql } = current;
    void sql.end({ timeout: 0 }).catch(() => {});
    for (;;) {
      await pause(RETRY);
      if (stopped) return;
      try {
        current = await follow();
        return;
      } catch (error) {
        console.error(`realtime replication: ${/** @type {Error} */ (error).message}`);
      }
    }
  }

  return {
    stop: async () => {
      stopped = true;
      const { sql, stream } = current;
      const closed = new Promise((resolve) => stream.once("close", resolve));
      stream.end();
      await Promise.race([closed, pause(1000, undefined, { ref: false })]);
      await sql.end({ timeout: 1 });
    },
  };
}

/** @param {Buffer} position */
function standbyStatus(position) {
  const message = Buffer.alloc(34);
  message[0] = 0x72;
  for (const offset of [1, 9, 17]) position.copy(message, offset);
  message.writeBigInt64BE(BigInt(Date.now() - EPOCH) * 1000n, 25);
  return message;
}

/** @param {(change: Change) => void} onChange @returns {(data: Buffer) => void} */
function decoder(onChange) {
  /** @type {Map<number, Relation>} */
  const relations = new Map();
  let time = new Date();

  return (data) => {
    const kind = String.fromCharCode(data[0]);
    if (kind === "B") {
      time = new Date(EPOCH + Number(data.readBigInt64BE(9) / 1000n));
    } else if (kind === "R") {
      relations.set(data.readUInt32BE(1), readRelation(data));
    } else if (kind === "I" || kind === "U" || kind === "D") {
      const relation = relations.get(data.readUInt32BE(1));
      if (!relation) return;
      /** @type {{ N: Row | null, O: Row | null }} */
      const rows = { N: null, O: null };
      for (let offset = 5; offset < data.length;) {
        const part = String.fromCharCode(data[offset]);
        const read = readRow(data, offset + 1, relation.columns);
        // `K` contains only the key, `O` the complete old row.
        rows[part === "N" ? "N" : "O"] = read.row;
        offset = read.end;
      }
      const type = /** @type {const} */ ({ I: "INSERT", U: "UPDATE", D: "DELETE" })[kind];
      onChange({ type, relation, time, row: rows.N, old: rows.O });
    }
  };
}

/** @param {Buffer} data @returns {Relation} */
function readRelation(data) {
  let offset = 5;
  const text = () => {
    const end = data.indexOf(0, offset);
    const value = data.toString("utf8", offset, end);
    offset = end + 1;
    return value;
  };
  const [schema, table] = [text() || "pg_catalog", text()];
  offset += 1;
  const count = data.readUInt16BE(offset);
  offset += 2;
  const columns = [];
  for (let i = 0; i < count; i++) {
    offset += 1;
    const name = text();
    columns.push({ name, type: data.readUInt32BE(offset) });
    offset += 8;
  }
  return { schema, table, columns };
}

/** @param {Buffer} data @param {number} offset @param {Column[]} columns */
function readRow(data, offset, columns) {
  /** @type {Row} */
  const row = {};
  offset += 2;
  for (const { name } of columns) {
    const kind = data[offset++];
    if (kind === 0x6e) row[name] = null;
    if (kind !== 0x74) continue;
    const length = data.readUInt32BE(offset);
    row[name] = data.toString("utf8", offset + 4, offset + 4 + length);
    offset += 4 + length;
  }
  return { row, end: offset };
}
