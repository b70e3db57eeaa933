// Tests of the deployment output that Vercel's own CLI builds: it contains only what should be published, the routes
// lead to the right functions, and the functions start and answer.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { before, describe, it } from "node:test";
import { ROOT } from "../../crates/local/stack/stack.mjs";
import { buildOutput } from "../../crates/local/stack/vercel/build.mjs";
import { filesBelow, isCurrent, readOutput } from "../../crates/local/stack/vercel/output.mjs";
import { megabytes } from "../../crates/local/stack/vercel/sizes.mjs";
import { table } from "../../crates/local/stack/vercel/table.mjs";
import { ENVIRONMENT, FunctionProcess } from "./function-process.mjs";
import { routed } from "./routing.mjs";

const STARTS = 7;
const ID = "0199c8a0-0000-7000-8000-000000000001";

/** @type {ReturnType<typeof readOutput>} */
let output;
/** @type {any} */
let project;
const sources = globSync("api/**/*.rs", { cwd: ROOT }).sort();
const routes = sources.map((file) => file.replace(/\.rs$/, ""));

before(async () => {
  if (!isCurrent(ROOT)) await buildOutput({ root: ROOT, say: (line) => console.log(line) });
  output = readOutput(ROOT);
  project = JSON.parse(readFileSync(path.join(ROOT, "vercel.json"), "utf8"));
});

/** @param {string} name */
function built(name) {
  const found = output.functions.find((one) => one.name === name);
  assert.ok(found, `${name} is not in the output`);
  return found;
}

/** A path that belongs to the function of this name. @param {string} name */
const examplePath = (name) => `/${name.replaceAll(/\[\w+\]/g, ID)}`;

/** Starts a function, runs the checks, and stops it. @param {string} name @param {(started: FunctionProcess) => Promise<void>} checks */
async function running(name, checks) {
  const started = await FunctionProcess.start(built(name));
  try {
    await checks(started);
  } finally {
    assert.equal(await started.stop(), 0, started.stderr);
  }
}

/** @param {import("./function-process.mjs").Answer} answer @param {number} status @param {string} code */
function assertRefused(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"] ?? "", /^application\/json/);
  const { error, ...others } = answer.json();
  assert.deepEqual(others, {});
  assert.equal(error.code, code);
  assert.equal(typeof error.message, "string");
}

describe("the files", () => {
  it("are exactly those of public/", () => {
    assert.deepEqual(output.staticFiles, filesBelow(path.join(ROOT, "public")));
    assert.deepEqual(
      output.staticFiles.filter((file) => /\.(rs|sql|toml|mjs|lock)$|(^|\/)\.env/.test(file)),
      [],
    );
  });

  it("contain one function for each file in api/", () => {
    assert.deepEqual(
      output.functions.map(({ name }) => name),
      routes,
    );
  });

  it("contain only the executable of each function", () => {
    for (const { name, files, settings } of output.functions) {
      assert.deepEqual(files, [".vc-config.json", "executable"], name);
      assert.equal(settings.handler, "executable", name);
      assert.equal(settings.runtime, "executable", name);
      assert.deepEqual(settings.environment, {}, `${name} carries variables`);
      assert.deepEqual(settings.filePathMap ?? {}, {}, `${name} needs files from outside`);
    }
  });

  it("have the time limits of vercel.json", () => {
    for (const { name, settings } of output.functions) {
      const pattern = Object.keys(project.functions).find(
        (known) => known === `${name}.rs` || path.matchesGlob(`${name}.rs`, known),
      );
      const { maxDuration } = project.functions[/** @type {string} */ (pattern)];
      assert.equal(settings.maxDuration, maxDuration, name);
    }
    assert.equal(built("api/cron/process-broadcasts").settings.maxDuration, 90);
    assert.equal(built("api/broadcast/campaigns/[id]/recipients").settings.maxDuration, 300);
    assert.equal(built("api/health").settings.maxDuration, 30);
  });
});

describe("the routes", () => {
  const goTo = (/** @type {string} */ url) =>
    routed(
      output.config,
      { functions: new Set(output.functions.map(({ name }) => name)), files: new Set(output.staticFiles) },
      url,
    );

  it("lead to every function", () => {
    for (const name of routes) {
      const ids = [...name.matchAll(/\[(\w+)\]/g)].map(([, parameter]) => `${parameter}=${ID}`);
      assert.deepEqual(
        goTo(examplePath(name)),
        { function: name, query: ids.join("&") },
        `${examplePath(name)} (vercel.json: the rewrite to not-found must leave out functions with a parameter)`,
      );
    }
  });

  it("lead unknown paths under /api to our own 404", () => {
    for (const url of [
      "/api",
      "/api/nowhere",
      "/api/health/nowhere",
      `/api/conversations/${ID}/nowhere`,
      `/api/conversations/${ID}/messages/nowhere`,
    ]) {
      assert.deepEqual(goTo(url), { function: "api/not-found", query: "" }, url);
    }
    const position = (/** @type {(route: any) => boolean} */ fits) => output.config.routes.findIndex(fits);
    assert.ok(position(({ handle }) => handle === "filesystem") < position(({ dest }) => dest === "/api/not-found"));
  });

  it("lead to the start page and to no other file", () => {
    assert.deepEqual(goTo("/"), { file: "index.html" });
    for (const url of ["/Cargo.toml", "/api.rs", "/supabase/migrations", "/.env"])
      assert.deepEqual(goTo(url), { status: 404 }, url);
  });

  it("contain the crons", () => {
    assert.ok(project.crons.length > 0);
    assert.deepEqual(output.config.crons, project.crons);
    for (const cron of project.crons) assert.deepEqual(goTo(cron.path), { function: cron.path.slice(1), query: "" });
  });
});

describe("the functions", () => {
  it("start, refuse unknown methods, report the end of each request and stop on a signal", async () => {
    for (const name of routes) {
      await running(name, async (started) => {
        const [began] = started.frames;
        assert.deepEqual({ ...began.payload, initDuration: 0 }, { httpPort: started.port, initDuration: 0 }, name);
        const ping = await started.ask("GET", "/_vercel/ping");
        assert.deepEqual([ping.status, ping.text], [200, "OK"], name);

        const answer = await started.ask("PROPFIND", examplePath(name));
        if (name === "api/not-found") {
          assertRefused(answer, 404, "not_found");
        } else {
          assertRefused(answer, 405, "method_not_allowed");
          assert.match(answer.headers.allow ?? "", /GET|POST|PUT|PATCH|DELETE/, name);
        }
        const end = await started.frame(
          ({ type, payload }) => type === "end" && payload.context.requestId === answer.requestId,
        );
        assert.deepEqual(end.payload, {
          context: { invocationId: answer.invocationId, requestId: answer.requestId },
          error: null,
        });
      });
    }
  });

  it("name all missing environment variables in one line", async () => {
    for (const name of routes) {
      const started = await FunctionProcess.spawn(built(name), {});
      const status = await started.exited;
      await started.stop();
      assert.equal(status, 1, name);
      const lines = started.stderr.trim().split("\n");
      assert.equal(lines.length, 1, started.stderr);
      const { level, message } = JSON.parse(lines[0]);
      assert.equal(level, "error");
      for (const variable of Object.keys(ENVIRONMENT))
        assert.ok(message.includes(variable), `${name} does not name ${variable}: ${message}`);
    }
  });

  it("api/health reports that the database is unreachable", () =>
    running("api/health", async (health) => {
      const answer = await health.ask("GET", "/api/health");
      assert.equal(answer.status, 503, answer.text);
      const { status, database, redis, meta } = answer.json();
      assert.deepEqual(
        { status, database, redis },
        { status: "degraded", database: "unavailable", redis: "not_configured" },
      );
      assert.match(meta.graph_version, /^v\d+\.\d+$/);
    }));

  it("api/auth/me requires a token", () =>
    running("api/auth/me", async (me) => {
      const answer = await me.ask("GET", "/api/auth/me");
      assertRefused(answer, 401, "unauthorized");
      assert.equal(answer.headers["www-authenticate"], "Bearer");
    }));

  it("api/whatsapp/webhook answers Meta's challenge only with the right token", () =>
    running("api/whatsapp/webhook", async (webhook) => {
      const ask = (/** @type {string} */ token) =>
        webhook.ask(
          "GET",
          `/api/whatsapp/webhook?hub.mode=subscribe&hub.verify_token=${token}&hub.challenge=1158201444`,
        );
      const answer = await ask(ENVIRONMENT.META_WEBHOOK_VERIFY_TOKEN);
      assert.deepEqual([answer.status, answer.text], [200, "1158201444"]);
      assertRefused(await ask("another"), 403, "wrong_verify_token");
      assert.equal((await webhook.ask("POST", "/api/whatsapp/webhook")).status, 401, "a webhook without a signature");
    }));

  it("api/cron/process-broadcasts requires its secret", () =>
    running("api/cron/process-broadcasts", async (cron) => {
      assertRefused(await cron.ask("GET", "/api/cron/process-broadcasts"), 401, "unauthorized");
    }));

  it("api/openapi.json describes every route of api/", () =>
    running("api/openapi.json", async (openapi) => {
      const answer = await openapi.ask("GET", "/api/openapi.json");
      assert.equal(answer.status, 200, answer.text);
      const described = Object.keys(answer.json().paths);
      for (const name of routes.filter((route) => route !== "api/not-found" && route !== "api/openapi.json")) {
        assert.ok(described.includes(`/${name.replaceAll(/\[(\w+)\]/g, "{$1}")}`), name);
      }
    }));

  it("stay within the size limit (prints sizes and start times)", async () => {
    const rows = [];
    for (const one of output.functions) {
      const times = [];
      for (let i = 0; i < STARTS; i++) times.push(await firstAnswer(one));
      const median = times.sort((a, b) => a - b)[Math.floor(times.length / 2)];
      rows.push([`/${one.name}`, megabytes(one.bytes), `${median.toFixed(1)} ms`]);
      // Vercel's limit is 250 MB. The lower limit here detects a wrong dependency or a debug build.
      assert.ok(one.bytes < 14e6, `${one.name} has ${megabytes(one.bytes)} MB`);
    }
    console.log(table(["route", "MB", "spawn to first answer"], rows).join("\n"));
  });
});

/** Milliseconds from the start of a function to its first answer. @param {import("../../crates/local/stack/vercel/output.mjs").BuiltFunction} one */
async function firstAnswer(one) {
  const began = performance.now();
  const started = await FunctionProcess.start(one);
  try {
    await started.ask("PROPFIND", examplePath(one.name));
    return performance.now() - began;
  } finally {
    await started.stop();
  }
}
