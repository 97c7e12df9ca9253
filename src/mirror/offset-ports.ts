/** What lanes, offset maps and group sync exchange with the outside: identities, progress, stored state, and their ports. */

import type { Brand, Uuid } from "../core/brand.ts";
import type { OffsetMap } from "./offset-map.ts";

/** What a lane is, for ever: one source partition to one target partition. Names and mirrors do not enter, so renaming a
 *  mirror changes nothing, and a recreated topic (another topic id) is another lane. */
export interface LaneIdentity {
  readonly sourceClusterId: string;
  readonly sourceTopicId: Uuid;
  readonly sourcePartition: number;
  readonly targetClusterId: string;
  readonly targetTopicId: Uuid;
  readonly targetPartition: number;
}

/** A `LaneIdentity` as text: the key of the lane's records in the internal topics, and of maps in memory. */
export type LaneKey = Brand<string, "LaneKey">;

/** The lane's key; distinct identities give distinct keys. */
export function laneKey(lane: LaneIdentity): LaneKey {
  return [
    encodeURIComponent(lane.sourceClusterId),
    lane.sourceTopicId,
    lane.sourcePartition,
    encodeURIComponent(lane.targetClusterId),
    lane.targetTopicId,
    lane.targetPartition,
  ].join("/") as LaneKey;
}

/** How far a lane has come. Covers only what an acks=all ack or the target's high watermark covers. */
export interface Progress {
  /** The source offset to read next: everything below is on the target, or was skipped on purpose. */
  readonly sourceNext: bigint;
  /** The target offset after the lane's last record; before its first record, the target's end when the lane began. */
  readonly targetNext: bigint;
  /** Records the lane has appended so far. */
  readonly count: bigint;
}

/** A stretch of live mode: the record at position n carries sequence (n - base) mod 2^31 under this producer epoch. */
export interface Era {
  readonly epoch: number;
  readonly base: bigint;
}

/** How the lane makes sure that each record lands once. */
export type LaneMode = "live" | "history" | "at-least-once";

/** Why source offsets are missing on the target for good. */
export type GapCause = "retention" | "recreated" | "diverged" | "skipped";

/** Source offsets from `fromOffset` up to, not including, `toOffset` that the lane never copied. */
export interface Gap {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
  /** When it was found, in milliseconds since the Unix epoch. */
  readonly atMs: number;
  readonly cause: GapCause;
}

/** The lane's record in `tributary.lanes.internal`. A hint that bounds the recovery walk: the truth is the target's log. */
export interface LaneStateRecord {
  readonly lane: LaneIdentity;
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly progress: Progress;
  readonly mode: LaneMode;
  readonly era: Era;
  /** Set when the producer id was allocated by the target instead of derived from the identity. */
  readonly producerId?: bigint | undefined;
  /** Fingerprint of the settings that decide what is forwarded; the recovery walk must use the same. Any text. */
  readonly plan: string;
  /** The position from which on records were chosen by `plan`: no walk from below it may count under that. Absent: 0. */
  readonly planBase?: bigint;
  /** Leader epoch of the target partition under which the record before `targetNext` was acked; -1 when unknown. With it a
   *  reader asks the target whether its log was truncated since (OffsetForLeaderEpoch). Must be an epoch known
   *  *before* the acked request was sent: too low costs a longer walk, too high hides a truncation. */
  readonly targetEpoch: number;
  /** Leader epoch of the source's record before `sourceNext`, by which the source notices that it lost that record to an
   *  unclean election; -1 when unknown. */
  readonly sourceEpoch: number;
  /** Below these the map answers `expired`. Absent: where the map itself begins. */
  readonly floor?: { readonly source: bigint; readonly target: bigint } | undefined;
  /** The most recent gaps, oldest first; at most `GAPS_MAX`, the rest is only counted. */
  readonly gaps: readonly Gap[];
  /** Gaps ever, those no longer listed included. */
  readonly gapCount: number;
  /** Records known to be, or possibly, on the target twice. */
  readonly repeats: bigint;
  /** When the record was made, in milliseconds since the Unix epoch. For people only. */
  readonly updatedMs: number;
}

/** What the stores know about a lane. Both parts may be missing: nothing stored yet, or lost. */
export interface StoredLane {
  readonly state: LaneStateRecord | undefined;
  /** The map up to its own `progress`, which may lie before or behind the state's: go on from the lower of the two. */
  readonly map: OffsetMap | undefined;
}

/** Keeps lanes' state. Implemented by the adapter over the target's internal topics, and in memory for tests. */
export interface ProgressStore {
  /** What is stored now, other workers' writes included (reads the topics to their present end). What this worker saved for the
   *  lane and did not flush is dropped: whoever loads takes what is stored for the truth.
   *  @throws {MirrorError} `TARGET_UNAVAILABLE`; `LANE_UNEXPLAINED` when the lane's records cannot be used */
  load(lane: LaneIdentity): Promise<StoredLane>;
  /** The last known state of every lane of this target, in no order. @throws {MirrorError} `TARGET_UNAVAILABLE` */
  list(): Promise<readonly LaneStateRecord[]>;
  /** Marks the lane to be written soon and returns at once; the latest call for a lane wins, nothing queues up. The map
   *  stays the caller's: what it holds at the time of writing is written. Hand over acked progress only. */
  save(state: LaneStateRecord, map: OffsetMap): void;
  /** Resolves when everything saved before the call is acked by the target. What was saved stays marked
   *  when it rejects. @throws {MirrorError} `TARGET_UNAVAILABLE` after the store's retries */
  flush(): Promise<void>;
}

/** Answers where a lane's records are. `OffsetMap` is one. */
export interface OffsetTranslator {
  readonly progress: Progress;
  translate(sourceOffset: bigint): Translation;
}

/** Where a source offset is on the target. */
export type Translation =
  /** The first target offset whose record comes from a source offset at or after the one asked for. When all mirrored
   *  records come from before it, the lane's `targetNext`: the lane's next record can only land there or later. */
  | { readonly kind: "exact"; readonly targetOffset: bigint }
  /** Asked beyond `sourceNext`: the lane has not come that far. `targetOffset` is the lane's `targetNext`; reading from
   *  there repeats the source offsets from `sourceNext` to the one asked for, once they are mirrored. */
  | { readonly kind: "clamped"; readonly targetOffset: bigint; readonly sourceNext: bigint }
  /** Asked below the map's beginning, where nothing is known. `targetOffset` is the first one known. */
  | { readonly kind: "expired"; readonly targetOffset: bigint; readonly sourceFloor: bigint };

/** Where a target offset came from; the mirror image of `Translation`. */
export type ReverseTranslation =
  | { readonly kind: "exact"; readonly sourceOffset: bigint }
  | { readonly kind: "clamped"; readonly sourceOffset: bigint; readonly targetNext: bigint }
  | { readonly kind: "expired"; readonly sourceOffset: bigint; readonly targetFloor: bigint };

/** A consumer group's position in one partition. */
export interface GroupCommit {
  readonly topic: string;
  readonly partition: number;
  /** The offset of the next record the group will read. */
  readonly offset: bigint;
  /** Free text that the consumer stored beside the offset. */
  readonly metadata: string;
}

/** What a group's state means for writing into it from outside. */
export type GroupOccupancy = "absent" | "empty" | "active";

/** Consumer groups of one cluster. Reads and writes are batched by the implementation. */
export interface GroupPort {
  /** Ids of all groups that keep offsets in the cluster. */
  list(): Promise<readonly string[]>;
  /** Commits of the given groups; partitions without a commit are left out. Absent groups give an empty list. */
  committed(groups: readonly string[]): Promise<ReadonlyMap<string, readonly GroupCommit[]>>;
  occupancy(groups: readonly string[]): Promise<ReadonlyMap<string, GroupOccupancy>>;
  /** Writes commits as an administrator (no member). The answer has one entry per commit, in order: undefined when written, or
   *  the broker's error by name, for example `UNKNOWN_MEMBER_ID` when a member has joined meanwhile. */
  commit(group: string, commits: readonly GroupCommit[]): Promise<readonly (string | undefined)[]>;
}

/** The first and the next offset of partitions of the target; used to stay within its log. */
export interface LogBoundsPort {
  /** One entry per partition asked for, in order; undefined when it could not be found out. */
  bounds(
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<readonly (LogBounds | undefined)[]>;
}

/** A partition's log as consumers see it. */
export interface LogBounds {
  readonly startOffset: bigint;
  /** The high watermark. */
  readonly endOffset: bigint;
}

/** One flow's lanes by source partition, as far as this worker knows their maps. */
export interface LaneDirectory {
  find(sourceTopic: string, sourcePartition: number): LaneEntry | undefined;
}

/** A lane as group sync sees it. */
export interface LaneEntry {
  readonly targetTopic: string;
  readonly targetPartition: number;
  readonly map: OffsetTranslator & ReverseTranslator;
  /** As the lane the other way needs it; absent where there is no map of the lane's own. */
  readonly asReverse?: ReverseLane;
  /** Who else writes records into the target partition. `reverse`: only the lane that goes the other way between the same two
   *  partitions, with its map when this worker knows it. `others`: further lanes, so no single lane can say what a group has read. */
  readonly company:
    | { readonly kind: "alone" }
    | { readonly kind: "reverse"; readonly map: ReverseLane | undefined }
    | { readonly kind: "others" };
}

/** The lane the other way, as far as it tells about the records that were written where this lane writes. */
export interface ReverseLane extends ReverseTranslator {
  /** The first offset at or after this one, of the partition that both lanes share, where this lane's copies may lie that it does not
   *  know of yet; see loop-watch.ts. */
  foreignFrom(offset: bigint): bigint;
}

/** Answers where a lane's target offsets came from. `OffsetMap` is one. */
export interface ReverseTranslator {
  reverse(targetOffset: bigint): ReverseTranslation;
}
