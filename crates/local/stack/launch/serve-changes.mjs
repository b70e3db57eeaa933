// `npm run dev` once everything runs: builds what has changed and has it take over, while the rest of the stack stays.
import { statSync } from "node:fs";
import path from "node:path";
import { performance } from "node:perf_hooks";

/**
 * @param {object} options
 * @param {AsyncIterable<import("./watch.mjs").Changes>} options.changes
 * @param {string} options.folder of the binaries
 * @param {() => Promise<void>} options.build throws where it fails, having said why
 * @param {import("../stack.mjs").Parts} options.parts
 * @param {(line: string) => void} options.say
 * @returns {Promise<void>} once there are no more changes
 */
export async function serveChanges({ changes, folder, build, parts, say }) {
  let served = stampsIn(folder);
  let gatewayRuns = true;

  for await (const changed of changes) {
    try {
      if (changed.has("scripts"))
        say(`${named(changed, "scripts")}: this is part of the stack itself, stop it and start it again to use it`);
      if (changed.has("migrations")) await migrate();
      if (changed.has("code") || changed.has("routing")) await rebuild(changed);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  }

  async function migrate() {
    const { applied, changed, failure } = await parts.migrate();
    for (const file of applied) say(`${path.basename(file)} is applied`);
    for (const file of changed)
      say(`${path.basename(file)} has changed since it was applied: stop, and start with --fresh to apply it`);
    if (failure) say(`${failure}\nNothing of this migration is applied`);
  }

  /** @param {import("./watch.mjs").Changes} changed */
  async function rebuild(changed) {
    const began = performance.now();
    const took = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
    say(`${named(changed, "code", "routing")}: building`);
    try {
      await build();
    } catch (error) {
      return say(`${/** @type {Error} */ (error).message}\nWhat was built before is still served`);
    }
    const built = stampsIn(folder);
    if (!gatewayRuns || changed.has("routing") || built.gateway !== served.gateway) {
      gatewayRuns = false;
      await parts.restartGateway();
      gatewayRuns = true;
      say(`Served again, gateway and simulators too (${took()})`);
    } else if (built.server !== served.server) {
      const failure = await parts.replaceFunctions();
      if (failure) return say(`${failure}\nWhat was built before is still served`);
      say(`Served again (${took()})`);
    } else {
      say("Nothing of it is served");
    }
    served = built;
  }
}

/** @param {import("./watch.mjs").Changes} changed @param {import("./watch.mjs").Kind[]} kinds */
function named(changed, ...kinds) {
  const [first, ...others] = kinds.flatMap((kind) => [...(changed.get(kind) ?? [])]);
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** Tells one build of a binary from the next. @param {string} folder */
function stampsIn(folder) {
  const stamp = (/** @type {string} */ name) => {
    const facts = statSync(path.join(folder, name), { throwIfNoEntry: false });
    return facts ? `${facts.ino} ${facts.size} ${facts.mtimeMs}` : "";
  };
  return { server: stamp("crm-server"), gateway: stamp("crm-local") };
}
