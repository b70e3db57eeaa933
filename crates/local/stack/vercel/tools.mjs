// The programs that a build needs.
import { spawnSync } from "node:child_process";
import { StackError } from "../supabase/stack-error.mjs";

/** @param {string} command @param {string[]} args */
export const runs = (command, args) => spawnSync(command, args, { stdio: "ignore" }).status === 0;

/** @param {{ prebuilt: boolean }} options */
export function requireTools({ prebuilt }) {
  if (!runs("cargo", ["--version"]))
    throw new StackError("cargo is not installed: get Rust from https://rustup.rs and start again");
  if (!prebuilt) return;
  if (!runs("cargo-zigbuild", ["--version"]))
    throw new StackError("--prebuilt needs cargo-zigbuild: cargo install --locked cargo-zigbuild");
  if (!runs("zig", ["version"]) && !runs("python3", ["-m", "ziglang", "version"])) {
    throw new StackError("--prebuilt needs Zig: get it from https://ziglang.org/download, or pip install ziglang");
  }
}
