// Requests that do not come from our functions read, and do nothing else.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { rolledBack, useDatabase, world } from "./database.mjs";
import { isRefused } from "./refusals.mjs";

const { sql, calls, goesAround, requests, newTenant, newUser, newApiKey, newNumber, receivesMessage } =
  await useDatabase();

const FUNCTIONS_ONLY = { code: "PT403", detail: "functions_only" };
const UNKNOWN = { code: "PT401", detail: "unknown_function_proof" };
const newProof = () => randomBytes(32).toString("hex");
const hashOf = (/** @type {string} */ proof) => createHash("sha256").update(proof).digest("hex");
const readsNothing = async (/** @type {any} */ sql) => void (await sql`select 1`);

/** The same request in a transaction that can only read, as PostgREST opens it. @type {typeof goesAround} */
const reads = (user, headers, work) => sql.begin("read only", (sql) => world(sql).goesAround(user, headers, work));

describe("without the proof", () => {
  test("a person reads what the policies allow", async () => {
    const tenant = await newTenant();
    const [owner, stranger] = [await newUser(tenant, "super_admin"), await newUser(await newTenant(), "super_admin")];
    const { conversation } = await receivesMessage(await newNumber(tenant));
    const seenBy = (/** @type {any} */ user) =>
      reads(user, {}, async (sql) => (await sql`select from public.conversations where id = ${conversation.id}`).count);
    assert.deepEqual([await seenBy(owner), await seenBy(stranger)], [1, 0]);
  });

  test("a request that could write is refused", async () => {
    const owner = await newUser(await newTenant(), "super_admin");
    for (const user of [owner, null]) await isRefused(goesAround(user, {}, readsNothing), FUNCTIONS_ONLY);
  });

  test("a read cannot become a write", async () => {
    const owner = await newUser(await newTenant(), "super_admin");
    for (const statement of [
      'select public.update_tenant(\'{"name": "x"}\')',
      "select set_config('transaction_read_only', 'off', true)",
      "set transaction read write",
    ]) {
      await assert.rejects(
        reads(owner, {}, (sql) => sql.unsafe(`${statement}; select public.update_tenant('{"name": "x"}')`)),
        (/** @type {any} */ error) => ["25006", "25001"].includes(error.code),
        statement,
      );
    }
  });

  test("an API key is refused, also for reads, and not looked up", async () => {
    const key = await newApiKey(await newTenant(), "agent");
    for (const secret of [key.secret, "crm_unknown"]) {
      await isRefused(goesAround(null, { "x-api-key": secret }, readsNothing), FUNCTIONS_ONLY);
      await isRefused(reads(null, { "x-api-key": secret }, readsNothing), FUNCTIONS_ONLY);
    }
  });

  test("the service key does what it did", async () => {
    assert.equal(await goesAround("service", {}, async () => "done"), "done");
  });
});

describe("a proof", () => {
  test("is accepted once its hash is registered, for a day", async () => {
    const [owner, proof] = [await newUser(await newTenant(), "super_admin"), newProof()];
    const asks = () => goesAround(owner, { "x-function-proof": proof }, async () => "done");
    await isRefused(asks(), UNKNOWN);
    await calls("service", "register_function_proof", { proof_hash: hashOf(proof) });
    assert.equal(await asks(), "done");
    const expires = (/** @type {string} */ time) => sql`
      update private.function_proofs set expires_at = now() + ${time}::interval
      where proof_hash = ${Buffer.from(hashOf(proof), "hex")} returning expires_at`;
    await expires("-1 second");
    await isRefused(asks(), UNKNOWN);
    await calls("service", "register_function_proof", { proof_hash: hashOf(proof) });
    assert.equal(await asks(), "done");
    const [{ left }] = await sql`
      select extract(epoch from expires_at - now()) as left from private.function_proofs
      where proof_hash = ${Buffer.from(hashOf(proof), "hex")}`;
    assert.ok(left > 86_300 && left <= 86_400);
  });

  test("is not its hash, nor empty", async () => {
    const [owner, proof] = [await newUser(await newTenant(), "super_admin"), newProof()];
    await calls("service", "register_function_proof", { proof_hash: hashOf(proof) });
    for (const wrong of [hashOf(proof), "", proof.toUpperCase(), `${proof} `, "%", "null"])
      await isRefused(goesAround(owner, { "x-function-proof": wrong }, readsNothing), UNKNOWN);
  });

  test("of an older service key is accepted beside the new one", async () => {
    const owner = await newUser(await newTenant(), "super_admin");
    const proofs = [newProof(), newProof(), newProof()];
    for (const proof of proofs) await calls("service", "register_function_proof", { proof_hash: hashOf(proof) });
    for (const proof of proofs)
      assert.equal(await goesAround(owner, { "x-function-proof": proof }, async () => "done"), "done");
  });

  test("that has expired is removed by the next registration", async () => {
    await rolledBack(sql, async ({ sql, calls }) => {
      await sql`insert into private.function_proofs values (sha256('old'), now() - interval '1 minute')`;
      await calls("service", "register_function_proof", { proof_hash: hashOf(newProof()) });
      assert.equal((await sql`select from private.function_proofs where proof_hash = sha256('old')`).count, 0);
    });
  });

  test("is registered as a SHA-256 and as nothing else", async () => {
    for (const proof_hash of ["", "00", newProof().slice(2), `${newProof()}00`])
      await isRefused(calls("service", "register_function_proof", { proof_hash }), { code: "23514" });
    await isRefused(calls("service", "register_function_proof", { proof_hash: "no hash" }), { code: "22023" });
  });

  test("is kept as its hash alone", async () => {
    const [owner, proof] = [await newUser(await newTenant(), "super_admin"), newProof()];
    await calls("service", "register_function_proof", { proof_hash: hashOf(proof) });
    await goesAround(owner, { "x-function-proof": proof }, (sql) => sql`select public.update_tenant('{"name": "x"}')`);
    const tables = await sql`
      select table_schema as schema, table_name as name from information_schema.tables
      where table_schema in ('public', 'private') and table_type = 'BASE TABLE'`;
    for (const { schema, name } of tables) {
      const found = await sql`select from ${sql(`${schema}.${name}`)} t where strpos(t::text, ${proof}) > 0`;
      assert.equal(found.count, 0, `${schema}.${name}`);
    }
  });
});

describe("the headers of a request", () => {
  const HEADERS = { "x-request-id": "of-the-sender", "x-client-ip": "192.0.2.66" };
  /** What the audit log would write. */
  const told = async (/** @type {any} */ sql) => [
    ...(await sql`select private.request_header('x-request-id') as id, private.request_header('x-client-ip') as ip`),
  ];

  test("are believed of our functions and of the service", async () => {
    await rolledBack(sql, async ({ sql, requests, goesAround, newUser, newTenant }) => {
      await sql`grant execute on function private.request_header(text) to authenticated`;
      const owner = await newUser(await newTenant(), "super_admin");
      const believed = [{ id: "of-the-sender", ip: "192.0.2.66" }];
      assert.deepEqual(await requests(owner, HEADERS, told), believed);
      assert.deepEqual(await goesAround("service", HEADERS, told), believed);
    });
  });

  test("are not believed of anyone else, nor after the request", async () => {
    const owner = await newUser(await newTenant(), "super_admin");
    const nothing = [{ id: null, ip: null }];
    await sql.begin(async (sql) => {
      await world(sql).requests(owner, HEADERS, readsNothing);
      // As Storage does: it sets the headers of its own requests, and calls no function before them.
      await sql`select set_config('request.headers', ${JSON.stringify(HEADERS)}, true)`;
      assert.deepEqual(await told(sql), nothing);
    });
    await rolledBack(sql, async ({ sql }) => {
      await sql`grant execute on function private.request_header(text) to authenticated`;
      await sql`set transaction read only`.catch(() => {});
      await sql`select set_config('transaction_read_only', 'on', true)`;
      assert.deepEqual(await world(sql).goesAround(owner, HEADERS, told), nothing);
    });
  });
});
