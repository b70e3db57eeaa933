// The Auth admin API (users, invitations, links), which Supabase Lite lacks. It has GoTrue's paths, bodies and errors.
import { answer, parse, Refusal } from "./auth-answer.mjs";
import { generateLink, invite } from "./auth-links.mjs";
import { create, list, read, remove, update, UUID } from "./auth-users.mjs";

/** @typedef {import("./lite.mjs").Caller} Caller */
/** @typedef {import("./auth-answer.mjs").Answer} Answer */

/** Whether a path belongs to this API. @param {string} path */
export const isAdminPath = (path) => path.startsWith("/auth/v1/admin/") || path === "/auth/v1/invite";

/** @param {import("postgres").Sql} sql of the superuser @param {ReturnType<import("./mails.mjs").mailbox>} mails */
export function authAdmin(sql, mails) {
  return {
    /**
     * @param {string} method @param {URL} url @param {Buffer} body @param {Caller | null} caller
     * @returns {Promise<Answer>}
     */
    async handle(method, url, body, caller) {
      try {
        if (caller?.claims.role !== "service_role") throw new Refusal(403, "not_admin", "User not allowed");
        return await route({ sql, mails }, method, url, body);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return answer(error.status, error.body, { "x-sb-error-code": error.body.error_code });
      }
    },
  };
}

/**
 * @param {{ sql: import("postgres").Sql, mails: ReturnType<import("./mails.mjs").mailbox> }} at
 * @param {string} method @param {URL} url @param {Buffer} body
 */
async function route({ sql, mails }, method, url, body) {
  const makesLink = { "/auth/v1/invite": invite, "/auth/v1/admin/generate_link": generateLink }[url.pathname];
  if (makesLink) {
    if (method !== "POST") return { status: 405, headers: { allow: "POST" }, body: null };
    return answer(200, await makesLink(sql, mails, parse(body), url.searchParams.get("redirect_to")));
  }
  const [, id, more] = /^\/auth\/v1\/admin\/users(?:\/([^/]+))?(\/.*)?$/.exec(url.pathname) ?? [];
  if (!url.pathname.startsWith("/auth/v1/admin/users") || more !== undefined)
    throw new Refusal(404, "not_found", "404 page not found");
  if (id === undefined) {
    if (method === "GET") return list(sql, url);
    if (method === "POST") return answer(200, await create(sql, parse(body)));
    return { status: 405, headers: { allow: "GET, POST" }, body: null };
  }
  if (!UUID.test(id)) throw new Refusal(404, "validation_failed", "user_id must be an UUID");
  if (method === "GET") return answer(200, await read(sql, id));
  if (method === "PUT") return answer(200, await update(sql, id, parse(body)));
  if (method === "DELETE") return answer(200, await remove(sql, id));
  return { status: 405, headers: { allow: "GET, PUT, DELETE" }, body: null };
}
