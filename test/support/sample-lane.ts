/** A lane and its state, for tests of the stores. */

import type { Uuid } from "../../src/core/brand.ts";
import type { OffsetMap } from "../../src/mirror/offset-map.ts";
import type { LaneIdentity, LaneStateRecord } from "../../src/mirror/offset-ports.ts";

/** Partition 0 of `orders`, from `east` to `hub`. */
export const lane: LaneIdentity = {
  sourceClusterId: "east",
  sourceTopicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid,
  sourcePartition: 0,
  targetClusterId: "hub",
  targetTopicId: "AAAAAAAAAAAAAAAAAAAAAg" as Uuid,
  targetPartition: 0,
};

/** The state that a lane would save with this map. */
export function stateOf(map: OffsetMap): LaneStateRecord {
  return {
    lane,
    sourceTopic: "orders",
    targetTopic: "east.orders",
    progress: map.progress,
    mode: "live",
    era: { epoch: 0, base: 0n },
    producerId: undefined,
    plan: "",
    targetEpoch: -1,
    sourceEpoch: -1,
    repeats: 0n,
    floor: undefined,
    gaps: [],
    gapCount: 0,
    updatedMs: 0,
  };
}
