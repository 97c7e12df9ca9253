/** What a lane and a flow tell about themselves: one typed snapshot that everything else renders. */

import type { LaneFault } from "./errors.ts";
import { type LatencyCounts, noLatency } from "./latency.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { Gap, LaneIdentity, LaneMode } from "./offset-ports.ts";
import type { RewriteReason, SkipReason } from "./plan.ts";
import type { Delivery, TopicPartition } from "./ports.ts";
import type { FilterReason } from "./record-filter.ts";
import type { TakeoverOutcome } from "./takeover.ts";

/** What became of batches since the lane was opened. */
export interface PlanCounts {
  /** Batches that went on as they were, with a patched header. */
  asIsBatches: number;
  /** Batches whose records went on in a batch together with those of others. */
  mergedBatches: number;
  /** Acknowledged batches, rewritten ones included. */
  forwardedBatches: number;
  forwardedRecords: number;
  forwardedBytes: number;
  /** Batches so old that the target's retention may delete them at its next check. */
  expiredBatches: number;
  readonly rewrittenBatches: Record<RewriteReason, number>;
  readonly skippedBatches: Record<SkipReason, number>;
  /** Records of others than this source's own committed ones; those that the filter left out are counted by its rule. */
  readonly skippedRecords: Record<Extract<SkipReason, "aborted" | "loop">, number>;
  /** Records that the filter left out. */
  readonly filteredRecords: Record<FilterReason, number>;
  /** Of acknowledged batches. */
  readonly latency: LatencyCounts;
  /** The source offset up to which batches were counted as skipped, rewritten and filtered. */
  countedTo: bigint;
}

/** All zero. */
export function noPlanCounts(): PlanCounts {
  return {
    asIsBatches: 0,
    mergedBatches: 0,
    forwardedBatches: 0,
    forwardedRecords: 0,
    forwardedBytes: 0,
    expiredBatches: 0,
    rewrittenBatches: {
      "offset-gaps": 0,
      "mid-batch": 0,
      "append-time": 0,
      "delete-horizon": 0,
      "old-format": 0,
      filter: 0,
      "too-large": 0,
    },
    skippedBatches: { control: 0, aborted: 0, loop: 0, empty: 0, behind: 0, filtered: 0 },
    skippedRecords: { aborted: 0, loop: 0 },
    filteredRecords: { key: 0, keyless: 0, header: 0, tombstone: 0, sample: 0 },
    latency: noLatency(),
    countedTo: 0n,
  };
}

/** As they are now. */
export function copyOf(counts: PlanCounts): PlanCounts {
  return {
    ...counts,
    rewrittenBatches: { ...counts.rewrittenBatches },
    skippedBatches: { ...counts.skippedBatches },
    skippedRecords: { ...counts.skippedRecords },
    filteredRecords: { ...counts.filteredRecords },
    latency: { batches: [...counts.latency.batches], sumMs: counts.latency.sumMs },
  };
}

/** All zero. */
export function noTakeovers(): Record<TakeoverOutcome, number> {
  return { unchanged: 0, walked: 0, truncated: 0, repeated: 0, unverified: 0 };
}

/** What history mode did since the lane was opened. */
export interface ModeCounts {
  /** Times that the worker became the lane's transactional writer. */
  readonly entries: number;
  readonly returns: number;
  /** Committed ones. */
  readonly transactions: number;
}

/** A lane now. */
export interface LaneStatus {
  readonly lane: LaneIdentity;
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
  readonly state: "seeking" | "copying" | "waiting" | "stopped" | "drained";
  /** Why it waits or stopped, the last trouble while it recovers, or what keeps new records from it while it copies. */
  readonly reason: LaneFault | undefined;
  readonly delivery: Delivery;
  readonly sourceNext: bigint | undefined;
  readonly targetNext: bigint | undefined;
  /** Records appended over the lane's whole life. */
  readonly count: bigint | undefined;
  /** The source's readable end as last seen. */
  readonly sourceEnd: bigint | undefined;
  /** Offsets that are on the source but may not be read yet, because a transaction is open. */
  readonly heldOffsets: bigint;
  /** Source offsets between `sourceNext` and the end. */
  readonly lagRecords: bigint | undefined;
  readonly counts: PlanCounts;
  /** How the lane writes now. */
  readonly mode: LaneMode;
  readonly modes: ModeCounts;
  /** Takeovers since the lane was opened, by what they found. */
  readonly takeovers: Readonly<Record<TakeoverOutcome, number>>;
  /** Records that takeover found appended already and that were therefore not sent again. */
  readonly repeatsAvoided: bigint;
  /** Records known to be, or possibly, on the target twice. */
  readonly repeats: bigint;
  readonly gaps: readonly Gap[];
  readonly gapCount: number;
  /** Source offsets passed over since the lane was opened because they were gone before they were copied. */
  readonly lostOffsets: bigint;
  /** Troubles since the lane was opened, by the code of the fault. */
  readonly faults: Readonly<Partial<Record<LaneFault["code"], number>>>;
  /** Wall time at which progress moved last, to about a tenth of a second; undefined when it has not since the lane was opened. */
  readonly movedMs: number | undefined;
  /** Every record lies at the offset that it has on the source; see `isAligned`. */
  readonly aligned: boolean;
  readonly mapRuns: number;
  /** Memory of the offset map. */
  readonly mapBytes: number;
}

/** True when the lane has carried every source offset from 0 on to the same offset of the target, without a hole or a foreign
 *  record on either side: the map is one run from (0, 0) that reaches both ends. True of a lane that has carried nothing from 0. */
export function isAligned(map: Pick<OffsetMap, "progress" | "around">): boolean {
  const { sourceNext, targetNext } = map.progress;
  if (sourceNext !== targetNext) return false;
  if (sourceNext === 0n) return true;
  const { run } = map.around(0n);
  return run?.sourceStart === 0n && run.targetStart === 0n && BigInt(run.length) === sourceNext;
}

/** The status of a lane that is not run, with the reason. */
export function restingLane(
  at: {
    readonly lane: LaneIdentity;
    readonly sourcePartition: TopicPartition;
    readonly targetPartition: TopicPartition;
  },
  reason: LaneFault,
  delivery: Delivery,
): LaneStatus {
  return {
    lane: at.lane,
    sourceTopic: at.sourcePartition.topic,
    targetTopic: at.targetPartition.topic,
    partition: at.sourcePartition.partition,
    state: "stopped",
    reason,
    delivery,
    sourceNext: undefined,
    targetNext: undefined,
    count: undefined,
    sourceEnd: undefined,
    heldOffsets: 0n,
    lagRecords: undefined,
    counts: noPlanCounts(),
    mode: delivery === "exactly-once" ? "live" : "at-least-once",
    modes: { entries: 0, returns: 0, transactions: 0 },
    takeovers: noTakeovers(),
    repeatsAvoided: 0n,
    repeats: 0n,
    gaps: [],
    gapCount: 0,
    lostOffsets: 0n,
    faults: {},
    movedMs: undefined,
    aligned: false,
    mapRuns: 0,
    mapBytes: 0,
  };
}

/** A topic that discovery found but no lane copies. */
export interface TopicTrouble {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly why: string;
  /** Absent: its records are not copied. Else they are, but its settings, the rules about it, or its deletion do not follow the
   *  source. `mm2`: a topic for MirrorMaker's readers, which cannot be written. */
  readonly about?: "settings" | "acls" | "deletions" | "mm2";
}

/** A flow now. */
export interface FlowStatus {
  readonly name: string;
  readonly sourceClusterId: string;
  readonly targetClusterId: string;
  readonly lanes: readonly LaneStatus[];
  readonly troubles: readonly TopicTrouble[];
  /** Sum over lanes with a known lag. */
  readonly lagRecords: bigint;
  /** Why discovery last failed; undefined when its last round went well. */
  readonly discoveryFailure: string | undefined;
  /** Wall time at which a round of discovery last went well; undefined before the first. */
  readonly discoveredMs: number | undefined;
  /** Time since discovery last went round, well or not. Each wait in a round has a limit, so this has one, too. */
  readonly roundAgeMs: number;
}
