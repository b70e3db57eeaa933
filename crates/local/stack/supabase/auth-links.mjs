// Invitations and mail links, in GoTrue's form.
import { createHash, randomBytes, randomInt } from "node:crypto";
import { checkedEmail, Refusal } from "./auth-answer.mjs";
import { create, findByEmail, read } from "./auth-users.mjs";

/** @typedef {ReturnType<import("./mails.mjs").mailbox>} Mailbox */

const COLUMNS = /** @type {const} */ ({
  invite: ["confirmation_token", "confirmation_sent_at"],
  signup: ["confirmation_token", "confirmation_sent_at"],
  recovery: ["recovery_token", "recovery_sent_at"],
  magiclink: ["recovery_token", "recovery_sent_at"],
});

/**
 * `POST /invite`: creates a user without a password and mails an invitation. Repeating the call sends another mail until the user
 * follows one.
 * @param {import("postgres").Sql} sql @param {Mailbox} mails @param {Record<string, any>} wanted @param {string | null} redirectTo from the query
 */
export async function invite(sql, mails, wanted, redirectTo) {
  const email = checkedEmail(wanted.email);
  const user = await invited(sql, email, wanted.data);
  const { hash } = await newToken(sql, user.id, email, "invite");
  await mails.send({
    to: email,
    type: "invite",
    token: hash,
    redirectTo: mails.redirectTo(redirectTo ?? wanted.redirect_to),
  });
  return read(sql, user.id);
}

/**
 * `POST /admin/generate_link`: creates a link for a mail that the caller sends.
 * @param {import("postgres").Sql} sql @param {Mailbox} mails @param {Record<string, any>} wanted @param {string | null} redirectTo from the query
 */
export async function generateLink(sql, mails, wanted, redirectTo) {
  const email = checkedEmail(wanted.email);
  if (!Object.hasOwn(COLUMNS, wanted.type))
    throw new Refusal(400, "validation_failed", `Invalid email action link type requested: ${wanted.type}`);
  const found = await findByEmail(sql, email);
  if (!found && wanted.type === "recovery") throw new Refusal(404, "user_not_found", "User with this email not found");
  const type = /** @type {keyof typeof COLUMNS} */ (!found && wanted.type === "magiclink" ? "signup" : wanted.type);
  const user =
    type === "invite" || type === "signup"
      ? await invited(sql, email, wanted.data, type === "signup" ? newPassword(wanted) : undefined)
      : found;
  const id = /** @type {Record<string, any>} */ (user).id;
  const { code, hash } = await newToken(sql, id, email, type);
  const target = mails.redirectTo(redirectTo ?? wanted.redirect_to);
  return {
    ...(await read(sql, id)),
    action_link: mails.actionLink({ type, token: hash, redirectTo: target }),
    email_otp: code,
    hashed_token: hash,
    verification_type: type,
    redirect_to: target,
  };
}

/** @param {Record<string, any>} wanted */
const newPassword = (wanted) => wanted.password || randomBytes(24).toString("base64url");

/**
 * Finds the user with an unconfirmed address, or creates one.
 * @param {import("postgres").Sql} sql @param {string} email @param {unknown} data @param {string} [password]
 * @returns {Promise<Record<string, any>>}
 */
async function invited(sql, email, data, password) {
  const found = await findByEmail(sql, email);
  if (found?.email_confirmed_at)
    throw new Refusal(422, "email_exists", "A user with this email address has already been registered");
  return found ?? create(sql, { email, password, user_metadata: data ?? {} });
}

/**
 * Creates a token, which replaces the previous one. Auth stores its hash; links contain the hash as well.
 * @param {import("postgres").Sql} sql @param {string} id @param {string} email @param {keyof typeof COLUMNS} type
 */
async function newToken(sql, id, email, type) {
  const code = String(randomInt(1_000_000)).padStart(6, "0");
  const hash = createHash("sha256")
    .update(email + code)
    .digest("hex");
  const [token, sentAt] = COLUMNS[type];
  await sql`update auth.users set ${sql(token)} = ${hash}, ${sql(sentAt)} = now() where id = ${id}`;
  if (type === "invite") await sql`update auth.users set invited_at = now() where id = ${id}`;
  return { code, hash };
}
