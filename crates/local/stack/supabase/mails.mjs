// The mails that a hosted project would send. A developer can read them here; they are never sent and never logged.

const SHOWN = 50;

/** @typedef {{ to: string, type: string, token: string, redirectTo: string }} Mail */

/** @param {import("postgres").Sql} sql of the superuser @param {{ supabaseUrl: string, siteUrl: string }} addresses */
export function mailbox(sql, { supabaseUrl, siteUrl }) {
  const allowed = [
    siteUrl,
    siteUrl.replace("//127.0.0.1", "//localhost"),
    siteUrl.replace("//localhost", "//127.0.0.1"),
  ].map((url) => new URL(url).origin);

  return {
    /** The final target of a link, which must be on our own site. @param {unknown} wanted */
    redirectTo(wanted) {
      return typeof wanted === "string" && URL.canParse(wanted) && allowed.includes(new URL(wanted).origin)
        ? wanted
        : siteUrl;
    },
    /** The address in a mail. @param {Omit<Mail, "to">} mail */
    actionLink({ type, token, redirectTo }) {
      const query = new URLSearchParams({ token, type, redirect_to: redirectTo });
      return `${supabaseUrl}/auth/v1/verify?${query}`;
    },
    /** @param {Mail} mail */
    async send(mail) {
      await sql`insert into supabase_local.mails (recipient, type, action_link) values (${mail.to}, ${mail.type}, ${this.actionLink(mail)})`;
    },
    /** The mails, latest first. */
    read: async () =>
      sql`select recipient as to, type, action_link, sent_at from supabase_local.mails order by id desc limit ${SHOWN}`,
  };
}

/**
 * Puts the mails that Lite sends into the same mailbox.
 * @param {ReturnType<typeof mailbox>} mails @param {() => unknown} wantedRedirect returns the redirect target of the current request
 */
export function liteMailer(mails, wantedRedirect) {
  const sender = (/** @type {string} */ type) => (/** @type {string} */ to, /** @type {string} */ token) =>
    mails.send({ to, type, token, redirectTo: mails.redirectTo(wantedRedirect()) });
  return {
    sendConfirmation: sender("signup"),
    sendRecovery: sender("recovery"),
    sendMagicLink: sender("magiclink"),
    sendEmailChange: sender("email_change"),
    /** Does nothing: it would send a code without a link, which this product does not use. */
    sendReauthentication: async () => {},
  };
}
