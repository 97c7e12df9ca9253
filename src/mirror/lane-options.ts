/** What a lane is told, and what it works with. */

import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import type { Backfill } from "./backfill.ts";
import type { LaneIdentity, ProgressStore } from "./offset-ports.ts";
import type { Pace } from "./pace.ts";
import type { PlanRules } from "./plan.ts";
import type { Delivery, Source, Target, TopicPartition } from "./ports.ts";
import type { walkSource } from "./source-walk.ts";

/** What a lane is and how it behaves; fixed for its life. */
export interface LaneOptions {
  readonly lane: LaneIdentity;
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
  readonly producerId: bigint;
  readonly rules: Omit<PlanRules, "maxBatchBytes">;
  readonly delivery: Delivery;
  /** What to do when retention removed records before they were copied. */
  readonly gapPolicy: "stop" | "skip";
  /** What to do when the source lost records that were copied: `continue` copies what it has in their place. */
  readonly divergencePolicy: "stop" | "continue";
  /** How long a transaction of the source may keep new records from the lane before it counts as trouble. */
  readonly openTransactionMs: number;
  /** Where a lane without stored state begins. */
  readonly start: "earliest" | "latest";
}

/** What a lane works with. */
export interface LaneDeps {
  readonly source: Source;
  readonly target: Target;
  readonly progress: ProgressStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Shared by all flows of a mirror; without it nothing is held back. */
  readonly pace?: Pace | undefined;
  /** Likewise, for old records. */
  readonly backfill?: Backfill | undefined;
  /** Breaks the exactly-once machinery on purpose, so that tests can prove that their checks fail. */
  readonly hooks?: LaneHooks;
}

/** See `LaneDeps.hooks`. */
export interface LaneHooks {
  readonly walk?: typeof walkSource;
  /** Batches in flight before the first ack; 1 is the rule. */
  readonly inFlightAlone?: number;
  /** Merge as soon as acknowledgements take this long; 0 = whenever the window is full. */
  readonly mergeAckMs?: number;
  /** False: take the stored position for the truth. */
  readonly takeover?: boolean;
}
