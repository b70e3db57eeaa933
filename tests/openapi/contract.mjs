// The document of the API as a judge: does an answer say what the document says it does?
import assert from "node:assert/strict";
import addFormats from "ajv-formats";
import Ajv from "ajv/dist/2020.js";

const METHODS = ["get", "post", "put", "patch", "delete"];

export class Contract {
  /** @param {any} document of `/api/openapi.json` */
  constructor(document) {
    this.document = closed(document);
    this.ajv = new Ajv({ strict: false, allErrors: true });
    addFormats(this.ajv);
    this.ajv.addSchema(this.document, "document");
    /** @type {{ path: string, pattern: RegExp }[]} */
    this.paths = Object.keys(document.paths)
      .sort((one, other) => Number(one.includes("{")) - Number(other.includes("{")))
      .map((path) => ({ path, pattern: new RegExp(`^${path.replaceAll(".", "\\.").replace(/\{\w+\}/g, "[^/]+")}$`) }));
  }

  /** Every operation with its path and method. @returns {Generator<{ path: string, method: string, operation: any }>} */
  *operations() {
    for (const [path, item] of Object.entries(this.document.paths)) {
      for (const method of METHODS) {
        if (item[method]) yield { path, method, operation: item[method] };
      }
    }
  }

  /**
   * Fails unless the document has this answer.
   * @param {string} method @param {string} url path, with or without its query
   * @param {{ status: number, type: string | null, body: any }} answer the body as JSON where it is JSON
   */
  check(method, url, { status, type, body }) {
    // The platform answers in place of a function that died or took too long.
    if (status >= 500 && String(body?.error?.code).startsWith("function_")) return;
    const [pathname] = url.split("?");
    const known = this.paths.find(({ pattern }) => pattern.test(pathname));
    const what = `${method} ${pathname} answered ${status}`;
    if (!known) return this.checkError(what, body, ["not_found"]);
    // Cron may be called by POST too, by hand: an alias, not an operation of its own.
    const item = this.document.paths[known.path];
    const operation =
      item[method.toLowerCase()] ?? (known.path.startsWith("/api/cron/") && method === "POST" ? item.get : undefined);
    if (!operation) return this.checkError(what, body, ["method_not_allowed"]);

    const [name, response] = this.response(operation, known.path, method.toLowerCase(), status);
    assert.ok(response, `${what}, which ${operation.operationId} does not document: ${JSON.stringify(body)}`);
    if (!response.content) return assert.equal(body, "", `${what} with a body that is not documented`);

    const media = (type ?? "").split(";")[0].trim();
    assert.ok(
      media in response.content,
      `${what} as ${media}, documented is ${Object.keys(response.content).join(", ")}`,
    );
    if (media !== "application/json") return;
    const pointer = `${name}/content/${escaped(media)}/schema`;
    const problems = this.problems(pointer, body);
    assert.equal(problems, "", `${what}, and the document says otherwise: ${problems}\n${JSON.stringify(body)}`);
    if (status >= 400 && body.error && response.content[media].examples) {
      const codes = Object.values(response.content[media].examples).map((example) => example.value.error.code);
      this.checkError(what, body, codes);
    }
  }

  /** @param {string} what @param {any} body @param {string[]} codes */
  checkError(what, body, codes) {
    const code = body?.error?.code;
    assert.ok(codes.includes(code), `${what} with the code ${code}, documented are ${codes.join(", ")}`);
  }

  /** @param {any} operation @param {string} path @param {string} method @param {number} status @returns {[string, any]} */
  response(operation, path, method, status) {
    const response = operation.responses[status];
    if (!response?.$ref) return [`#/paths/${escaped(path)}/${method}/responses/${status}`, response];
    return [response.$ref, at(this.document, response.$ref)];
  }

  /** What is wrong with a value, by the schema at a place of the document. @param {string} pointer @param {unknown} value */
  problems(pointer, value) {
    const validate = this.ajv.getSchema(`document${pointer}`) ?? this.ajv.compile({ $ref: `document${pointer}` });
    if (validate(value)) return "";
    return (
      this.ajv.errorsText(validate.errors?.slice(0, 5), { dataVar: "", separator: "; " }) +
      unknownField(validate.errors)
    );
  }
}

/** @param {any[] | null | undefined} errors */
function unknownField(errors) {
  const unknown = (errors ?? []).map((error) => error.params?.additionalProperty).filter(Boolean);
  return unknown.length > 0 ? ` (${unknown.join(", ")})` : "";
}

/** A part of a JSON pointer, as it stands in a URI. @param {string} part */
export const escaped = (part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"));

/** What a pointer points to. @param {any} document @param {string} pointer */
export function at(document, pointer) {
  const parts = pointer.replace(/^#\//, "").split("/");
  return parts.reduce(
    (place, part) => place?.[decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  );
}

/**
 * The document with objects that have no other fields than those it names. Clients must bear new fields, so the document
 * itself leaves objects open; our own answers must not have any that it does not name.
 * @param {any} value @returns {any}
 */
function closed(value) {
  if (Array.isArray(value)) return value.map(closed);
  if (value === null || typeof value !== "object") return value;
  const copy = Object.fromEntries(
    Object.entries(value).map(([key, member]) => [key, key.startsWith("example") ? member : closed(member)]),
  );
  const isObjectSchema = copy.properties && copy.type && !Array.isArray(copy.properties);
  if (isObjectSchema && copy.additionalProperties === undefined) copy.additionalProperties = false;
  return copy;
}
