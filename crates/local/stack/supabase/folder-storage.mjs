// Stores uploaded files: one folder per bucket, one file per object, with its properties in a file beside it.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, rm, stat, writeFile, copyFile } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";

/** Supabase Lite's storage adapter interface, implemented with a folder. */
export class FolderStorage {
  driver = null;

  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** @param {string} bucket @param {string} key */
  place(bucket, key) {
    // A key is any text. Its digest is a safe file name and cannot lead out of the folder.
    const name = createHash("sha256").update(key).digest("hex");
    return path.join(this.folder, createHash("sha256").update(bucket).digest("hex").slice(0, 16), name);
  }

  /** @param {string} bucket @param {string} key @param {string | undefined} _version @param {{ range?: string }} [headers] */
  async getObject(bucket, key, _version, headers) {
    const metadata = await this.headObject(bucket, key);
    const range = /^bytes=(\d+)-(\d*)$/.exec(headers?.range ?? "");
    const file = this.place(bucket, key);
    if (!range) return { metadata, httpStatusCode: 200, body: Readable.toWeb(createReadStream(file)) };
    const start = Number(range[1]);
    const end = Math.min(range[2] ? Number(range[2]) : metadata.size - 1, metadata.size - 1);
    const part = {
      ...metadata,
      contentLength: end - start + 1,
      contentRange: `bytes ${start}-${end}/${metadata.size}`,
      httpStatusCode: 206,
    };
    return { metadata: part, httpStatusCode: 206, body: Readable.toWeb(createReadStream(file, { start, end })) };
  }

  /** @param {string} bucket @param {string} key @param {string | undefined} _version @param {any} body @param {string} contentType @param {string} cacheControl */
  async uploadObject(bucket, key, _version, body, contentType, cacheControl) {
    const bytes = body instanceof Uint8Array ? body : Buffer.from(await new Response(body).arrayBuffer());
    const file = this.place(bucket, key);
    await mkdir(path.dirname(file), { recursive: true });
    const properties = {
      mimetype: contentType,
      cacheControl,
      eTag: `"${createHash("md5").update(bytes).digest("hex")}"`,
    };
    for (const [name, content] of /** @type {const} */ ([
      [`${file}.json`, JSON.stringify(properties)],
      [file, bytes],
    ])) {
      const half = `${name}.${randomUUID()}`;
      await writeFile(half, content);
      await rename(half, name);
    }
    return this.headObject(bucket, key);
  }

  /** @param {string} bucket @param {string} key */
  async headObject(bucket, key) {
    const file = this.place(bucket, key);
    const [facts, properties] = await Promise.all([stat(file), readFile(`${file}.json`, "utf8")]);
    return {
      ...JSON.parse(properties),
      size: facts.size,
      contentLength: facts.size,
      lastModified: facts.mtime,
      httpStatusCode: 200,
    };
  }

  /** @param {string} bucket @param {string} key */
  async deleteObject(bucket, key) {
    const file = this.place(bucket, key);
    await Promise.all([rm(file, { force: true }), rm(`${file}.json`, { force: true })]);
  }

  /** @param {string} bucket @param {string[]} keys */
  async deleteObjects(bucket, keys) {
    await Promise.all(keys.map((key) => this.deleteObject(bucket, key)));
  }

  /** @param {string} fromBucket @param {string} from @param {string | undefined} _version @param {string} toBucket @param {string} to */
  async copyObject(fromBucket, from, _version, toBucket, to) {
    const [source, target] = [this.place(fromBucket, from), this.place(toBucket, to)];
    await mkdir(path.dirname(target), { recursive: true });
    await Promise.all([copyFile(source, target), copyFile(`${source}.json`, `${target}.json`)]);
    const { eTag, lastModified } = await this.headObject(toBucket, to);
    return { httpStatusCode: 200, eTag, lastModified };
  }

  /** @param {string} bucket @param {string} key */
  async privateAssetUrl(bucket, key) {
    return `file://${this.place(bucket, key)}`;
  }
}
