/** What can stop or disturb a lane, as typed facts. */

import { TributaryError } from "../core/errors.ts";
import type { OffsetRange } from "./divergence.ts";

/** The partition a fault is about, on the side that its code names. */
interface At {
  readonly topic: string;
  readonly partition: number;
}

/** Faults of the source side. */
export type SourceFault =
  /** Retention (or DeleteRecords) removed what was to be read next. */
  | ({ readonly code: "SOURCE_GAP"; readonly fromOffset: bigint; readonly logStartOffset: bigint } & At)
  /** An unclean election truncated the source below what was read: those records exist on the target only. */
  | ({
      readonly code: "SOURCE_DIVERGED";
      readonly fromOffset: bigint;
      readonly endOffset: bigint;
      /** Where the target holds those records, as far as the lane knows; set by the lane. */
      readonly copies?: readonly OffsetRange[];
    } & At)
  | ({ readonly code: "SOURCE_TOPIC_RECREATED"; readonly topicId: string; readonly newTopicId: string } & At)
  | ({ readonly code: "SOURCE_TOPIC_DELETED"; readonly topicId: string } & At)
  /** Bytes that are no record batches, or a batch whose content breaks the format. */
  | ({ readonly code: "SOURCE_CORRUPT"; readonly offset: bigint; readonly what: string } & At)
  /** The worker may not read the topic (any more). `why` is Kafka's error name. */
  | ({ readonly code: "SOURCE_DENIED"; readonly why: string } & At)
  /** A transaction has been open for so long that it looks forgotten; nothing behind `offset` may be read before it ends. */
  | ({
      readonly code: "SOURCE_TRANSACTION_OPEN";
      readonly offset: bigint;
      /** -1 when the source does not tell. */
      readonly producerId: bigint;
      /** Wall time at which the lane first saw it hold. */
      readonly sinceMs: number;
    } & At)
  | ({ readonly code: "SOURCE_UNAVAILABLE"; readonly why: string } & At);

/** Faults of the target side. */
export type TargetFault =
  /** The broker said no in a way that leaves open what the partition holds: run takeover. `why` is Kafka's error name. */
  | ({ readonly code: "TARGET_DOUBT"; readonly why: string } & At)
  /** The broker does not take this batch, and will not before somebody changes a setting there: tried again now and then. */
  | ({ readonly code: "TARGET_REFUSED"; readonly why: string; readonly detail: string } & At)
  /** The target's topic is compacted and takes no record without a key, which this batch has. */
  | ({ readonly code: "TARGET_KEYLESS" } & At)
  /** The worker may not write the topic (any more). `why` is Kafka's error name. */
  | ({ readonly code: "TARGET_DENIED"; readonly why: string } & At)
  /** Another worker writes the lane's transactions: this one stands by. */
  | ({ readonly code: "TARGET_FENCED" } & At)
  | ({ readonly code: "TARGET_TOPIC_CHANGED"; readonly topicId: string } & At)
  | ({ readonly code: "TARGET_UNAVAILABLE"; readonly why: string } & At);

/** Faults of the lane itself. */
export type LaneOwnFault =
  /** Records too old for the broker's memory of producers: they need history mode, or `delivery: at-least-once`. */
  | ({
      readonly code: "HISTORY_NEEDED";
      readonly offset: bigint;
      readonly maxTimestampMs: bigint;
      readonly producerIdExpirationMs: number;
      /** Why history mode is not possible. */
      readonly obstacle?: string;
    } & At)
  /** Another program filled the target; nobody has said where the lane goes on. `copiedOffset`: the last source offset that it noted as
   *  copied, -1 when it noted none. */
  | ({ readonly code: "ADOPTION_NEEDED"; readonly copiedOffset: bigint } & At)
  /** Takeover found a target that no rule explains; nothing was written. */
  | ({ readonly code: "LANE_UNEXPLAINED"; readonly what: string } & At)
  /** A worker that began later chooses records by other rules (provenance, filter): this one must not go on. */
  | ({ readonly code: "LANE_RULES_CHANGED"; readonly ours: string; readonly theirs: string } & At);

/** Faults of a flow and its settings. */
export type FlowFault =
  | { readonly code: "NAMING_INVALID"; readonly template: string; readonly what: string }
  | { readonly code: "FILTER_INVALID"; readonly what: string }
  | { readonly code: "LOOP_UNGUARDED"; readonly what: string };

/** Everything that can go wrong in the mirror. */
export type MirrorFault = SourceFault | TargetFault | LaneOwnFault | FlowFault;

/** An operating error of the mirror. */
export class MirrorError extends TributaryError<MirrorFault> {}

/** What a lane reports when it stops or waits. */
export type LaneFault = SourceFault | TargetFault | LaneOwnFault;

/** True for faults that belong to one lane. */
export function isLaneFault(fault: MirrorFault): fault is LaneFault {
  return fault.code !== "NAMING_INVALID" && fault.code !== "LOOP_UNGUARDED" && fault.code !== "FILTER_INVALID";
}

const RETRIABLE: ReadonlySet<MirrorFault["code"]> = new Set([
  "SOURCE_UNAVAILABLE",
  "TARGET_UNAVAILABLE",
  "TARGET_DOUBT",
  "TARGET_FENCED",
  "TARGET_REFUSED",
  "TARGET_KEYLESS",
  "SOURCE_DENIED",
  "TARGET_DENIED",
]);

/** True when trying again later may help. */
export function isRetriable(fault: MirrorFault): boolean {
  return RETRIABLE.has(fault.code);
}

const NEEDS_HANDS: ReadonlySet<MirrorFault["code"]> = new Set([
  "TARGET_REFUSED",
  "TARGET_KEYLESS",
  "SOURCE_DENIED",
  "TARGET_DENIED",
]);

/** True for retriable faults that last until somebody changes a setting or a rule. */
export function needsHands(fault: MirrorFault): boolean {
  return NEEDS_HANDS.has(fault.code);
}

/** Narrows to an error of the mirror that carries the given code. */
export function hasFault<C extends MirrorFault["code"]>(
  error: unknown,
  code: C,
): error is MirrorError & { readonly fault: Extract<MirrorFault, { readonly code: C }> } {
  return error instanceof MirrorError && error.fault.code === code;
}
