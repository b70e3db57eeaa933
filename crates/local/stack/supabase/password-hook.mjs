// Auth's hook after each password check. It calls the project's function, which may refuse the sign-in.

const HOOK = "public.hook_password_verification_attempt(jsonb)";
const TIME_LIMIT = "2s";
const REJECTION = "Further password verification attempts will be rejected.";

/** @typedef {{ status: number, code: string, message: string }} HookRefusal */

/** @param {import("postgres").Sql} sql of the superuser */
export function passwordVerification(sql) {
  /**
   * @param {string} userId @param {boolean} valid
   * @returns {Promise<HookRefusal | null>} null if the sign-in may continue
   */
  return async function verify(userId, valid) {
    const output = await call(sql, { user_id: userId, valid });
    if (output === null) return null;
    if (output instanceof Error)
      return {
        status: 500,
        code: "unexpected_failure",
        message: "Error running hook URI: pg-functions://postgres/public/hook_password_verification_attempt",
      };
    if (output.error) {
      const status = output.error.http_code || 500;
      return { status, code: status === 500 ? "unexpected_failure" : "unknown", message: output.error.message };
    }
    if (output.decision !== "reject") return null;
    if (output.should_logout_user) await sql`delete from auth.sessions where user_id = ${userId}`;
    return { status: 400, code: "invalid_credentials", message: output.message || REJECTION };
  };
}

/**
 * @param {import("postgres").Sql} sql @param {object} event
 * @returns {Promise<Record<string, any> | Error | null>} the function's answer; null if there is no such function
 */
async function call(sql, event) {
  const [{ exists }] = await sql`select to_regprocedure(${HOOK}) is not null as exists`;
  if (!exists) return null;
  try {
    return await sql.begin(async (tx) => {
      await tx`select set_config('statement_timeout', ${TIME_LIMIT}, true), set_config('search_path', 'auth', true), set_config('role', 'supabase_auth_admin', true)`;
      const [row] =
        await tx`select public.hook_password_verification_attempt(${tx.json(/** @type {any} */ (event))}) as output`;
      return row.output ?? {};
    });
  } catch (error) {
    return /** @type {Error} */ (error);
  }
}
