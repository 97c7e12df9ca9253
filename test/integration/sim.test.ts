/** The simulator on a few seeds, on plans that failed once, and on planted mistakes; `npm run sim` runs as many seeds as wanted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MUTANTS } from "../sim/mutants.ts";
import { parsePlan, type SimPlan } from "../sim/plan.ts";
import { storedPlans } from "../sim/regressions.ts";
import { runPlan, type SimResult } from "../sim/run.ts";
import { shrunk } from "../sim/shrink.ts";
import { planOf } from "../sim/swarm.ts";

const SEEDS = 20;
/** Within this many seeds a planted mistake must have shown. */
const MUTANT_SEEDS = 10;

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

for (const { file, plan } of storedPlans()) {
  test(`the stored plan ${file} does no harm any more`, async () => {
    assert.deepEqual((await runPlan(plan)).findings, []);
  });
}

for (const { name, about, mutation, focus } of MUTANTS) {
  test(`the simulator finds out ${name}: ${about}`, { timeout: 300_000 }, async () => {
    for (let seed = 1; seed <= MUTANT_SEEDS; seed++) {
      const { findings } = await runPlan(focus(planOf(seed)), mutation);
      if (findings.length > 0) return;
    }
    assert.fail(`not within ${MUTANT_SEEDS} seeds`);
  });
}

test("shrinking keeps what a plan needs to fail, and nothing else", async () => {
  const plan = planOf(1);
  const needed = plan.faults.filter((_, i) => i === 1 || i === plan.faults.length - 2);
  assert.equal(needed.length, 2);
  // The run is replaced: it fails whenever both faults are there.
  const run = async (candidate: SimPlan): Promise<SimResult> => {
    const isFailing = needed.every((fault) => candidate.faults.includes(fault));
    const findings = isFailing ? [{ anomaly: "DR-LOST", what: "" } as const] : [];
    return { seed: candidate.seed, findings, hash: "", virtualMs: 0, records: 0, marks: {} };
  };
  const smallest = await shrunk(plan, run);
  assert.deepEqual(smallest?.faults, needed);
  assert.equal(smallest?.shape.workers, 1);
});

test("a stored plan reads as it was written, and nothing else is a plan", () => {
  const plan = planOf(3);
  assert.deepEqual(parsePlan(JSON.stringify(plan)), plan);
  assert.throws(() => parsePlan(JSON.stringify({ ...plan, faults: [{ kind: "earthquake", atMs: 1 }] })), /not a plan/);
});
