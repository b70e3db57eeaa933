// The local stack, for what is measured through the real database: started when first asked for, stopped at the end.
import { startStack } from "../stack.mjs";
import { newFolder } from "./folder.mjs";

const stopping = new AbortController();
/** @type {ReturnType<typeof startStack> | null} */
let starting = null;

/** @returns {Promise<import("../stack.mjs").Stack>} */
export async function localStack() {
  starting ??= startStack({ dataDir: newFolder(), durable: false, signal: stopping.signal });
  return (await starting).stack;
}

export async function stopLocalStack() {
  stopping.abort();
  // One that could not start has said so to who asked for it.
  const started = await starting?.catch(() => null);
  await started?.stop();
}
