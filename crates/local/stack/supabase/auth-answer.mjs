// Answers in GoTrue's form, for the parts of Auth that Lite lacks.

/** @typedef {{ status: number, headers: Record<string, string>, body: string | null }} Answer */

// The form that GoTrue checks, and its longest address.
const EMAIL =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
const LONGEST_EMAIL = 255;

export class Refusal extends Error {
  /** @param {number} status @param {string} code @param {string} message @param {object} [more] */
  constructor(status, code, message, more = {}) {
    super(message);
    this.status = status;
    this.body = { code: status, error_code: code, msg: message, ...more };
  }
}

/** @param {number} status @param {unknown} value @param {Record<string, string>} [headers] @returns {Answer} */
export function answer(status, value, headers = {}) {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(value) };
}

/** @param {Buffer} body @returns {Record<string, any>} */
export function parse(body) {
  if (body.length === 0) return {};
  try {
    const value = JSON.parse(body.toString("utf8"));
    if (value !== null && typeof value === "object" && !Array.isArray(value)) return value;
  } catch {
    // The error below is thrown.
  }
  throw new Refusal(400, "bad_json", "Could not parse request body as JSON");
}

/** @param {unknown} email */
export function checkedEmail(email) {
  if (typeof email !== "string" || email === "")
    throw new Refusal(400, "validation_failed", "An email address is required");
  if (email.length > LONGEST_EMAIL) throw new Refusal(400, "validation_failed", "An email address is too long");
  if (!EMAIL.test(email))
    throw new Refusal(400, "validation_failed", "Unable to validate email address: invalid format");
  return email.toLowerCase();
}
