/** An archive survives the death or the standstill of its processes at every one of their steps, and the test that says so finds
 *  mistakes out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MISTAKES } from "../../sim/archive/mistakes.ts";
import { atEveryStep, atRandom } from "../../sim/archive/runs.ts";
import { SCENARIOS } from "../../sim/archive/scenarios.ts";

/** Fewer steps than any scenario takes: an interruption that never happens shows nothing. */
const STEPS_MIN = 20;
const SEEDS = 150;

for (const scenario of SCENARIOS) {
  test(`archive loses nothing and keeps nothing over when ${scenario.name}, at every step`, async () => {
    assert.ok((await atEveryStep(scenario)) >= STEPS_MIN);
  });
}

test("archive loses nothing when two offloaders, gc and retention run at once, two of them die and lists lag behind", async () => {
  for (let seed = 1; seed <= SEEDS; seed++)
    await assert.doesNotReject(atRandom(seed), `npm run sim -- --archive --from ${seed} --seeds 1`);
});

for (const { name, breaks, scenario, mistake } of MISTAKES) {
  test(`interruptions find the mistake out: ${name}`, async () => {
    await assert.rejects(atEveryStep(scenario, mistake), (error: Error) => breaks.test(error.message));
  });
}
