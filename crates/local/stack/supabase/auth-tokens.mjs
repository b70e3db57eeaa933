// Access tokens with the claims a hosted project puts into them, and refusal of banned users.
import { readToken, signToken } from "./keys.mjs";

const MENDED = Symbol("mended");

/**
 * Lite makes an Auth service for each request; what it inherits is mended once.
 * @param {any} service @param {{ jwtSecret: string, supabaseUrl: string }} options
 */
export function mendAuthService(service, options) {
  const shared = Object.getPrototypeOf(service);
  if (shared[MENDED]) return;
  shared[MENDED] = true;

  const signIn = shared.createSessionForUser;
  /** @this {any} @param {any} user @param {any[]} rest */
  shared.createSessionForUser = async function (user, ...rest) {
    await refuseBanned(this, user);
    return complete(await signIn.call(this, user, ...rest), options);
  };
  const refresh = shared.createRefreshResponse;
  /** @this {any} @param {any} user @param {any[]} rest */
  shared.createRefreshResponse = async function (user, ...rest) {
    await refuseBanned(this, user);
    return complete(await refresh.call(this, user, ...rest), options);
  };
}

/** @param {any} service @param {any} user */
async function refuseBanned(service, user) {
  if (!user.banned_until || new Date(user.banned_until) <= new Date()) return;
  // Lite keeps its class of errors to itself; a sign-in without anything raises one.
  const sample = await service.signInWithPassword().catch((/** @type {any} */ error) => error);
  throw new sample.constructor(400, "user_banned", "User is banned");
}

/** @param {any} session @param {{ jwtSecret: string, supabaseUrl: string }} options */
function complete(session, { jwtSecret, supabaseUrl }) {
  const { user } = session;
  const claims = readToken(session.access_token) ?? {};
  const complete = {
    iss: `${supabaseUrl}/auth/v1`,
    aal: "aal1",
    amr: [{ method: "password", timestamp: claims.iat }],
    phone: user.phone ?? "",
    app_metadata: user.app_metadata,
    user_metadata: user.user_metadata,
    is_anonymous: false,
    ...claims,
  };
  session.access_token = signToken(complete, jwtSecret);
  return session;
}
