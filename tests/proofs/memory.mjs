// The peak memory of the functions in a running stack.
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/**
 * Records the peak memory of each function. The kernel keeps the figure while the process lives.
 * @param {import("../flows/app.mjs").App} app @param {string[]} watched their names
 */
export function watchMemory(app, watched) {
  /** @type {Map<string, number>} */
  const peaks = new Map();
  let on = true;
  const check = async () => {
    while (on) {
      const answer = /** @type {any} */ (await (await fetch(`${app.stack.app_url}/_gateway/functions`)).json());
      for (const { bin, pid } of answer.functions ?? answer) {
        if (!pid || !watched.includes(bin)) continue;
        try {
          const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
          peaks.set(bin, Math.max(peaks.get(bin) ?? 0, kilobytes / 1024));
        } catch {
          // The process has just ended.
        }
      }
      await pause(500);
    }
  };
  const checking = check().catch(() => {});
  return {
    stop() {
      on = false;
      void checking;
      return peaks;
    },
  };
}
