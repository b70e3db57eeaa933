// A description of the machine on which the figures were measured.
import { cpus, loadavg, release, type } from "node:os";

export function machine() {
  const processors = cpus();
  const [minute] = loadavg();
  const busy =
    minute > processors.length / 2 ? "; OTHER PROCESSES ARE BUSY: repeat the run when the machine is idle" : "";
  return `${processors.length} x ${processors[0].model}, ${type()} ${release()}, Node ${process.versions.node}, load ${minute.toFixed(1)}${busy}`;
}
