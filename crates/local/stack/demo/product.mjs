// The product as the people in the demo use it: the API, the real supabase-js client, and the customer's phone.
import { createClient } from "@supabase/supabase-js";
import { setTimeout as pause } from "node:timers/promises";

const TIME_LIMIT = 120_000;

export class Product {
  /** @param {import("../stack.mjs").Stack} stack */
  constructor(stack) {
    this.stack = stack;
    this.tenant = stack.users[0].tenant_id;
  }

  /** Signs in as the first user with a role. @param {string} role */
  async signIn(role) {
    const user = this.stack.users.find((known) => known.role === role && known.tenant_id === this.tenant);
    if (!user) throw new Error(`the stack has no ${role}`);
    const client = createClient(this.stack.supabase_url, this.stack.anon_key, {
      auth: { persistSession: false, autoRefreshToken: false },
    });
    const { data, error } = await client.auth.signInWithPassword({ email: user.email, password: user.password });
    if (error) throw new Error(`${user.email} cannot sign in: ${error.message}`);
    await client.realtime.setAuth(data.session.access_token);
    return new Person(this.stack, client, data.session.access_token);
  }

  /**
   * Acts as a customer's phone, or queries the simulator.
   * @param {string} method @param {string} address @param {unknown} [body]
   */
  async meta(method, address, body) {
    return request(`${this.stack.meta_url}/_sim/${address}`, method, {}, body);
  }

  /** The messages that Meta accepted for these numbers. @param {Set<string>} numbers @returns {Promise<any[]>} */
  async ledger(numbers) {
    const found = [];
    for (let offset = 0; ;) {
      const { entries, total } = await this.meta("GET", `ledger?limit=1000&offset=${offset}`);
      found.push(...entries.filter((/** @type {any} */ entry) => numbers.has(entry.to)));
      offset += entries.length;
      if (entries.length === 0 || offset >= total) return found;
    }
  }

  /** Calls the cron endpoint, as Vercel Cron does every minute. */
  runCron() {
    return request(`${this.stack.app_url}/api/cron/process-broadcasts`, "GET", {
      authorization: `Bearer ${this.stack.cron_secret}`,
    });
  }
}

class Person {
  /** @param {import("../stack.mjs").Stack} stack @param {import("@supabase/supabase-js").SupabaseClient} client @param {string} token */
  constructor(stack, client, token) {
    this.stack = stack;
    this.client = client;
    this.token = token;
  }

  /** @param {string} method @param {string} address @param {unknown} [body] */
  call(method, address, body) {
    return request(this.stack.app_url + address, method, { authorization: `Bearer ${this.token}` }, body);
  }

  /** Listens to the private topic of that name. @param {string} name @param {(event: string, payload: any) => void} onEvent */
  async listen(name, onEvent) {
    const { live } = await this.call("GET", "/api/auth/me");
    const channel = this.client.channel(`${name}:${live.epoch}`, { config: { private: true } });
    channel.on("broadcast", { event: "*" }, ({ event, payload }) => onEvent(event, payload));
    await new Promise((resolve, reject) => {
      channel.subscribe((status, error) => {
        if (status === "SUBSCRIBED") resolve(undefined);
        else if (status !== "CLOSED") reject(new Error(`Realtime: ${status} ${error?.message ?? ""}`));
      });
    });
  }

  async leave() {
    await this.client.removeAllChannels();
    this.client.realtime.disconnect();
  }
}

/** @param {string} url @param {string} method @param {Record<string, string>} headers @param {unknown} [body] */
async function request(url, method, headers, body) {
  const answer = await fetch(url, {
    method,
    headers: { "content-type": "application/json", ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${new URL(url).pathname} answered ${answer.status} ${text.slice(0, 300)}`);
  return text === "" ? null : JSON.parse(text);
}

/**
 * Waits until `check` returns a value.
 * @template T @param {string} what @param {() => T | Promise<T>} check @returns {Promise<NonNullable<T>>}
 */
export async function until(what, check) {
  for (const end = Date.now() + TIME_LIMIT; ; await pause(50)) {
    const found = await check();
    if (found) return /** @type {any} */ (found);
    if (Date.now() > end) throw new Error(`timed out while waiting for: ${what}`);
  }
}
