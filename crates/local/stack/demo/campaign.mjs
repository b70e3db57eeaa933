// The second part of the demo: cron sends a campaign to 200 recipients, one of whom is not on WhatsApp.
import { reached } from "./chat.mjs";
import { until } from "./product.mjs";
import { bar, bold, dim, heading, MovingLine, red, say } from "./screen.mjs";

const RECIPIENTS = 200;
const NAMES = ["Ayu", "Bima", "Citra", "Dimas", "Eka", "Fajar", "Gita", "Hadi", "Intan", "Joko"];

/** @param {import("./product.mjs").Product} product @returns {Promise<import("./screen.mjs").Row[]>} */
export async function campaign(product) {
  heading(`A campaign to ${RECIPIENTS} recipients`);
  const manager = await product.signIn("manager");
  const { data: templates, error } = await manager.client
    .from("broadcast_templates")
    .select("id,components")
    .eq("name", "promo_akhir_tahun");
  if (error || !templates?.[0])
    throw new Error("the template promo_akhir_tahun is missing: start the stack with its demo data");
  const [template] = templates;
  say(dim(template.components.find((/** @type {any} */ part) => part.type === "BODY").text));

  const run = String(Date.now()).slice(-6);
  const numbers = Array.from({ length: RECIPIENTS - 1 }, (_, i) => `62857${run}${String(i + 1).padStart(3, "0")}`);
  // In the simulator, a number that ends in six zeros is not on WhatsApp.
  numbers.push(`62857${run.slice(-3)}000000`);

  /** @type {any} */
  let news = null;
  await manager.listen(`tenant:${product.tenant}:broadcasts`, (event, payload) => {
    if (event === "campaign.updated") news = payload;
  });
  const created = await manager.call("POST", "/api/broadcast/campaigns", {
    name: `Promo akhir tahun ${run}`,
    template_id: template.id,
    recipients: numbers.map((phone_number, i) => ({
      phone_number,
      name: NAMES[i % NAMES.length],
      variables: [NAMES[i % NAMES.length]],
    })),
  });

  const began = performance.now();
  const cron = product.runCron();
  const line = new MovingLine();
  const drawn = setInterval(
    () => line.show(progress(news?.id === created.id ? news.statistics : created.statistics, began)),
    100,
  );
  try {
    await cron;
    // A cron run that had already started may have taken the campaign first.
    await until(
      "the campaign is sent",
      async () => (await manager.call("GET", `/api/broadcast/campaigns/${created.id}`)).status === "completed",
    );
    await until("Meta's last webhook", async () => (await product.meta("GET", "idle")).pending_webhooks === 0);
    await until("the last progress", async () => {
      const { statistics } = await manager.call("GET", `/api/broadcast/campaigns/${created.id}`);
      return (
        news?.id === created.id && Object.entries(statistics).every(([name, count]) => news.statistics[name] === count)
      );
    });
    line.show(progress(news.statistics, began));
  } finally {
    clearInterval(drawn);
    line.end();
  }

  const { statistics, failures } = await manager.call("GET", `/api/broadcast/campaigns/${created.id}`);
  for (const { error_code, error_title, count } of failures)
    say(red(`${count} failed: ${error_title} (${error_code})`));
  await manager.leave();

  const accepted = await product.ledger(new Set(numbers));
  const having = (/** @type {string} */ status) => accepted.filter((entry) => reached(entry, status)).length;
  return [
    { what: "recipients", ours: statistics.total, metas: new Set(accepted.map(({ to }) => to)).size },
    { what: "accepted by Meta", ours: statistics.sent + statistics.failed, metas: accepted.length },
    { what: "delivered", ours: statistics.delivered, metas: having("delivered") },
    { what: "read", ours: statistics.read, metas: having("read") },
    { what: "failed", ours: statistics.failed, metas: having("failed") },
    { what: "unknown", ours: statistics.unknown, metas: 0 },
  ];
}

/** @param {any} statistics @param {number} began */
function progress({ total, pending, sending, delivered, read, failed }, began) {
  const done = total - pending - sending;
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(3);
  return `${bar(done, total)} ${bold(`${done}/${total}`)}  ✓✓ ${delivered}  read ${read}  failed ${failed}  ${dim(`${seconds} s`)}`;
}
