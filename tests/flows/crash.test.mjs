// The sending process is killed at every step, and every recipient is accounted for. `npm run prove -- crashes` runs
// many rounds.
import { after, test } from "node:test";
import { openCrashes, STEPS } from "../proofs/crashes.mjs";
import { useApp } from "./app.mjs";

const RECIPIENTS = 300;
const app = await useApp();
const crashes = await openCrashes(app, { seed: Number(process.env.CRM_TEST_SEED) || Date.now() & 0x7fffffff });
after(crashes.close);

for (const step of STEPS) {
  test(`a sender killed ${step} leaves every recipient accounted for`, async (t) => {
    t.diagnostic(`CRM_TEST_SEED=${crashes.seed}`);
    t.diagnostic(JSON.stringify(await crashes.round(step, { recipients: RECIPIENTS })));
  });
}
