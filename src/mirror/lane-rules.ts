/** Under which rules a lane's records were chosen, and under which they are from now on. */

import { MirrorError } from "./errors.ts";
import type { LaneMemory } from "./lane-memory.ts";
import type { LaneOptions } from "./lane-options.ts";
import { type ChoiceRules, planText, rulesOf } from "./plan.ts";

/** Of one lane and worker. */
export class LaneRules {
  readonly #options: LaneOptions;
  /** This worker's rules are the ones that are stored; from then on, other ones come from a later worker. */
  #areStored = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Those under which the records beyond the map were chosen: "A walk counts under the rules that were in force".
   *  @throws {MirrorError} `LANE_RULES_CHANGED` when a later worker's are stored, `LANE_UNEXPLAINED` */
  inForce({ walkPlan }: LaneMemory): ChoiceRules {
    const ours = planText(this.#options.rules);
    const { topic, partition } = this.#options.targetPartition;
    if (this.#areStored && walkPlan !== ours)
      throw new MirrorError({ code: "LANE_RULES_CHANGED", topic, partition, ours, theirs: walkPlan });
    const rules = rulesOf(walkPlan);
    if (rules !== undefined) return rules;
    const what = `its records were chosen by rules that this version does not know: ${walkPlan}`;
    throw new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
  }

  /** From here on this worker's rules hold. "Other rules begin another era": what workers with the old ones still send is
   *  refused, and no walk mixes both. */
  choose(memory: LaneMemory): void {
    if (this.areOthers(memory)) memory.planBase = memory.map.progress.count;
    memory.walkPlan = planText(this.#options.rules);
  }

  /** To be called when the choice is stored where every other worker finds it. */
  stored(): void {
    this.#areStored = true;
  }

  /** Whether those of the records beyond the map are not this worker's. */
  areOthers({ walkPlan }: LaneMemory): boolean {
    return walkPlan !== planText(this.#options.rules);
  }
}
