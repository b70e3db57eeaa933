// Five ports in a row, or any free ones.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { StackError } from "../supabase/stack-error.mjs";

/** @typedef {{ app: number, supabase: number, meta: number, upstash: number, postgres: number }} Ports */

/** @param {number} base @returns {Ports} */
export function portsFrom(base) {
  return { app: base, supabase: base + 1, meta: base + 2, upstash: base + 3, postgres: base + 4 };
}

// Below the ports that systems give to outgoing connections: one of those could take a port between our look and its use.
const LOWEST = 10_000;
const HIGHEST = 30_000;

/** @returns {Promise<Ports>} on which no process listens */
export async function freePorts() {
  /** @type {import("node:net").Server[]} */
  const servers = [];
  while (servers.length < 5) {
    const server = await listen(randomInt(LOWEST, HIGHEST)).catch(() => null);
    if (server) servers.push(server);
  }
  const [app, supabase, meta, upstash, postgres] = servers.map(
    (server) => /** @type {import("node:net").AddressInfo} */ (server.address()).port,
  );
  await Promise.all(servers.map(close));
  return { app, supabase, meta, upstash, postgres };
}

/**
 * Refuses when one of the ports is taken.
 * @param {Partial<Ports>} ports
 * @param {number} [patience] milliseconds in which a run that was killed may still let go of them
 */
export async function requireFree(ports, patience = 0) {
  const end = Date.now() + patience;
  for (const [name, port] of Object.entries(ports)) {
    try {
      while (Date.now() < end && !(await isFree(port))) await pause(100);
      await close(await listen(port));
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      const reason =
        code === "EADDRINUSE" ? "is in use" : code === "EACCES" ? "needs more rights" : `cannot be used (${code})`;
      throw new StackError(`port ${port} (${name}) ${reason}: choose another with --port`);
    }
  }
}

/** @param {number} port */
const isFree = (port) =>
  listen(port)
    .then(close)
    .then(
      () => true,
      () => false,
    );

/** @param {number} port @returns {Promise<import("node:net").Server>} */
function listen(port) {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** @param {import("node:net").Server} server @returns {Promise<void>} */
function close(server) {
  return new Promise((resolve) => server.close(() => resolve()));
}
