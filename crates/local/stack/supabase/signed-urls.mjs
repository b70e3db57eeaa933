// Signed addresses with Storage's field names. Lite uses other names, and never reaches its own route for several
// addresses at once.

/** @typedef {(path: string, body: object) => Promise<{ status: number, value: any }>} Ask */

/** Whether a request asks for signed addresses. @param {string} method @param {string} path */
export function requestsSignedUrls(method, path) {
  return method === "POST" && /^\/storage\/v1\/object\/(upload\/)?sign\//.test(path);
}

/**
 * @param {string} path @param {any} body @param {Ask} ask Lite
 * @returns {Promise<{ status: number, value: any }>}
 */
export async function answerSignedUrls(path, body, ask) {
  if (!Array.isArray(body?.paths)) {
    const { status, value } = await ask(path, body);
    return { status, value: named(value) };
  }
  const rows = [];
  for (const key of body.paths) {
    const one = `${path.replace(/\/$/, "")}/${String(key).split("/").map(encodeURIComponent).join("/")}`;
    const { status, value } = await ask(one, { expiresIn: body.expiresIn });
    rows.push(
      status === 200
        ? { error: null, path: key, signedURL: named(value).signedURL }
        : { error: value?.message ?? "Object not found", path: key, signedURL: null },
    );
  }
  return { status: 200, value: rows };
}

/** @param {any} value */
function named(value) {
  if (typeof value?.signedUrl !== "string") return value;
  const { signedUrl, ...rest } = value;
  const path = signedUrl.replace(/^https?:\/\/[^/]+/, "").replace(/^\/storage\/v1/, "");
  return path.startsWith("/object/upload/") ? { ...rest, url: path } : { ...rest, signedURL: path };
}
