// The document keeps its own rules: independent tools read it, and its examples are what its schemas say.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { DOCUMENT_FILE, documentText } from "../../crates/local/stack/openapi/document.mjs";
import { at, Contract, escaped } from "./contract.mjs";
import { typescriptClient } from "./clients.mjs";
import { runs } from "./programs.mjs";
import { pythonTools } from "./python.mjs";

const folder = mkdtempSync(path.join(tmpdir(), "crm-openapi-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const file = DOCUMENT_FILE;
const text = readFileSync(file, "utf8");
const document = JSON.parse(text);
const contract = new Contract(document);

test("the document that is served is what the code makes", () => {
  assert.ok(documentText() === text, "crates/crm/openapi.json differs from the code: run npm run openapi");
});

test("Redocly's linter finds no error", async () => {
  await runs("redocly", ["lint", "--config", path.join(import.meta.dirname, "redocly.yaml"), file]);
});

test("openapi-spec-validator finds no error", async (t) => {
  const tools = await pythonTools();
  if ("missing" in tools) return t.skip(tools.missing);
  await tools.run("openapi-spec-validator", [file]);
});

test("the calls of the TypeScript client compile", async () => {
  await typescriptClient(file, path.join(folder, "typescript"));
});

test("every operation says what it does, who may call it, and shows an example", () => {
  const lacking = [];
  const ids = new Set();
  for (const { path, method, operation } of contract.operations()) {
    const lacks = (/** @type {string} */ what) => lacking.push(`${method} ${path}: ${what}`);
    for (const field of ["operationId", "summary", "description"]) {
      if (!operation[field]) lacks(field);
    }
    if (ids.has(operation.operationId)) lacks("an operationId of its own");
    ids.add(operation.operationId);
    if (
      !operation.tags?.every((/** @type {string} */ tag) =>
        document.tags.some((/** @type {any} */ known) => known.name === tag),
      )
    )
      lacks("a described tag");
    if (!operation["x-permission"] && operation["x-public"] !== true) lacks("x-permission");
    for (const parameter of operation.parameters ?? []) {
      if (!parameter.description) lacks(`a description of ${parameter.name}`);
    }
    for (const [status, response] of Object.entries(operation.responses)) {
      const { description, content } = response.$ref ? at(document, response.$ref) : response;
      if (!description?.trim()) lacks(`a description of ${status}`);
      for (const [type, media] of Object.entries(content ?? {})) {
        if (media.example === undefined && !media.examples) lacks(`an example of ${status} ${type}`);
      }
    }
    for (const [type, media] of Object.entries(operation.requestBody?.content ?? {})) {
      if (media.example === undefined && !media.examples) lacks(`an example of the request ${type}`);
    }
  }
  assert.deepEqual(lacking, []);
});

test("every field of a schema that needs an example to be understood has one", () => {
  const lacking = [];
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const [field, property] of Object.entries(schema.properties ?? {})) {
      const isText = property.type === "string" && !property.enum && !property.format;
      if (isText && schema.required?.includes(field) && property.example === undefined)
        lacking.push(`${name}.${field}`);
    }
  }
  assert.deepEqual(lacking, []);
});

test("every example is what its schema says", () => {
  const wrong = [];
  const check = (/** @type {string} */ pointer, /** @type {unknown} */ value) => {
    const problems = contract.problems(pointer, value);
    if (problems) wrong.push(`${decodeURIComponent(pointer).replaceAll("~1", "/")}: ${problems}`);
  };
  const checkMedia = (/** @type {string} */ place, /** @type {any} */ content) => {
    for (const [type, media] of Object.entries(content ?? {})) {
      if (type !== "application/json") continue;
      const examples = media.examples ? Object.values(media.examples).map((example) => example.value) : [media.example];
      for (const value of examples) check(`${place}/content/${escaped(type)}/schema`, value);
    }
  };
  for (const { path, method, operation } of contract.operations()) {
    const place = `#/paths/${escaped(path)}/${method}`;
    checkMedia(`${place}/requestBody`, operation.requestBody?.content);
    for (const [status, response] of Object.entries(operation.responses)) {
      checkMedia(`${place}/responses/${status}`, response.content);
    }
  }
  for (const [name, response] of Object.entries(document.components.responses)) {
    checkMedia(`#/components/responses/${name}`, response.content);
  }
  for (const [name, schema] of Object.entries(document.components.schemas)) {
    for (const [field, property] of Object.entries(schema.properties ?? {})) {
      if (property.example !== undefined) check(`#/components/schemas/${name}/properties/${field}`, property.example);
    }
  }
  assert.deepEqual(wrong, []);
});

test("every reference leads somewhere", () => {
  const lost = [];
  const follow = (/** @type {any} */ value, /** @type {string} */ place) => {
    if (value === null || typeof value !== "object") return;
    if (typeof value.$ref === "string" && at(document, value.$ref) === undefined) lost.push(`${place}: ${value.$ref}`);
    for (const [key, member] of Object.entries(value)) follow(member, `${place}/${key}`);
  };
  follow(document, "#");
  assert.deepEqual(lost, []);
});
