/** How a lane's place is looked for in both logs: under which rules, from where on, and how far back. */

import { resume } from "./history/resume.ts";
import type { LaneMemory } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import type { LaneRules } from "./lane-rules.ts";
import type { TargetLimits } from "./ports.ts";
import { walkSource } from "./source-walk.ts";
import { type TakeoverContext, takeover } from "./takeover.ts";

/** Takeovers that found no place before the lane looks for its records from the start of the target's log: what is only not committed
 *  yet shows sooner. */
const LOOKS_BACK_AFTER = 3;

/** How a place is sought. */
export interface Seeking {
  readonly limits: TargetLimits;
  /** What is known was loaded a moment ago. */
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

/** Of one lane, for its whole life. */
export class LaneSearch {
  readonly #options: LaneOptions;
  readonly #deps: LaneDeps;
  readonly #rules: LaneRules;
  /** Takeovers in a row that did not find the place. */
  #unavailable = 0;

  constructor(options: LaneOptions, deps: LaneDeps, rules: LaneRules) {
    this.#options = options;
    this.#deps = deps;
    this.#rules = rules;
  }

  /** @throws {MirrorError} as `takeover` */
  async takeover(memory: LaneMemory, { limits, signal }: Seeking): ReturnType<typeof takeover> {
    const looksBack = this.#unavailable >= LOOKS_BACK_AFTER;
    this.#unavailable++;
    const found = await takeover({ ...this.context(memory, limits), looksBack }, memory, signal);
    this.#unavailable = 0;
    return found;
  }

  /** Brings the map up to where the lane left history mode; answers the epoch when another worker has begun an era since.
   *  @throws {MirrorError} as `resume` */
  async catchUp(memory: LaneMemory, { limits, signal }: Seeking): Promise<number | undefined> {
    const { returned } = memory;
    if (returned === undefined || memory.map.progress.count >= returned.progress.count) return undefined;
    const resumed = await resume(this.context(memory, limits), memory, returned, signal);
    if (resumed.kind === "era-moved") return resumed.epoch;
    memory.map = resumed.map;
    memory.sourceEpoch = resumed.sourceEpoch;
    return undefined;
  }

  /** What a search works with while no fence stands. @throws {MirrorError} as `LaneRules.inForce` */
  context(memory: LaneMemory, { maxBatchBytes }: TargetLimits): TakeoverContext {
    const { source, target, hooks } = this.#deps;
    const { sourcePartition, targetPartition, producerId } = this.#options;
    return {
      source,
      target,
      sourcePartition,
      targetPartition,
      producerId,
      past: memory.returned?.stretches ?? [],
      isFenced: false,
      rules: { ...this.#options.rules, ...this.#rules.inForce(memory), maxBatchBytes },
      walk: hooks?.walk ?? walkSource,
      acceptsLoss: this.#options.divergencePolicy === "continue",
    };
  }
}
