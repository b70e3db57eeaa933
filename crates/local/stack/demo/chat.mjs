// The first part of the demo: a customer writes, the inbox shows the message, an agent answers, and the ticks appear.
import { until } from "./product.mjs";
import { bold, cyan, dim, heading, MovingLine, say, ticks } from "./screen.mjs";

const NUMBER = "555000000000001";
const QUESTION = "Halo, kopi susu gula arennya masih ada? ☕";
const ANSWER = "Halo Kak Rina! Masih, dan hari ini beli 2 gratis 1 😊";

/** @param {import("./product.mjs").Product} product @returns {Promise<import("./screen.mjs").Row[]>} */
export async function chat(product) {
  heading("A customer writes");
  const manager = await product.signIn("manager");
  const agent = await product.signIn("agent");
  const customer = `62813${String(Date.now()).slice(-8)}`;

  /** @type {{ event: string, payload: any, at: number }[]} */
  const events = [];
  await manager.listen(`tenant:${product.tenant}`, (event, payload) =>
    events.push({ event, payload, at: performance.now() }),
  );
  say(dim("The inbox listens through Supabase Realtime (supabase-js, private topic)"));

  const wrote = performance.now();
  await product.meta("POST", "customer/messages", {
    phone_number_id: NUMBER,
    from: customer,
    name: "Rina Kusuma",
    text: QUESTION,
  });
  const shown = await until("the message reaches the inbox", () =>
    events.find(({ event, payload }) => event === "message.created" && payload.content === QUESTION),
  );
  say(`${cyan("Rina")}  ${QUESTION}  ${dim(`in the inbox after ${Math.round(shown.at - wrote)} ms`)}`);

  const conversations = await agent.call("GET", "/api/conversations?limit=100");
  const conversation = conversations.data.find((/** @type {any} */ known) => known.contact.wa_id === customer);
  if (!conversation) throw new Error("the agent does not see the conversation");
  const reply = await agent.call("POST", `/api/conversations/${conversation.id}/messages`, {
    type: "text",
    text: { body: ANSWER },
  });

  const line = new MovingLine();
  const seen = new Set();
  const last = await until("the customer reads the answer", () => {
    const states = events.filter(({ payload }) => payload.id === reply.id).map(({ payload }) => payload.status);
    for (const state of states) seen.add(state);
    const state = states.at(-1) ?? reply.status;
    line.show(`${bold("Putri")} ${ANSWER}  ${ticks(state)} ${dim([...seen].join(" → "))}`);
    return state === "read" || state === "failed" ? state : null;
  });
  line.end();
  if (last === "failed") throw new Error("the answer failed");

  const thread = await agent.call("GET", `/api/conversations/${conversation.id}/messages`);
  await manager.leave();
  await agent.leave();
  const accepted = await product.ledger(new Set([customer]));
  const ours = thread.data.filter((/** @type {any} */ message) => message.direction === "outbound");
  return [
    { what: "replies sent", ours: ours.length, metas: accepted.length },
    {
      what: "replies read",
      ours: ours.filter(({ status }) => status === "read").length,
      metas: accepted.filter((entry) => reached(entry, "read")).length,
    },
  ];
}

/** @param {any} entry of the ledger @param {string} status */
export const reached = (entry, status) => entry.statuses.some((/** @type {any} */ event) => event.status === status);
