/** What a mirror worker tells about itself: one snapshot, plain JSON, that `mirror status`, `lag` and everything else render. */

import type { FlowStatus, LaneStatus } from "../mirror/status.ts";
import { flowReason, laneReason } from "./lane-reason.ts";
import type { Lag } from "./source-ends.ts";

/** A worker now, or as it was when it last wrote. Offsets are numbers: 2^53 records in one partition are out of reach. */
export interface WorkerStatus {
  readonly topology: string;
  readonly pid: number;
  readonly startedMs: number;
  /** When the snapshot was taken. */
  readonly atMs: number;
  readonly state: "running" | "draining" | "stopped";
  readonly flows: readonly FlowSnapshot[];
}

/** A flow of a worker. */
export interface FlowSnapshot {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  /** `waiting`: the source or target cannot be reached, see `failure`. */
  readonly state: "waiting" | "running" | "stopped";
  readonly failure: string | null;
  readonly lanes: readonly LaneSnapshot[];
  /** Topics that match but are not copied. */
  readonly troubles: readonly { readonly sourceTopic: string; readonly targetTopic: string; readonly why: string }[];
  readonly groups: GroupsSnapshot;
}

/** The last round of group sync. */
export interface GroupsSnapshot {
  readonly synced: number;
  readonly written: number;
  readonly clamped: number;
  readonly refused: number;
  readonly atMs: number | null;
}

/** A lane of a flow. */
export interface LaneSnapshot {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
  readonly state: LaneStatus["state"];
  readonly reason: string | null;
  readonly delivery: string;
  readonly sourceNext: number | null;
  readonly targetNext: number | null;
  readonly sourceEnd: number | null;
  readonly lagRecords: number | null;
  /** How long the oldest record that is not copied has been there, as far as the worker has seen; null without a worker. */
  readonly behindMs: number | null;
  /** Over the lane's whole life. */
  readonly records: number | null;
  /** By this worker. */
  readonly forwardedRecords: number;
  readonly forwardedBytes: number;
  readonly rewrittenBatches: number;
  readonly skippedBatches: Readonly<Record<string, number>>;
  readonly takeovers: number;
  readonly repeatsAvoided: number;
  readonly repeats: number;
  readonly gaps: number;
}

/** No round yet. */
export const NO_GROUPS: GroupsSnapshot = { synced: 0, written: 0, clamped: 0, refused: 0, atMs: null };

/** What only the worker knows about a flow. */
export interface FlowFacts {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  readonly state: FlowSnapshot["state"];
  readonly failure: string | null;
  readonly groups: GroupsSnapshot;
}

/** A flow's status as it travels; `lagOf` knows better than the lanes themselves how far behind they are. */
export function flowSnapshot(
  facts: FlowFacts,
  status: FlowStatus | undefined,
  lagOf: (lane: LaneStatus) => Lag | undefined,
): FlowSnapshot {
  const failure = facts.failure ?? status?.discoveryFailure;
  return {
    ...facts,
    failure: failure === undefined ? null : flowReason(failure),
    lanes: (status?.lanes ?? []).map((lane) => laneSnapshot(lane, lagOf(lane))),
    troubles: status?.troubles ?? [],
  };
}

function laneSnapshot(lane: LaneStatus, lag: Lag | undefined): LaneSnapshot {
  const { counts } = lane;
  const total = (values: Readonly<Record<string, number>>): number => Object.values(values).reduce((a, b) => a + b, 0);
  return {
    sourceTopic: lane.sourceTopic,
    targetTopic: lane.targetTopic,
    partition: lane.partition,
    state: lane.state,
    reason: lane.reason === undefined ? null : laneReason(lane.reason),
    delivery: lane.delivery,
    sourceNext: orNull(lane.sourceNext),
    targetNext: orNull(lane.targetNext),
    sourceEnd: orNull(lag?.sourceEnd ?? lane.sourceEnd),
    lagRecords: orNull(lag?.records ?? lane.lagRecords),
    behindMs: lag?.behindMs ?? null,
    records: orNull(lane.count),
    forwardedRecords: counts.forwardedRecords,
    forwardedBytes: counts.forwardedBytes,
    rewrittenBatches: total(counts.rewrittenBatches),
    skippedBatches: counts.skippedBatches,
    takeovers: total(lane.takeovers),
    repeatsAvoided: Number(lane.repeatsAvoided),
    repeats: Number(lane.repeats),
    gaps: lane.gapCount,
  };
}

function orNull(offset: bigint | undefined): number | null {
  return offset === undefined ? null : Number(offset);
}
