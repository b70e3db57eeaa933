// On what the figures were taken.
import { cpus, loadavg, release, type } from "node:os";

export function machine() {
  const processors = cpus();
  const [minute] = loadavg();
  const busy = minute > processors.length / 2 ? "; OTHERS ARE AT WORK HERE: repeat when it is quiet" : "";
  return `${processors.length} x ${processors[0].model}, ${type()} ${release()}, Node ${process.versions.node}, load ${minute.toFixed(1)}${busy}`;
}
