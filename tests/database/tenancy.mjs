// Tenants, people and numbers that only one test knows.
import { randomInt, randomUUID } from "node:crypto";

/** @param {{ sql: import("postgres").Sql }} known */
export function tenancy({ sql }) {
  /** @param {{ agentsSeeUnassigned?: boolean }} [options] */
  async function newTenant({ agentsSeeUnassigned = true } = {}) {
    const slug = `t-${randomUUID()}`;
    const [tenant] = await sql`
      insert into public.tenants (name, slug, agents_see_unassigned) values (${slug}, ${slug}, ${agentsSeeUnassigned})
      returning id, name, slug`;
    return tenant;
  }

  /** @param {{ metadata?: object }} [options] somebody who can sign in and belongs nowhere */
  async function newStranger({ metadata = {} } = {}) {
    const id = randomUUID();
    await sql`
      insert into auth.users (id, email, raw_user_meta_data) values (${id}, ${`${id}@example.test`}, ${sql.json(metadata)})`;
    return { id };
  }

  /**
   * @param {{ id: string }} tenant @param {"admin" | "manager" | "agent" | null} role
   * @param {{ deactivated?: boolean, metadata?: object }} [options]
   */
  async function newUser(tenant, role, { deactivated = false, metadata = {} } = {}) {
    const { id } = await newStranger({ metadata });
    await sql`
      insert into public.profiles (user_id, tenant_id, display_name, deactivated_at)
      values (${id}, ${tenant.id}, ${role ?? "nobody"}, ${deactivated ? new Date() : null})`;
    if (role !== null) await giveRole({ id }, role);
    return { id, tenant, role };
  }

  /** @param {{ id: string }} user @param {string} role predefined */
  async function giveRole(user, role) {
    await sql`
      insert into public.user_roles (user_id, role_id)
      select ${user.id}, id from public.roles where tenant_id is null and key = ${role}`;
  }

  /** @param {{ id: string }} user */
  async function deactivate(user) {
    await sql`update public.profiles set deactivated_at = now() where user_id = ${user.id}`;
  }

  /**
   * @param {{ id: string }} tenant
   * @param {{ status?: string, reason?: string, businessAccount?: string, perSecond?: number }} [options]
   */
  async function newNumber(tenant, { status = "connected", reason, businessAccount = someDigits(), perSecond = 10 } = {}) {
    const [number] = await sql`
      insert into public.whatsapp_sessions
        (tenant_id, meta_phone_number_id, meta_business_account_id, status, status_reason, messages_per_second)
      values (${tenant.id}, ${someDigits()}, ${businessAccount}, ${status}, ${reason ?? null}, ${perSecond})
      returning *`;
    return number;
  }

  return { newTenant, newStranger, newUser, giveRole, deactivate, newNumber };
}

/** As Meta's ids and phone numbers look. */
export function someDigits() {
  return `9${randomInt(1e13, 1e14)}`;
}
