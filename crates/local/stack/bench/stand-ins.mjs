// Stand-ins for Supabase and Meta during a measurement. Each is a separate process.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startChild } from "../launch/child.mjs";
import { TEMPLATES, templateId, TENANTS } from "../launch/demo-tenants.mjs";
import { freePorts } from "../launch/ports.mjs";
import { ROOT } from "../stack.mjs";
import { newFolder } from "./folder.mjs";
import { APP_SECRET, binary, META_TOKEN, VERIFY_TOKEN } from "./function-process.mjs";

const STUB = fileURLToPath(new URL("postgrest-stub.mjs", import.meta.url));
const [tenant] = TENANTS;

/**
 * Starts a PostgREST stub that answers at once.
 * @param {{ numbers?: object[], recipients?: number }} [queue] the work that it gives to senders
 */
export async function startPostgrest({ numbers = [], recipients = 0 } = {}) {
  const { app: port } = await freePorts();
  const stop = await start("PostgREST stub", process.execPath, [STUB], { port, numbers, recipients });
  const url = `http://127.0.0.1:${port}`;
  const outcomes = async () => (await fetch(`${url}/rest/v1/rpc/recorded_outcomes`, { method: "POST" })).json();
  return { url, outcomes, stop };
}

/** Starts the Meta simulator without delays, limits and refusals. */
export async function startMeta() {
  const { meta: port } = await freePorts();
  const meta = {
    app_secret: APP_SECRET,
    verify_token: VERIFY_TOKEN,
    access_token: META_TOKEN,
    app_id: "555200000000001",
    webhook_url: "http://127.0.0.1:9/",
    state_file: null,
    numbers: [{ ...tenant.number, verified_name: tenant.name }],
    templates: TEMPLATES.map((template, i) => ({
      business_account_id: tenant.number.business_account_id,
      id: templateId(tenant, i),
      status: "APPROVED",
      parameter_format: "POSITIONAL",
      ...template,
    })),
  };
  const stop = await start("Meta simulator", binary("crm-local"), ["serve"], {
    root: ROOT,
    functions_dir: ROOT,
    app_port: null,
    meta_port: port,
    upstash_port: null,
    cron: false,
    meta,
  });
  const url = `http://127.0.0.1:${port}`;
  /** @param {string} method @param {string} what @param {object} [body] */
  const call = async (method, what, body) => {
    const response = await fetch(`${url}/_sim/${what}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`the Meta simulator answered ${response.status} to ${what}`);
    return response.json();
  };
  await call("PUT", "settings", { throughput: 0, pair_limit: false, deliver_webhooks: false, response_delay_ms: 0 });
  return { url, summary: () => call("GET", "ledger/summary"), stop };
}

/**
 * @param {string} name @param {string} command @param {string[]} args @param {object} config @returns {Promise<() => Promise<void>>} a function that stops it
 */
async function start(name, command, args, config) {
  const child = await startChild({ name, command, args, config, cwd: ROOT, logFile: path.join(newFolder(), "log") });
  return child.stop;
}
