import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Writes a file for its owner alone, whole or not at all.
 * @param {string} file @param {unknown} value
 */
export function writeWhole(file, value) {
  const half = `${file}.${process.pid}`;
  try {
    writeFileSync(half, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    renameSync(half, file);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
}
