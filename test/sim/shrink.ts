/** Cuts a failing plan down to what it needs to fail: delta debugging over its faults, then a simpler world. */

import type { Anomaly } from "./oracle.ts";
import type { PlannedFault, Shape, SimPlan } from "./plan.ts";
import type { SimResult } from "./run.ts";

/** Runs spent on one plan; a plan of twenty faults needs about sixty. */
const RUNS_MAX = 150;

/** Carries out a plan. */
export type RunPlan = (plan: SimPlan) => Promise<SimResult>;

/** The smallest plan found that shows the same anomaly; undefined when the plan itself does not fail. */
export async function shrunk(plan: SimPlan, run: RunPlan): Promise<SimPlan | undefined> {
  const shrinker = new Shrinker(run);
  const anomaly = (await run(plan)).findings[0]?.anomaly;
  return anomaly === undefined ? undefined : shrinker.shrink(plan, anomaly);
}

/** One shrinking, with its budget of runs. */
class Shrinker {
  readonly #run: RunPlan;
  #runsLeft = RUNS_MAX;

  constructor(run: RunPlan) {
    this.#run = run;
  }

  async shrink(plan: SimPlan, anomaly: Anomaly): Promise<SimPlan> {
    const fails = async (candidate: SimPlan): Promise<boolean> => {
      if (this.#runsLeft-- <= 0) return false;
      return (await this.#run(candidate)).findings[0]?.anomaly === anomaly;
    };
    const fewer = { ...plan, faults: await fewerFaults(plan.faults, (faults) => fails({ ...plan, faults })) };
    let smallest: SimPlan = fewer;
    for (const simpler of SIMPLER_SHAPES) {
      const candidate = { ...smallest, shape: { ...smallest.shape, ...simpler(smallest.shape) } };
      if (await fails(candidate)) smallest = candidate;
    }
    return smallest;
  }
}

/** Removes halves, then quarters, and so on, as long as what is left still fails (Zeller's ddmin, complements only). */
async function fewerFaults(
  faults: readonly PlannedFault[],
  fails: (faults: readonly PlannedFault[]) => Promise<boolean>,
): Promise<readonly PlannedFault[]> {
  let kept = faults;
  for (let size = Math.ceil(kept.length / 2); size >= 1; ) {
    let isSmaller = false;
    for (let at = 0; at < kept.length; ) {
      const candidate = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(candidate)) {
        kept = candidate;
        isSmaller = true;
      } else at += size;
    }
    if (size === 1 && !isSmaller) break;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return kept;
}

/** One step each towards the plainest world. */
const SIMPLER_SHAPES: readonly ((shape: Shape) => Partial<Shape>)[] = [
  () => ({ workers: 1 }),
  () => ({ groups: 0 }),
  ({ topics }) => ({ topics: topics.slice(0, 1) }),
  ({ topics }) => ({ topics: topics.map((topic) => ({ ...topic, partitions: 1 })) }),
  () => ({ codecs: ["none"] }),
  () => ({ compactedShare: 0 }),
  () => ({ randomPieces: false }),
  () => ({ targetBytesMax: 0 }),
  () => ({ followDelayMs: 0 }),
  () => ({ link: { latencyMs: 0, jitterMs: 0 } }),
];
