/** What a mirror worker tells about itself: one snapshot, plain JSON, that `mirror status`, `lag` and everything else render. */

import type { BackfillStatus } from "../mirror/backfill.ts";
import { type LaneFault, needsHands } from "../mirror/errors.ts";
import { addLatencies, LATENCY_BOUNDS_MS, noLatency } from "../mirror/latency.ts";
import type { FlowStatus, LaneStatus, TopicTrouble } from "../mirror/status.ts";
import { flowReason, laneReason } from "./lane-reason.ts";
import type { Lag } from "./source-ends.ts";

/** A worker now, or as it was when it last wrote. Offsets are numbers: 2^53 records in one partition are out of reach. */
export interface WorkerStatus {
  /** Of the program. */
  readonly version: string;
  readonly topology: string;
  readonly pid: number;
  readonly startedMs: number;
  /** When the snapshot was taken. */
  readonly atMs: number;
  readonly state: "running" | "draining" | "stopped";
  /** Time since the loop that looks at everything once a second last went round. */
  readonly roundAgeMs: number;
  readonly flows: readonly FlowSnapshot[];
  /** Regions that are reached. */
  readonly links: readonly LinkSnapshot[];
  readonly limits: readonly LimitSnapshot[];
}

/** What a worker holds in memory for a region, across flows. */
export interface LinkSnapshot {
  readonly region: string;
  /** Fetched from there and not yet taken by a lane. */
  readonly fetchedBytes: number;
  /** Handed over to be written there and not yet acknowledged. */
  readonly inFlightBytes: number;
  /** For how long the region made the worker wait because a quota was used up, by what was asked. */
  readonly throttledMs: { readonly fetch: number; readonly produce: number };
}

/** What a mirror is held to, over all its flows. */
export interface LimitSnapshot {
  readonly mirror: string;
  /** Null: as fast as it goes. */
  readonly bytesPerSecond: number | null;
  readonly inFlightBytesMax: number;
  readonly inFlightBytes: number;
  /** For how long batches waited for the rate. */
  readonly throttledMs: number;
  /** The rate of old records; null without one. */
  readonly backfill: BackfillStatus | null;
}

/** A flow of a worker. */
export interface FlowSnapshot {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  /** `waiting`: the source or target cannot be reached, see `failure`. */
  readonly state: "waiting" | "running" | "stopped";
  readonly failure: string | null;
  /** When topics were last looked for and found; null before the first time. */
  readonly discoveredMs: number | null;
  /** Time since the flow's own loop last went round, well or not; 0 for a flow that no worker runs. */
  readonly roundAgeMs: number;
  readonly lanes: readonly LaneSnapshot[];
  /** Topics that match but are not copied, or whose settings are not the source's. */
  readonly troubles: readonly TopicTrouble[];
  readonly groups: GroupsSnapshot;
  readonly metadata: MetadataSnapshot;
  readonly latency: LatencySnapshot;
}

/** What follows the source besides records and groups. */
export interface MetadataSnapshot {
  /** Rules about topics; null where the flow does not see to them. Several flows between two regions have one that does. */
  readonly rules: { readonly wanted: number | null; readonly added: number; readonly removed: number } | null;
  /** Copies of deleted topics that this worker deleted. */
  readonly topicsDeleted: number;
  readonly orphans: readonly OrphanSnapshot[];
}

/** A copy whose source topic is gone. */
export interface OrphanSnapshot {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly sinceMs: number;
  /** When it will be deleted; null when it is kept. */
  readonly dueMs: number | null;
  /** Why it is kept, or not deleted yet. */
  readonly why: string | null;
}

/** Nothing known, or nothing to see to. */
export const NO_METADATA: MetadataSnapshot = { rules: null, topicsDeleted: 0, orphans: [] };

/** Batches that this worker copied, by the time from their newest record's timestamp to the target's acknowledgement. */
export interface LatencySnapshot {
  /** Upper bounds of the classes. */
  readonly boundsMs: readonly number[];
  /** One more than there are bounds, for what took longer. */
  readonly batches: readonly number[];
  readonly sumMs: number;
}

/** The last round of group sync, and what all rounds of this worker came to. */
export interface GroupsSnapshot {
  readonly synced: number;
  readonly written: number;
  /** Positions carried back to the source. */
  readonly writtenBack: number;
  readonly clamped: number;
  readonly refused: number;
  /** Over all rounds: positions written as exact or clamped translations, and such as could not be translated or written. */
  readonly translations: { readonly exact: number; readonly clamped: number; readonly failed: number };
  readonly atMs: number | null;
}

/** A lane of a flow. */
export interface LaneSnapshot {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
  readonly state: LaneStatus["state"];
  /** In words. */
  readonly reason: string | null;
  /** The code of the same fault, for machines. */
  readonly reasonCode: string | null;
  /** The reason lasts until somebody changes a setting, a rule or a producer: the lane tries again, and moves only then. */
  readonly needsHands: boolean;
  readonly delivery: string;
  readonly sourceNext: number | null;
  readonly targetNext: number | null;
  readonly sourceEnd: number | null;
  /** Offsets on the source that nobody may read yet, because a transaction is open. */
  readonly heldOffsets: number;
  readonly lagRecords: number | null;
  /** How long the oldest record that is not copied has been there, as far as the worker has seen; null without a worker. */
  readonly behindMs: number | null;
  /** `lagRecords` times the mean size of what this worker copied; null before it copied anything. */
  readonly lagBytes: number | null;
  /** Wall time at which progress moved last; null when it has not by this worker. */
  readonly lastProgressMs: number | null;
  /** Every record since offset 0 has the same offset on both sides and nobody else writes there; null without a worker. */
  readonly aligned: boolean | null;
  /** Over the lane's whole life. */
  readonly records: number | null;
  /** By this worker. */
  readonly forwardedRecords: number;
  readonly forwardedBytes: number;
  /** Acknowledged, rewritten ones included. */
  readonly forwardedBatches: number;
  /** Sent as they were, with a patched header. */
  readonly asIsBatches: number;
  /** Sent together with others in one batch. */
  readonly mergedBatches: number;
  /** By reason. */
  readonly rewrittenBatches: Counts;
  /** By reason. */
  readonly skippedBatches: Counts;
  /** By reason; those that the filter left out stand in `filteredRecords`. */
  readonly skippedRecords: Counts;
  /** `live`, `history` or `at-least-once`; null without a worker. */
  readonly mode: string | null;
  /** Entries into history mode, returns from it, transactions committed. */
  readonly modes: Counts;
  /** Left out by the filter, by the rule. */
  readonly filteredRecords: Counts;
  /** By outcome. */
  readonly takeovers: Counts;
  /** By code. */
  readonly faults: Counts;
  readonly repeatsAvoided: number;
  readonly repeats: number;
  /** Source offsets that were gone before they could be copied, by this worker. */
  readonly lostOffsets: number;
  /** Over the lane's whole life. */
  readonly gaps: number;
  readonly mapRuns: number;
  readonly mapBytes: number;
}

/** How often something happened, by what it was. */
export type Counts = Readonly<Record<string, number>>;

/** What a lane has counted that no worker runs. */
export const NOTHING_COUNTED = {
  reasonCode: null,
  needsHands: false,
  heldOffsets: 0,
  lagBytes: null,
  lastProgressMs: null,
  aligned: null,
  forwardedRecords: 0,
  forwardedBytes: 0,
  forwardedBatches: 0,
  asIsBatches: 0,
  mergedBatches: 0,
  rewrittenBatches: {},
  skippedBatches: {},
  skippedRecords: {},
  mode: null,
  modes: {},
  filteredRecords: {},
  takeovers: {},
  faults: {},
  repeatsAvoided: 0,
  repeats: 0,
  lostOffsets: 0,
  mapRuns: 0,
  mapBytes: 0,
} as const satisfies Partial<LaneSnapshot>;

/** Nothing copied. */
export const NO_LATENCY: LatencySnapshot = { boundsMs: LATENCY_BOUNDS_MS, ...noLatency() };

/** No round yet. */
export const NO_GROUPS: GroupsSnapshot = {
  synced: 0,
  written: 0,
  writtenBack: 0,
  clamped: 0,
  refused: 0,
  translations: { exact: 0, clamped: 0, failed: 0 },
  atMs: null,
};

/** What only the worker knows about a flow. */
export interface FlowFacts {
  readonly mirror: string;
  readonly source: string;
  readonly target: string;
  readonly state: FlowSnapshot["state"];
  readonly failure: string | null;
  readonly groups: GroupsSnapshot;
  readonly metadata: MetadataSnapshot;
  /** Of the loop that waits for both regions. */
  readonly roundAgeMs: number;
}

/** What lanes do not know about themselves. */
export interface LaneFacts {
  /** Knows better than the lane how far behind it is. */
  readonly lagOf: (lane: LaneStatus) => Lag | undefined;
  /** No other lane writes into its target partition. */
  readonly isAlone: (lane: LaneStatus) => boolean;
}

/** A flow's status as it travels. */
export function flowSnapshot(facts: FlowFacts, status: FlowStatus | undefined, about: LaneFacts): FlowSnapshot {
  const failure = facts.failure ?? status?.discoveryFailure;
  return {
    ...facts,
    failure: failure === undefined ? null : flowReason(failure),
    discoveredMs: status?.discoveredMs ?? null,
    roundAgeMs: status?.roundAgeMs ?? facts.roundAgeMs,
    lanes: (status?.lanes ?? []).map((lane) => laneSnapshot(lane, about)),
    troubles: status?.troubles ?? [],
    latency: {
      boundsMs: LATENCY_BOUNDS_MS,
      ...addLatencies((status?.lanes ?? []).map((lane) => lane.counts.latency)),
    },
  };
}

function laneSnapshot(lane: LaneStatus, about: LaneFacts): LaneSnapshot {
  const { counts } = lane;
  const lag = about.lagOf(lane);
  const lagRecords = orNull(lag?.records ?? lane.lagRecords);
  return {
    sourceTopic: lane.sourceTopic,
    targetTopic: lane.targetTopic,
    partition: lane.partition,
    state: lane.state,
    reason: lane.reason === undefined ? null : laneReason(lane.reason),
    reasonCode: lane.reason?.code ?? null,
    needsHands: lane.reason !== undefined && waitsForHands(lane.reason),
    delivery: lane.delivery,
    sourceNext: orNull(lane.sourceNext),
    targetNext: orNull(lane.targetNext),
    sourceEnd: orNull(lag?.sourceEnd ?? lane.sourceEnd),
    heldOffsets: Number(lane.heldOffsets),
    lagRecords,
    behindMs: lag?.behindMs ?? null,
    lagBytes: bytesOf(lagRecords, counts),
    lastProgressMs: lane.movedMs ?? null,
    aligned: lane.aligned && about.isAlone(lane),
    records: orNull(lane.count),
    forwardedRecords: counts.forwardedRecords,
    forwardedBytes: counts.forwardedBytes,
    forwardedBatches: counts.forwardedBatches,
    asIsBatches: counts.asIsBatches,
    mergedBatches: counts.mergedBatches,
    rewrittenBatches: counts.rewrittenBatches,
    skippedBatches: counts.skippedBatches,
    skippedRecords: counts.skippedRecords,
    mode: lane.mode,
    modes: { ...lane.modes },
    filteredRecords: counts.filteredRecords,
    takeovers: lane.takeovers,
    faults: lane.faults,
    repeatsAvoided: Number(lane.repeatsAvoided),
    repeats: Number(lane.repeats),
    lostOffsets: Number(lane.lostOffsets),
    gaps: lane.gapCount,
    mapRuns: lane.mapRuns,
    mapBytes: lane.mapBytes,
  };
}

function waitsForHands(reason: LaneFault): boolean {
  return needsHands(reason) || reason.code === "SOURCE_TRANSACTION_OPEN";
}

function bytesOf(records: number | null, { forwardedRecords, forwardedBytes }: LaneStatus["counts"]): number | null {
  if (records === 0) return 0;
  return records === null || forwardedRecords === 0 ? null : Math.round((records * forwardedBytes) / forwardedRecords);
}

function orNull(offset: bigint | undefined): number | null {
  return offset === undefined ? null : Number(offset);
}
