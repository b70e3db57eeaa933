import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readToken } from "./keys.mjs";
import { client, projectConfig, signedIn, startProject, temporaryFolder } from "./test-project.mjs";

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {ReturnType<typeof client>["auth"]["admin"]} */
let admin;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  admin = client(project, project.config.service_role_key).auth.admin;
});
after(async () => {
  await project?.stop();
  place?.remove();
});

const stranger = () => client(project, project.config.anon_key).auth;
const page = (path = "") => `${project.config.site_url}${path}`;

/** @returns {Promise<{ to: string, type: string, action_link: string }[]>} */
const mails = async () => (await fetch(`${project.url}/_local/mails`)).json();

/** Follows a link and returns the redirection that a browser would get. @param {string} link */
async function follow(link) {
  const response = await fetch(link, { redirect: "manual" });
  assert.equal(response.status, 303);
  const location = new URL(response.headers.get("location") ?? "");
  return {
    page: location.origin + location.pathname,
    result: Object.fromEntries(new URLSearchParams(location.hash.slice(1))),
  };
}

test("an invitation is mailed, and following it lets the user set a password", async () => {
  const { data, error } = await admin.inviteUserByEmail("New@example.test", {
    data: { name: "New" },
    redirectTo: page("/welcome"),
  });
  assert.equal(error, null);
  assert.equal(data.user?.email, "new@example.test");
  assert.equal(data.user?.user_metadata.name, "New");
  assert.ok(data.user?.invited_at);
  assert.equal(data.user?.email_confirmed_at, undefined);
  assert.equal(
    (await stranger().signInWithPassword({ email: "new@example.test", password: "password-of-tests" })).error?.code,
    "invalid_credentials",
  );

  const [mail] = await mails();
  assert.equal(mail.to, "new@example.test");
  assert.equal(mail.type, "invite");
  const { page: reached, result } = await follow(mail.action_link);
  assert.equal(reached, page("/welcome"));
  assert.equal(result.type, "invite");
  assert.equal(readToken(result.access_token)?.sub, data.user?.id);
  assert.equal(readToken(result.access_token)?.amr[0].method, "otp");

  const auth = stranger();
  const session = await auth.setSession({ access_token: result.access_token, refresh_token: result.refresh_token });
  assert.ok(session.data.user?.email_confirmed_at);
  assert.equal((await auth.updateUser({ password: "chosen-password" })).error, null);
  assert.equal(
    (await stranger().signInWithPassword({ email: "new@example.test", password: "chosen-password" })).error,
    null,
  );

  assert.equal((await auth.updateUser({ password: "chosen-password" })).error?.code, "same_password");
  const twice = await follow(mail.action_link);
  assert.equal(twice.result.error_code, "otp_expired");
  assert.equal((await admin.inviteUserByEmail("new@example.test")).error?.code, "email_exists");
});

test("an invitation can be sent again, which invalidates the previous one", async () => {
  const first = await admin.inviteUserByEmail("again@example.test");
  const second = await admin.inviteUserByEmail("again@example.test");
  assert.equal(second.data.user?.id, first.data.user?.id);
  const [newer, older] = await mails();
  assert.equal((await follow(older.action_link)).result.error_code, "otp_expired");
  assert.equal((await follow(newer.action_link)).result.type, "invite");
});

test("links can be created without a mail, and are accepted by their hash", async () => {
  const before = await mails();
  const { data, error } = await admin.generateLink({
    type: "invite",
    email: "hash@example.test",
    options: { data: { name: "Hash" }, redirectTo: page("/welcome") },
  });
  assert.equal(error, null);
  assert.equal(data.user?.user_metadata.name, "Hash");
  assert.equal(data.properties?.verification_type, "invite");
  assert.equal(data.properties?.redirect_to, page("/welcome"));
  assert.match(data.properties?.email_otp ?? "", /^\d{6}$/);
  assert.ok(
    data.properties?.action_link.startsWith(
      `${project.url}/auth/v1/verify?token=${data.properties.hashed_token}&type=invite&`,
    ),
  );
  const wrong = await stranger().verifyOtp({ type: "invite", token_hash: "0".repeat(64) });
  assert.equal(wrong.error?.code, "otp_expired");
  const auth = stranger();
  const accepted = await auth.verifyOtp({ type: "invite", token_hash: data.properties?.hashed_token ?? "" });
  assert.equal(accepted.data.user?.id, data.user?.id);
  assert.equal((await auth.updateUser({ password: "chosen-password" })).error, null);

  const byCode = await admin.generateLink({ type: "invite", email: "code@example.test" });
  const typed = await stranger().verifyOtp({
    type: "invite",
    email: "code@example.test",
    token: byCode.data.properties?.email_otp ?? "",
  });
  assert.equal(typed.error, null);
  assert.deepEqual(await mails(), before);
});

test("a recovery link lets a user replace a forgotten password", async () => {
  const user = await signedIn(project, "forgetful");
  const link = await admin.generateLink({ type: "recovery", email: user.email });
  const recovered = await stranger().verifyOtp({
    type: "recovery",
    token_hash: link.data.properties?.hashed_token ?? "",
  });
  assert.equal(recovered.data.user?.id, user.id);

  assert.equal((await stranger().resetPasswordForEmail(user.email, { redirectTo: page("/reset") })).error, null);
  const [mail] = await mails();
  assert.equal(mail.type, "recovery");
  const { page: reached, result } = await follow(mail.action_link);
  assert.equal(reached, page("/reset"));
  assert.equal(result.type, "recovery");
  const magic = await admin.generateLink({ type: "magiclink", email: user.email });
  assert.equal(
    (await stranger().verifyOtp({ type: "magiclink", token_hash: magic.data.properties?.hashed_token ?? "" })).data.user
      ?.id,
    user.id,
  );
});

test("a new password ends the other sessions of the account, and not the own one", async () => {
  const user = await signedIn(project, "careful");
  const own = stranger();
  await own.signInWithPassword({ email: user.email, password: user.password });
  assert.equal((await own.updateUser({ password: "another-password" })).error, null);
  assert.equal((await own.refreshSession()).error, null);
  const other = await stranger().refreshSession({ refresh_token: user.session.refresh_token });
  assert.equal(other.error?.code, "refresh_token_not_found");
});

test("a sign-in link is mailed to an account, and leads where it was asked to", async () => {
  const user = await signedIn(project, "linked");
  const options = { shouldCreateUser: false, emailRedirectTo: page("/?invitation=abc") };
  assert.equal((await stranger().signInWithOtp({ email: user.email, options })).error, null);
  const [mail] = await mails();
  assert.deepEqual([mail.to, mail.type], [user.email, "magiclink"]);
  const response = await fetch(mail.action_link, { redirect: "manual" });
  const location = new URL(response.headers.get("location") ?? "");
  assert.equal(location.searchParams.get("invitation"), "abc");
  assert.ok(new URLSearchParams(location.hash.slice(1)).get("access_token"));
  const unknown = await stranger().signInWithOtp({ email: "unknown@example.test", options });
  assert.equal(unknown.error?.code, "otp_disabled");
});

test("links redirect only to our own site", async () => {
  const { data } = await admin.generateLink({
    type: "invite",
    email: "away@example.test",
    options: { redirectTo: "https://evil.example/x" },
  });
  assert.equal(data.properties?.redirect_to, page());
  const forged = new URL(data.properties?.action_link ?? "");
  forged.searchParams.set("redirect_to", "https://evil.example/x");
  assert.equal((await follow(forged.href)).page, page("/"));
});

test("invalid invitations and links are refused", async () => {
  const code = async (/** @type {Promise<{ error: any }>} */ call) => (await call).error?.code;
  for (const wrong of ["not an address", "", `${"a".repeat(250)}@example.test`])
    assert.equal(await code(admin.inviteUserByEmail(wrong)), "validation_failed");
  assert.equal(await code(admin.generateLink({ type: "recovery", email: "nobody@example.test" })), "user_not_found");
  assert.equal(
    await code(admin.generateLink({ type: /** @type {any} */ ("other"), email: "a@example.test" })),
    "validation_failed",
  );
  const user = await signedIn(project, "plain");
  assert.equal(await code(admin.generateLink({ type: "invite", email: user.email })), "email_exists");
  for (const path of ["invite", "admin/generate_link"]) {
    const headers = {
      apikey: project.config.anon_key,
      authorization: `Bearer ${user.session.access_token}`,
      "content-type": "application/json",
    };
    const response = await fetch(`${project.url}/auth/v1/${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify({ type: "invite", email: "b@example.test" }),
    });
    assert.equal(response.status, 403, path);
  }
  assert.equal(
    (await fetch(`${project.url}/_local/mails`, { headers: { origin: "https://evil.example" } })).headers.get(
      "access-control-allow-origin",
    ),
    null,
  );
});
