// The process that sends is killed at every step, and everybody is accounted for. `npm run prove -- crashes` does many rounds.
import { after, test } from "node:test";
import { openCrashes, STEPS } from "../proofs/crashes.mjs";
import { useApp } from "./app.mjs";

const RECIPIENTS = 300;
const app = await useApp();
const crashes = await openCrashes(app, { seed: Number(process.env.CRM_TEST_SEED) || Date.now() & 0x7fffffff });
after(crashes.close);

for (const step of STEPS) {
  test(`killed ${step}`, async (t) => {
    t.diagnostic(`CRM_TEST_SEED=${crashes.seed}`);
    t.diagnostic(JSON.stringify(await crashes.round(step, { recipients: RECIPIENTS })));
  });
}
