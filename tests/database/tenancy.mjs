// Tenants, people and numbers that belong to one test.
import assert from "node:assert/strict";
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

  /** @param {{ metadata?: object, confirmed?: boolean }} [options] a person who can sign in and has no tenant */
  async function newStranger({ metadata = {}, confirmed = true } = {}) {
    const id = randomUUID();
    await sql`
      insert into auth.users (id, email, raw_user_meta_data, email_confirmed_at)
      values (${id}, ${`${id}@example.test`}, ${sql.json(metadata)}, ${confirmed ? new Date() : null})`;
    return { id, email: `${id}@example.test` };
  }

  /**
   * @param {{ id: string }} tenant @param {string | null} role the key of a predefined one
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

  /** @param {{ id: string }} user @param {string | { id: string }} role one of `newRole`, or the key of a predefined one */
  async function giveRole(user, role) {
    const given = await sql`
      insert into public.user_roles (user_id, tenant_id, role_id)
      select p.user_id, p.tenant_id, r.id
      from public.profiles p cross join public.roles r
      where p.user_id = ${user.id} and p.left_at is null
        and ${typeof role === "string" ? sql`r.tenant_id is null and r.key = ${role}` : sql`r.id = ${role.id}`}`;
    assert.equal(given.count, 1, `there is a role ${role}`);
  }

  /**
   * A role of the tenant's own, which holds the named permissions and no others, unless it inherits.
   * @param {{ id: string }} tenant
   * @param {{ level?: number, permissions?: string[], takenAway?: string[], inherits?: boolean }} [options]
   */
  async function newRole(tenant, { level = 3, permissions = [], takenAway = [], inherits = false } = {}) {
    const key = `r_${randomUUID().replaceAll("-", "")}`;
    const [role] = await sql`
      insert into public.roles (tenant_id, key, name, level, inherits) values (${tenant.id}, ${key}, ${key}, ${level}, ${inherits})
      returning *`;
    await sql`
      insert into public.role_permissions (role_id, permission_key, granted)
      select ${role.id}::uuid, k, true from unnest(${permissions}::text[]) k
      union all select ${role.id}::uuid, k, false from unnest(${takenAway}::text[]) k`;
    return role;
  }

  /**
   * A person with a role of their own.
   * @param {{ id: string }} tenant
   * @param {Parameters<typeof newRole>[1]} [options]
   */
  async function newUserWith(tenant, options) {
    const [user, role] = [await newUser(tenant, null), await newRole(tenant, options)];
    await giveRole(user, role);
    return { ...user, own: role };
  }

  /**
   * An API key. It calls functions like a user with its id.
   * @param {{ id: string }} tenant
   * @param {string | { id: string }} role as of `giveRole`
   * @param {{ expiresAt?: Date | null, revokedAt?: Date | null }} [options]
   */
  async function newApiKey(tenant, role, { expiresAt = null, revokedAt = null } = {}) {
    const secret = `crm_${randomUUID()}`;
    const [key] = await sql`
      insert into public.api_keys (tenant_id, name, prefix, role_id, expires_at, revoked_at)
      select ${tenant.id}, 'Shop', ${secret.slice(0, 12)}, id, ${expiresAt}::timestamptz, ${revokedAt}::timestamptz from public.roles
      where ${typeof role === "string" ? sql`tenant_id is null and key = ${role}` : sql`id = ${role.id}`}
      returning *`;
    await sql`insert into private.api_key_secrets values (${key.id}, sha256(convert_to(${secret}, 'UTF8')))`;
    return { ...key, secret };
  }

  /** The ids of predefined roles. @param {string[]} keys */
  async function predefined(...keys) {
    const roles = await sql`select id, key from public.roles where tenant_id is null and key = any (${keys}::text[])`;
    return keys.map((key) => roles.find((role) => role.key === key)?.id ?? assert.fail(`there is a role ${key}`));
  }

  /** What the names of the tenant's live topics end with at this moment. @param {{ id: string }} tenant */
  async function epochOf(tenant) {
    return (await sql`select private.live_epoch(${tenant.id}) as epoch`)[0].epoch;
  }

  /** @param {{ id: string }} user */
  async function deactivate(user) {
    await sql`update public.profiles set deactivated_at = now() where user_id = ${user.id}`;
  }

  /**
   * @param {{ id: string }} tenant
   * @param {{ status?: string, reason?: string, businessAccount?: string, perSecond?: number }} [options]
   */
  async function newNumber(
    tenant,
    { status = "connected", reason, businessAccount = someDigits(), perSecond = 10 } = {},
  ) {
    const [number] = await sql`
      insert into public.whatsapp_sessions
        (tenant_id, meta_phone_number_id, meta_business_account_id, status, status_reason, messages_per_second)
      values (${tenant.id}, ${someDigits()}, ${businessAccount}, ${status}, ${reason ?? null}, ${perSecond})
      returning *`;
    return number;
  }

  return {
    newTenant,
    newStranger,
    newUser,
    newUserWith,
    newRole,
    giveRole,
    newApiKey,
    predefined,
    epochOf,
    deactivate,
    newNumber,
  };
}

/** Digits like those of Meta's ids and of phone numbers. */
export function someDigits() {
  return `9${randomInt(1e13, 1e14)}`;
}
