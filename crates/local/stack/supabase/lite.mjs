// Supabase Lite as PostgREST, Auth and Storage on a real Postgres, with corrections where it differs from the hosted
// services.
process.env.LITE_TELEMETRY = "0";
process.env.EXPERIMENTAL_STORAGE = "1";

const { AsyncLocalStorage } = await import("node:async_hooks");
const { App } = await import("@supabase/lite");
const { PostgresConnection } = await import("@supabase/lite/postgres");
const { TYPES } = await import("./database.mjs");
const { renewingPool } = await import("./renewing-pool.mjs");
const { applySettings } = await import("./request-settings.mjs");
const { restError } = await import("./rest-error.mjs");
const { SHORTEST_PASSWORD } = await import("./auth-users.mjs");
const { patchAuthService } = await import("./auth-tokens.mjs");
const { passwordVerification } = await import("./password-hook.mjs");
const { liteMailer } = await import("./mails.mjs");
const { FolderStorage } = await import("./folder-storage.mjs");

/** @typedef {import("./keys.mjs").Claims} Claims */
/** @typedef {{ claims: Claims, kind: "publishable" | "secret", user: boolean }} Caller */
/** @typedef {{ method: string, path: string, headers: Record<string, unknown>, readOnly: boolean, routine?: string }} RestRequest of PostgREST, its path below /rest/v1, and the name of the called function */

/** @typedef {{ url: URL, rest: RestRequest | null }} CurrentRequest */

/**
 * The current request, for the places where Lite does not pass it on.
 * @type {import("node:async_hooks").AsyncLocalStorage<CurrentRequest>}
 */
const current = new AsyncLocalStorage();

// The role is set last, so that its missing rights do not prevent the other settings.
const OF_CALLER =
  "set_config('request.jwt.claims', $1, true), set_config('storage.operation', $2, true), set_config('search_path', $3, true), set_config('role', $4, true)";
const OF_REQUEST =
  "set_config('response.status', '', true), set_config('response.headers', '', true), set_config('request.method', $5, true), set_config('request.path', $6, true), set_config('request.headers', $7, true), set_config('transaction_read_only', $8, true)";
const SETTINGS = applySettings(9);

class Connection extends PostgresConnection {
  /** @type {ReturnType<import("./pre-request.mjs").preRequest> | null} */
  preRequest = null;
  /** @type {ReturnType<import("./request-settings.mjs").requestSettings> | null} */
  settings = null;

  /**
   * Prevents Lite from granting all rights to all API roles, which would undo the grants of the migrations.
   * @returns {Promise<boolean>}
   */
  async ensureRlsContext() {
    return true;
  }

  /**
   * Sets role and claims in one statement. For a PostgREST request it also applies the settings of the role and sets the
   * request's properties, and then calls the pre-request function.
   * @param {any} db @param {any} vars
   */
  async applyJwtSessionContext(db, vars) {
    const role = vars.auth?.role || "anon";
    const request = current.getStore()?.rest;
    await run(db, `select ${request ? `${SETTINGS}, ${OF_REQUEST}, ` : ""}${OF_CALLER}`, [
      JSON.stringify(vars.auth?.jwt ?? { role }),
      String(vars.storage?.operation ?? ""),
      "public, extensions",
      role,
      ...(request
        ? [
            request.method,
            request.path,
            JSON.stringify(request.headers),
            request.readOnly ? "on" : "off",
            (await this.settings?.of(role, request.routine)) ?? "{}",
          ]
        : []),
    ]);
    const before = request ? await this.preRequest?.statement() : null;
    if (before) await run(db, before, []);
  }

  /** Does nothing: `applyJwtSessionContext` has already set all of it, before the project's pre-request function. */
  async applyRpcRequestGucs() {}

  /** @param {any} error */
  normalizeDbError(error) {
    return restError(error);
  }
}

/** The number of Lite's connections. */
const MOST = 20;

let queries = 0;

/** @param {any} db Kysely @param {string} text @param {unknown[]} parameters */
function run(db, text, parameters) {
  queries++;
  return db.executeQuery({
    sql: text,
    parameters,
    query: { kind: "RawNode" },
    queryId: { queryId: `stack-${queries}` },
  });
}

/**
 * @typedef {object} LiteOptions
 * @property {import("postgres").Sql} sql of the superuser
 * @property {string} databaseUrl of the superuser
 * @property {string} jwtSecret
 * @property {string} supabaseUrl
 * @property {string} siteUrl
 * @property {string} storageFolder
 * @property {ReturnType<import("./pre-request.mjs").preRequest>} preRequest
 * @property {ReturnType<import("./request-settings.mjs").requestSettings>} settings
 * @property {ReturnType<import("./mails.mjs").mailbox>} mails
 */

/** @param {LiteOptions} options */
export async function startLite(options) {
  const connection = new Connection({ url: options.databaseUrl });
  const pool = renewingPool({
    most: MOST,
    open: (onclose) =>
      new PostgresConnection({
        url: options.databaseUrl,
        postgresOptions: {
          max: MOST,
          max_lifetime: null,
          types: TYPES,
          onnotice: () => {},
          connection: { application_name: "supabase-lite" },
          onclose,
        },
      }).driver,
  });
  // Lite uses its connections only through this method.
  connection.driver.reserve = pool.reserve;
  const passwordHook = passwordVerification(options.sql);
  connection.preRequest = options.preRequest;
  connection.settings = options.settings;
  const app = new App({
    connection,
    api: { enabled: true, schemas: ["public"] },
    db: { driver: "postgres", migrations: { enabled: false } },
    auth: {
      enabled: true,
      jwt_secret: options.jwtSecret,
      site_url: options.siteUrl,
      additional_redirect_urls: [options.siteUrl, options.siteUrl.replace("//127.0.0.1", "//localhost")].map(
        (url) => `${url}/**`,
      ),
      minimum_password_length: SHORTEST_PASSWORD,
      enable_signup: true,
      email: { enable_signup: true, enable_confirmations: false },
    },
    storage: { enabled: true, file_size_limit: "100MiB" },
    studio: { enabled: false },
    options: {
      // The caller is identified before Lite sees the request.
      server: { apiKeys: false, admin: false, disableStudio: true, disableFallback: true, middlewares: [identify] },
    },
  });
  app._mailer = liteMailer(options.mails, () => current.getStore()?.url.searchParams.get("redirect_to"));
  app._storageAdapter = new FolderStorage(options.storageFolder);
  await app.init();

  /** @param {any} c @param {() => Promise<void>} next */
  async function identify(c, next) {
    patchAuthService(c.var.authService, { ...options, passwordHook });
    /** @type {Caller | undefined} */
    const caller = c.env.caller;
    if (caller) {
      c.var.authService.sessionId = caller.claims.session_id;
      c.set("apiKeyType", caller.kind);
      // Auth uses the user's own token, which Lite reads from the request.
      if (!c.req.path.startsWith("/auth/v1/")) {
        c.set("ignoreAuthorization", true);
        c.set("jwt", caller.claims);
        c.set("userId", caller.claims.sub ?? "");
      }
    }
    await next();
  }

  return {
    app,
    /**
     * @param {Request} request @param {Caller | null} caller @param {CurrentRequest} context
     * @returns {Promise<Response>}
     */
    fetch: (request, caller, context) =>
      current.run(context, () => app.server.fetch(request, { caller, peerAddress: null })),
    reloadSchema: () => connection.clearSchemaCache(),
    stop: () => pool.end({ timeout: 2 }),
  };
}
