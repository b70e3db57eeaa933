// HTTP/1.1 over one persistent connection. It is minimal, so that the client costs less than the measured server.
import { createConnection } from "node:net";

const HEAD_END = "\r\n\r\n";
const NOTHING = Buffer.alloc(0);

/** @typedef {{ status: number, body: Buffer }} Answer */

export class Connection {
  /** @type {Buffer} */
  #received = NOTHING;
  /** @type {{ resolve: (answer: Answer) => void, reject: (error: Error) => void } | null} */
  #waiting = null;
  #socket;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", (error) => this.#waiting?.reject(error));
    socket.on("close", () => this.#waiting?.reject(new Error("the connection closed without an answer")));
  }

  /** @param {number} port @returns {Promise<Connection>} */
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = createConnection(port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  /** @param {Buffer} request from `request` @returns {Promise<Answer>} */
  ask(request) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(request);
    });
  }

  close() {
    this.#waiting = null;
    this.#socket.destroy();
  }

  /** @param {Buffer} chunk */
  #take(chunk) {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString("latin1", 0, headEnd);
    const length = /\r\ncontent-length: (\d+)/i.exec(head);
    if (length === null) {
      this.#waiting?.reject(new Error(`an answer without a length: ${head}`));
      return;
    }
    const bodyStart = headEnd + HEAD_END.length;
    const bodyEnd = bodyStart + Number(length[1]);
    if (this.#received.length < bodyEnd) return;
    const answer = { status: Number(head.slice(9, 12)), body: this.#received.subarray(bodyStart, bodyEnd) };
    this.#received = this.#received.subarray(bodyEnd);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve(answer);
  }
}

let requests = 0;

/**
 * The bytes of a request, in the form in which the platform sends it to a function.
 * @param {string} method @param {string} path @param {{ headers?: Record<string, string>, body?: string }} [rest]
 */
export function request(method, path, { headers = {}, body = "" } = {}) {
  requests += 1;
  const bytes = Buffer.from(body);
  const lines = Object.entries({
    host: "bench.test",
    "x-vercel-internal-invocation-id": `bench-${requests}`,
    "x-vercel-internal-request-id": String(requests),
    "content-length": String(bytes.length),
    ...headers,
  });
  const head = `${method} ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/**
 * Sends requests repeatedly on several connections at once. All answers must have the given status.
 * @param {object} load
 * @param {number} load.port @param {Buffer[]} load.requests sent in turn @param {number} load.count @param {number} load.connections @param {number} load.status
 */
export async function sendRepeatedly({ port, requests, count, connections, status }) {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port)));
  let asked = 0;
  try {
    await Promise.all(
      open.map(async (connection) => {
        while (asked < count) {
          const answer = await connection.ask(requests[asked++ % requests.length]);
          if (answer.status !== status) throw new Error(`answered ${answer.status} ${answer.body}, not ${status}`);
        }
      }),
    );
  } finally {
    for (const connection of open) connection.close();
  }
}
