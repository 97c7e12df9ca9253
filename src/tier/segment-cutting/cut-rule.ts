/** When a segment that is being cut from a stream of batches is full. */

import type { BatchView } from "../../wire/record-batch.ts";
import type { SegmentIndexer } from "./segment-indexer.ts";

/** Limits of one segment. */
export interface CutRule {
  /** Of its data; one batch may be larger. */
  readonly segmentBytes: number;
  /** Between the times of its first and its newest record, as Kafka's `segment.ms`. */
  readonly recordAgeMs: number;
  /** Wall time it stays open, so that the records of a quiet topic do not wait for ever. */
  readonly openMs: number;
}

/** True when the batch belongs into the segment after this one. */
export function closesBefore(batch: BatchView, segment: SegmentIndexer, rule: CutRule): boolean {
  if (segment.sizeBytes === 0) return false;
  if (segment.sizeBytes + batch.sizeBytes > rule.segmentBytes || !segment.fits(batch)) return true;
  const { firstTimestampMs } = segment;
  return firstTimestampMs >= 0n && batch.maxTimestamp - firstTimestampMs > BigInt(rule.recordAgeMs);
}

/** True when a segment that was opened then has been open for long enough. */
export function isOverdue(openedAtMs: number, nowMs: number, rule: CutRule): boolean {
  return nowMs - openedAtMs >= rule.openMs;
}
