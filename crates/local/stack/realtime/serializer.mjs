// The wire format of Phoenix messages. Version 1 is an object. Version 2 is an array, or binary for a broadcast.

/** @typedef {{ joinRef: string | null, ref: string | null, topic: string, event: string, payload: any }} Message */

const USER_BROADCAST_PUSH = 3;
const JSON_ENCODED = 1;

/** @param {string} version */
export function serializer(version) {
  return version.startsWith("1.") ? { encode: encodeObject, decode } : { encode: encodeArray, decode };
}

/** @param {Message} message */
function encodeArray({ joinRef, ref, topic, event, payload }) {
  return JSON.stringify([joinRef, ref, topic, event, payload]);
}

/** @param {Message} message */
function encodeObject({ joinRef, ref, topic, event, payload }) {
  return JSON.stringify({ topic, event, payload, ref, join_ref: joinRef });
}

/** @param {Buffer} data @param {boolean} binary @returns {Message | null} null for an unknown message */
function decode(data, binary) {
  if (binary) return decodeBroadcast(data);
  const value = JSON.parse(data.toString("utf8"));
  if (Array.isArray(value)) {
    const [joinRef, ref, topic, event, payload] = value;
    return { joinRef, ref, topic, event, payload };
  }
  return {
    joinRef: value.join_ref ?? null,
    ref: value.ref ?? null,
    topic: value.topic,
    event: value.event,
    payload: value.payload,
  };
}

/** @param {Buffer} data @returns {Message | null} */
function decodeBroadcast(data) {
  if (data[0] !== USER_BROADCAST_PUSH || data.length < 7) return null;
  let offset = 7;
  const take = (/** @type {number} */ length) => data.toString("utf8", offset, (offset += length));
  const [joinRef, ref, topic, event] = [take(data[1]), take(data[2]), take(data[3]), take(data[4])];
  offset += data[5];
  // Content that is not JSON would need the binary form on output as well. No client here sends it.
  if (data[6] !== JSON_ENCODED) return null;
  const payload = { type: "broadcast", event, payload: JSON.parse(data.toString("utf8", offset)) };
  return { joinRef: joinRef || null, ref: ref || null, topic, event: "broadcast", payload };
}
