// A websocket and its channels.
import { Channel } from "./channel.mjs";
import { serializer } from "./serializer.mjs";

/** @typedef {import("./serializer.mjs").Message} Message */

// A client that is silent for this long is considered gone. Clients send a heartbeat every 25 seconds.
const SILENCE_LIMIT = 60_000;

export class Socket {
  /** @type {Map<string, Channel>} */
  #channels = new Map();
  /** A client's messages are handled in order. @type {Promise<void>} */
  #queue = Promise.resolve();

  /**
   * @param {import("./channel.mjs").Realtime} realtime @param {import("ws").WebSocket} connection
   * @param {import("../supabase/keys.mjs").Claims} claims of its key @param {string} version of the protocol
   */
  constructor(realtime, connection, claims, version) {
    this.realtime = realtime;
    this.connection = connection;
    this.claims = claims;
    this.serializer = serializer(version);
    this.silence = setTimeout(() => connection.close(1000), SILENCE_LIMIT).unref();

    connection.on("message", (/** @type {Buffer} */ data, /** @type {boolean} */ binary) => {
      this.silence.refresh();
      let message;
      try {
        message = this.serializer.decode(data, binary);
      } catch {
        return connection.close(1003, "not a message");
      }
      if (!message || typeof message.topic !== "string") return;
      if (message.topic === "phoenix") return this.reply(message, "ok");
      this.#queue = this.#queue
        .then(() => this.#handle(message))
        .catch((error) => console.error(`realtime message: ${error.message}`));
    });
    connection.on("error", () => {});
    connection.on("close", () => {
      clearTimeout(this.silence);
      void this.#queue.then(() => {
        for (const channel of this.#channels.values()) channel.close();
        this.#channels.clear();
      });
    });
  }

  /** @param {Message} message */
  async #handle(message) {
    if (message.event === "phx_join") return this.#join(message);
    const channel = this.#channels.get(message.topic);
    if (!channel) return this.reply(message, "error", { reason: "unmatched topic" });
    switch (message.event) {
      case "phx_leave":
        channel.close();
        this.forget(channel);
        this.reply(message, "ok");
        this.send({
          joinRef: channel.joinRef,
          ref: channel.joinRef,
          topic: channel.topic,
          event: "phx_close",
          payload: {},
        });
        return;
      case "access_token":
        return channel.setToken(message.payload);
      case "broadcast":
        if (await channel.broadcast(message.payload)) this.reply(message, "ok");
        return;
      case "presence":
        return this.reply(message, await channel.presence(message.payload));
    }
  }

  /** @param {Message} message */
  async #join(message) {
    const { topic, ref, payload } = message;
    if (!topic.startsWith("realtime:")) return this.reply(message, "error", { reason: "unmatched topic" });
    const before = this.#channels.get(topic);
    if (before) {
      before.close();
      this.send({ joinRef: before.joinRef, ref: before.joinRef, topic, event: "phx_close", payload: {} });
    }
    const channel = new Channel(this.realtime, this, topic, message.joinRef ?? ref, payload);
    const { status, response } = await channel.join();
    if (status === "ok") this.#channels.set(topic, channel);
    this.reply(message, status, response);
    if (status === "ok") await channel.joined();
  }

  /** @param {Channel} channel */
  forget(channel) {
    if (this.#channels.get(channel.topic) === channel) this.#channels.delete(channel.topic);
  }

  /** @param {Message} message @param {"ok" | "error"} status @param {object} [response] */
  reply({ joinRef, ref, topic }, status, response = {}) {
    this.send({ joinRef, ref, topic, event: "phx_reply", payload: { status, response } });
  }

  /** @param {Message} message */
  send(message) {
    if (this.connection.readyState === 1) this.connection.send(this.serializer.encode(message));
  }
}
