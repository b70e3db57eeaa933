// The stack that tests run against: the one named by CRM_TEST_STACK (a stack.json), or one of their own.
// CRM_TEST_PRODUCT=server runs a stack of their own on the server that `npm start` builds (`--profile fast`) instead of the
// binaries of the functions: minutes faster to build, for work on a feature.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after } from "node:test";
import { startStack } from "../crates/local/stack/stack.mjs";

/** @typedef {import("../crates/local/stack/stack.mjs").Stack} Stack */
/**
 * Tests must not fail because the machine is busy: their statements may take ten times as long as on a hosted project.
 */
export const TIME_LIMIT_SCALE = 10;

/** @typedef {Partial<import("../crates/local/stack/stack.mjs").StackOptions> & { own?: boolean }} UseOptions */

/**
 * A running stack. One of its own, on free ports and in a temporary folder, is started where none is named, or where
 * `own` asks for it: for tests that would meet others' rows.
 * @param {UseOptions} [options] of `startStack`, for a stack of its own
 * @returns {Promise<{ stack: Stack, stop: () => Promise<void> }>}
 */
export async function openStack({ own = false, ...options } = {}) {
  const named = process.env.CRM_TEST_STACK;
  if (named && !own) return { stack: JSON.parse(readFileSync(named, "utf8")), stop: async () => {} };

  const folder = mkdtempSync(path.join(tmpdir(), "crm-tests-"));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  try {
    const { stack, stop } = await startStack({
      dataDir: folder,
      durable: false,
      timeLimitScale: TIME_LIMIT_SCALE,
      product: process.env.CRM_TEST_PRODUCT === "server" ? "server" : "functions",
      ...options,
    });
    return {
      stack,
      stop: async () => {
        await stop();
        removeFolder();
      },
    };
  } catch (error) {
    removeFolder();
    throw error;
  }
}

/** The same for a test file: stopped after its tests. @param {UseOptions} [options] @returns {Promise<Stack>} */
export async function useStack(options) {
  const { stack, stop } = await openStack(options);
  after(stop);
  return stack;
}
