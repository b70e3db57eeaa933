// The schema follows the rules, and each rule sees an offence.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rolledBack, useDatabase } from "./database.mjs";
import { RULES } from "./lint.mjs";

const { sql } = await useDatabase();

for (const [name, { query, broken, found }] of Object.entries(RULES)) {
  describe(name, () => {
    test("holds in this schema", async () => {
      assert.deepEqual(
        (await sql.unsafe(query)).map(({ offender }) => offender),
        [],
      );
    });

    test("finds an offence", async () => {
      const offenders = await rolledBack(sql, async ({ sql }) => {
        await sql.unsafe(broken);
        return (await sql.unsafe(query)).map(({ offender }) => offender);
      });
      assert.deepEqual(offenders.sort(), [found].flat());
    });
  });
}
