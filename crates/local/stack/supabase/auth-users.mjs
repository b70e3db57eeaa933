// The users of the Auth admin API.
import { answer, checkedEmail, Refusal } from "./auth-answer.mjs";

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const UNITS = /** @type {Record<string, number>} */ ({
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
});
const BCRYPT_ROUNDS = 6;
/** The minimum in `supabase/config.toml`. */
export const SHORTEST_PASSWORD = 8;

const USER = `
  select jsonb_strip_nulls(jsonb_build_object(
    'id', u.id, 'aud', coalesce(u.aud, 'authenticated'), 'role', coalesce(u.role, 'authenticated'), 'email', coalesce(u.email, ''),
    'email_confirmed_at', u.email_confirmed_at, 'phone', coalesce(u.phone, ''), 'confirmed_at', u.confirmed_at,
    'invited_at', u.invited_at, 'confirmation_sent_at', u.confirmation_sent_at, 'recovery_sent_at', u.recovery_sent_at,
    'last_sign_in_at', u.last_sign_in_at, 'banned_until', u.banned_until, 'created_at', u.created_at, 'updated_at', u.updated_at,
    'is_anonymous', u.is_anonymous
  )) || jsonb_build_object(
    'app_metadata', coalesce(u.raw_app_meta_data, '{}'), 'user_metadata', coalesce(u.raw_user_meta_data, '{}'),
    'identities', coalesce((
      select jsonb_agg(jsonb_build_object(
        'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data, 'provider', i.provider,
        'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at, 'updated_at', i.updated_at, 'email', i.email
      ) order by i.created_at)
      from auth.identities i where i.user_id = u.id
    ), '[]')
  ) as body
  from auth.users u`;

/** @param {import("postgres").Sql} sql @param {URL} url */
export async function list(sql, url) {
  const page = positive(url.searchParams.get("page"), 1);
  const size = Math.min(positive(url.searchParams.get("per_page"), 50), 1000);
  const [{ total }] = await sql`select count(*)::int as total from auth.users where deleted_at is null`;
  const rows = await sql.unsafe(
    `${USER} where u.deleted_at is null order by u.created_at desc, u.id limit $1 offset $2`,
    [size, (page - 1) * size],
  );
  const last = Math.max(1, Math.ceil(total / size));
  const link = (/** @type {number} */ to, /** @type {string} */ name) =>
    `<${url.pathname}?page=${to}&per_page=${size}>; rel="${name}"`;
  const links = [...(page < last ? [link(page + 1, "next")] : []), link(last, "last")].join(", ");
  return answer(
    200,
    { users: rows.map((row) => row.body), aud: "authenticated" },
    { "x-total-count": String(total), link: links },
  );
}

/** @param {string | null} text @param {number} otherwise */
function positive(text, otherwise) {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : otherwise;
}

/** @param {import("postgres").Sql} sql @param {string} id */
export async function read(sql, id) {
  const [row] = await sql.unsafe(`${USER} where u.id = $1 and u.deleted_at is null`, [id]);
  if (!row) throw new Refusal(404, "user_not_found", "User not found");
  return row.body;
}

/** @param {import("postgres").Sql} sql @param {string} email @returns {Promise<Record<string, any> | null>} */
export async function findByEmail(sql, email) {
  const [row] = await sql.unsafe(`${USER} where u.email = $1 and u.deleted_at is null`, [email]);
  return row?.body ?? null;
}

/** @param {import("postgres").Sql} sql @param {Record<string, any>} wanted */
export async function create(sql, wanted) {
  if (!wanted.email)
    throw new Refusal(400, "validation_failed", "Cannot create a user without either an email or phone");
  const email = checkedEmail(wanted.email);
  const id = wanted.id ?? crypto.randomUUID();
  if (!UUID.test(id)) throw new Refusal(400, "validation_failed", "ID must conform to the uuid v4 format");
  const ban = banEnd(wanted.ban_duration);
  const facts = { sub: id, email, email_verified: false, phone_verified: false };
  const own = { ...wanted.user_metadata, ...(wanted.email_confirm ? { email_verified: true } : {}) };
  const given = { provider: "email", providers: ["email"], ...wanted.app_metadata };
  try {
    await sql.begin(async (tx) => {
      await tx`
        insert into auth.users (id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, banned_until)
        values (${id}, 'authenticated', ${wanted.role ?? "authenticated"}, ${email},
          ${wanted.password_hash ?? null}, ${wanted.email_confirm ? new Date() : null}, ${tx.json(given)}, ${tx.json(own)}, ${ban ?? null})`;
      if (wanted.password) await setPassword(tx, id, wanted.password);
      await tx`
        insert into auth.identities (id, provider, provider_id, user_id, identity_data, last_sign_in_at)
        values (${crypto.randomUUID()}, 'email', ${id}, ${id}, ${tx.json(facts)}, now())`;
    });
  } catch (error) {
    throw asRefusal(error);
  }
  return read(sql, id);
}

/** @param {import("postgres").Sql} sql @param {string} id @param {Record<string, any>} wanted */
export async function update(sql, id, wanted) {
  const before = await read(sql, id);
  if (wanted.password !== undefined && String(wanted.password).length < SHORTEST_PASSWORD) {
    throw new Refusal(422, "weak_password", `Password should be at least ${SHORTEST_PASSWORD} characters.`, {
      weak_password: { reasons: ["length"] },
    });
  }
  const email = wanted.email ? checkedEmail(wanted.email) : undefined;
  const ban = banEnd(wanted.ban_duration);
  try {
    await sql.begin(async (tx) => {
      if (email !== undefined && email !== before.email) {
        await tx`update auth.users set email = ${email} where id = ${id}`;
        await tx`update auth.identities set identity_data = identity_data || ${tx.json({ email })}, updated_at = now()
          where user_id = ${id} and provider = 'email'`;
      }
      if (wanted.password !== undefined) await setPassword(tx, id, wanted.password);
      if (wanted.email_confirm) {
        await tx`update auth.users set email_confirmed_at = coalesce(email_confirmed_at, now()),
          raw_user_meta_data = coalesce(raw_user_meta_data, '{}') || '{"email_verified": true}' where id = ${id}`;
      }
      if (wanted.role) await tx`update auth.users set role = ${wanted.role} where id = ${id}`;
      if (ban !== undefined) await tx`update auth.users set banned_until = ${ban} where id = ${id}`;
      for (const [column, given] of /** @type {const} */ ([
        ["raw_app_meta_data", wanted.app_metadata],
        ["raw_user_meta_data", wanted.user_metadata],
      ])) {
        // GoTrue removes a key that is set to null.
        if (given)
          await tx`update auth.users set ${tx(column)} = jsonb_strip_nulls(coalesce(${tx(column)}, '{}') || ${tx.json(given)}) where id = ${id}`;
      }
      await tx`update auth.users set updated_at = now() where id = ${id}`;
    });
  } catch (error) {
    throw asRefusal(error);
  }
  return read(sql, id);
}

/** @param {import("postgres").Sql} sql @param {string} id */
export async function remove(sql, id) {
  const deleted = await sql.begin(async (tx) => {
    await tx`delete from auth.refresh_tokens where user_id = ${id}`;
    return tx`delete from auth.users where id = ${id} returning id`;
  });
  if (deleted.length === 0) throw new Refusal(404, "user_not_found", "User not found");
  return {};
}

/** @param {import("postgres").TransactionSql} tx @param {string} id @param {string} password */
async function setPassword(tx, id, password) {
  if (password.length > 72) throw new Refusal(400, "validation_failed", "Password cannot be longer than 72 characters");
  await tx`update auth.users set encrypted_password = extensions.crypt(${password}, extensions.gen_salt('bf', ${BCRYPT_ROUNDS})) where id = ${id}`;
}

/**
 * Parses a duration in Go's form ("24h", "1h30m"), or "none", which ends a ban.
 * @param {string | undefined} duration
 * @returns {Date | null | undefined} undefined if no duration is given
 */
function banEnd(duration) {
  if (duration === undefined || duration === "") return undefined;
  if (duration === "none") return null;
  const parts = [...String(duration).matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map((part) => part[0]).join("") !== duration) {
    throw new Refusal(
      400,
      "validation_failed",
      `invalid format for ban duration: time: invalid duration ${JSON.stringify(duration)}`,
    );
  }
  return new Date(Date.now() + parts.reduce((sum, [, count, unit]) => sum + Number(count) * UNITS[unit], 0));
}

/** @param {any} error */
function asRefusal(error) {
  if (error?.code === "23505" && /users_email/.test(error.constraint_name ?? "")) {
    return new Refusal(422, "email_exists", "A user with this email address has already been registered");
  }
  if (error?.code === "23505") return new Refusal(409, "conflict", "A user with this ID already exists");
  return error;
}
