import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { client, projectConfig, startProject, superuser, temporaryFolder } from "../supabase/test-project.mjs";
import { readArguments } from "./arguments.mjs";

const COMMAND = fileURLToPath(new URL("../agent-create.mjs", import.meta.url));
const KOPI = "00000000-0000-4000-8000-000000000001";
const TOKO = "00000000-0000-4000-8000-000000000002";

// The parts of the product's tables that the command uses.
const PRODUCT = `
  create table public.tenants (id uuid primary key, name text not null, slug text not null unique);
  insert into public.tenants values ('${KOPI}', 'Kopi', 'kopi'), ('${TOKO}', 'Toko', 'toko');
  create table public.profiles (user_id uuid primary key references auth.users (id) on delete cascade, tenant_id uuid not null, name text, roles text[], locale text, left_at timestamptz);
  grant select on public.tenants, public.profiles to service_role;
  create function public.add_member(tenant_id uuid, user_id uuid, display_name text, role_keys text[], locale text) returns void
  language plpgsql security definer set search_path = '' as $$
  begin
    if not role_keys <@ array['agent', 'manager'] then
      raise sqlstate 'PT422' using message = 'There is no such role', detail = 'role_unknown', hint = 'role_keys';
    end if;
    insert into public.profiles values (user_id, tenant_id, display_name, role_keys, locale);
  end;
  $$;
  grant execute on function public.add_member(uuid, uuid, text, text[], text) to service_role;
  notify pgrst;`;

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {ReturnType<typeof superuser>} */
let sql;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  sql = superuser(project.config);
  await sql.unsafe(PRODUCT);
  // PostgREST reloads its schema a moment later.
  while ((await client(project, project.config.service_role_key).from("tenants").select("id")).error);
});
after(async () => {
  await sql?.end();
  await project?.stop();
  place?.remove();
});

/** @param {string[]} args @param {Record<string, string>} [environment] */
async function run(
  args,
  environment = {
    SUPABASE_URL: project.url,
    SUPABASE_SERVICE_ROLE_KEY: project.config.secret_key,
    DEFAULT_TENANT_ID: KOPI,
  },
) {
  const child = spawn(process.execPath, [COMMAND, ...args], { env: { PATH: process.env.PATH, ...environment } });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const code = await new Promise((resolve) => child.once("close", resolve));
  return { code, out, err };
}
const profile = async (/** @type {string} */ email) =>
  (
    await sql`select p.*, u.id from auth.users u left join public.profiles p on p.user_id = u.id where u.email = ${email}`
  )[0];
const signIn = (/** @type {string} */ email, /** @type {string} */ password) =>
  client(project, project.config.anon_key).auth.signInWithPassword({ email, password });

test("an agent is created, and the generated password is printed once", async () => {
  const { code, out, err } = await run(["--email", "New@kopi.test", "--name", "New One", "--role", "agent"]);
  assert.equal(err, "");
  assert.equal(code, 0);
  const password = /^New@kopi\.test is agent of Kopi; the password is (\S+)\n$/.exec(out)?.[1];
  assert.ok(password);
  assert.equal((await signIn("new@kopi.test", password)).error, null);
  const made = await profile("new@kopi.test");
  assert.deepEqual([made.tenant_id, made.name, made.roles, made.locale], [KOPI, "New One", ["agent"], null]);
});

test("an agent can have another tenant, several roles and a chosen password", async () => {
  const { out } = await run([
    "--email=lead@toko.test",
    "--name=Lead",
    "--role=agent,manager",
    "--tenant=toko",
    "--password=given-password",
    "--locale=en",
  ]);
  assert.equal(out, "lead@toko.test is agent, manager of Toko\n");
  assert.equal((await signIn("lead@toko.test", "given-password")).error, null);
  const made = await profile("lead@toko.test");
  assert.deepEqual([made.tenant_id, made.roles, made.locale], [TOKO, ["agent", "manager"], "en"]);
});

test("an account without a tenant is reused, and a member of a tenant is refused", async () => {
  const { data } = await client(project, project.config.service_role_key).auth.admin.createUser({
    email: "lost@kopi.test",
    password: "own-password",
    email_confirm: true,
  });
  const args = ["--email", "lost@kopi.test", "--name", "Lost", "--role", "agent", "--password", "other-password"];
  const { out } = await run(args);
  assert.equal(out, "lost@kopi.test is agent of Kopi; the password is the one the account had\n");
  assert.equal((await profile("lost@kopi.test")).id, data.user?.id);
  assert.equal((await signIn("lost@kopi.test", "own-password")).error, null);
  assert.deepEqual(await run(args), { code: 1, out: "", err: "lost@kopi.test is a member of a tenant already\n" });
  assert.ok(await profile("lost@kopi.test"));
});

test("an account whose address is not confirmed is refused, since its password may be a stranger's", async () => {
  const email = "typed@kopi.test";
  await client(project, project.config.service_role_key).auth.admin.createUser({ email, password: "some-password" });
  const refused = await run(["--email", email, "--name", "Typed", "--role", "agent"]);
  assert.match(refused.err, /^typed@kopi\.test has signed up but not confirmed the address/);
  assert.equal((await profile(email)).tenant_id, null);
});

test("a refusal prints one line and leaves no account behind", async () => {
  const args = ["--email", "odd@kopi.test", "--name", "Odd", "--role", "emperor"];
  assert.deepEqual(await run(args), { code: 1, out: "", err: "There is no such role (role_unknown, role_keys)\n" });
  assert.equal(await profile("odd@kopi.test"), undefined);
  assert.deepEqual(await run([...args, "--tenant", "nowhere"]), {
    code: 1,
    out: "",
    err: "there is no tenant nowhere\n",
  });
  const wrongKey = await run(args, {
    SUPABASE_URL: project.url,
    SUPABASE_SERVICE_ROLE_KEY: project.config.anon_key,
    DEFAULT_TENANT_ID: KOPI,
  });
  assert.equal(wrongKey.code, 1);
  assert.match(wrongKey.err, /^permission denied for table tenants \(42501\)\n$/);
  assert.match(
    (await run(args, { SUPABASE_URL: "http://127.0.0.1:1", SUPABASE_SERVICE_ROLE_KEY: "x", DEFAULT_TENANT_ID: KOPI }))
      .err,
    /^Supabase at http:\/\/127\.0\.0\.1:1 does not answer: [^\n]+\n$/,
  );
});

test("the running stack is used when the environment names no project", async () => {
  const file = path.join(place.folder, "stack.json");
  writeFileSync(
    file,
    JSON.stringify({
      supabase_url: project.url,
      service_role_key: project.config.service_role_key,
      users: [{ tenant_id: TOKO }],
    }),
  );
  const args = ["--email", "local@toko.test", "--name", "Local", "--role", "agent", "--password", "given-password"];
  assert.equal((await run(args, { CRM_STACK: file })).out, "local@toko.test is agent of Toko\n");
  assert.match(
    (await run(args, { CRM_STACK: path.join(place.folder, "none.json") })).err,
    /^no project to work on: run npm start first/,
  );
  assert.match((await run(args, { CRM_STACK: file, SUPABASE_URL: project.url })).err, /must both be set/);
});

test("invalid options are named", () => {
  assert.equal(readArguments(["--help"]), "help");
  const enough = ["--email", "a@b.c", "--name", "A"];
  assert.throws(() => readArguments(enough), /--role is missing/);
  for (const [more, reason] of /** @type {[string[], RegExp][]} */ ([
    [["--role"], /--role needs a value/],
    [["--role", "--tenant"], /--role needs a value/],
    [["--role", ","], /--role needs a value/],
    [["--role", "a", "--locale", "fr"], /--locale is id or en/],
    [["--role", "a", "--role", "b"], /given twice/],
    [["--rolle", "a"], /unknown option --rolle/],
    [["agent"], /unknown option agent/],
  ]))
    assert.throws(() => readArguments([...enough, ...more]), reason);
});
