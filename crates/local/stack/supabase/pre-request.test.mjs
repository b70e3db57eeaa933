import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { client, projectConfig, signedIn, startProject, superuser, temporaryFolder } from "./test-project.mjs";

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ada;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ben;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  ada = await signedIn(project, "ada");
  ben = await signedIn(project, "ben");
  for (const user of [ada, ben])
    await user.supabase.from("notes").insert({ owner_id: user.id, body: `of ${user.email}` });
  const given = await client(project, project.config.service_role_key).rpc("give_badge", {
    badge: "ada's",
    user_id: ada.id,
  });
  assert.equal(given.error, null);
});
after(async () => {
  await project?.stop();
  place?.remove();
});

/** @param {Record<string, string>} headers @param {string} [key] */
const withHeaders = (headers, key = project.config.anon_key) => client(project, key, { global: { headers } });

test("a header identifies an anonymous caller in functions and policies", async () => {
  const holder = withHeaders({ "X-Badge": "ada's" });
  const who = await holder.rpc("whoami");
  assert.equal(who.data.role, "authenticated");
  assert.equal(who.data.uid, ada.id);
  assert.equal(who.data.claims.badge, true);
  // This call takes the path through Lite.
  assert.equal((await holder.rpc("whoami", {}, { get: true })).data.uid, ada.id);

  assert.deepEqual((await holder.from("notes").select("body")).data, [{ body: `of ${ada.email}` }]);
  assert.equal((await holder.from("notes").select("body", { count: "exact" })).count, 1);
  const written = await holder.from("notes").insert({ owner_id: ada.id, body: "by badge" }).select("owner_id").single();
  assert.equal(written.data?.owner_id, ada.id);
  const stolen = await holder.from("notes").insert({ owner_id: ben.id, body: "not the badge's" });
  assert.equal(stolen.error?.code, "42501");
  assert.deepEqual((await holder.from("notes").update({ done: true }).eq("owner_id", ben.id).select("id")).data, []);
});

test("an identity does not carry over to the next request", async () => {
  const holder = withHeaders({ "x-badge": "ada's" });
  const anonymous = withHeaders({});
  await Promise.all(
    Array.from({ length: 30 }, async (_, i) => {
      const caller = i % 2 ? holder : anonymous;
      const { data } = await caller.rpc("whoami");
      assert.equal(data.role, i % 2 ? "authenticated" : "anon");
      const { status } = await caller.from("notes").select("id");
      assert.equal(status, i % 2 ? 200 : 401);
    }),
  );
  const named = withHeaders({ "x-badge": "ada's", authorization: `Bearer ${ben.session.access_token}` });
  assert.equal((await named.rpc("whoami")).data.uid, ben.id);
});

test("an error of the function is the answer, and nothing is changed", async () => {
  const body = { code: "PT403", details: "badge_unknown", hint: "x-badge", message: "This badge is not known" };
  const headers = { apikey: project.config.anon_key, "x-badge": "forged", "content-type": "application/json" };
  const asked = [
    fetch(`${project.url}/rest/v1/notes`, { headers }),
    fetch(`${project.url}/rest/v1/notes`, {
      method: "POST",
      headers,
      body: JSON.stringify({ owner_id: ada.id, body: "forged" }),
    }),
    fetch(`${project.url}/rest/v1/rpc/whoami`, { headers }),
    fetch(`${project.url}/rest/v1/rpc/whoami`, { method: "POST", headers, body: "{}" }),
  ];
  for (const response of await Promise.all(asked)) {
    assert.equal(response.status, 403);
    assert.deepEqual(await response.json(), body);
  }
  const sql = superuser(project.config);
  const [{ count }] = await sql`select count(*)::int from public.notes where body = 'forged'`;
  await sql.end();
  assert.equal(count, 0);
});

test("the function sees the request, and its transaction is read-only if the request is", async () => {
  /** @type {[string, string, string, string][]} */
  const requests = [
    ["GET", "/notes?select=id&limit=1", "/notes", "on"],
    ["HEAD", "/notes", "/notes", "on"],
    ["POST", "/notes", "/notes", "off"],
    ["PATCH", "/notes?id=eq.0", "/notes", "off"],
    ["DELETE", "/notes?id=eq.0", "/notes", "off"],
    ["POST", "/rpc/whoami", "/rpc/whoami", "on"],
    ["POST", "/rpc/echo", "/rpc/echo", "off"],
    ["GET", "/rpc/whoami", "/rpc/whoami", "on"],
    ["POST", "/rpc/first_notes?select=id", "/rpc/first_notes", "on"],
  ];
  const bodies = /** @type {Record<string, string>} */ ({
    "/rpc/echo": '{"value":1}',
    "/rpc/first_notes": '{"amount":1}',
    "/notes": '{"body":"reported"}',
  });
  for (const [method, target, path, readOnly] of requests) {
    const reading = method === "GET" || method === "HEAD";
    const response = await fetch(`${project.url}/rest/v1${target}`, {
      method,
      body: reading ? undefined : (bodies[path] ?? "{}"),
      headers: { apikey: project.config.secret_key, "X-Report": "mixed Case", "content-type": "application/json" },
    });
    assert.equal(response.status, 418, `${method} ${target}`);
    if (method === "HEAD") continue;
    const { code, details } = await response.json();
    assert.equal(code, "PT418");
    assert.deepEqual(
      JSON.parse(details),
      { role: "service_role", claims: "service_role", method, path, read_only: readOnly, value: "mixed Case" },
      `${method} ${target}`,
    );
  }
});

test("a changed or removed setting applies after PostgREST is notified", async () => {
  const sql = superuser(project.config);
  const holder = withHeaders({ "x-badge": "ada's" });
  const becomes = async (/** @type {string} */ role) => {
    while ((await holder.rpc("whoami")).data.role !== role);
  };
  await sql`alter role authenticator reset pgrst.db_pre_request`;
  await sql`notify pgrst, 'reload config'`;
  await becomes("anon");
  await sql`alter role authenticator set pgrst.db_pre_request = 'private.begin_request'`;
  await sql`notify pgrst`;
  await becomes("authenticated");
  await sql.end();
});
