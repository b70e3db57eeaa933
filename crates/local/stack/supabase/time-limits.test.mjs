// A request has the time limits that a hosted project gives to its role, and may not change every row of a table.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { client, projectConfig, signedIn, startProject, temporaryFolder } from "./test-project.mjs";

const TIMED_OUT = {
  code: "57014",
  details: null,
  hint: null,
  message: "canceling statement due to statement timeout",
};

/** @type {Awaited<ReturnType<typeof startProject>>} */
let project;
/** @type {ReturnType<typeof temporaryFolder>} */
let place;
/** @type {Awaited<ReturnType<typeof signedIn>>} */
let ada;

before(async () => {
  place = temporaryFolder();
  project = await startProject(await projectConfig(place.folder));
  ada = await signedIn(project, "ada");
});
after(async () => {
  await project?.stop();
  place?.remove();
});

const anon = () => client(project, project.config.anon_key);
const service = () => client(project, project.config.service_role_key);

describe("time limits", () => {
  test("are set for each role", async () => {
    for (const { caller, statement } of [
      { caller: anon(), statement: "3s" },
      { caller: ada.supabase, statement: "8s" },
      { caller: service(), statement: "8s" },
    ]) {
      const limits = { statement, lock: "8s" };
      assert.deepEqual((await caller.rpc("limits_of_request")).data, limits);
      // These two take the path through Lite.
      assert.deepEqual((await caller.rpc("limits_of_request").select()).data, limits);
      assert.deepEqual((await caller.from("limits").select()).data, [limits]);
    }
  });

  test("end a statement, and PostgREST's error is the answer", async () => {
    const { status, error } = await anon().rpc("sleep");
    assert.equal(status, 500);
    assert.deepEqual({ ...error }, TIMED_OUT);
  });

  test("of a function replace those of its caller", async () => {
    const began = performance.now();
    const { status, error } = await service().rpc("sleep_briefly");
    assert.ok(performance.now() - began < 8000);
    assert.equal(status, 500);
    assert.deepEqual({ ...error }, TIMED_OUT);
  });

  test("grow by the scale that tests set", async () => {
    const other = temporaryFolder();
    const slow = await startProject(await projectConfig(other.folder, { time_limit_scale: 10 }));
    try {
      const { data } = await client(slow, slow.config.anon_key).rpc("limits_of_request");
      assert.deepEqual(data, { statement: "30s", lock: "80s" });
    } finally {
      await slow.stop();
      other.remove();
    }
  });
});

describe("a change without a condition", () => {
  test("is refused for every role", async () => {
    for (const caller of [anon(), ada.supabase, service()]) {
      const changed = await caller.from("notes").update({ body: "all" });
      assert.equal(changed.status, 400);
      assert.equal(changed.error?.code, "21000");
      assert.equal(changed.error?.message, "UPDATE requires a WHERE clause");
      const removed = await caller.from("notes").delete().select("id");
      assert.equal(removed.status, 400);
      assert.equal(removed.error?.message, "DELETE requires a WHERE clause");
    }
  });

  test("with a condition is allowed", async () => {
    await ada.supabase.from("notes").insert({ owner_id: ada.id, body: "one" });
    const changed = await ada.supabase.from("notes").update({ body: "two" }).eq("body", "one").select("body");
    assert.deepEqual(changed.data, [{ body: "two" }]);
    const removed = await ada.supabase.from("notes").delete().eq("body", "two").select("body");
    assert.deepEqual(removed.data, [{ body: "two" }]);
  });
});
