// Templates and campaigns that belong to one test.
import { randomUUID } from "node:crypto";
import { someDigits } from "./tenancy.mjs";

/** @param {{ sql: import("postgres").Sql }} known */
export function broadcasts({ sql }) {
  /** @param {{ id: string }} tenant @param {{ status?: string, category?: string, businessAccount?: string | null, text?: string, components?: object[] }} [options] */
  async function newTemplate(
    tenant,
    { status = "APPROVED", category = "MARKETING", businessAccount = null, text = "Halo {{1}}", components = [] } = {},
  ) {
    const [template] = await sql`
      insert into public.broadcast_templates (tenant_id, meta_business_account_id, name, status, category, components)
      values (${tenant.id}, ${businessAccount}, ${`t_${randomUUID().replaceAll("-", "_")}`}, ${status}, ${category},
        ${sql.json([...components, { type: "BODY", text }])})
      returning *`;
    return template;
  }

  /**
   * A campaign as rows, with a template of its own. Any sender on this database picks up a campaign that is `sending`;
   * it leaves the other states alone.
   * @param {any} number
   * @param {{ status?: string, recipients?: number, scheduledAt?: Date | null, sender?: { id: string } | null,
   * recipientLocal?: boolean, quietHours?: { from: string, to: string } | null, template?: Parameters<typeof
   * newTemplate>[1], wa_ids?: string[] }} [options] `wa_ids` instead of `recipients`
   */
  async function newCampaign(number, options = {}) {
    const {
      status = "completed",
      recipients = 1,
      scheduledAt = null,
      sender = null,
      recipientLocal = false,
      quietHours = null,
    } = options;
    const template = await newTemplate({ id: number.tenant_id }, options.template);
    const [campaign] = await sql`
      insert into public.broadcast_campaigns
        (tenant_id, name, status, session_id, template_id, sender_id, scheduled_at, recipient_local, quiet_hours)
      values (${number.tenant_id}, 'Promo', ${status}, ${number.id}, ${template.id}, ${sender?.id ?? null}, ${scheduledAt},
        ${recipientLocal}, ${quietHours === null ? null : sql.json(quietHours)})
      returning *`;
    const first = BigInt(someDigits());
    const people = options.wa_ids ?? Array.from({ length: recipients }, (_, n) => String(first + BigInt(n)));
    await sql`
      insert into public.broadcast_recipients (tenant_id, campaign_id, position, wa_id, variables)
      select ${number.tenant_id}, ${campaign.id}, p.nth, p.wa_id, '["Rina"]'
      from unnest(${people}::text[]) with ordinality as p (wa_id, nth)`;
    return { ...campaign, template };
  }

  /** @param {{ id: string }} campaign in the order they were listed */
  async function recipientsOf(campaign) {
    return [
      ...(await sql`select * from public.broadcast_recipients where campaign_id = ${campaign.id} order by position`),
    ];
  }

  /** @param {{ id: string }} campaign */
  async function campaignNow(campaign) {
    const [row] = await sql`select * from public.broadcast_campaigns where id = ${campaign.id}`;
    return row;
  }

  /** A published file as a row, without its object. @param {{ id: string }} tenant */
  async function newPublishedFile(tenant) {
    const id = randomUUID();
    const [file] = await sql`
      insert into public.published_files (id, tenant_id, kind, mime_type, file_size, sha256, file_name, storage_path)
      values (${id}, ${tenant.id}, 'document', 'application/pdf', 3, ${"0".repeat(64)}, 'menu.pdf', ${`${tenant.id}/${id}.pdf`})
      returning *`;
    return file;
  }

  return { newTemplate, newPublishedFile, newCampaign, recipientsOf, campaignNow };
}
