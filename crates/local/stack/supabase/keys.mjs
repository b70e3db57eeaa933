// API keys and access tokens, signed and accepted as in a hosted project.
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

const TEN_YEARS = 10 * 365 * 24 * 3600;

/** @typedef {Record<string, any> & { role?: string, sub?: string, exp?: number }} Claims */

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const HEADER = encode({ alg: "HS256", typ: "JWT" });

/** @param {string} data @param {string} secret */
const mac = (data, secret) => createHmac("sha256", secret).update(data).digest();

/**
 * Signs claims as an HS256 token.
 * @param {Claims} claims @param {string} secret
 */
export function signToken(claims, secret) {
  const data = `${HEADER}.${encode(claims)}`;
  return `${data}.${mac(data, secret).toString("base64url")}`;
}

/** The claims of a token, without verification of its signature; null if it is not a token. @param {string} token */
export function readToken(token) {
  try {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
    return claims !== null && typeof claims === "object" ? /** @type {Claims} */ (claims) : null;
  } catch {
    return null;
  }
}

/**
 * The claims of a token that is signed with the secret.
 * @param {string} token @param {string} secret
 * @returns {{ claims: Claims } | { problem: "malformed" | "signature" | "expired" }}
 */
export function verifyToken(token, secret) {
  const parts = token.split(".");
  if (parts.length !== 3) return { problem: "malformed" };
  try {
    if (JSON.parse(Buffer.from(parts[0], "base64url").toString("utf8")).alg !== "HS256")
      return { problem: "signature" };
  } catch {
    return { problem: "malformed" };
  }
  const given = Buffer.from(parts[2], "base64url");
  const expected = mac(`${parts[0]}.${parts[1]}`, secret);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return { problem: "signature" };
  const claims = readToken(token);
  if (!claims) return { problem: "malformed" };
  if (typeof claims.exp === "number" && claims.exp <= Date.now() / 1000) return { problem: "expired" };
  return { claims };
}

/**
 * Creates a key of the older kind: a token that names a role. It is deterministic for an `issuedAt`, so that it survives a
 * restart.
 * @param {"anon" | "service_role"} role @param {string} secret @param {number} issuedAt seconds
 */
export function roleKey(role, secret, issuedAt) {
  return signToken({ iss: "supabase", ref: "local", role, iat: issuedAt, exp: issuedAt + TEN_YEARS }, secret);
}

/** Creates a key of the newer, opaque kind, with its checksum. @param {"publishable" | "secret"} kind */
export function opaqueKey(kind) {
  const body = `sb_${kind}_${randomBytes(17).toString("base64url").slice(0, 22)}`;
  const checksum = createHash("sha256").update(`supabase-self-hosted|${body}`).digest("base64url").slice(0, 8);
  return `${body}_${checksum}`;
}

/**
 * The meaning of each accepted API key.
 * @param {{ anon_key: string, service_role_key: string, publishable_key?: string, secret_key?: string }} keys
 * @returns {Map<string, { kind: "publishable" | "secret", claims: Claims }>}
 */
export function acceptedKeys(keys) {
  const accepted = new Map();
  const anon = readToken(keys.anon_key) ?? { role: "anon" };
  const service = readToken(keys.service_role_key) ?? { role: "service_role" };
  accepted.set(keys.anon_key, { kind: "publishable", claims: anon });
  accepted.set(keys.service_role_key, { kind: "secret", claims: service });
  if (keys.publishable_key) accepted.set(keys.publishable_key, { kind: "publishable", claims: anon });
  if (keys.secret_key) accepted.set(keys.secret_key, { kind: "secret", claims: service });
  return accepted;
}
