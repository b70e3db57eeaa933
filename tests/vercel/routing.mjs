// Finds the target of a path as Vercel would: it evaluates the routes of `config.json` phase by phase, as the Build
// Output API describes.

/** @typedef {{ src?: string, dest?: string, handle?: string, status?: number, check?: boolean, continue?: boolean }} Route */

/**
 * @param {{ routes: Route[] }} config
 * @param {{ functions: Set<string>, files: Set<string> }} present
 * @param {string} path
 * @returns {{ function: string, query: string } | { file: string } | { status: number }}
 */
export function routed(config, present, path) {
  const phases = inPhases(config.routes);
  let at = path;
  for (const phase of ["start", "filesystem", "miss"]) {
    // Between the phases, files and functions decide, unless a route has decided already.
    if (phase !== "start") {
      const found = served(present, at, "");
      if (found) return found;
    }
    for (const route of phases.get(phase) ?? []) {
      const match = new RegExp(route.src ?? "").exec(at);
      if (!match) continue;
      if (route.dest) {
        const filled = route.dest.replaceAll(/\$(\d)/g, (_, number) => match[number] ?? "");
        const [pathname, query = ""] = filled.split("?");
        const found = served(present, pathname, query);
        if (found) return found;
        at = pathname;
      } else if (route.status && !route.continue) {
        return { status: route.status };
      }
    }
  }
  return { status: 404 };
}

/** @param {Route[]} routes */
function inPhases(routes) {
  /** @type {Map<string, Route[]>} */
  const phases = new Map([["start", []]]);
  let current = "start";
  for (const route of routes) {
    if (route.handle) phases.set((current = route.handle), []);
    else phases.get(current)?.push(route);
  }
  return phases;
}

/** @param {{ functions: Set<string>, files: Set<string> }} present @param {string} path @param {string} query */
function served({ functions, files }, path, query) {
  const name = path.replace(/^\//, "");
  const file = name === "" ? "index.html" : name;
  if (files.has(file)) return { file };
  return functions.has(name) ? { function: name, query } : null;
}
