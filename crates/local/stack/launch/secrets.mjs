// What must stay the same from one start to the next, so that tokens stay valid: made once for a data folder.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { opaqueKey } from "../supabase/keys.mjs";
import { StackError } from "../supabase/stack-error.mjs";
import { writeWhole } from "./whole-file.mjs";

/** @typedef {Record<keyof ReturnType<typeof make>, string>} Secrets */

function make() {
  const random = (/** @type {number} */ bytes) => randomBytes(bytes).toString("base64url");
  return {
    jwt_secret: random(48),
    keys_issued_at: String(Math.floor(Date.now() / 1000)),
    publishable_key: opaqueKey("publishable"),
    secret_key: opaqueKey("secret"),
    postgres_password: random(24),
    meta_access_token: `EAA${randomBytes(48).toString("hex")}`,
    meta_app_id: "555200000000001",
    app_secret: randomBytes(16).toString("hex"),
    verify_token: random(18),
    cron_secret: random(32),
    upstash_token: random(32),
    token_encryption_key: randomBytes(32).toString("base64"),
  };
}

/** @param {string} dataDir @returns {Secrets} */
export function keepSecrets(dataDir) {
  const file = path.join(dataDir, "secrets.json");
  /** @type {Partial<Secrets>} */
  let known = {};
  if (existsSync(file)) {
    try {
      known = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      throw new StackError(`${file} is damaged: delete it and start with --fresh`);
    }
  }
  const secrets = { ...make(), ...known };
  if (JSON.stringify(secrets) !== JSON.stringify(known)) writeWhole(file, secrets);
  return secrets;
}
