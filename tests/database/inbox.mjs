// Meta's deliveries as the webhook function passes them to the database, and messages of ours.
import { randomUUID } from "node:crypto";
import { someDigits } from "./tenancy.mjs";

/** A time in whole seconds, like Meta's timestamps. @param {number} [ago] seconds */
export const seconds = (ago = 0) => Math.floor(Date.now() / 1000) - ago;
/** @param {number} time in seconds */
export const dateOf = (time) => new Date(time * 1000);
export const someWamid = () => `wamid.${randomUUID()}`;

/**
 * A text message of a customer. Null leaves a property out.
 * @param {{ meta_phone_number_id: string }} number @param {object} [properties]
 */
export function inboundText(number, { text = "Halo", ...properties } = {}) {
  const from = "from" in properties ? properties.from : someDigits();
  const element = {
    phone_number_id: number.meta_phone_number_id,
    wamid: someWamid(),
    timestamp: seconds(),
    kind: "text",
    preview: text,
    ...properties,
    from,
  };
  element.payload = { id: element.wamid, type: element.kind, text: { body: text } };
  return withoutNulls(element);
}

/**
 * A reaction to a message, an edit or a revocation of it.
 * @param {{ meta_phone_number_id: string }} number @param {"reaction" | "edit" | "revoke"} kind @param {string} target
 * @param {{ emoji?: string | null, text?: string, [property: string]: any }} [properties]
 */
export function aboutMessage(number, kind, target, { emoji = null, text = "", ...properties } = {}) {
  const preview = { reaction: emoji || "↩️", edit: text, revoke: "🚫" }[kind];
  const element = inboundText(number, { ...properties, kind, preview });
  const body = {
    reaction: withoutNulls({ message_id: target, emoji }),
    edit: { original_message_id: target, message: { type: "text", text: { body: text } } },
    revoke: { original_message_id: target },
  }[kind];
  element.payload = { id: element.wamid, type: kind, [kind]: body };
  return element;
}

/**
 * A status of a message.
 * @param {{ meta_phone_number_id: string }} number
 * @param {string} wamid
 * @param {string} status
 * @param {object} [properties]
 */
export function statusOf(number, wamid, status, properties = {}) {
  const element = { phone_number_id: number.meta_phone_number_id, wamid, status, timestamp: seconds(), ...properties };
  return withoutNulls({ ...element, payload: { id: wamid, status, timestamp: String(element.timestamp) } });
}

/** @param {object} element */
function withoutNulls(element) {
  return Object.fromEntries(Object.entries(element).filter(([, value]) => value !== null));
}

/** @param {{ sql: import("postgres").Sql, asService: ReturnType<import("./callers.mjs").callers>["asService"] }} known */
export function inbox({ sql, asService }) {
  /**
   * One delivery of Meta.
   * @param {{ messages?: object[], statuses?: object[], others?: object[], events?: object[], body?: string, is_json?: boolean, keep_event?: boolean, replay_of?: number | null, patient?: boolean }} delivery
   * @returns {Promise<{ event_id: number, campaigns: string[] }>}
   */
  async function delivers({
    messages = [],
    statuses = [],
    others = [],
    events = [],
    body = "{}",
    is_json = true,
    keep_event = true,
    replay_of = null,
    patient = false,
  }) {
    const [row] = await asService(
      (sql) => sql`
      select public.ingest_webhook(
        body => ${body}, is_json => ${is_json}, keep_event => ${keep_event}, messages => ${sql.json(messages)},
        statuses => ${sql.json(statuses)}, others => ${sql.json(others)}, events => ${sql.json(events)},
        replay_of => ${replay_of}, patient => ${patient}
      ) as answer`,
    );
    return row.answer;
  }

  /** A customer writes. @param {any} number @param {object} [properties] of `inboundText` */
  async function receivesMessage(number, properties) {
    const element = inboundText(number, properties);
    await delivers({ messages: [element] });
    const [message] = await sql`
      select * from public.messages where session_id = ${number.id} and whatsapp_message_id = ${element.wamid}`;
    const conversation = await conversationOf(message);
    const [contact] = await sql`select * from public.contacts where id = ${conversation.contact_id}`;
    return { element, message, conversation, contact };
  }

  /** @param {{ conversation_id: string }} message */
  async function conversationOf(message) {
    const [conversation] = await sql`select * from public.conversations where id = ${message.conversation_id}`;
    return conversation;
  }

  /**
   * A message of ours, as its sender left it.
   * @param {any} conversation @param {{ status?: string, wamid?: string | null, sentAt?: Date | null, metadata?: object, at?: Date }} [options]
   */
  async function newOutbound(
    conversation,
    { status = "sent", wamid = someWamid(), sentAt = null, metadata = {}, at = new Date() } = {},
  ) {
    const [message] = await sql`
      insert into public.messages
        (tenant_id, session_id, conversation_id, direction, type, status, content, whatsapp_message_id, sent_at, metadata, occurred_at)
      values (${conversation.tenant_id}, ${conversation.session_id}, ${conversation.id}, 'outbound', 'text', ${status},
        'Siap', ${wamid}, ${sentAt}, ${sql.json(metadata)}, ${at})
      returning *`;
    return message;
  }

  /** @param {{ id: string }} message */
  async function messageNow(message) {
    const [row] = await sql`select * from public.messages where id = ${message.id}`;
    return row;
  }

  /** @param {{ id: string }} conversation @param {{ id: string } | null} user */
  async function assign(conversation, user) {
    await sql`update public.conversations set assigned_to = ${user?.id ?? null} where id = ${conversation.id}`;
  }

  return { delivers, receivesMessage, conversationOf, newOutbound, messageNow, assign };
}
