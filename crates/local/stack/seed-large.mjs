// `npm run seed:large`: fills the first tenant of the running `npm start` with 200,000 contacts, 50,000 conversations and
// 1,000,000 messages, or the numbers that the options name. It shows the product at that size; never use it on a real project.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { prepare } from "./launch/prepare.mjs";
import { ROOT } from "./stack.mjs";

await prepare(ROOT);
const { default: postgres } = await import("postgres");
const { fillTenant, LARGE } = await import("./large/tenant.mjs");
const { StackError } = await import("./supabase/stack-error.mjs");

/** @param {string[]} args */
function readSizes(args) {
  const sizes = { ...LARGE };
  for (const argument of args) {
    const [, name, number] = /^--(contacts|conversations|messages)=([0-9]{1,8})$/.exec(argument) ?? [];
    if (!name || Number(number) < 1)
      throw new StackError(`${argument}: npm run seed:large -- [--contacts=N] [--conversations=N] [--messages=N]`);
    sizes[/** @type {keyof typeof sizes} */ (name)] = Number(number);
  }
  if (sizes.conversations > sizes.contacts)
    throw new StackError("a conversation needs a contact: fewer --conversations or more --contacts");
  return sizes;
}

try {
  const sizes = readSizes(process.argv.slice(2));
  const file = path.resolve(ROOT, process.env.CRM_STACK ?? ".local/stack.json");
  if (!existsSync(file)) throw new StackError("nothing to fill: run npm start first");
  const stack = JSON.parse(readFileSync(file, "utf8"));
  if (!stack.database_url) throw new StackError("the stack has no address of its database");
  const sql = postgres(stack.database_url, { max: 1, onnotice: () => {} });
  try {
    const tenant = stack.users[0].tenant_id;
    const [number] =
      await sql`select id from public.whatsapp_sessions where tenant_id = ${tenant} order by created_at limit 1`;
    const [{ filled }] =
      await sql`select exists (select 1 from public.contacts where tenant_id = ${tenant} and wa_id like '6281%' offset 1000) as filled`;
    if (filled) throw new StackError("the tenant is already large: start with --fresh for an empty database");
    await fillTenant(sql, {
      tenant,
      session: number.id,
      sizes,
      onStep: (step) => process.stdout.write(`${step} ...\n`),
    });
  } finally {
    await sql.end();
  }
} catch (error) {
  process.stderr.write(`${error instanceof StackError ? error.message : /** @type {Error} */ (error).stack}\n`);
  process.exitCode = 1;
}
