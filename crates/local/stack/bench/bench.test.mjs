import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { askOften, Connection, request } from "./connection.mjs";
import { median, verdict } from "./figure.mjs";
import { table } from "./table.mjs";

/** A server that gives each request the same bytes. @param {import("node:test").TestContext} t @param {string[]} pieces */
async function answering(t, pieces) {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("data", async () => {
      for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
    });
    socket.on("error", () => {});
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

test("a bound is met up to its very value", () => {
  assert.deepEqual(
    [6, 6.01].map((value) => verdict({ what: "", value, most: 6 })),
    ["ok", "MISSED"],
  );
  assert.deepEqual(
    [5000, 4999].map((value) => verdict({ what: "", value, least: 5000 })),
    ["ok", "MISSED"],
  );
  assert.equal(verdict({ what: "", value: 1 }), "");
  assert.equal(verdict({ what: "", most: 1, skipped: "needs Linux" }), "skipped");
});

test("the median is the middle, or between the two in the middle", () => {
  assert.equal(median([5, 1, 100]), 5);
  assert.equal(median([1, 2, 4, 100]), 3);
});

test("each row names its figure, both bounds, ours, and how to repeat it", () => {
  const lines = table([
    { name: "spawn", figures: [{ what: "spawn", prototype: "3.8 ms", most: 6, value: 7.25, unit: "ms", digits: 1 }] },
    { name: "sender", figures: [{ what: "sender", least: 5000, value: 12_345.6, unit: "messages/s" }] },
  ]).split("\n");
  assert.match(lines[2], /^spawn +3\.8 ms +<= 6 ms +7\.3 ms +MISSED +npm run bench -- spawn$/);
  assert.match(lines[3], /^sender +>= 5,000 messages\/s +12,346 messages\/s +ok +npm run bench -- sender$/);
});

test("an answer is read whatever pieces it comes in", async (t) => {
  const port = await answering(t, ["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 5\r\n\r", "\nhe", "llo"]);
  const connection = await Connection.open(port);
  for (let i = 0; i < 2; i++) {
    const { status, body } = await connection.ask(request("GET", "/"));
    assert.deepEqual([status, body.toString()], [200, "hello"]);
  }
  connection.close();
});

test("a load stops at the first answer that is not the expected one", async (t) => {
  const port = await answering(t, ["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"]);
  const load = { port, requests: [request("GET", "/")], count: 10, connections: 2 };
  await assert.rejects(askOften({ ...load, status: 200 }), /answered 503/);
  await askOften({ ...load, status: 503 });
});

test("an unknown figure is refused with those there are", () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../bench.mjs", import.meta.url)), "speed"],
    { encoding: "utf8" },
  );
  assert.equal(status, 2);
  assert.match(stdout, /unknown: speed; usage: .*\[spawn\].*\[sizes\]/);
});
