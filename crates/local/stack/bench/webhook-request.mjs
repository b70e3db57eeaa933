// Webhook requests in the form in which Meta posts them, signed or unsigned.
import { createHmac } from "node:crypto";
import { TENANTS } from "../launch/demo-tenants.mjs";
import { request } from "./connection.mjs";
import { APP_SECRET } from "./function-process.mjs";

export const PATH = "/api/whatsapp/webhook";
const [{ number }] = TENANTS;

/** The body of a delivery of field `messages`. @param {object} parts `messages`, `statuses`, `contacts` */
export function delivery(parts) {
  const metadata = {
    display_phone_number: number.display_phone_number.replace(/\D/g, ""),
    phone_number_id: number.phone_number_id,
  };
  const value = { messaging_product: "whatsapp", metadata, ...parts };
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: number.business_account_id, changes: [{ value, field: "messages" }] }],
  });
}

/** @param {number} n */
export function textMessage(n) {
  const from = String(6_281_400_000_000 + n);
  const id = `wamid.${Buffer.from(`${from}:${n}:bench`).toString("base64")}`;
  return {
    contact: { profile: { name: `Pelanggan ${n}` }, wa_id: from },
    message: {
      from,
      id,
      timestamp: String(1_790_000_000 + n),
      text: { body: "Halo, apakah kopi susu gula aren masih ada promo hari ini?" },
      type: "text",
    },
  };
}

/** @param {string} body @param {string} secret */
export const signature = (body, secret) => `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

/** @param {number} count @param {{ signed: boolean }} options @returns {Buffer[]} requests, each with a different text message */
export function textWebhooks(count, { signed }) {
  return Array.from({ length: count }, (_, n) => {
    const { contact, message } = textMessage(n);
    const body = delivery({ contacts: [contact], messages: [message] });
    const headers = {
      "content-type": "application/json",
      "user-agent": "facebookexternalua",
      "x-hub-signature-256": signature(body, signed ? APP_SECRET : "another secret"),
    };
    return request("POST", PATH, { headers, body });
  });
}
