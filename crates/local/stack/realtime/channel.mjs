// A client's membership of a topic: joining, tokens, broadcast, presence and leaving.
import { randomUUID } from "node:crypto";
import { verifyToken } from "../supabase/keys.mjs";

/** @typedef {import("../supabase/keys.mjs").Claims} Claims */
/** @typedef {import("./authorization.mjs").Permissions} Permissions */
/** @typedef {import("./changes.mjs").Subscription} Subscription */
/** @typedef {{ jwtSecret: string, authorization: ReturnType<import("./authorization.mjs").topicAuthorization>, rooms: import("./rooms.mjs").Rooms, changes: import("./changes.mjs").Changes }} Realtime */

// Timers have a maximum delay. At this interval the expiry of the token is checked again.
const LONGEST_TIMER = 3_600_000;

/** The refusal of a join, with the hosted service's message. */
class Refused extends Error {}

export class Channel {
  /** @type {Claims} */
  claims = {};
  /** @type {Subscription[]} */
  subscriptions = [];
  /** Null until it is checked. @type {Permissions | null} */
  write = null;
  /** @type {Permissions} */
  read = { broadcast: true, presence: true };
  /** @type {NodeJS.Timeout | undefined} */
  expiry;

  /**
   * @param {Realtime} realtime @param {import("./socket.mjs").Socket} socket
   * @param {string} topic with its prefix `realtime:` @param {string | null} joinRef @param {any} params
   */
  constructor(realtime, socket, topic, joinRef, params) {
    const config = params?.config ?? {};
    this.realtime = realtime;
    this.socket = socket;
    this.topic = topic;
    this.name = topic.slice("realtime:".length);
    this.joinRef = joinRef;
    this.private = config.private === true;
    this.ack = config.broadcast?.ack === true;
    this.self = config.broadcast?.self === true;
    this.presenceKey = config.presence?.key || randomUUID();
    this.wantsPresence = config.presence?.enabled !== false;
    this.wantedChanges = config.postgres_changes ?? [];
    this.token = params?.access_token ?? params?.user_token ?? null;
    this.open = false;
  }

  /** @returns {Promise<{ status: "ok" | "error", response: object }>} the reply to the join */
  async join() {
    try {
      if (this.name === "") throw new Refused("TopicNameRequired: You must provide a topic name");
      this.confirmToken();
      await this.askRead();
    } catch (error) {
      clearTimeout(this.expiry);
      if (error instanceof Refused) return { status: "error", response: { reason: error.message } };
      console.error(`realtime join: ${/** @type {Error} */ (error).message}`);
      return { status: "error", response: { reason: "Unknown Error on Channel" } };
    }
    this.subscriptions = this.wantedChanges
      .filter(Boolean)
      .map((/** @type {any} */ params) => this.realtime.changes.subscribe(this, params));
    this.open = true;
    this.realtime.rooms.enter(this);
    return {
      status: "ok",
      response: { postgres_changes: this.subscriptions.map(({ id, params }) => ({ ...params, id })) },
    };
  }

  /** Sends the messages that a client receives right after it has joined. */
  async joined() {
    if (this.wantsPresence && this.read.presence) this.push("presence_state", this.realtime.rooms.presences(this));
    if (this.subscriptions.length === 0) return;
    const problems = await Promise.all(
      this.subscriptions.map((subscription) => this.realtime.changes.problemOf(subscription)),
    );
    const problem = problems.find((text) => text !== undefined);
    this.system("postgres_changes", problem ? "error" : "ok", problem ?? "Subscribed to PostgreSQL");
  }

  /** Sets the claims from the token, and a timer for its expiry. */
  confirmToken() {
    clearTimeout(this.expiry);
    if (this.token === null || this.token.startsWith("sb_")) {
      this.claims = this.socket.claims;
    } else {
      const checked = verifyToken(this.token, this.realtime.jwtSecret);
      if ("problem" in checked) {
        throw new Refused(
          {
            expired: "InvalidJWTToken: Token has expired",
            signature: "JwtSignatureError: Failed to validate JWT signature",
            malformed: "MalformedJWT: The token provided is not a valid JWT",
          }[checked.problem],
        );
      }
      this.claims = checked.claims;
    }
    const { role, exp } = this.claims;
    if (!role || typeof exp !== "number")
      throw new Refused("InvalidJWTToken: Fields `role` and `exp` are required in JWT");
    this.expiry = setTimeout(() => this.recheck(), Math.min(Math.max(exp * 1000 - Date.now(), 0), LONGEST_TIMER));
    this.expiry.unref();
  }

  recheck() {
    try {
      this.confirmToken();
    } catch (error) {
      this.shutDown(/** @type {Error} */ (error).message.replace(/^\w+: /, ""));
    }
  }

  async askRead() {
    if (!this.private) return;
    let read;
    try {
      read = await this.realtime.authorization.mayRead(this.name, this.claims);
    } catch (error) {
      console.error(`realtime policy: ${/** @type {Error} */ (error).message}`);
      read = { broadcast: false, presence: false };
    }
    if (!read.broadcast && !read.presence) {
      throw new Refused(`Unauthorized: You do not have permissions to read from this Channel topic: ${this.name}`);
    }
    this.read = read;
  }

  /** Replaces the token with a newer one. @param {any} payload */
  async setToken(payload) {
    const token = payload?.access_token;
    if (typeof token !== "string" || token.startsWith("sb_") || token === this.token) return;
    this.token = token;
    this.write = null;
    try {
      this.confirmToken();
      await this.askRead();
    } catch (error) {
      this.shutDown(/** @type {Error} */ (error).message.replace(/^\w+: /, ""));
    }
  }

  /** @param {any} payload @returns {Promise<boolean>} whether it may be acknowledged */
  async broadcast(payload) {
    if (!(await this.mayWrite("broadcast"))) return false;
    this.realtime.rooms.send({ topic: this.name, private: this.private, payload, except: this.self ? null : this });
    return this.ack;
  }

  /** @param {any} payload @returns {Promise<"ok" | "error">} */
  async presence(payload) {
    const event = String(payload?.event ?? "").toLowerCase();
    if (event === "untrack") {
      this.realtime.rooms.untrack(this);
      return "ok";
    }
    if (event !== "track" || !(await this.mayWrite("presence"))) return "error";
    const first = !this.wantsPresence;
    this.wantsPresence = true;
    this.realtime.rooms.track(this, payload.payload ?? {});
    if (first && this.read.presence) this.push("presence_state", this.realtime.rooms.presences(this));
    return "ok";
  }

  /** @param {"broadcast" | "presence"} extension */
  async mayWrite(extension) {
    if (!this.private) return true;
    try {
      this.write ??= await this.realtime.authorization.mayWrite(this.name, this.claims);
    } catch (error) {
      console.error(`realtime policy: ${/** @type {Error} */ (error).message}`);
      return false;
    }
    return this.write[extension];
  }

  /** @param {string} event @param {unknown} payload */
  push(event, payload) {
    this.socket.send({ joinRef: this.joinRef, ref: null, topic: this.topic, event, payload });
  }

  /** @param {string} extension @param {string} status @param {string} message */
  system(extension, status, message) {
    this.push("system", { extension, status, message, channel: this.name });
  }

  /** Ends a membership that is no longer permitted. @param {string} message */
  shutDown(message) {
    if (!this.open) return;
    this.system("system", "error", message);
    this.close();
    this.socket.forget(this);
    this.socket.send({ joinRef: this.joinRef, ref: this.joinRef, topic: this.topic, event: "phx_close", payload: {} });
  }

  close() {
    clearTimeout(this.expiry);
    this.open = false;
    for (const subscription of this.subscriptions) this.realtime.changes.unsubscribe(subscription);
    this.realtime.rooms.leave(this);
  }
}
