// A Redis server for comparisons: the one on the path, or Debian's package, unpacked into a cache without installation.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { freePorts } from "../launch/ports.mjs";
import { ROOT } from "../stack.mjs";
import { Skipped } from "./figure.mjs";
import { newFolder } from "./folder.mjs";

/** The package redis-tools contains the server as well, because one binary has several names. */
const PACKAGES = ["redis-tools", "libjemalloc2", "liblzf1"];
const START_LIMIT = 10_000;

/** @returns {Promise<{ port: number, pid: number, stop: () => Promise<void> }>} once it answers; it stores nothing on disk */
export async function startRedis() {
  const { command, libraries } = redisServer();
  const { upstash: port } = await freePorts();
  const child = spawn(command, ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], {
    argv0: "redis-server",
    cwd: newFolder(),
    stdio: "ignore",
    env: { PATH: process.env.PATH, ...(libraries ? { LD_LIBRARY_PATH: libraries } : {}) },
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const exited = new Promise((resolve) => child.once("close", resolve));
  for (const end = Date.now() + START_LIMIT; !(await answers(port)); await pause(50)) {
    if (child.exitCode !== null || Date.now() > end) throw new Skipped(`${command} does not start`);
  }
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  return { port, pid: /** @type {number} */ (child.pid), stop };
}

/** @returns {{ command: string, libraries?: string }} */
function redisServer() {
  if (spawnSync("redis-server", ["--version"], { stdio: "ignore" }).status === 0) return { command: "redis-server" };
  if (spawnSync("apt-get", ["--version"], { stdio: "ignore" }).status !== 0)
    throw new Skipped("there is no redis-server on the path, and no apt-get to get one");
  const folder = path.join(ROOT, "node_modules", ".cache", "bench-redis");
  const command = path.join(folder, "usr", "bin", "redis-check-rdb");
  if (!existsSync(command)) {
    mkdirSync(folder, { recursive: true });
    try {
      execFileSync("apt-get", ["download", ...PACKAGES], { cwd: folder, stdio: "ignore" });
      for (const file of readdirSync(folder).filter((name) => name.endsWith(".deb")))
        execFileSync("dpkg", ["-x", file, "."], { cwd: folder, stdio: "ignore" });
    } catch {
      throw new Skipped(`there is no redis-server on the path, and apt-get cannot download ${PACKAGES.join(", ")}`);
    }
  }
  const lib = path.join(folder, "usr", "lib");
  const libraries = readdirSync(lib, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(lib, entry.name));
  return { command, libraries: libraries.join(":") };
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    const end = (/** @type {boolean} */ yes) => {
      socket.destroy();
      resolve(yes);
    };
    socket.once("data", () => end(true));
    socket.once("error", () => end(false));
  });
}
