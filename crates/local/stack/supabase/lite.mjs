// Supabase Lite as PostgREST, Auth and Storage on a real Postgres, with what it does differently put right.
process.env.LITE_TELEMETRY = "0";
process.env.EXPERIMENTAL_STORAGE = "1";

const { App, InMemoryEmailDriver } = await import("@supabase/lite");
const { PostgresConnection } = await import("@supabase/lite/postgres");
const { TYPES } = await import("./database.mjs");
const { restError } = await import("./rest-error.mjs");
const { mendAuthService } = await import("./auth-tokens.mjs");
const { FolderStorage } = await import("./folder-storage.mjs");

/** @typedef {import("./keys.mjs").Claims} Claims */
/** @typedef {{ claims: Claims, kind: "publishable" | "secret", user: boolean }} Caller */

class Connection extends PostgresConnection {
  /**
   * Lite would grant everything to every API role here, undoing the migrations' own grants.
   * @returns {Promise<boolean>}
   */
  async ensureRlsContext() {
    return true;
  }

  /** Role and claims in one statement. @param {any} db @param {any} vars */
  async applyJwtSessionContext(db, vars) {
    const role = vars.auth?.role || "anon";
    await run(
      db,
      "select set_config('request.jwt.claims', $1, true), set_config('storage.operation', $2, true), set_config('search_path', $3, true), set_config('role', $4, true)",
      [JSON.stringify(vars.auth?.jwt ?? { role }), String(vars.storage?.operation ?? ""), "public, extensions", role],
    );
  }

  /** @param {any} db @param {any} request */
  async applyRpcRequestGucs(db, request) {
    await run(
      db,
      "select set_config('response.status', '', true), set_config('response.headers', '', true), set_config('request.method', $1, true), set_config('request.path', $2, true), set_config('request.headers', $3, true)",
      [request.method, request.path, JSON.stringify(request.requestHeaders ?? {})],
    );
  }

  /** @param {any} error */
  normalizeDbError(error) {
    return restError(error);
  }
}

let queries = 0;

/** @param {any} db Kysely @param {string} text @param {unknown[]} parameters */
function run(db, text, parameters) {
  queries++;
  return db.executeQuery({ sql: text, parameters, query: { kind: "RawNode" }, queryId: { queryId: `stack-${queries}` } });
}

/**
 * @typedef {object} LiteOptions
 * @property {string} databaseUrl of the superuser
 * @property {string} jwtSecret
 * @property {string} supabaseUrl
 * @property {string} siteUrl
 * @property {string} storageFolder
 */

/** @param {LiteOptions} options */
export async function startLite(options) {
  const connection = new Connection({
    url: options.databaseUrl,
    postgresOptions: { max: 20, types: TYPES, onnotice: () => {}, connection: { application_name: "supabase-lite" } },
  });
  const app = new App({
    connection,
    api: { enabled: true, schemas: ["public"] },
    db: { driver: "postgres", migrations: { enabled: false } },
    auth: {
      enabled: true,
      jwt_secret: options.jwtSecret,
      site_url: options.siteUrl,
      additional_redirect_urls: [`${options.siteUrl}/**`],
      enable_signup: false,
      email: { enable_signup: false, enable_confirmations: false },
    },
    storage: { enabled: true, file_size_limit: "100MiB" },
    studio: { enabled: false },
    options: {
      drivers: { email: new InMemoryEmailDriver() },
      // The caller has been identified before Lite sees the request.
      server: { apiKeys: false, admin: false, disableStudio: true, disableFallback: true, middlewares: [identify] },
    },
  });
  app._storageAdapter = new FolderStorage(options.storageFolder);
  await app.init();

  /** @param {any} c @param {() => Promise<void>} next */
  async function identify(c, next) {
    mendAuthService(c.var.authService, options);
    /** @type {Caller | undefined} */
    const caller = c.env.caller;
    if (caller) {
      c.set("apiKeyType", caller.kind);
      // For Auth the user's own token counts, and Lite looks it up itself.
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
    /** @param {Request} request @param {Caller | null} caller @returns {Promise<Response>} */
    fetch: (request, caller) => app.server.fetch(request, { caller, peerAddress: null }),
    reloadSchema: () => connection.clearSchemaCache(),
    stop: () => connection.driver.end({ timeout: 2 }),
  };
}
