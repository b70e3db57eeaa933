// A function from `.vercel/output`, started and called like by Vercel's runtime: over a socket with JSON frames that
// end in NUL, and with HTTP requests that carry the ids of their invocation.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePorts } from "../../crates/local/stack/launch/ports.mjs";

/** A wait that takes longer fails. Nothing is measured with it. */
const TIME_LIMIT = 120_000;

/** The environment that a function requires. Nothing answers at these addresses. */
export const ENVIRONMENT = {
  NEXT_PUBLIC_SUPABASE_URL: "http://127.0.0.1:9",
  NEXT_PUBLIC_SUPABASE_ANON_KEY: "sb_publishable_test",
  SUPABASE_SERVICE_ROLE_KEY: "sb_secret_test",
  META_APP_SECRET: "0123456789abcdef0123456789abcdef",
  META_WEBHOOK_VERIFY_TOKEN: "a-verify-token",
  META_WHATSAPP_TOKEN: "EAAtest",
  CRON_SECRET: "a-cron-secret-of-24-chars",
};

/** @typedef {{ type: string, payload: any }} Frame */
/** @typedef {{ status: number, headers: import("node:http").IncomingHttpHeaders, text: string, json: () => any, requestId: number, invocationId: string }} Answer */

export class FunctionProcess {
  /** @type {Frame[]} */
  frames = [];
  stderr = "";
  #requests = 0;
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /**
   * Starts the function without waiting until it listens.
   * @param {import("../../crates/local/stack/vercel/output.mjs").BuiltFunction} built
   * @param {Record<string, string>} environment
   */
  static async spawn(built, environment = ENVIRONMENT) {
    const { app: port } = await freePorts();
    const folder = mkdtempSync(path.join(tmpdir(), "crm-vercel-"));
    const socket = path.join(folder, "ipc");
    const ipc = createServer();
    await new Promise((resolve) => ipc.listen(socket, () => resolve(undefined)));
    const child = spawn(built.executable, [], {
      cwd: built.folder,
      env: { ...environment, VERCEL_DEV_PORT: String(port), VERCEL_IPC_PATH: socket },
      stdio: ["ignore", "ignore", "pipe"],
    });
    return new FunctionProcess(port, folder, ipc, child);
  }

  /**
   * Starts the function and waits until it listens.
   * @param {import("../../crates/local/stack/vercel/output.mjs").BuiltFunction} built
   */
  static async start(built) {
    const started = await FunctionProcess.spawn(built);
    try {
      await started.frame(({ type }) => type === "server-started");
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  /**
   * @param {number} port @param {string} folder @param {import("node:net").Server} ipc
   * @param {import("node:child_process").ChildProcessByStdio<null, null, import("node:stream").Readable>} child
   */
  constructor(port, folder, ipc, child) {
    this.port = port;
    this.folder = folder;
    this.child = child;
    this.ipc = ipc.on("connection", (from) => this.#listenTo(from));
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => (this.stderr += text));
    /** @type {Promise<number | string>} */
    this.exited = new Promise((resolve) => child.once("close", (code, signal) => resolve(signal ?? code ?? "")));
    this.exited.then(() => this.#notice());
  }

  /** Sends a request as one invocation. @param {string} method @param {string} url @returns {Promise<Answer>} */
  ask(method, url) {
    const requestId = ++this.#requests;
    const invocationId = randomUUID();
    const headers = {
      "x-vercel-internal-invocation-id": invocationId,
      "x-vercel-internal-request-id": String(requestId),
      connection: "close",
    };
    return new Promise((resolve, reject) => {
      const question = request(
        { host: "127.0.0.1", port: this.port, method, path: url, headers, timeout: TIME_LIMIT },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk) => (text += chunk));
          answer.once("end", () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              text,
              json: () => JSON.parse(text),
              requestId,
              invocationId,
            }),
          );
        },
      );
      question.once("timeout", () => question.destroy(new Error(`${method} ${url} was not answered`)));
      question.once("error", reject);
      question.end();
    });
  }

  /** The first matching frame, already received or later. @param {(frame: Frame) => boolean} matches @returns {Promise<Frame>} */
  frame(matches) {
    return new Promise((resolve, reject) => {
      const settle = (/** @type {() => void} */ then) => {
        clearTimeout(late);
        this.#watchers.delete(check);
        then();
      };
      const check = () => {
        const found = this.frames.find(matches);
        if (found) settle(() => resolve(found));
        else if (this.child.exitCode !== null)
          settle(() => reject(new Error(`it ended with ${this.child.exitCode}: ${this.stderr}`)));
      };
      const late = setTimeout(
        () => settle(() => reject(new Error(`no such frame: ${JSON.stringify(this.frames)} ${this.stderr}`))),
        TIME_LIMIT,
      );
      this.#watchers.add(check);
      check();
    });
  }

  /** Stops the function as Vercel does. @returns {Promise<number | string>} its exit status */
  async stop() {
    this.child.kill("SIGTERM");
    const late = setTimeout(() => this.child.kill("SIGKILL"), TIME_LIMIT);
    const status = await this.exited;
    clearTimeout(late);
    this.ipc.close();
    rmSync(this.folder, { recursive: true, force: true });
    return status;
  }

  /** @param {import("node:net").Socket} from */
  #listenTo(from) {
    let rest = "";
    from.on("error", () => {});
    from.setEncoding("utf8").on("data", (text) => {
      const frames = (rest + text).split("\0");
      rest = frames.pop() ?? "";
      this.frames.push(...frames.map((frame) => JSON.parse(frame)));
      this.#notice();
    });
  }

  #notice() {
    for (const check of [...this.#watchers]) check();
  }
}
