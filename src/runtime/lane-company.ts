/** Tells which other lanes of a worker write into a lane's target partition: a group's position there can only be told from the
 *  lane when it is alone, or when the other one is its exact reverse. */

import type { Flow } from "../mirror/flow.ts";
import { reverseLane } from "../mirror/lane-id.ts";
import { type LaneEntry, type LaneIdentity, laneKey, type ReverseLane } from "../mirror/offset-ports.ts";

/** What is asked of a flow. */
export type CompanyFlow = Pick<Flow, "status" | "directory">;

/** The lanes of all flows at one moment, by identity and by target partition. */
export interface LaneIndex {
  readonly reverseMaps: ReadonlyMap<string, ReverseLane | undefined>;
  readonly writers: ReadonlyMap<string, number>;
}

/** Indexes the lanes of all flows. Costs a walk over all lanes: do it once per round, not per question. */
export function indexLanes(flows: readonly CompanyFlow[]): LaneIndex {
  const reverseMaps = new Map<string, ReverseLane | undefined>();
  const writers = new Map<string, number>();
  for (const flow of flows) {
    for (const { lane, sourceTopic, partition, state } of flow.status.lanes) {
      if (state === "stopped") continue;
      reverseMaps.set(laneKey(lane), flow.directory.find(sourceTopic, partition)?.asReverse);
      const at = targetKey(lane);
      writers.set(at, (writers.get(at) ?? 0) + 1);
    }
  }
  return { reverseMaps, writers };
}

/** Who else writes where this lane writes. */
export function companyOf(lane: LaneIdentity, index: LaneIndex): LaneEntry["company"] {
  if ((index.writers.get(targetKey(lane)) ?? 1) > 1) return { kind: "others" };
  const reverse = laneKey(reverseLane(lane));
  return index.reverseMaps.has(reverse) ? { kind: "reverse", map: index.reverseMaps.get(reverse) } : { kind: "alone" };
}

function targetKey({ targetClusterId, targetTopicId, targetPartition }: LaneIdentity): string {
  return `${targetClusterId}/${targetTopicId}/${targetPartition}`;
}
