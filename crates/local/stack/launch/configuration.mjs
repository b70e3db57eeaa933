// From ports, secrets and the caller's environment to what each part is told. A variable that is set in the environment
// wins over the local default; an address that is set means that the part behind it is not ours to run.
import path from "node:path";
import { roleKey } from "../supabase/keys.mjs";
import { SUPERUSER } from "../supabase/postgres.mjs";
import { StackError } from "../supabase/stack-error.mjs";
import { TEMPLATES, templateId, TENANTS, USERS } from "./demo-tenants.mjs";

const PASSED_ON = [
  "META_WHATSAPP_PHONE_NUMBER_ID",
  "META_WHATSAPP_BUSINESS_ACCOUNT_ID",
  "META_GRAPH_VERSION",
  "NEXT_PUBLIC_APP_URL",
  "DEFAULT_TENANT_ID",
  "NEXT_PUBLIC_DEFAULT_TENANT_ID",
  "TOKEN_ENCRYPTION_KEY",
  "SENTRY_DSN",
  "RUST_LOG",
];

/**
 * @typedef {object} Settings
 * @property {string} root the repository
 * @property {string} dataDir
 * @property {import("./ports.mjs").Ports} ports
 * @property {import("./secrets.mjs").Secrets} secrets
 * @property {string} functionsDir
 * @property {string | null} [server] the binary that serves all functions in place of theirs
 * @property {boolean} fresh
 * @property {boolean} cron
 * @property {boolean} durable
 * @property {number} [timeLimitScale]
 * @property {{ sent: number, delivered: number, read: number }} [webhookDelay]
 * @property {Record<string, string | undefined>} given the caller's environment
 */

/** @param {Settings} settings */
export function configure(settings) {
  const { root, dataDir, ports, secrets, given } = settings;
  const from = (/** @type {string[]} */ names, /** @type {string} */ otherwise) =>
    names.map((name) => given[name]).find(Boolean) ?? otherwise;
  const local = (/** @type {number} */ port) => `http://127.0.0.1:${port}`;

  const elsewhere = {
    supabase: from(["SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL"], ""),
    meta: from(["META_GRAPH_BASE_URL"], ""),
    upstash: from(["UPSTASH_REDIS_REST_URL"], ""),
    database: from(["SUPABASE_DB_URL"], ""),
  };
  const jwtSecret = from(["SUPABASE_JWT_SECRET"], elsewhere.supabase ? "" : secrets.jwt_secret);
  const issuedAt = Number(secrets.keys_issued_at);
  const ownKey = (/** @type {"anon" | "service_role"} */ role) =>
    elsewhere.supabase ? "" : roleKey(role, jwtSecret, issuedAt);
  const anonKey = from(["SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY"], ownKey("anon"));
  const serviceKey = from(["SUPABASE_SERVICE_ROLE_KEY"], ownKey("service_role"));
  if (!anonKey || !serviceKey)
    throw new StackError("SUPABASE_URL is set: set SUPABASE_ANON_KEY and SUPABASE_SERVICE_ROLE_KEY too");
  if (elsewhere.supabase && settings.fresh)
    throw new StackError("--fresh cannot empty the database behind SUPABASE_URL: empty it by other means");

  const appUrl = local(ports.app);
  const supabaseUrl = elsewhere.supabase.replace(/\/$/, "") || local(ports.supabase);
  const metaUrl = elsewhere.meta.replace(/\/$/, "") || local(ports.meta);
  const upstashUrl = elsewhere.upstash.replace(/\/$/, "") || local(ports.upstash);
  const databaseUrl =
    elsewhere.database ||
    (elsewhere.supabase
      ? null
      : `postgresql://${SUPERUSER}:${encodeURIComponent(secrets.postgres_password)}@127.0.0.1:${ports.postgres}/postgres`);
  const upstashToken = from(["UPSTASH_REDIS_REST_TOKEN"], secrets.upstash_token);
  const appSecret = from(["META_APP_SECRET"], secrets.app_secret);
  const verifyToken = from(["META_WEBHOOK_VERIFY_TOKEN"], secrets.verify_token);
  const cronSecret = from(["CRON_SECRET"], secrets.cron_secret);
  const metaToken = from(["META_WHATSAPP_TOKEN"], secrets.meta_access_token);
  const [first] = TENANTS;

  /** @type {Record<string, string>} */
  const environment = {
    NEXT_PUBLIC_SUPABASE_URL: supabaseUrl,
    NEXT_PUBLIC_SUPABASE_ANON_KEY: anonKey,
    SUPABASE_SERVICE_ROLE_KEY: serviceKey,
    ...(jwtSecret ? { SUPABASE_JWT_SECRET: jwtSecret } : {}),
    META_WHATSAPP_TOKEN: metaToken,
    META_WHATSAPP_PHONE_NUMBER_ID: first.number.phone_number_id,
    META_WHATSAPP_BUSINESS_ACCOUNT_ID: first.number.business_account_id,
    META_WEBHOOK_VERIFY_TOKEN: verifyToken,
    META_APP_SECRET: appSecret,
    META_GRAPH_BASE_URL: metaUrl,
    META_GRAPH_VERSION: "v25.0",
    UPSTASH_REDIS_REST_URL: upstashUrl,
    UPSTASH_REDIS_REST_TOKEN: upstashToken,
    NEXT_PUBLIC_APP_URL: appUrl,
    DEFAULT_TENANT_ID: first.id,
    NEXT_PUBLIC_DEFAULT_TENANT_ID: first.id,
    CRON_SECRET: cronSecret,
    TOKEN_ENCRYPTION_KEY: secrets.token_encryption_key,
  };
  for (const name of PASSED_ON) {
    const value = given[name];
    if (value) environment[name] = value;
  }

  return {
    /** What `.local/stack.json` says of the running stack, but for its process. */
    addresses: {
      app_url: appUrl,
      supabase_url: supabaseUrl,
      anon_key: anonKey,
      service_role_key: serviceKey,
      database_url: databaseUrl,
      meta_url: metaUrl,
      upstash_url: upstashUrl,
      upstash_token: upstashToken,
      // Several during a rotation: the first signs.
      app_secret: appSecret.split(",")[0].trim(),
      verify_token: verifyToken,
      cron_secret: cronSecret,
      users: USERS,
    },
    usedPorts: {
      app: ports.app,
      ...(elsewhere.supabase ? {} : { supabase: ports.supabase }),
      ...(elsewhere.meta ? {} : { meta: ports.meta }),
      ...(elsewhere.upstash ? {} : { upstash: ports.upstash }),
      ...(elsewhere.supabase || elsewhere.database ? {} : { postgres: ports.postgres }),
    },
    supabase: elsewhere.supabase
      ? null
      : {
          port: ports.supabase,
          postgres_port: ports.postgres,
          postgres_password: secrets.postgres_password,
          data_dir: path.join(dataDir, "supabase"),
          fresh: settings.fresh,
          durable: settings.durable,
          time_limit_scale: settings.timeLimitScale,
          migrations_dir: path.join(root, "supabase", "migrations"),
          jwt_secret: jwtSecret,
          anon_key: anonKey,
          service_role_key: serviceKey,
          publishable_key: secrets.publishable_key,
          secret_key: secrets.secret_key,
          supabase_url: supabaseUrl,
          site_url: environment.NEXT_PUBLIC_APP_URL,
          database_url: elsewhere.database || null,
        },
    functions: {
      root,
      functions_dir: settings.functionsDir,
      server: settings.server ?? null,
      app_port: ports.app,
      meta_port: elsewhere.meta ? null : ports.meta,
      upstash_port: elsewhere.upstash ? null : ports.upstash,
      cron: settings.cron,
      cron_secret: cronSecret,
      upstash_token: upstashToken,
      environment,
      meta: {
        app_secret: appSecret.split(",")[0].trim(),
        verify_token: verifyToken,
        access_token: metaToken,
        app_id: secrets.meta_app_id,
        webhook_url: `${appUrl}/api/whatsapp/webhook`,
        state_file: path.join(dataDir, "meta.json"),
        ...(settings.webhookDelay ? { webhook_delay_ms: settings.webhookDelay } : {}),
        numbers: TENANTS.map(({ name, number }) => ({ ...number, verified_name: name })),
        templates: TENANTS.flatMap((tenant) =>
          TEMPLATES.map((template, i) => ({
            business_account_id: tenant.number.business_account_id,
            id: templateId(tenant, i),
            status: "APPROVED",
            parameter_format: "POSITIONAL",
            ...template,
          })),
        ),
      },
    },
  };
}
