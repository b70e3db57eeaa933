import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readToken, verifyToken } from "./keys.mjs";
import { client, projectConfig, signedIn, startProject, superuser, temporaryFolder } from "./test-project.mjs";

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

test("an access token has the claims of a hosted project", async () => {
  const { session, id, email } = await signedIn(project, "claims");
  const checked = verifyToken(session.access_token, project.config.jwt_secret);
  assert.ok("claims" in checked);
  const { iat, exp, session_id, ...claims } = checked.claims;
  assert.equal(exp - iat, 3600);
  assert.match(session_id, /^[0-9a-f-]{36}$/);
  assert.deepEqual(claims, {
    iss: `${project.url}/auth/v1`,
    aud: "authenticated",
    sub: id,
    role: "authenticated",
    email,
    phone: "",
    aal: "aal1",
    amr: [{ method: "password", timestamp: iat }],
    app_metadata: { provider: "email", providers: ["email"] },
    user_metadata: { email_verified: true },
    is_anonymous: false,
  });
});

test("a session can be refreshed, read and ended", async () => {
  const user = await signedIn(project, "session");
  const { auth } = user.supabase;
  assert.equal((await auth.getUser()).data.user?.email, user.email);
  const refreshed = await auth.refreshSession();
  assert.equal(refreshed.error, null);
  assert.equal(readToken(refreshed.data.session?.access_token ?? "")?.app_metadata.provider, "email");
  assert.equal((await auth.signOut()).error, null);
  const late = await stranger().refreshSession({ refresh_token: refreshed.data.session?.refresh_token ?? "" });
  assert.equal(late.error?.status, 400);
  const gone = await stranger().getUser(refreshed.data.session?.access_token);
  assert.equal(gone.error?.name, "AuthSessionMissingError");
});

test("a wrong password and an unknown address get the same refusal", async () => {
  const { email } = await signedIn(project, "password");
  for (const attempt of [
    { email, password: "wrong-password" },
    { email: "nobody@example.test", password: "wrong-password" },
  ]) {
    const { error } = await stranger().signInWithPassword(attempt);
    assert.equal(error?.status, 400);
    assert.equal(error?.code, "invalid_credentials");
  }
});

test("a sign-up signs the user in at once, and cannot be repeated", async () => {
  const auth = stranger();
  const email = "Self@example.test";
  const { data, error } = await auth.signUp({
    email,
    password: "password-of-tests",
    options: { data: { name: "Self" } },
  });
  assert.equal(error, null);
  assert.equal(data.user?.email, "self@example.test");
  assert.equal(data.user?.user_metadata.name, "Self");
  assert.ok(data.user?.email_confirmed_at);
  const claims = readToken(data.session?.access_token ?? "");
  assert.equal(claims?.sub, data.user?.id);
  assert.deepEqual(claims?.app_metadata, { provider: "email", providers: ["email"] });
  assert.equal((await auth.getUser()).data.user?.id, data.user?.id);
  assert.equal((await stranger().signInWithPassword({ email, password: "password-of-tests" })).error, null);

  const code = async (/** @type {Parameters<typeof auth.signUp>[0]} */ wanted) =>
    (await stranger().signUp(wanted)).error?.code;
  assert.equal(await code({ email: "self@example.test", password: "password-of-tests" }), "user_already_exists");
  assert.equal(await code({ email: "weak@example.test", password: "1234567" }), "weak_password");
  assert.equal(await code({ email: "not an address", password: "password-of-tests" }), "validation_failed");
  await admin.updateUserById(data.user?.id ?? "", { ban_duration: "24h" });
  assert.equal(await code({ email, password: "password-of-tests" }), "user_already_exists");
});

test("deleting a session's row invalidates both of its tokens", async () => {
  const user = await signedIn(project, "revoked");
  const other = await signedIn(project, "kept");
  const again = await stranger().signInWithPassword(user);
  const service = client(project, project.config.service_role_key);
  const sql = superuser(project.config);
  const rows = await sql`select id::text from auth.sessions where user_id = ${user.id}`;
  await sql.end();
  const sessions = [user.session, again.data.session].map(
    (session) => readToken(session?.access_token ?? "")?.session_id,
  );
  assert.deepEqual(rows.map((row) => row.id).sort(), sessions.sort());

  const ended = await service.rpc("end_sessions", { owner_id: user.id });
  assert.equal(ended.data, 2);
  for (const session of [user.session, again.data.session]) {
    assert.equal(
      (await stranger().refreshSession({ refresh_token: session?.refresh_token ?? "" })).error?.code,
      "refresh_token_not_found",
    );
    assert.equal((await stranger().getUser(session?.access_token)).error?.name, "AuthSessionMissingError");
  }
  assert.equal((await other.supabase.auth.refreshSession()).error, null);
});

test("users are created, read, changed and deleted with the service key", async () => {
  const created = await admin.createUser({
    email: "Crud@Example.test",
    password: "first-password",
    email_confirm: true,
    app_metadata: { tenant: "t1" },
    user_metadata: { name: "Crud" },
  });
  assert.equal(created.error, null);
  const user = /** @type {import("@supabase/supabase-js").User} */ (created.data.user);
  assert.equal(user.email, "crud@example.test");
  assert.deepEqual(user.app_metadata, { provider: "email", providers: ["email"], tenant: "t1" });
  assert.equal(user.identities?.[0].provider, "email");
  assert.ok(user.email_confirmed_at);

  assert.equal((await admin.getUserById(user.id)).data.user?.user_metadata.name, "Crud");
  const changed = await admin.updateUserById(user.id, {
    password: "second-password",
    app_metadata: { tenant: null, plan: "a" },
    email: "crud2@example.test",
  });
  assert.deepEqual(changed.data.user?.app_metadata, { provider: "email", providers: ["email"], plan: "a" });
  assert.equal(
    (await stranger().signInWithPassword({ email: "crud2@example.test", password: "first-password" })).error?.code,
    "invalid_credentials",
  );
  const session = await stranger().signInWithPassword({ email: "crud2@example.test", password: "second-password" });
  assert.equal(readToken(session.data.session?.access_token ?? "")?.app_metadata.plan, "a");

  assert.equal((await admin.deleteUser(user.id)).error, null);
  assert.equal((await admin.getUserById(user.id)).error?.code, "user_not_found");
  assert.equal((await admin.deleteUser(user.id)).error?.status, 404);
  assert.equal(
    (await stranger().signInWithPassword({ email: "crud2@example.test", password: "second-password" })).error?.status,
    400,
  );
});

test("users are listed page by page", async () => {
  for (const name of ["page1", "page2", "page3"]) await signedIn(project, name);
  const first = await admin.listUsers({ page: 1, perPage: 2 });
  assert.equal(first.data.users.length, 2);
  assert.ok("total" in first.data && first.data.total >= 3);
  assert.equal(first.data.nextPage, 2);
  const rest = await admin.listUsers({ page: 2, perPage: 1000 });
  assert.deepEqual(rest.data.users, []);
});

test("a banned user neither signs in nor refreshes until the ban is lifted", async () => {
  const user = await signedIn(project, "banned");
  const banned = await admin.updateUserById(user.id, { ban_duration: "24h" });
  const end = Date.parse(/** @type {any} */ (banned.data.user).banned_until);
  assert.ok(Math.abs(end - Date.now() - 86_400_000) < 60_000);
  assert.equal((await stranger().signInWithPassword(user)).error?.code, "user_banned");
  assert.equal((await user.supabase.auth.refreshSession()).error?.code, "user_banned");
  await admin.updateUserById(user.id, { ban_duration: "none" });
  assert.equal((await stranger().signInWithPassword(user)).error, null);
});

test("bad requests get GoTrue's codes", async () => {
  const { email } = await signedIn(project, "taken");
  const code = async (/** @type {Promise<{ error: any }>} */ call) => (await call).error?.code;
  assert.equal(await code(admin.createUser({ email, password: "password-of-tests" })), "email_exists");
  assert.equal(await code(admin.createUser({ password: "password-of-tests" })), "validation_failed");
  assert.equal(await code(admin.createUser({ email: "not an address" })), "validation_failed");
  const { data } = await admin.createUser({ email: "weak@example.test" });
  assert.equal(await code(admin.updateUserById(data.user?.id ?? "", { password: "12345" })), "weak_password");
  assert.equal(await code(admin.updateUserById(data.user?.id ?? "", { ban_duration: "soon" })), "validation_failed");
});

test("only the service key can administer users", async () => {
  const user = await signedIn(project, "plain");
  const headers = { apikey: project.config.anon_key, authorization: `Bearer ${user.session.access_token}` };
  const response = await fetch(`${project.url}/auth/v1/admin/users`, { headers });
  assert.equal(response.status, 403);
  assert.equal((await response.json()).error_code, "not_admin");
  const opaque = await fetch(`${project.url}/auth/v1/admin/users`, { headers: { apikey: project.config.secret_key } });
  assert.equal(opaque.status, 200);
});
