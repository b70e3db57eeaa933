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
});
after(async () => {
  await project?.stop();
  place?.remove();
});

const service = () => client(project, project.config.service_role_key);

/** @param {string} path @param {RequestInit & { key?: string | null, token?: string }} [options] */
function raw(path, { key = project.config.anon_key, token, headers, ...options } = {}) {
  return fetch(project.url + path, {
    ...options,
    headers: {
      "content-type": "application/json",
      ...(key ? { apikey: key } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
  });
}

/** @param {string} name @param {unknown} body @param {Parameters<typeof raw>[1]} [options] */
const rpc = (name, body, options) =>
  raw(`/rest/v1/rpc/${name}`, { method: "POST", body: JSON.stringify(body), ...options });

test("a request without a key or with a wrong key is refused", async () => {
  for (const key of [null, "sb_publishable_nobody", "x"]) {
    const response = await raw("/rest/v1/notes", { key });
    assert.equal(response.status, 401);
    assert.equal(typeof (await response.json()).message, "string");
  }
});

test("a forged, expired or malformed token is refused", async () => {
  const forged = `${ada.session.access_token.slice(0, -4)}AAAA`;
  for (const token of [forged, "nonsense"]) {
    assert.equal((await raw("/rest/v1/notes", { token })).status, 401);
    assert.equal((await rpc("whoami", {}, { token })).status, 401);
  }
});

test("each of the four keys has its role", async () => {
  const { anon_key, service_role_key, publishable_key, secret_key } = project.config;
  for (const [key, role] of [
    [anon_key, "anon"],
    [publishable_key, "anon"],
    [service_role_key, "service_role"],
    [secret_key, "service_role"],
  ]) {
    for (const token of [undefined, key]) {
      const answer = await (await rpc("whoami", {}, { key, token })).json();
      assert.equal(answer.role, role);
      assert.equal(answer.jwt_role, role);
    }
  }
});

test("the token identifies the user in functions and policies", async () => {
  const { data } = await ada.supabase.rpc("whoami");
  assert.equal(data.role, "authenticated");
  assert.equal(data.uid, ada.id);
  assert.equal(data.claims.email, ada.email);
});

test("row-level security and column grants hold on reused connections", async () => {
  const mine = await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "ada's" }).select("id, body").single();
  assert.equal(mine.error, null);
  assert.deepEqual((await ben.supabase.from("notes").select("id")).data, []);
  const stolen = await ben.supabase.from("notes").insert({ owner_id: ada.id, body: "not ben's" });
  assert.equal(stolen.status, 403);
  assert.equal(stolen.error?.code, "42501");
  const hidden = await ada.supabase.from("notes").select("secret");
  assert.equal(hidden.status, 403);
  const stranger = await client(project, project.config.anon_key).from("notes").select("id");
  assert.equal(stranger.status, 401);
  assert.equal(stranger.error?.code, "42501");
  assert.equal(
    (await service().from("notes").select("secret").eq("id", mine.data?.id).single()).data?.secret,
    "hidden",
  );
});

test("rows are printed like PostgREST's", async () => {
  const facts = { a: [1, "two", null], deep: { text: 'é"\\' } };
  const inserted = await service()
    .from("notes")
    .insert({ owner_id: ben.id, body: "typed", facts, tags: ["x", "y,z"] })
    .select()
    .single();
  assert.equal(inserted.error, null);
  assert.deepEqual(inserted.data?.facts, facts);
  assert.deepEqual(inserted.data?.tags, ["x", "y,z"]);
  assert.match(inserted.data?.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/);
  const sql = superuser(project.config);
  const [stored] = await sql`select jsonb_typeof(facts) as type from public.notes where body = 'typed'`;
  await sql.end();
  assert.equal(stored.type, "object");
});

test("counts, ranges, upserts and missing rows work", async () => {
  const rows = Array.from({ length: 5 }, (_, i) => ({ owner_id: ben.id, body: `row ${i}` }));
  assert.equal((await service().from("notes").insert(rows)).status, 201);
  const page = await ben.supabase
    .from("notes")
    .select("body", { count: "exact" })
    .like("body", "row %")
    .order("body")
    .range(1, 2);
  assert.equal(page.count, 5);
  assert.deepEqual(
    page.data?.map((row) => row.body),
    ["row 1", "row 2"],
  );
  assert.equal(
    (await ben.supabase.from("notes").select("body", { count: "exact", head: true }).like("body", "row %")).count,
    5,
  );
  const again = await service()
    .from("notes")
    .upsert({ owner_id: ben.id, body: "row 1", done: true }, { onConflict: "owner_id,body" })
    .select();
  assert.deepEqual(
    again.data?.map((row) => [row.body, row.done]),
    [["row 1", true]],
  );
  const ignored = await service()
    .from("notes")
    .upsert({ owner_id: ben.id, body: "row 1", done: false }, { onConflict: "owner_id,body", ignoreDuplicates: true })
    .select();
  assert.deepEqual(ignored.data, []);
  assert.equal((await service().from("notes").insert({ owner_id: ben.id, body: "row 1" })).status, 409);
  assert.equal((await service().from("notes").insert({ owner_id: ben.id })).status, 400);
  assert.equal((await ben.supabase.from("notes").select("body").eq("body", "nope").single()).status, 406);
  const changed = await ben.supabase.from("notes").update({ done: true }).eq("body", "row 2").select("done").single();
  assert.equal(changed.data?.done, true);
  assert.equal((await ben.supabase.from("notes").delete().eq("body", "row 3")).status, 204);
});

test("a function's jsonb is neither rounded nor encoded twice", async () => {
  const body = '{"value":{"id":9007199254740993123,"list":[1,{"a":"b"}],"text":"\\u00e9 \\"q\\""}}';
  const response = await raw("/rest/v1/rpc/echo", { method: "POST", body });
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  const text = await response.text();
  assert.match(text, /9007199254740993123/);
  assert.deepEqual(JSON.parse(text).list, [1, { a: "b" }]);
  assert.equal(await (await rpc("echo", { value: "plain text" })).text(), '"plain text"');
  assert.equal(await (await rpc("echo", { value: null })).text(), "null");
});

test("functions return rows, nothing, or one object", async () => {
  assert.deepEqual(await (await rpc("count_to", { last: 3 })).json(), [1, 2, 3]);
  assert.deepEqual(await (await rpc("count_to", { last: 5, step: 2 })).json(), [1, 3, 5]);
  const nothing = await rpc("nothing", {});
  assert.equal(nothing.status, 204);
  assert.equal(await nothing.text(), "");
  const object = { headers: { accept: "application/vnd.pgrst.object+json" } };
  assert.deepEqual(await (await rpc("echo", { value: { a: 1 } }, object)).json(), { a: 1 });
  const { service_role_key: key } = project.config;
  await service().from("notes").insert({ owner_id: ada.id, body: "at least one" });
  const one = await (await rpc("first_notes", { amount: 1 }, { key, ...object })).json();
  assert.equal(typeof one.id, "number");
  const none = await rpc("first_notes", { amount: 0 }, { key, ...object });
  assert.equal(none.status, 406);
  assert.equal((await none.json()).code, "PGRST116");
  const rows = await (await rpc("first_notes", { amount: 1 }, { key })).json();
  assert.match(rows[0].created_at, /T.*\+00:00$/);
  // This call takes the path through Lite.
  assert.deepEqual((await service().rpc("first_notes", { amount: 1 }).select("id")).data, [{ id: one.id }]);
});

test("errors of functions have PostgREST's status and body", async () => {
  const statuses = {
    PT409: 409,
    PT422: 422,
    PT404: 404,
    P0001: 400,
    22023: 400,
    23505: 409,
    23514: 400,
    40001: 500,
    57014: 500,
    "55P03": 500,
  };
  for (const [code, status] of Object.entries(statuses)) {
    const response = await rpc("refuse", { code });
    assert.equal(response.status, status, code);
    assert.deepEqual(await response.json(), { code, details: "because", hint: "do not", message: "refused" });
  }
  assert.equal((await rpc("refuse", { code: "42501" })).status, 401);
  assert.equal((await rpc("refuse", { code: "42501" }, { token: ada.session.access_token })).status, 403);
});

test("forbidden, unknown and wrongly called functions are refused", async () => {
  const forbidden = await rpc("only_service", {}, { token: ada.session.access_token });
  assert.equal(forbidden.status, 403);
  assert.equal((await forbidden.json()).code, "42501");
  assert.equal((await rpc("only_service", {})).status, 401);
  assert.equal(await (await rpc("only_service", {}, { key: project.config.secret_key })).json(), "served");
  for (const [name, body] of /** @type {[string, object][]} */ ([
    ["missing", {}],
    ["echo", {}],
    ["echo", { value: 1, other: 2 }],
  ])) {
    const response = await rpc(name, body);
    assert.equal(response.status, 404, name);
    assert.equal((await response.json()).code, "PGRST202");
  }
  const broken = await raw("/rest/v1/rpc/echo", { method: "POST", body: '{"value":' });
  assert.equal(broken.status, 400);
  assert.equal((await broken.json()).code, "PGRST102");
  assert.equal((await rpc("echo", { value: "\u0000" })).status, 400);
});

test("a function that is not volatile cannot write", async () => {
  const response = await rpc("write_in_stable", {}, { key: project.config.service_role_key });
  assert.equal(response.status, 405);
  assert.equal((await response.json()).code, "25006");
});

test("a failed call leaves its connection clean", async () => {
  await Promise.all(
    Array.from({ length: 40 }, (_, i) =>
      rpc("refuse", { code: i % 2 ? "PT409" : "22023" }).then((response) => response.text()),
    ),
  );
  const roles = await Promise.all(
    Array.from({ length: 40 }, async () => (await (await rpc("whoami", {})).json()).role),
  );
  assert.deepEqual([...new Set(roles)], ["anon"]);
});

test("a browser of another origin can call", async () => {
  const asked = await fetch(`${project.url}/auth/v1/token?grant_type=password`, {
    method: "OPTIONS",
    headers: {
      origin: "http://localhost:3000",
      "access-control-request-method": "POST",
      "access-control-request-headers": "apikey,content-type",
    },
  });
  assert.equal(asked.status, 204);
  assert.equal(asked.headers.get("access-control-allow-headers"), "apikey,content-type");
  for (const path of ["/rest/v1/notes", "/auth/v1/settings"])
    assert.equal((await raw(path)).headers.get("access-control-allow-origin"), "*");
});

test("a new function is found after PostgREST is notified", async () => {
  assert.equal((await rpc("latecomer", {})).status, 404);
  const sql = superuser(project.config);
  await sql.unsafe(
    "create function public.latecomer() returns int language sql as 'select 7'; notify pgrst, 'reload schema'",
  );
  for (;;) {
    const response = await rpc("latecomer", {}, { key: project.config.service_role_key });
    if (response.status === 200) break;
    await response.text();
  }
  await sql.end();
});

test("migrations have the rights of a hosted project, and so has their role afterwards", async () => {
  const sql = superuser(project.config);
  const [owner] = await sql`select tableowner from pg_tables where tablename = 'notes'`;
  const history = await sql`select version, name from supabase_migrations.schema_migrations order by version`;
  const [role] = await sql`select rolsuper from pg_roles where rolname = 'postgres'`;
  await sql.end();
  assert.equal(owner.tableowner, "postgres");
  assert.deepEqual(
    history.map((row) => [row.version, row.name]),
    [
      ["20260101000000", "notes"],
      ["20260101000100", "functions"],
      ["20260101000200", "begin_request"],
      ["20260101000300", "sessions"],
      ["20260101000400", "time_limits"],
    ],
  );
  assert.equal(role.rolsuper, false);
});
