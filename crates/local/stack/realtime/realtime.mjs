// The part of Supabase Realtime that this project uses: channels over websockets, row changes, and broadcasts from
// clients, from the database and over HTTP.
import { WebSocketServer } from "ws";
import { topicAuthorization } from "./authorization.mjs";
import { Changes } from "./changes.mjs";
import { followPublications } from "./replication.mjs";
import { Rooms } from "./rooms.mjs";
import { Socket } from "./socket.mjs";

const PUBLICATIONS = ["supabase_realtime", "supabase_realtime_messages_publication"];

/**
 * @param {{ sql: import("postgres").Sql, databaseUrl: string, jwtSecret: string, claimsOfKey: (key: string | null) => import("../supabase/keys.mjs").Claims | null }} options
 */
export async function startRealtime({ sql, databaseUrl, jwtSecret, claimsOfKey }) {
  const rooms = new Rooms();
  const changes = new Changes(sql);
  const authorization = topicAuthorization(sql);
  const replication = await followPublications({
    url: databaseUrl,
    publications: PUBLICATIONS,
    onChange: (change) => {
      const { relation, row } = change;
      if (relation.schema !== "realtime") return changes.publish(change);
      if (relation.table === "messages" && row?.extension === "broadcast") broadcastRow(rooms, row);
    },
  });
  const websockets = new WebSocketServer({ noServer: true, maxPayload: 4 * 1024 * 1024, perMessageDeflate: false });

  return {
    /** @param {import("node:http").IncomingMessage} request @param {import("node:stream").Duplex} connection @param {Buffer} head */
    handleUpgrade(request, connection, head) {
      connection.on("error", () => {});
      const url = new URL(request.url ?? "/", "http://localhost");
      const key = url.searchParams.get("apikey") ?? /** @type {string | undefined} */ (request.headers.apikey) ?? null;
      const claims = claimsOfKey(key);
      if (!/^\/realtime\/v1\/websocket\/?$/.test(url.pathname)) return refuse(connection, "404 Not Found");
      if (!claims) return refuse(connection, key === null ? "401 Unauthorized" : "403 Forbidden");
      websockets.handleUpgrade(request, connection, head, (socket) => {
        new Socket(
          { jwtSecret, authorization, rooms, changes },
          socket,
          claims,
          url.searchParams.get("vsn") ?? "1.0.0",
        );
      });
    },

    /** @param {URL} url @param {Buffer} body @param {import("../supabase/lite.mjs").Caller} caller */
    handleHttp: (url, body, caller) => broadcastOverHttp({ rooms, authorization }, url, body, caller),

    stop: async () => {
      for (const socket of websockets.clients) socket.terminate();
      await replication.stop();
    },
  };
}

/** @param {Rooms} rooms @param {import("./replication.mjs").Row} row of realtime.messages */
function broadcastRow(rooms, row) {
  rooms.send({
    topic: row.topic ?? "",
    private: row.private === "t",
    payload: { event: row.event ?? "", payload: JSON.parse(row.payload ?? "{}"), meta: { id: row.id } },
  });
}

/**
 * @param {{ rooms: Rooms, authorization: ReturnType<typeof topicAuthorization> }} realtime
 * @param {URL} url @param {Buffer} body @param {import("../supabase/lite.mjs").Caller} caller
 */
async function broadcastOverHttp({ rooms, authorization }, url, body, caller) {
  const messages = readMessages(url, body);
  if (messages === "unknown path") return answer(404, { message: "Not found" });
  if (
    !Array.isArray(messages) ||
    messages.some(
      (message) =>
        typeof message?.topic !== "string" || typeof message.event !== "string" || message.payload === undefined,
    )
  ) {
    return answer(422, { errors: { messages: ["is invalid"] } });
  }
  for (const { topic, event, payload, private: isPrivate = false } of messages) {
    // Messages that may not be sent are silently skipped, as in the hosted service.
    if (isPrivate && !(await authorization.mayWrite(topic, caller.claims)).broadcast) continue;
    rooms.send({ topic, private: isPrivate, payload: { event, payload } });
  }
  return { status: 202, headers: {}, body: null };
}

/** @param {URL} url @param {Buffer} body @returns {any} */
function readMessages(url, body) {
  const [, topic, event] =
    /^\/realtime\/v1\/api\/broadcast(?:\/([^/]+)\/events\/([^/]+))?\/?$/.exec(url.pathname) ?? [];
  if (!url.pathname.startsWith("/realtime/v1/api/broadcast")) return "unknown path";
  try {
    const value = JSON.parse(body.toString("utf8"));
    if (topic === undefined) return value?.messages;
    const isPrivate = url.searchParams.get("private") === "true";
    return [{ topic: decodeURIComponent(topic), event: decodeURIComponent(event), payload: value, private: isPrivate }];
  } catch {
    return null;
  }
}

/** @param {number} status @param {unknown} value */
function answer(status, value) {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/** @param {import("node:stream").Duplex} connection @param {string} status */
function refuse(connection, status) {
  connection.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
