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
  /** Directions in which a flow does not know its lanes yet: there may be a reverse lane in it. */
  readonly undiscovered: ReadonlySet<string>;
}

/** Knows of nothing. */
export const NO_LANES: LaneIndex = { reverseMaps: new Map(), writers: new Map(), undiscovered: new Set() };

/** Indexes the lanes of all flows. Costs a walk over all lanes: do it once per round, not per question. */
export function indexLanes(flows: readonly CompanyFlow[]): LaneIndex {
  const reverseMaps = new Map<string, ReverseLane | undefined>();
  const writers = new Map<string, number>();
  const undiscovered = new Set<string>();
  for (const flow of flows) {
    const { lanes, sourceClusterId, targetClusterId, discoveredMs } = flow.status;
    if (discoveredMs === undefined) undiscovered.add(directionKey(sourceClusterId, targetClusterId));
    for (const { lane, sourceTopic, partition, state } of lanes) {
      if (state === "stopped") continue;
      reverseMaps.set(laneKey(lane), flow.directory.find(sourceTopic, partition)?.asReverse);
      const at = targetKey(lane);
      writers.set(at, (writers.get(at) ?? 0) + 1);
    }
  }
  return { reverseMaps, writers, undiscovered };
}

/** Who else writes where this lane writes. */
export function companyOf(lane: LaneIdentity, index: LaneIndex): LaneEntry["company"] {
  if ((index.writers.get(targetKey(lane)) ?? 1) > 1) return { kind: "others" };
  const reverse = laneKey(reverseLane(lane));
  const isExpected = index.undiscovered.has(directionKey(lane.targetClusterId, lane.sourceClusterId));
  return index.reverseMaps.has(reverse) || isExpected
    ? { kind: "reverse", map: index.reverseMaps.get(reverse) }
    : { kind: "alone" };
}

function directionKey(sourceClusterId: string, targetClusterId: string): string {
  return `${sourceClusterId}/${targetClusterId}`;
}

function targetKey({ targetClusterId, targetTopicId, targetPartition }: LaneIdentity): string {
  return `${targetClusterId}/${targetTopicId}/${targetPartition}`;
}
