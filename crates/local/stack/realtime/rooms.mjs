// The members of topics, with their broadcasts and presence. A private topic and a public topic with the same name are
// different topics.
import { randomUUID } from "node:crypto";

/** @typedef {import("./channel.mjs").Channel} Channel */
/** @typedef {{ members: Set<Channel>, present: Map<Channel, { ref: string, payload: any }> }} Room */

/** @param {{ name: string, private: boolean }} topic */
const keyOf = (topic) => `${topic.private ? "private" : "public"}:${topic.name}`;

export class Rooms {
  /** @type {Map<string, Room>} */
  #rooms = new Map();

  /** @param {Channel} channel */
  enter(channel) {
    const key = keyOf(channel);
    const room = this.#rooms.get(key) ?? { members: new Set(), present: new Map() };
    room.members.add(channel);
    this.#rooms.set(key, room);
  }

  /** @param {Channel} channel */
  leave(channel) {
    this.untrack(channel);
    const key = keyOf(channel);
    const room = this.#rooms.get(key);
    room?.members.delete(channel);
    if (room?.members.size === 0) this.#rooms.delete(key);
  }

  /**
   * @param {{ topic: string, private: boolean, payload: { event: string, payload: unknown, meta?: object }, except?: Channel | null }} message
   */
  send({ topic, private: isPrivate, payload, except = null }) {
    const room = this.#rooms.get(keyOf({ name: topic, private: isPrivate }));
    for (const member of room?.members ?? []) {
      if (member !== except && member.read.broadcast) member.push("broadcast", { ...payload, type: "broadcast" });
    }
  }

  /** @param {Channel} channel @param {any} payload */
  track(channel, payload) {
    const room = this.#rooms.get(keyOf(channel));
    if (!room) return;
    const before = room.present.get(channel);
    const now = { ref: randomUUID(), payload };
    room.present.set(channel, now);
    this.#broadcast(room, {
      joins: group([[channel, now, before?.ref]]),
      leaves: before ? group([[channel, before, undefined]]) : {},
    });
  }

  /** @param {Channel} channel */
  untrack(channel) {
    const room = this.#rooms.get(keyOf(channel));
    const before = room?.present.get(channel);
    if (!room || !before) return;
    room.present.delete(channel);
    this.#broadcast(room, { joins: {}, leaves: group([[channel, before, undefined]]) });
  }

  /** @param {Channel} channel */
  presences(channel) {
    const present = this.#rooms.get(keyOf(channel))?.present ?? new Map();
    return group([...present].map(([member, state]) => [member, state, undefined]));
  }

  /** @param {Room} room @param {object} difference */
  #broadcast(room, difference) {
    for (const member of room.members) {
      if (member.wantsPresence && member.read.presence) member.push("presence_diff", difference);
    }
  }
}

/** @param {[Channel, { ref: string, payload: any }, string | undefined][]} entries */
function group(entries) {
  /** @type {Record<string, { metas: object[] }>} */
  const groups = {};
  for (const [channel, { ref, payload }, previous] of entries) {
    const meta = { ...payload, phx_ref: ref, ...(previous ? { phx_ref_prev: previous } : {}) };
    (groups[channel.presenceKey] ??= { metas: [] }).metas.push(meta);
  }
  return groups;
}
