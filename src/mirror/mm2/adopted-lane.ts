/** The stored state of a lane that begins behind what MirrorMaker 2 copied. */

import type { WantedLane } from "../discovery.ts";
import { OffsetMap } from "../offset-map.ts";
import type { LaneStateRecord } from "../offset-ports.ts";
import { type ChoiceRules, planText } from "../plan.ts";
import type { Delivery } from "../ports.ts";

/** What decides about it. */
export interface AdoptedLane {
  readonly wanted: WantedLane;
  readonly sourceNext: bigint;
  readonly targetNext: bigint;
  readonly delivery: Delivery;
  /** Under which the lane will choose its records: whoever takes over from it walks by the same. */
  readonly rules: ChoiceRules;
  readonly nowMs: number;
}

/** State and map as a lane of its own would have stored them before its first record; what lies below on both sides was copied by
 *  somebody else, so the map answers `expired` there. */
export function adoptedLane(adopted: AdoptedLane): { readonly state: LaneStateRecord; readonly map: OffsetMap } {
  const { wanted, sourceNext, targetNext, delivery, rules, nowMs } = adopted;
  const progress = { sourceNext, targetNext, count: 0n };
  const map = OffsetMap.startingAt(progress, { copiedBelow: true });
  const state: LaneStateRecord = {
    lane: wanted.lane,
    sourceTopic: wanted.sourcePartition.topic,
    targetTopic: wanted.targetPartition.topic,
    progress,
    mode: delivery === "exactly-once" ? "live" : "at-least-once",
    era: { epoch: 0, base: 0n },
    plan: planText(rules),
    targetEpoch: -1,
    sourceEpoch: -1,
    floor: map.floor,
    gaps: [],
    gapCount: 0,
    repeats: 0n,
    updatedMs: nowMs,
  };
  return { state, map };
}
