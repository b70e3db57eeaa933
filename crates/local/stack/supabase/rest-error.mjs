// The HTTP status that PostgREST gives to a Postgres error, for errors that Lite would answer with a plain 500.

// Lite, including its Auth and Storage, handles these codes and answers like PostgREST.
const HANDLED_BY_LITE = new Set(["23503", "23505", "42501"]);

const BY_CODE = new Map([
  ["23503", 409],
  ["23505", 409],
  ["25006", 405],
  ["53400", 500],
  ["42883", 404],
  ["42P01", 404],
  ["42P17", 500],
  ["57P01", 503],
  ["57P02", 503],
  ["57P03", 503],
  ["P0001", 400],
]);
const BY_CLASS = new Map([
  ["08", 503],
  ["09", 500],
  ["0L", 403],
  ["0P", 403],
  ["25", 500],
  ["28", 403],
  ["2D", 500],
  ["38", 500],
  ["39", 500],
  ["3B", 500],
  ["40", 500],
  ["53", 503],
  ["54", 500],
  ["55", 500],
  ["57", 500],
  ["58", 500],
  ["F0", 500],
  ["HV", 500],
  ["P0", 500],
  ["XX", 500],
]);

/**
 * The status with which PostgREST answers.
 * @param {string} code SQLSTATE
 * @param {boolean} anonymous
 */
export function restStatus(code, anonymous) {
  const own = /^PT(\d{3})$/.exec(code);
  if (own) {
    const status = Number(own[1]);
    return status >= 200 && status <= 599 ? status : 500;
  }
  if (code === "42501") return anonymous ? 401 : 403;
  return BY_CODE.get(code) ?? BY_CLASS.get(code.slice(0, 2)) ?? (code.startsWith("PT") ? 500 : 400);
}

/**
 * Converts a Postgres error to the form that Lite turns into exactly this status and body. Other errors are returned unchanged.
 * @param {any} error
 */
export function restError(error) {
  const code = error?.code;
  if (
    typeof code !== "string" ||
    code.length !== 5 ||
    code === "PGRST" ||
    error.severity === undefined ||
    HANDLED_BY_LITE.has(code)
  )
    return error;
  const body = { code, message: error.message, details: error.detail ?? null, hint: error.hint ?? null };
  return {
    code: "PGRST",
    message: JSON.stringify(body),
    detail: JSON.stringify({ status: restStatus(code, false), headers: {} }),
  };
}
