// The single origin of the local Supabase. It identifies the caller and passes the request to its service.
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { isAdminPath } from "./auth-admin.mjs";
import { acceptedInvitation } from "./auth-verify.mjs";
import { changesEveryRow } from "./safe-update.mjs";
import { answerSignedUrls, requestsSignedUrls } from "./signed-urls.mjs";

/** PostgREST's answer when it has no database connection. */
const NO_CONNECTION = {
  code: "PGRST001",
  details: null,
  hint: null,
  message: "Database client error. Retrying the connection.",
};

/** @typedef {{ status: number, headers: Record<string, string>, body: string | null }} Answer */

const EXPOSED = "Content-Range, Content-Location, Preference-Applied, X-Total-Count, Link, X-Sb-Error-Code";

/**
 * @typedef {object} Services
 * @property {ReturnType<import("./callers.mjs").callerFinder>} callers
 * @property {Awaited<ReturnType<import("./lite.mjs").startLite>>} lite
 * @property {ReturnType<import("./rpc.mjs").rpcCaller>} rpc
 * @property {ReturnType<import("./auth-admin.mjs").authAdmin>} authAdmin
 * @property {ReturnType<import("./mails.mjs").mailbox>} mails
 * @property {{ handleHttp: (url: URL, body: Buffer, caller: import("./lite.mjs").Caller) => Promise<Answer> }} realtime
 */

/** @param {Services} services */
export function createGateway(services) {
  const server = createServer((request, response) => {
    serve(services, request, response).catch((error) => {
      console.error(
        `${request.method} ${new URL(request.url ?? "/", "http://x").pathname}: ${error?.message ?? error}`,
      );
      if (response.headersSent) response.destroy();
      else if (/^(CONNECTION_|ECONN)/.test(error?.code ?? "")) send(response, json(503, NO_CONNECTION));
      else send(response, json(500, { message: "Internal server error" }));
    });
  });
  // Clients keep connections for 90 s. Closing them earlier would sometimes break a request in progress.
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  return server;
}

/** @param {Services} services @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
async function serve(services, request, response) {
  const url = new URL(request.url ?? "/", `http://${request.headers.host ?? "localhost"}`);
  response.setHeader("access-control-allow-origin", "*");
  response.setHeader("access-control-expose-headers", EXPOSED);
  if (request.method === "OPTIONS" && request.headers["access-control-request-method"])
    return preflight(request, response);
  if (url.pathname === "/_local/health") return send(response, json(200, { status: "ok" }));
  if (url.pathname === "/_local/mails") {
    // Links that sign a user in are for the person at this machine, not for a page of another origin.
    response.removeHeader("access-control-allow-origin");
    return send(response, json(200, await services.mails.read()));
  }

  const service = /^\/(rest|auth|storage|realtime)\/v1(?:\/|$)/.exec(url.pathname)?.[1];
  if (!service) return send(response, json(404, { message: "no Route matched with those values" }));
  const found = services.callers.find(request, url);
  if ("refusal" in found) return send(response, json(found.refusal.status, found.refusal.body));
  const { caller } = found;
  const body = await readBody(request);

  const unfiltered = service === "rest" ? changesEveryRow(request.method ?? "GET", url) : null;
  if (unfiltered) return send(response, json(400, unfiltered));
  if (service === "rest" && caller && request.method === "POST") {
    const name = /^\/rest\/v1\/rpc\/([^/]+)$/.exec(url.pathname)?.[1];
    const answer = name ? await services.rpc.call(decodeURIComponent(name), request, body, caller) : null;
    if (answer) return send(response, answer);
  }
  if (isAdminPath(url.pathname))
    return send(response, await services.authAdmin.handle(request.method ?? "GET", url, body, caller));
  if (service === "realtime" && caller) {
    if (request.method !== "POST") return send(response, json(404, { message: "Not found" }));
    return send(response, await services.realtime.handleHttp(url, body, caller));
  }
  await forward(services, { request, response, url, body, caller });
}

/** @param {Services} services @param {{ request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse, url: URL, body: Buffer, caller: any }} call */
async function forward(services, { request, response, url, body, caller }) {
  const headers = new Headers();
  for (let i = 0; i < request.rawHeaders.length; i += 2)
    headers.append(request.rawHeaders[i], request.rawHeaders[i + 1]);
  const current = { url, rest: await restRequest(services, request, url) };
  const ask = (/** @type {URL} */ to, /** @type {Buffer | string} */ content) =>
    services.lite.fetch(
      new Request(to, { method: request.method, headers, body: content.length > 0 ? content : undefined }),
      caller,
      current,
    );
  if (requestsSignedUrls(request.method ?? "", url.pathname)) {
    headers.delete("content-length");
    const { status, value } = await answerSignedUrls(url.pathname, parse(body), async (path, content) => {
      const answer = await ask(new URL(path, url), JSON.stringify(content));
      return { status: answer.status, value: await answer.json() };
    });
    return send(response, json(status, value));
  }
  const invitation = acceptedInvitation(request.method ?? "", url, body);
  if (invitation) headers.delete("content-length");
  const answer = await ask(invitation?.url ?? url, invitation?.body ?? body);
  response.statusCode = answer.status;
  for (const [name, value] of answer.headers) response.setHeader(name, value);
  const location = answer.headers.get("location");
  if (invitation && location) response.setHeader("location", invitation.location(location));
  response.setHeader("access-control-expose-headers", EXPOSED);
  if (!answer.body) return void response.end();
  if (url.pathname.startsWith("/storage/v1/object/") && request.method === "GET") {
    return pipeline(Readable.fromWeb(/** @type {any} */ (answer.body)), response);
  }
  response.end(Buffer.from(await answer.arrayBuffer()));
}

/** @param {Services} services @param {import("node:http").IncomingMessage} request @param {URL} url @returns {Promise<import("./lite.mjs").RestRequest | null>} */
async function restRequest(services, { method = "GET", headers }, url) {
  const path = /^\/rest\/v1(\/.*)$/.exec(url.pathname)?.[1];
  if (path === undefined) return null;
  const name = /^\/rpc\/([^/]+)$/.exec(path)?.[1];
  const routine = name === undefined ? undefined : decodeURIComponent(name);
  const readOnly =
    method === "GET" || method === "HEAD" || (routine !== undefined && (await services.rpc.isReadOnly(routine)));
  return { method, path, headers, readOnly, routine };
}

/** @param {Buffer} body @returns {any} */
function parse(body) {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return {};
  }
}

/** @param {import("node:http").IncomingMessage} request @returns {Promise<Buffer>} */
async function readBody(request) {
  if (request.method === "GET" || request.method === "HEAD") return Buffer.alloc(0);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
}

/** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
function preflight(request, response) {
  response.writeHead(204, {
    "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS",
    "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "*",
    "access-control-max-age": "86400",
  });
  response.end();
}

/** @param {number} status @param {unknown} value @returns {Answer} */
function json(status, value) {
  return { status, headers: { "content-type": "application/json; charset=utf-8" }, body: JSON.stringify(value) };
}

/** @param {import("node:http").ServerResponse} response @param {Answer} answer */
function send(response, { status, headers, body }) {
  const length = body === null ? {} : { "content-length": String(Buffer.byteLength(body)) };
  response.writeHead(status, { ...headers, ...length });
  response.end(body ?? undefined);
}
