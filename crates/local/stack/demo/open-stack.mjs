// The stack on which the demo runs.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { build } from "../launch/build.mjs";
import { ROOT, startStack } from "../stack.mjs";
import { dim, say } from "./screen.mjs";

/** @typedef {import("../stack.mjs").Stack} Stack */

/** @param {Stack | null} running @returns {Promise<{ stack: Stack, stop: () => Promise<void> }>} */
export async function openStack(running) {
  if (running && (await answers(running))) {
    say(`Using the stack at ${running.app_url}`);
    return { stack: running, stop: async () => {} };
  }
  say("No stack is running: building and starting one for the demo");
  await build(ROOT, say, { product: "server" });
  const folder = mkdtempSync(path.join(tmpdir(), "crm-demo-"));
  const { stack, stop } = await startStack({
    dataDir: folder,
    product: "server",
    demo: true,
    onStep: (step) => say(dim(step)),
  });
  return {
    stack,
    stop: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** @param {Stack} stack */
async function answers(stack) {
  return fetch(`${stack.app_url}/api/health`).then(
    (answer) => answer.ok,
    () => false,
  );
}
