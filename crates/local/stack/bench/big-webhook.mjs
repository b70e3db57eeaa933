// Posts one webhook with the largest number of updates that Meta puts into one. It goes through the real function,
// Supabase Lite and the real Postgres.
import { localStack, onDatabase } from "./local-stack.mjs";
import { delivery, PATH, signature, textMessage } from "./webhook-request.mjs";

const UPDATES = 1000;

/** @returns {Promise<import("./figure.mjs").Figure[]>} */
export async function bigWebhook() {
  const stack = await localStack();
  return onDatabase(stack, async (sql) => {
    const texts = Array.from({ length: UPDATES }, (_, n) => textMessage(n));
    const messages = await post(
      stack,
      delivery({ contacts: texts.map(({ contact }) => contact), messages: texts.map(({ message }) => message) }),
    );
    const ids = texts.map(({ message }) => message.id);
    await stored(sql`select count(*)::int as n from public.messages where whatsapp_message_id = any (${ids})`);

    const sent = await sql`
      insert into public.messages (tenant_id, session_id, conversation_id, direction, type, status, content, whatsapp_message_id)
      select m.tenant_id, m.session_id, m.conversation_id, 'outbound', 'text', 'sent', 'Halo', 'wamid.bench.' || m.id
      from public.messages m
      where m.whatsapp_message_id = any (${ids})
      returning whatsapp_message_id as id`;
    const statuses = await post(
      stack,
      delivery({
        statuses: sent.map(({ id }, n) => ({
          id,
          status: "delivered",
          timestamp: String(1_790_000_000 + n),
          recipient_id: String(6_281_400_000_000 + n),
        })),
      }),
    );
    await stored(
      sql`select count(*)::int as n from public.messages where whatsapp_message_id like 'wamid.bench.%' and status = 'delivered'`,
    );
    return [
      { what: "one POST with 1,000 messages of 1,000 new customers, local stack", value: messages, unit: "ms" },
      { what: "one POST with 1,000 statuses, local stack", value: statuses, unit: "ms" },
    ];
  });
}

/** @param {import("../stack.mjs").Stack} stack @param {string} body @returns {Promise<number>} milliseconds */
async function post(stack, body) {
  const headers = { "content-type": "application/json", "x-hub-signature-256": signature(body, stack.app_secret) };
  const began = performance.now();
  const response = await fetch(stack.app_url + PATH, { method: "POST", headers, body });
  const text = await response.text();
  const time = performance.now() - began;
  if (response.status !== 200) throw new Error(`the webhook was answered ${response.status} ${text}`);
  return time;
}

/** @param {Promise<{ n: number }[]>} count */
async function stored(count) {
  const [{ n }] = await count;
  if (n !== UPDATES) throw new Error(`${n} of ${UPDATES} updates were stored`);
}
