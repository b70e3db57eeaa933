// Templates and campaigns that only one test knows.
import { randomUUID } from "node:crypto";
import { someDigits } from "./tenancy.mjs";

/** @param {{ sql: import("postgres").Sql }} known */
export function broadcasts({ sql }) {
  /** @param {{ id: string }} tenant @param {{ status?: string, businessAccount?: string | null, text?: string }} [options] */
  async function newTemplate(tenant, { status = "APPROVED", businessAccount = null, text = "Halo {{1}}" } = {}) {
    const [template] = await sql`
      insert into public.broadcast_templates (tenant_id, meta_business_account_id, name, status, components)
      values (${tenant.id}, ${businessAccount}, ${`t_${randomUUID().replaceAll("-", "_")}`}, ${status},
        ${sql.json([{ type: "BODY", text }])})
      returning *`;
    return template;
  }

  /**
   * A campaign as rows, with a template of its own. Whoever sends on this database picks up a campaign that is `sending`:
   * others are left alone.
   * @param {any} number
   * @param {{ status?: string, recipients?: number, scheduledAt?: Date | null, sender?: { id: string } | null }} [options]
   */
  async function newCampaign(number, { status = "completed", recipients = 1, scheduledAt = null, sender = null } = {}) {
    const template = await newTemplate({ id: number.tenant_id });
    const [campaign] = await sql`
      insert into public.broadcast_campaigns (tenant_id, name, status, session_id, template_id, sender_id, scheduled_at)
      values (${number.tenant_id}, 'Promo', ${status}, ${number.id}, ${template.id}, ${sender?.id ?? null}, ${scheduledAt})
      returning *`;
    const first = BigInt(someDigits());
    await sql`
      insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, variables)
      select ${number.tenant_id}, ${campaign.id}, n, (${first.toString()}::bigint + n)::text, '["Rina"]'
      from generate_series(1, ${recipients}::integer) n`;
    return { ...campaign, template };
  }

  /** @param {{ id: string }} campaign in the order they were listed */
  async function recipientsOf(campaign) {
    return [...await sql`select * from public.broadcast_recipients where campaign_id = ${campaign.id} order by position`];
  }

  /** @param {{ id: string }} campaign */
  async function campaignNow(campaign) {
    const [row] = await sql`select * from public.broadcast_campaigns where id = ${campaign.id}`;
    return row;
  }

  return { newTemplate, newCampaign, recipientsOf, campaignNow };
}
