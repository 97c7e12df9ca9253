/** The simulator on a few seeds; `npm run sim` runs as many as wanted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { runPlan } from "../sim/run.ts";
import { planOf } from "../sim/swarm.ts";

const SEEDS = 20;

test("every record arrives once and in order among the faults of a plan", { timeout: 300_000 }, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { findings } = await runPlan(planOf(seed));
    assert.deepEqual(findings, [], `npm run sim -- --seed ${seed}`);
  }
});

test("a plan run twice does exactly the same twice", async () => {
  const plan = planOf(SEEDS + 1);
  const [one, other] = [await runPlan(plan), await runPlan(plan)];
  assert.equal(one.hash, other.hash);
  assert.ok(one.records > 0);
});
