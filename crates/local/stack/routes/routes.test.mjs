import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { LIST, readRoutes } from "./list.mjs";
import { writeRoutes } from "./write.mjs";

/** @param {string[]} lines */
const list = (...lines) =>
  ["use crm_core::App;", "", "route_list! {", ...lines.map((line) => `    ${line}`), "}", ""].join("\n");

/** @param {import("node:test").TestContext} t @param {string} routes */
function repository(t, routes) {
  const root = mkdtempSync(path.join(tmpdir(), "crm-routes-test-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const file = (/** @type {string} */ name) => path.join(root, name);
  const write = (/** @type {string} */ name, /** @type {string} */ text) => {
    mkdirSync(path.dirname(file(name)), { recursive: true });
    writeFileSync(file(name), text);
  };
  write(LIST, routes);
  write("api/gone.rs", "old");
  write(
    "Cargo.toml",
    '[package]\nname = "x"\n\n# Why.\n[[bin]]\nname = "gone"\npath = "api/gone.rs"\ntest = false\n\n[features]\nx = []\n',
  );
  write(
    "vercel.json",
    '{\n  "functions": {\n    "api/gone.rs": { "maxDuration": 5 },\n    "api/**/*.rs": { "maxDuration": 30 }\n  },\n' +
      '  "rewrites": [\n    { "source": "/api(/(?!old).*)?", "destination": "/api/not-found" }\n  ]\n}\n',
  );
  return { root, write, read: (/** @type {string} */ name) => readFileSync(file(name), "utf8"), file };
}

const ROUTES = list(
  "// Contacts.",
  '"contacts" => contacts::contacts(): "contacts";',
  '"contacts/[id]" => contacts::contact(): "one contact", max_duration = 60;',
  '"contacts/[id]/notes" => contacts::notes(): "notes about a contact";',
  '"contacts/[id]/merge" => contacts::merge(): "two contacts that are one";',
  "",
  '"labels/[id]" => contacts::label(): "one label";',
  '"health" => crm::health::service(): "is the service well?", allocate_quickly, max_duration = 5;',
  '"openapi.json" => crm::openapi(): "the API described";',
);

test("every file that names a route is written from the list, and routes that left the list are removed", (t) => {
  const { root, read, file } = repository(t, ROUTES);
  const expected = [
    "Cargo.toml",
    "api/contacts.rs",
    "api/contacts/[id].rs",
    "api/contacts/[id]/merge.rs",
    "api/contacts/[id]/notes.rs",
    "api/gone.rs",
    "api/health.rs",
    "api/labels/[id].rs",
    "api/openapi.json.rs",
    "vercel.json",
  ];
  assert.deepEqual(writeRoutes(root, { check: true }), expected);
  assert.equal(existsSync(file("api/gone.rs")), true, "a check changes nothing");
  assert.deepEqual(writeRoutes(root), expected);
  assert.deepEqual(writeRoutes(root), []);
  assert.equal(existsSync(file("api/gone.rs")), false);

  assert.equal(
    read("api/health.rs"),
    "//! `/api/health`: is the service well?\n\nuse std::process::ExitCode;\n\nfunction::allocate_quickly!();\n\n" +
      "fn main() -> ExitCode {\n    function::serve(crm::health::service())\n}\n",
  );
  assert.match(
    read("api/contacts/[id]/notes.rs"),
    /^\/\/! `\/api\/contacts\/\{id\}\/notes`: notes about a contact\.\n/,
  );
  const cargo = read("Cargo.toml");
  assert.match(cargo, /^\[package\]\nname = "x"\n\n# Why\.\n\[\[bin\]\]\nname = "contacts"\n/);
  assert.match(cargo, /\nname = "contacts-id-merge"\npath = "api\/contacts\/\[id\]\/merge\.rs"\ntest = false\n\n/);
  assert.match(cargo, /\nname = "openapi-json"\n/);
  assert.match(cargo, /\n\[features\]\nx = \[\]\n$/);
});

test("vercel.json gets the limits before the general pattern, and no rewrite hides a route with a parameter", (t) => {
  const { root, read } = repository(t, ROUTES);
  writeRoutes(root);
  const { functions, rewrites } = JSON.parse(read("vercel.json"));
  assert.deepEqual(Object.entries(functions), [
    ["api/contacts/[id].rs", { maxDuration: 60 }],
    ["api/health.rs", { maxDuration: 5 }],
    ["api/**/*.rs", { maxDuration: 30 }],
  ]);
  const source = "/api(/(?!(?:contacts|labels)/[^/]+$|contacts/[^/]+/(?:merge|notes)$).*)?";
  assert.deepEqual(rewrites, [{ source, destination: "/api/not-found" }]);
  const hides = new RegExp(`^${source}$`);
  for (const path of ["/api", "/api/nothing", "/api/labels/7/notes", "/api/contacts/7/other"])
    assert.match(path, hides);
  for (const path of ["/api/labels/7", "/api/contacts/7", "/api/contacts/7/notes"]) assert.doesNotMatch(path, hides);
});

test("a line that cannot be read is quoted in the error", () => {
  const refuses = (/** @type {string} */ line, /** @type {RegExp} */ reason) =>
    assert.throws(() => readRoutes(list(line)), reason);
  refuses('"contacts" => contacts(): "contacts";', /routes\.rs:4 is not a route/);
  refuses('"contacts" => contacts::contacts(): "contacts"', /routes\.rs:4 is not a route/);
  refuses('"contacts/[key]" => contacts::contact(): "one contact";', /a parameter is called \[id\]/);
  refuses('"contacts" => contacts::contacts(): "contacts", fast;', /"fast" is neither/);
  assert.throws(() => readRoutes("fn main() {}"), /has no list/);
  const line = '"contacts" => contacts::contacts(): "contacts";';
  assert.throws(() => readRoutes(list(line, line)), /has "contacts" twice/);
});
