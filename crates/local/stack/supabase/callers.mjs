// Identifies the caller from key and token, like the API gateway of a hosted project and the services behind it.
import { acceptedKeys, verifyToken } from "./keys.mjs";

/** @typedef {import("./lite.mjs").Caller} Caller */
/** @typedef {{ status: number, body: unknown }} Refusal */

// Mails and providers link to these paths and send no key.
const KEYLESS_AUTH = /^\/auth\/v1\/(callback|authorize|verify|\.well-known\/.*|health)$/;

/** @param {{ anon_key: string, service_role_key: string, publishable_key?: string, secret_key?: string, jwt_secret: string }} config */
export function callerFinder(config) {
  const keys = acceptedKeys(config);

  return {
    /** The claims of a websocket's key; null if the key is unknown. @param {string | null} key */
    claimsOfKey: (key) => (key === null ? null : (keys.get(key)?.claims ?? null)),

    /**
     * @param {import("node:http").IncomingMessage} request @param {URL} url
     * @returns {{ caller: Caller | null } | { refusal: Refusal }}
     */
    find(request, url) {
      const service = url.pathname.split("/")[1];
      const key = request.headers.apikey ?? url.searchParams.get("apikey");
      const token = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
      const known = typeof key === "string" ? keys.get(key) : undefined;
      if (!known && service !== "storage") {
        if (KEYLESS_AUTH.test(url.pathname)) return { caller: null };
        return refuse(
          401,
          key
            ? { message: "Invalid API key", hint: "Double check your Supabase `anon` or `service_role` API key." }
            : { message: "No API key found in request", hint: "No `apikey` request header or url param was found." },
        );
      }
      const kind = known?.kind ?? "publishable";
      const byKey = { kind, claims: known?.claims ?? { role: "anon" }, user: false };
      if (token === undefined || token === key || token.startsWith("sb_")) return { caller: byKey };
      const checked = verifyToken(token, config.jwt_secret);
      if ("claims" in checked)
        return { caller: { kind, claims: checked.claims, user: checked.claims.sub !== undefined } };
      // Auth has its own wording for refusals.
      if (service === "auth") return { caller: byKey };
      return refuse(...wording(service, checked.problem));
    },
  };
}

/** @param {number} status @param {unknown} body */
const refuse = (status, body) => ({ refusal: { status, body } });

/** @param {string} service @param {"malformed" | "signature" | "expired"} problem @returns {[number, unknown]} */
function wording(service, problem) {
  if (service === "storage") {
    const message =
      problem === "expired"
        ? '"exp" claim timestamp check failed'
        : problem === "signature"
          ? "signature verification failed"
          : "Invalid Compact JWS";
    return [400, { statusCode: "403", error: "Unauthorized", message }];
  }
  if (service === "realtime") return [401, { message: "Unauthorized" }];
  const [code, message] = {
    malformed: ["PGRST301", "JWSError (CompactDecodeError Invalid number of parts)"],
    signature: ["PGRST301", "JWSError JWSInvalidSignature"],
    expired: ["PGRST303", "JWT expired"],
  }[problem];
  return [401, { code, details: null, hint: null, message }];
}
