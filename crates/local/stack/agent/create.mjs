// Makes an Auth user a member of a tenant.
import { randomBytes } from "node:crypto";
import { StackError } from "../supabase/stack-error.mjs";
import { Refused } from "./project.mjs";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const PAGE = 1000;

/** @typedef {import("./project.mjs").Project} Project */
/** @typedef {import("./arguments.mjs").WantedAgent} WantedAgent */

/** @param {Project} project @param {WantedAgent} wanted @returns {Promise<string>} a message for the user */
export async function createAgent(project, wanted) {
  const tenant = await findTenant(project, wanted.tenant ?? project.defaultTenant);
  const password = wanted.password ?? randomBytes(15).toString("base64url");
  const user = (await createUser(project, wanted, password)) ?? (await unclaimedUser(project, wanted.email));
  try {
    await project.call("POST", "/rest/v1/rpc/add_member", {
      tenant_id: tenant.id,
      user_id: user.id,
      display_name: wanted.name,
      role_keys: wanted.roles,
      locale: wanted.locale ?? null,
    });
  } catch (error) {
    if (user.created) await project.call("DELETE", `/auth/v1/admin/users/${user.id}`);
    throw error;
  }
  const member = `${wanted.email} is ${wanted.roles.join(", ")} of ${tenant.name}`;
  if (!user.created) return `${member}; the password is the one the account had`;
  return wanted.password ? member : `${member}; the password is ${password}`;
}

/** @param {Project} project @param {string | undefined} which @returns {Promise<{ id: string, name: string }>} */
async function findTenant(project, which) {
  if (!which) throw new StackError("no tenant: give --tenant, or set DEFAULT_TENANT_ID");
  const column = UUID.test(which) ? "id" : "slug";
  const [tenant] = await project.call(
    "GET",
    `/rest/v1/tenants?${column}=eq.${encodeURIComponent(which)}&select=id,name`,
  );
  if (!tenant) throw new StackError(`there is no tenant ${which}`);
  return tenant;
}

/**
 * @param {Project} project @param {WantedAgent} wanted @param {string} password
 * @returns {Promise<{ id: string, created: true } | null>} null if the address is taken
 */
async function createUser(project, { email, name }, password) {
  try {
    const { id } = await project.call("POST", "/auth/v1/admin/users", {
      email,
      password,
      email_confirm: true,
      user_metadata: { name },
    });
    return { id, created: true };
  } catch (error) {
    if (error instanceof Refused && error.code === "email_exists") return null;
    throw error;
  }
}

/** @param {Project} project @param {string} email @returns {Promise<{ id: string, created: false }>} */
async function unclaimedUser(project, email) {
  for (let page = 1; ; page++) {
    const { users } = await project.call("GET", `/auth/v1/admin/users?page=${page}&per_page=${PAGE}`);
    const user = users.find((/** @type {any} */ known) => known.email === email.toLowerCase());
    if (!user && users.length === PAGE) continue;
    if (!user) throw new StackError(`${email} is registered, but cannot be found`);
    // The person who typed the address first has chosen the password, and need not be its owner.
    if (!user.email_confirmed_at)
      throw new StackError(
        `${email} has signed up but not confirmed the address: have its owner do so, or invite them`,
      );
    const [profile] = await project.call(
      "GET",
      `/rest/v1/profiles?user_id=eq.${user.id}&left_at=is.null&select=user_id`,
    );
    if (profile) throw new StackError(`${email} is a member of a tenant already`);
    return { id: user.id, created: false };
  }
}
