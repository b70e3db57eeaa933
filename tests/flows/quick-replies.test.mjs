// Quick replies through the running product.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { useApp } from "./app.mjs";

const app = await useApp();

test("a quick reply is created, found, filled in and removed", async () => {
  const shortcut = `h-${randomUUID().slice(0, 8)}`;
  const from = app.newCustomer();
  await app.receivesMessage({ from, name: "Rina" });
  const conversation = await app.conversationWith(from);
  const reply = await app.succeeds("POST", "/api/quick-replies", {
    as: "manager",
    body: {
      shortcut: `/${shortcut}`,
      title: "Sapaan",
      content: "Halo {{contact.name}} {{contact.email}}",
      category: "Umum",
    },
  });
  assert.deepEqual(
    [reply.shortcut, reply.scope, reply.variables],
    [shortcut, "shared", ["contact.email", "contact.name"]],
  );
  await app.refuses(409, "shortcut_taken", "POST", "/api/quick-replies", {
    as: "manager",
    body: { shortcut, content: "x" },
  });
  await app.refuses(422, "unknown_variable", "POST", "/api/quick-replies", {
    as: "manager",
    body: { shortcut: "x", content: "{{x}}" },
  });
  await app.refuses(403, "forbidden", "POST", "/api/quick-replies", {
    as: "agent",
    body: { shortcut: "x", content: "x" },
  });
  const own = await app.succeeds("POST", "/api/quick-replies", {
    as: "agent",
    body: { shortcut, content: "Milik sendiri", scope: "personal" },
  });
  await app.refuses(404, "not_found", "GET", `/api/quick-replies/${own.id}`, { as: "manager" });
  const rendered = await app.succeeds("POST", `/api/quick-replies/${reply.id}/render`, {
    as: "manager",
    body: { conversation_id: conversation.id },
  });
  assert.deepEqual(rendered, { content: "Halo Rina ", media: null, missing: ["contact.email"] });
  const found = await app.succeeds("GET", `/api/quick-replies?search=${shortcut}&scope=shared`, { as: "manager" });
  assert.deepEqual(
    found.data.map((/** @type {any} */ row) => [row.id, row.usage_count]),
    [[reply.id, 1]],
  );
  assert.ok(found.categories.some((/** @type {any} */ { name }) => name === "Umum"));
  const changed = await app.succeeds("PATCH", `/api/quick-replies/${reply.id}`, {
    as: "manager",
    body: { category: null, title: "Lain" },
  });
  assert.deepEqual([changed.category, changed.title], [null, "Lain"]);
  for (const [id, as] of [
    [reply.id, "manager"],
    [own.id, "agent"],
  ])
    assert.equal((await app.call("DELETE", `/api/quick-replies/${id}`, { as })).status, 204);
});
