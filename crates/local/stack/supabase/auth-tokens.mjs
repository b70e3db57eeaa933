// Adapts sign-ins and access tokens to those of a hosted project: complete claims, no banned users, and the password
// hook.
import { readToken, signToken } from "./keys.mjs";

/** @typedef {{ jwtSecret: string, supabaseUrl: string, passwordHook: ReturnType<import("./password-hook.mjs").passwordVerification> }} AuthPatch */

const PATCHED = Symbol("patched");

/**
 * Adapts Lite's Auth service. Lite creates a service for each request, so the shared prototype is patched once.
 * @param {any} service @param {AuthPatch} options
 */
export function patchAuthService(service, options) {
  const shared = Object.getPrototypeOf(service);
  if (shared[PATCHED]) return;
  shared[PATCHED] = true;

  const startSession = shared.createSessionForUser;
  /** @this {any} @param {any} user @param {any[]} rest */
  shared.createSessionForUser = async function (user, ...rest) {
    await refuseBanned(this, user);
    return complete(await startSession.call(this, user, ...rest), rest[2]?.authenticationMethod, options);
  };
  const refresh = shared.createRefreshResponse;
  /** @this {any} @param {any} user @param {any[]} rest */
  shared.createRefreshResponse = async function (user, ...rest) {
    await refuseBanned(this, user);
    return complete(await refresh.call(this, user, ...rest), undefined, options);
  };
  const updateUser = shared.updateUser;
  /** As in GoTrue, a new password ends the other sessions. @this {any} @param {string} id @param {any} changes */
  shared.updateUser = async function (id, changes) {
    const user = await updateUser.call(this, id, changes);
    if (changes.password !== undefined) {
      await this.repo.deleteRefreshTokensForUser(id, this.sessionId);
      await this.repo.deleteUserSessions(id, this.sessionId);
    }
    return user;
  };
  const signIn = shared.signInWithPassword;
  /** @this {any} @param {unknown} email @param {unknown} password */
  shared.signInWithPassword = async function (email, password) {
    return checkPassword(this, () => signIn.call(this, email, password), {
      email,
      password,
      startSession: shared.createSessionForUser,
      ...options,
    });
  };
}

/**
 * Checks a password and calls the hook for known users, whether or not the password is right. Lite's other checks run after it.
 * @param {any} service @param {() => Promise<any>} signIn
 * @param {{ email: unknown, password: unknown, startSession: Function } & AuthPatch} options
 */
async function checkPassword(service, signIn, { email, password, startSession, passwordHook }) {
  const user = typeof email === "string" && password ? await service.repo.findUserByEmail(email.toLowerCase()) : null;
  if (!user?.encrypted_password) return signIn();
  await refuseBanned(service, user);
  const ask = async (/** @type {boolean} */ valid) => {
    const refusal = await passwordHook(user.id, valid);
    if (refusal) throw await authError(service, refusal.status, refusal.code, refusal.message);
  };

  const read = service.repo.parseUserJson;
  service.repo.parseUserJson = (/** @type {any} */ row) => ({
    ...read.call(service.repo, row),
    confirmed_at: row.email_confirmed_at ?? new Date().toISOString(),
  });
  let valid = false;
  service.createSessionForUser = async (/** @type {any[]} */ ...given) => {
    valid = true;
    delete service.repo.parseUserJson;
    await ask(true);
    if (!user.email_confirmed_at) throw await authError(service, 400, "email_not_confirmed", "Email not confirmed");
    return startSession.call(service, ...given);
  };
  try {
    return await signIn();
  } catch (error) {
    if (!valid && /** @type {any} */ (error).code === "invalid_credentials") await ask(false);
    throw error;
  } finally {
    delete service.repo.parseUserJson;
    delete service.createSessionForUser;
  }
}

/** @param {any} service @param {any} user */
async function refuseBanned(service, user) {
  if (!user.banned_until || new Date(user.banned_until) <= new Date()) return;
  throw await authError(service, 400, "user_banned", "User is banned");
}

/**
 * Creates an error of Lite's own class, which Lite does not export. A refresh without a token raises a sample.
 * @param {any} service @param {number} status @param {string} code @param {string} message
 */
async function authError(service, status, code, message) {
  const sample = await service.refreshSession().catch((/** @type {any} */ error) => error);
  return new sample.constructor(status, code, message);
}

/** @param {any} session @param {string | undefined} method @param {AuthPatch} options */
function complete(session, method, { jwtSecret, supabaseUrl }) {
  const { user } = session;
  const claims = readToken(session.access_token) ?? {};
  const complete = {
    iss: `${supabaseUrl}/auth/v1`,
    aal: "aal1",
    amr: [{ method: method ?? "password", timestamp: claims.iat }],
    phone: user.phone ?? "",
    app_metadata: user.app_metadata,
    user_metadata: user.user_metadata,
    is_anonymous: false,
    ...claims,
  };
  session.access_token = signToken(complete, jwtSecret);
  return session;
}
