import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { sendRepeatedly, Connection, request } from "./connection.mjs";
import { median, status } from "./figure.mjs";
import { tables } from "./table.mjs";

/** A server that answers each request with the same bytes. @param {import("node:test").TestContext} t @param {string[]} pieces */
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

test("a bound includes its own value", () => {
  assert.deepEqual(
    [6, 6.01].map((value) => status({ what: "", value, most: 6 })),
    ["ok", "MISSED"],
  );
  assert.deepEqual(
    [5000, 4999].map((value) => status({ what: "", value, least: 5000 })),
    ["ok", "MISSED"],
  );
  assert.equal(status({ what: "", value: 1 }), "");
  assert.equal(status({ what: "", most: 1, skipped: "needs Linux" }), "skipped");
});

test("the median is the middle value or the mean of the two middle values", () => {
  assert.equal(median([5, 1, 100]), 5);
  assert.equal(median([1, 2, 4, 100]), 3);
});

test("each row shows the figure, both bounds and our value, below the command to repeat it", () => {
  const lines = tables([
    { name: "spawn", figures: [{ what: "spawn", prototype: "3.8 ms", most: 6, value: 7.25, unit: "ms", digits: 1 }] },
    { name: "sender", figures: [{ what: "sender", least: 5000, value: 12_345.6, unit: "messages/s" }] },
  ]).split("\n");
  assert.deepEqual(
    lines.map((line) => line.replaceAll(/ {2,}/g, " | ")),
    [
      "figure | prototype | bound | ours",
      "------ | --------- | ------------------- | ----------------- | ------",
      "npm run bench -- spawn",
      "spawn | 3.8 ms | <= 6 ms | 7.3 ms | MISSED",
      "npm run bench -- sender",
      "sender | >= 5,000 messages/s | 12,346 messages/s | ok",
    ],
  );
});

test("the tables fit a terminal of 100 columns even with long names of figures", () => {
  const long = "a question that takes its time to ask, and some more to answer, by a manager of a large tenant, p50";
  const plan = ["messages_by_conversation_and_time_of_arrival 1000000", "contacts_search 12"];
  const lines = tables([
    { name: "inbox", figures: [{ what: long, least: 5000, value: 12_345.6, unit: "messages/s", plan }] },
    { name: "claim", figures: [{ what: "claim", skipped: `BROKEN: ${long} ${long}` }] },
  ]).split("\n");
  assert.deepEqual(
    lines.filter((line) => line.length > 100),
    [],
  );
  const words = lines.join(" ").replaceAll(/\s+/g, " ");
  for (const part of [...plan, "claim skipped", "BROKEN: a question that takes"]) assert.ok(words.includes(part), part);
});

test("an answer is read from any sequence of chunks", async (t) => {
  const port = await answering(t, ["HTTP/1.1 200 OK\r\ncontent-le", "ngth: 5\r\n\r", "\nhe", "llo"]);
  const connection = await Connection.open(port);
  for (let i = 0; i < 2; i++) {
    const { status, body } = await connection.ask(request("GET", "/"));
    assert.deepEqual([status, body.toString()], [200, "hello"]);
  }
  connection.close();
});

test("a load stops at the first unexpected answer", async (t) => {
  const port = await answering(t, ["HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"]);
  const load = { port, requests: [request("GET", "/")], count: 10, connections: 2 };
  await assert.rejects(sendRepeatedly({ ...load, status: 200 }), /answered 503/);
  await sendRepeatedly({ ...load, status: 503 });
});

test("an unknown figure is refused with a list of the known ones", () => {
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL("../bench.mjs", import.meta.url)), "speed"],
    { encoding: "utf8" },
  );
  assert.equal(status, 2);
  assert.match(stdout, /unknown: speed; usage: .*\[spawn\].*\[sizes\]/);
});
