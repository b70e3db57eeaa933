import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { client, projectConfig, signedIn, startProject, superuser, temporaryFolder } from "./test-project.mjs";

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {ReturnType<typeof superuser>} */
let sql;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ada;

const HOOK = `
  create table public.attempts (event jsonb not null, by name not null default current_user);
  create table public.verdict (answer jsonb not null);
  grant insert on public.attempts to supabase_auth_admin;
  grant select on public.verdict to supabase_auth_admin;
  create function public.hook_password_verification_attempt(event jsonb) returns jsonb language plpgsql set search_path = '' as $$
  begin
    insert into public.attempts (event) values (event);
    return (select answer from public.verdict);
  end;
  $$;`;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  sql = superuser(project.config);
  ada = await signedIn(project, "ada");
  await sql.unsafe(HOOK);
});
beforeEach(() => answers({ decision: "continue" }));
after(async () => {
  await sql?.end();
  await project?.stop();
  place?.remove();
});

/** @param {object} answer */
const answers = async (answer) => {
  await sql`delete from public.attempts`;
  await sql`delete from public.verdict`;
  await sql`insert into public.verdict values (${sql.json(/** @type {any} */ (answer))})`;
};
const attempts = async () => (await sql`select event, by from public.attempts`).map((row) => ({ ...row }));
const signIn = (email = ada.email, password = ada.password) =>
  client(project, project.config.anon_key).auth.signInWithPassword({ email, password });

test("the hook is called for right and wrong passwords of known users only", async () => {
  assert.equal((await signIn()).error, null);
  assert.equal((await signIn(ada.email, "wrong-password")).error?.code, "invalid_credentials");
  assert.equal((await signIn("nobody@example.test")).error?.code, "invalid_credentials");
  await ada.supabase.auth.refreshSession();
  assert.deepEqual(await attempts(), [
    { event: { user_id: ada.id, valid: true }, by: "supabase_auth_admin" },
    { event: { user_id: ada.id, valid: false }, by: "supabase_auth_admin" },
  ]);
});

test("a rejection also refuses a right password, leaves no session and keeps what the hook wrote", async () => {
  const [before] = await sql`select count(*)::int from auth.sessions where user_id = ${ada.id}`;
  await answers({ decision: "reject", message: "Try again in a minute" });
  for (const password of [ada.password, "wrong-password"]) {
    const { error } = await signIn(ada.email, password);
    assert.equal(error?.status, 400);
    assert.equal(error?.code, "invalid_credentials");
    assert.equal(error?.message, "Try again in a minute");
  }
  assert.deepEqual(
    (await attempts()).map(({ event }) => event.valid),
    [true, false],
  );
  assert.deepEqual(
    await sql`select count(*)::int from auth.sessions where user_id = ${ada.id}`.then(([row]) => row),
    before,
  );
  await answers({ decision: "reject" });
  assert.equal((await signIn()).error?.message, "Further password verification attempts will be rejected.");
});

test("a rejection can end all sessions", async () => {
  const ben = await signedIn(project, "ben");
  await answers({ decision: "reject", message: "Out", should_logout_user: true });
  assert.equal((await signIn(ben.email, "wrong-password")).error?.message, "Out");
  assert.equal((await ben.supabase.auth.refreshSession()).error?.code, "refresh_token_not_found");
});

test("a failing hook refuses every sign-in", async () => {
  await sql`delete from public.verdict`;
  await sql`alter table public.attempts add constraint broken check (false) not valid`;
  const { data, error } = await signIn();
  await sql`alter table public.attempts drop constraint broken`;
  assert.equal(data.session, null);
  assert.equal(error?.status, 500);
  await answers({ error: { http_code: 429, message: "Slow down" } });
  const slowed = await signIn();
  assert.equal(slowed.error?.status, 429);
  assert.equal(slowed.error?.message, "Slow down");
});

test("only users with the right password learn of an unconfirmed address or a ban", async () => {
  const { admin } = client(project, project.config.service_role_key).auth;
  const carl = await admin.createUser({ email: "carl@example.test", password: "password-of-tests" });
  assert.equal((await signIn("carl@example.test", "wrong-password")).error?.code, "invalid_credentials");
  assert.equal((await signIn("carl@example.test", "password-of-tests")).error?.code, "email_not_confirmed");
  assert.deepEqual(
    (await attempts()).map(({ event }) => event.valid),
    [false, true],
  );
  await admin.updateUserById(carl.data.user?.id ?? "", { email_confirm: true, ban_duration: "1h" });
  assert.equal((await signIn("carl@example.test", "password-of-tests")).error?.code, "user_banned");
  assert.equal((await attempts()).length, 2);
});
