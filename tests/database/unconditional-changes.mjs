// Statements that the extension `safeupdate` refuses. A hosted project loads it into PostgREST's sessions, where it
// sees every statement of every function that a request calls, whatever rights the function has. The local Postgres
// lacks it.

const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|(\$(?:[a-z_]\w*)?\$)[\s\S]*?\1|"[^"]+"(?:\."[^"]+")*|[a-z_][\w.%]*|\S/gi;
/** `for update`, `for no key update`. */
const LOCKS = new Set(["for", "key"]);

/**
 * The UPDATE and DELETE statements that have no condition.
 * @param {string} source of a function, or a whole migration
 * @returns {string[]} the beginning of each
 */
export function unconditionalChanges(source) {
  const found = [];
  /** @type {string[]} */
  const tokens = [];
  for (const [token, dollar] of source.matchAll(TOKEN)) {
    if (token.startsWith("--") || token.startsWith("/*")) continue;
    if (token.startsWith("'") && token.length > 2) {
      // The text of a dynamic statement, or any other.
      found.push(...unconditionalChanges(token.slice(1, -1).replaceAll("''", "'")));
      tokens.push("''");
    } else if (dollar) {
      found.push(...unconditionalChanges(token.slice(dollar.length, -dollar.length)));
      tokens.push("''");
    } else {
      tokens.push(token.toLowerCase());
    }
  }
  for (const [i, token] of tokens.entries()) {
    if (!changesRows(token, tokens.slice(i - 1, i)[0], tokens.slice(i + 1, i + 6))) continue;
    if (!hasCondition(tokens, i)) found.push(tokens.slice(i, i + 3).join(" "));
  }
  return found;
}

/** @param {string} verb @param {string | undefined} before @param {string[]} next */
function changesRows(verb, before, next) {
  if (verb === "delete") return next[0] === "from";
  // `on conflict do update set` has no table of its own, and a sentence has no `set`.
  return verb === "update" && !LOCKS.has(before ?? "") && next[0] !== "set" && next.includes("set");
}

/** @param {string[]} tokens @param {number} from where the statement begins */
function hasCondition(tokens, from) {
  let depth = 0;
  for (const token of tokens.slice(from)) {
    if (token === "(") depth++;
    if (token === ")" && --depth < 0) return false;
    if (depth > 0) continue;
    if (token === "where") return true;
    if (token === ";" || token === "loop") return false;
  }
  return false;
}
