// Builds the deployment output with Vercel's own CLI, offline.
import { spawn } from "node:child_process";
import { existsSync, globSync, rmSync } from "node:fs";
import path from "node:path";
import { StackError } from "../supabase/stack-error.mjs";
import { VERSION, vercel } from "./cli.mjs";
import { outputFolder } from "./output.mjs";
import { linkTemporaryProject } from "./project.mjs";
import { requireTools } from "./tools.mjs";

const CHECK_INTERVAL = 2000;

/**
 * @param {object} options
 * @param {string} options.root
 * @param {boolean} [options.prebuilt] cross-compile for Vercel's machines, to be sent with `vercel deploy --prebuilt`
 * @param {(line: string) => void} options.say
 */
export async function buildOutput({ root, prebuilt = false, say }) {
  requireTools({ prebuilt });
  if (!prebuilt) {
    say("Building the functions (cargo build --release)");
    await cargo(root, ["build", "--release", "--locked", "--bins", "--package", "whatsapp-crm"]);
  }
  say(`Packing them (vercel build, CLI ${VERSION})`);
  const unlink = linkTemporaryProject(root);
  const following = follow(root, say);
  try {
    const { code } = await vercel(["build", "--yes", "--prod", "--standalone", "--token", "offline"], {
      cwd: root,
      // With this variable the CLI calls cargo as on Vercel. Without it, the CLI cross-compiles, which needs Zig and a
      // second target folder.
      environment: prebuilt ? {} : { VERCEL_BUILD_IMAGE: "local" },
    });
    if (code !== 0) throw new StackError("vercel build failed: see the messages above");
  } catch (error) {
    // An incomplete output must not be mistaken for a complete one.
    rmSync(outputFolder(root), { recursive: true, force: true });
    throw error;
  } finally {
    clearInterval(following);
    unlink();
  }
  if (!existsSync(path.join(outputFolder(root), "config.json")))
    throw new StackError("vercel build left no .vercel/output/config.json");
}

/** @param {string} root @param {string[]} args */
async function cargo(root, args) {
  const child = spawn("cargo", args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", resolve);
  });
  if (code !== 0) throw new StackError("cargo build failed: see the messages above");
}

/** Reports progress, because the CLI is silent while it works. @param {string} root @param {(line: string) => void} say */
function follow(root, say) {
  const all = globSync("api/**/*.rs", { cwd: root }).length;
  let said = 0;
  return setInterval(() => {
    const done = globSync("functions/**/*.func/.vc-config.json", { cwd: outputFolder(root) }).length;
    if (done > said) say(`  ${done} of ${all} functions`);
    said = done;
  }, CHECK_INTERVAL);
}
