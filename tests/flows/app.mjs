// The running product as tests use it: sentences over its real interfaces.
import assert from "node:assert/strict";
import { createHmac, randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";
import { functionProof } from "../function-proof.mjs";
import { Contract } from "../openapi/contract.mjs";
import { useStack } from "../stack.mjs";

/** A wait that takes longer fails. Nothing is measured with it. */
const PATIENCE = 300_000;

/** Numbers of customers that no other test writes from. */
let customers = 6_281_300_000_000 + Math.floor(Math.random() * 1e6) * 100;

/** @param {import("../stack.mjs").UseOptions} [options] */
export async function useApp(options) {
  const stack = await useStack({ demo: true, webhookDelay: { sent: 0, delivered: 0, read: 0 }, ...options });
  return new App(stack);
}

export class App {
  /** @param {import("../stack.mjs").Stack} stack */
  constructor(stack) {
    this.stack = stack;
    this.phoneNumberId = "555000000000001";
    /** @type {Map<string, Promise<string>>} */
    this.tokens = new Map();
    /** @type {Map<string, { id?: string, email: string, password: string, role: string, tenant_id: string }>} */
    this.members = new Map();
    /** The document of the API, read once. @type {Promise<Contract> | undefined} */
    this.contract = undefined;
  }

  /**
   * A new person with one predefined role, who signs in as the returned name.
   * @param {string | string[]} role key @param {{ tenant?: string, name?: string }} [options]
   */
  async newMember(role, { tenant = this.user("admin").tenant_id, name = `${role}-${randomUUID().slice(0, 8)}` } = {}) {
    const [email, password] = [`${name}@example.test`, randomUUID()];
    const created = await this.auth("POST", "admin/users", { email, password, email_confirm: true });
    const role_keys = Array.isArray(role) ? role : [role];
    await this.rpc("add_member", { tenant_id: tenant, user_id: created.id, display_name: name, role_keys });
    this.members.set(name, { id: created.id, email, password, role: role_keys[0], tenant_id: tenant });
    return name;
  }

  /** The id of a person made by `newMember`. @param {string} name */
  idOf(name) {
    return /** @type {string} */ (this.members.get(name)?.id);
  }

  /** The id of any user who signs in. @param {string} who */
  async personOf(who) {
    return /** @type {string} */ (
      JSON.parse(Buffer.from((await this.token(who)).split(".")[1], "base64url").toString()).sub
    );
  }

  /** Auth with the service key. @param {string} method @param {string} path @param {object} [body] */
  async auth(method, path, body) {
    const response = await fetch(`${this.stack.supabase_url}/auth/v1/${path}`, {
      method,
      headers: { ...this.serviceHeaders(), "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const answer = await response.json();
    assert.ok(response.ok, `Auth answered ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** A function of the database with the service key. @param {string} name @param {object} [args] */
  async rpc(name, args = {}) {
    const response = await fetch(`${this.stack.supabase_url}/rest/v1/rpc/${name}`, {
      method: "POST",
      headers: { ...this.serviceHeaders(), "content-type": "application/json" },
      body: JSON.stringify(args),
    });
    const text = await response.text();
    assert.ok(response.ok, `${name} answered ${response.status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** The id of a predefined role. @param {string} key */
  async roleId(key) {
    const [role] = await this.rows("roles", `key=eq.${key}&tenant_id=is.null&select=id`);
    return role.id;
  }

  /** A customer's number that has not written before. */
  newCustomer() {
    customers += 1;
    return String(customers);
  }

  /** @param {string} who `admin`, `manager`, `agent`, or `stranger`: an admin of the other tenant */
  user(who) {
    const member = this.members.get(who);
    if (member) return member;
    const [first] = this.stack.users;
    const tenant = (/** @type {any} */ user) => (user.tenant_id === first.tenant_id) === (who !== "stranger");
    const role = who === "stranger" ? "admin" : who;
    const user = this.stack.users.find((known) => tenant(known) && known.role === role);
    assert.ok(user, `no such demo user: ${who}`);
    return user;
  }

  /**
   * A supabase-js client that is signed in.
   * @param {string} who
   * @param {{ asFunctions?: boolean }} [options] `asFunctions`: its requests pass as those of our functions
   */
  async signIn(who, { asFunctions = false } = {}) {
    const { proof, proof_hash } = functionProof(this.stack.service_role_key);
    if (asFunctions) await this.rpc("register_function_proof", { proof_hash });
    const client = createClient(this.stack.supabase_url, this.stack.anon_key, {
      auth: { persistSession: false, autoRefreshToken: false },
      global: { headers: asFunctions ? { "x-function-proof": proof } : {} },
    });
    const { email, password } = this.user(who);
    const { data, error } = await client.auth.signInWithPassword({ email, password });
    assert.equal(error, null);
    await client.realtime.setAuth(data.session?.access_token);
    return client;
  }

  /** The live topics of a person, and the epoch that ends their names. @param {string} who */
  async live(who) {
    return (await this.succeeds("GET", "/api/auth/me", { as: who })).live;
  }

  /** @param {string} who */
  token(who) {
    if (!this.tokens.has(who)) {
      const session = this.signIn(who).then((client) => client.auth.getSession());
      this.tokens.set(
        who,
        session.then(({ data }) => String(data.session?.access_token)),
      );
    }
    return /** @type {Promise<string>} */ (this.tokens.get(who));
  }

  /**
   * @param {string} method @param {string} path
   * @param {{ as?: string, body?: unknown, raw?: string | Buffer, headers?: Record<string, string> }} [request]
   * @returns {Promise<{ status: number, headers: Headers, body: any }>}
   */
  async call(method, path, { as, body, raw, headers = {} } = {}) {
    if (as) headers = { authorization: `Bearer ${await this.token(as)}`, ...headers };
    if (body !== undefined) headers = { "content-type": "application/json", ...headers };
    const response = await fetch(this.stack.app_url + path, {
      method,
      headers,
      body: body === undefined ? raw : JSON.stringify(body),
    });
    const text = await response.text();
    let json;
    try {
      json = JSON.parse(text);
    } catch {
      json = text;
    }
    await this.keepsContract(method, path, response, json);
    return { status: response.status, headers: response.headers, body: json };
  }

  /**
   * Every answer of a route is one that the document of the API has.
   * @param {string} method @param {string} path @param {Response} response @param {any} body
   */
  async keepsContract(method, path, { status, headers }, body) {
    if (!path.startsWith("/api/")) return;
    this.contract ??= fetch(`${this.stack.app_url}/api/openapi.json`).then(
      async (answer) => new Contract(await answer.json()),
    );
    (await this.contract).check(method, path, { status, type: headers.get("content-type"), body });
  }

  /** The same call, which must succeed. @param {string} method @param {string} path @param {object} [request] */
  async succeeds(method, path, request) {
    const { status, body } = await this.call(method, path, request);
    assert.ok(status < 300, `${method} ${path} answered ${status} ${JSON.stringify(body)}`);
    return body;
  }

  /**
   * The same call, which must be refused in the common error format.
   * @param {number} status
   * @param {string} code
   * @param {string} method
   * @param {string} path
   * @param {object} [request]
   */
  async refuses(status, code, method, path, request) {
    const answer = await this.call(method, path, request);
    assert.equal(answer.status, status, `${method} ${path} answered ${answer.status} ${JSON.stringify(answer.body)}`);
    assert.deepEqual(Object.keys(answer.body), ["error"]);
    assert.equal(answer.body.error.code, code);
    assert.equal(typeof answer.body.error.message, "string");
    return answer;
  }

  /**
   * Sends a form with a file.
   * @param {string} path @param {Buffer} bytes
   * @param {{ as: string, name?: string, type?: string }} options
   */
  async sendsFile(path, bytes, { as, name = "promo.png", type = "application/octet-stream" }) {
    const form = new FormData();
    form.set("file", new Blob([new Uint8Array(bytes)], { type }), name);
    const response = await fetch(this.stack.app_url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${await this.token(as)}` },
      body: form,
    });
    return { status: response.status, body: /** @type {any} */ (await response.json()) };
  }

  /** Publishes a file for templates and quick replies. @param {Buffer} bytes @param {{ as: string, name?: string }} options */
  async publishes(bytes, options) {
    const { status, body } = await this.sendsFile("/api/whatsapp/media/published", bytes, options);
    assert.equal(status, 201, JSON.stringify(body));
    return body;
  }

  /** Calls the Meta simulator's control. @param {string} method @param {string} path @param {unknown} [body] */
  async meta(method, path, body) {
    const response = await fetch(`${this.stack.meta_url}/_sim/${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    assert.ok(response.ok, `the simulator answered ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  /** Makes Meta fail. @param {object} fault */
  metaFails(fault) {
    return this.meta("POST", "faults", fault);
  }

  metaIsWell() {
    return this.meta("DELETE", "faults");
  }

  /** A customer writes; the webhook has been answered when this returns. @param {{ from: string, name?: string, text?: string, to?: string }} message */
  async receivesMessage({ from, name = "Pelanggan", text = "Halo", to = this.phoneNumberId }) {
    const answer = await this.meta("POST", "customer/messages", { phone_number_id: to, from, name, text });
    assert.equal(answer.webhook_status, 200, JSON.stringify(answer));
    return answer.wamid;
  }

  /** The conversation with a customer. @param {string} from @param {string} [as] */
  async conversationWith(from, as = "admin") {
    const { data } = await this.succeeds("GET", "/api/conversations?limit=100", { as });
    return data.find((/** @type {any} */ conversation) => conversation.contact.wa_id === from);
  }

  /** Posts a webhook as Meta would. @param {unknown} payload @param {{ secret?: string }} [options] */
  postsWebhook(payload, { secret = this.stack.app_secret } = {}) {
    const raw = typeof payload === "string" ? payload : JSON.stringify(payload);
    const signature = `sha256=${createHmac("sha256", secret).update(raw).digest("hex")}`;
    return this.call("POST", "/api/whatsapp/webhook", { raw, headers: { "x-hub-signature-256": signature } });
  }

  /** Calls cron as Vercel does. */
  runsCron() {
    const headers = { authorization: `Bearer ${this.stack.cron_secret}` };
    return this.call("GET", "/api/cron/process-broadcasts", { headers });
  }

  /** Rows by the service key. @param {string} table @param {string} query @returns {Promise<any[]>} */
  async rows(table, query) {
    const response = await fetch(`${this.stack.supabase_url}/rest/v1/${table}?${query}`, {
      headers: this.serviceHeaders(),
    });
    assert.equal(response.status, 200);
    return response.json();
  }

  /** @param {string} table @param {string} query @param {object} changes */
  async changes(table, query, changes) {
    const response = await fetch(`${this.stack.supabase_url}/rest/v1/${table}?${query}`, {
      method: "PATCH",
      headers: { ...this.serviceHeaders(), "content-type": "application/json" },
      body: JSON.stringify(changes),
    });
    assert.ok(response.ok, await response.text());
  }

  serviceHeaders() {
    const key = this.stack.service_role_key;
    return { apikey: key, authorization: `Bearer ${key}` };
  }

  /** Sets the pace of the demo tenant's number. @param {number} perSecond */
  async setsPace(perSecond) {
    await this.meta("PUT", "settings", { throughput: 0 });
    await this.changes("whatsapp_sessions", `meta_phone_number_id=eq.${this.phoneNumberId}`, {
      messages_per_second: perSecond,
    });
  }

  /**
   * A second number of the demo tenant, in the account of the first.
   * @param {{ perSecond?: number }} [options]
   * @returns {Promise<{ id: string, phone_number_id: string }>}
   */
  async newNumber({ perSecond = 10 } = {}) {
    const tenant_id = this.user("admin").tenant_id;
    const [{ meta_business_account_id }] = await this.rows(
      "whatsapp_sessions",
      `meta_phone_number_id=eq.${this.phoneNumberId}&select=meta_business_account_id`,
    );
    const phone_number_id = `5552${this.newCustomer()}`;
    await this.meta("POST", "numbers", {
      phone_number_id,
      business_account_id: meta_business_account_id,
      display_phone_number: `+${this.newCustomer()}`,
    });
    const response = await fetch(`${this.stack.supabase_url}/rest/v1/whatsapp_sessions`, {
      method: "POST",
      headers: { ...this.serviceHeaders(), "content-type": "application/json", prefer: "return=representation" },
      body: JSON.stringify({
        tenant_id,
        name: "Cabang",
        meta_phone_number_id: phone_number_id,
        meta_business_account_id,
        messages_per_second: perSecond,
      }),
    });
    assert.ok(response.ok, `the number was not created: ${response.status}`);
    const [{ id }] = /** @type {any} */ (await response.json());
    return { id, phone_number_id };
  }

  async template() {
    const tenant = this.user("admin").tenant_id;
    const [template] = await this.rows("broadcast_templates", `tenant_id=eq.${tenant}&name=eq.promo_akhir_tahun`);
    return template;
  }

  /** @param {string[]} numbers @param {object} [more] */
  async createsCampaign(numbers, more = {}) {
    const recipients = numbers.map((phone_number, i) => ({ phone_number, variables: [`Pelanggan ${i}`] }));
    const body = { name: `Kampanye ${randomUUID()}`, template_id: (await this.template()).id, recipients, ...more };
    return this.succeeds("POST", "/api/broadcast/campaigns", { as: "manager", body });
  }

  /**
   * A campaign that is due and that no sender has begun: the next run of cron sends it. One without a time is sent in the
   * background of the request that creates it.
   * @param {string[]} numbers @param {object} [more]
   */
  async createsDueCampaign(numbers, more = {}) {
    const campaign = await this.createsCampaign(numbers, { scheduled_at: "2999-01-01T00:00:00Z", ...more });
    const scheduled_at = new Date(Date.now() - 1000).toISOString();
    await this.changes("broadcast_campaigns", `id=eq.${campaign.id}`, { scheduled_at });
    return campaign;
  }

  /** @param {string} id */
  campaign(id) {
    return this.succeeds("GET", `/api/broadcast/campaigns/${id}`, { as: "manager" });
  }

  /** All messages that Meta accepted for these numbers, by number. @param {string[]} numbers */
  async ledger(numbers) {
    const wanted = new Set(numbers);
    /** @type {Map<string, any[]>} */
    const accepted = new Map();
    for (let offset = 0; ; offset += 1000) {
      const { entries, total } = await this.meta("GET", `ledger?offset=${offset}&limit=1000`);
      for (const entry of entries) {
        if (wanted.has(entry.to)) accepted.set(entry.to, [...(accepted.get(entry.to) ?? []), entry]);
      }
      if (offset + entries.length >= total) return accepted;
    }
  }

  /**
   * Meta has accepted the message; its statuses may have arrived before the record.
   * @param {{ status: string }} message
   */
  isSent(message) {
    assert.ok(["sent", "delivered", "read"].includes(message.status), JSON.stringify(message));
  }

  /** Waits until every webhook of Meta has arrived. */
  metaIsQuiet() {
    return eventually("Meta's webhooks arrive", async () => (await this.meta("GET", "idle")).pending_webhooks === 0);
  }
}

/**
 * Waits until `look` gives something.
 * @template T @param {string} what @param {() => Promise<T> | T} look @param {number} [patience] milliseconds, where five minutes are not enough @returns {Promise<NonNullable<T>>}
 */
export async function eventually(what, look, patience = PATIENCE) {
  for (const end = Date.now() + patience; ; await pause(20)) {
    const found = await look();
    if (found) return /** @type {any} */ (found);
    assert.ok(Date.now() < end, `did not come true: ${what}`);
  }
}
