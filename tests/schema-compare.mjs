// `npm run schema:compare -- <folder> <folder>`: whether two folders of migrations make the same database.
import { differences } from "./database/schema/compare.mjs";
import { buildCatalogue } from "./database/schema/build.mjs";

const [left, right, ...more] = process.argv.slice(2);
if (left === undefined || right === undefined || more.length > 0) {
  process.stderr.write("usage: npm run schema:compare -- <folder of migrations> <folder of migrations>\n");
  process.exit(2);
}
const one = await buildCatalogue(left);
const other = await buildCatalogue(right);
const found = differences(one, other, { left, right });
for (const line of found) process.stdout.write(`${line}\n`);
const objects = Object.keys(one).length;
process.stdout.write(found.length === 0 ? `EQUAL: ${objects} objects and rows\n` : `${found.length} differences\n`);
process.exit(found.length === 0 ? 0 : 1);
