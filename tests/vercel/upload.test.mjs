// Tests the list of files that `vercel deploy` would send. Vercel's own CLI (`--dry`) runs against a stand-in for its
// API.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { it } from "node:test";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { vercel } from "../../crates/local/stack/vercel/cli.mjs";

const SENT = [
  "Cargo.lock",
  "Cargo.toml",
  "api/health.rs",
  "api/conversations/[id].rs",
  "crates/core/Cargo.toml",
  "crates/core/src/lib.rs",
  "crates/local/Cargo.toml",
  "crates/local/src/main.rs",
  "package.json",
  "public/index.html",
  "vercel.json",
];
const KEPT = [
  ".env",
  ".env.local",
  ".env.production",
  ".git/config",
  ".local/secrets.json",
  ".local/supabase/PG_VERSION",
  ".vercel/.env.production.local",
  "crates/local/stack/start.mjs",
  "docs/deploy.md",
  "node_modules/vercel/package.json",
  "npm-debug.log",
  "README.md",
  "supabase/migrations/1_base.sql",
  "target/release/health",
  "tests/run.mjs",
];

it("a deployment contains the sources of the build, and no secret, test or build result", async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), "crm-upload-"));
  const api = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://api");
    const answer = standIn(pathname);
    response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(answer ?? { error: { code: "not_found", message: pathname } }));
  });
  t.after(() => {
    api.close();
    rmSync(folder, { recursive: true, force: true });
  });
  await new Promise((resolve) => api.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (api.address());

  for (const file of [...SENT, ...KEPT]) write(folder, file, "{}");
  for (const file of [".vercelignore", "vercel.json"]) copyFileSync(path.join(ROOT, file), path.join(folder, file));
  write(
    folder,
    ".vercel/project.json",
    JSON.stringify({ projectId: "prj_test", orgId: "team_test", settings: { framework: null } }),
  );

  const { code, stdout } = await vercel(
    ["deploy", "--dry", "--prod", "--json", "--token", "offline", "--api", `http://127.0.0.1:${port}`],
    { cwd: folder, output: "pipe" },
  );
  assert.equal(code, 0, stdout);
  const sent = JSON.parse(stdout).files.map((/** @type {{ path: string }} */ file) => file.path);
  assert.deepEqual(sent.filter((/** @type {string} */ file) => file !== ".vercelignore").sort(), [...SENT].sort());
});

/** @param {string} folder @param {string} file @param {string} content */
function write(folder, file, content) {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), content);
}

/** @param {string} pathname */
function standIn(pathname) {
  if (pathname === "/v2/user")
    return {
      user: {
        id: "user_test",
        username: "test",
        email: "test@example.com",
        version: "northstar",
        defaultTeamId: "team_test",
      },
    };
  if (pathname.startsWith("/teams/")) return { id: "team_test", slug: "test", name: "test" };
  if (pathname.startsWith("/v9/projects/"))
    return { id: "prj_test", name: "test", accountId: "team_test", framework: null, rootDirectory: null };
  return null;
}
