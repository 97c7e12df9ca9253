/** When a log begins a new segment (Kafka's `LogSegment.shouldRoll`). */

import type { BatchView } from "../../wire/record-batch.ts";
import type { LogConfig } from "./config.ts";
import type { Segment } from "./segment.ts";

/** Bytes that one more entry takes in the offset index. */
const INDEX_ENTRY_BYTES = 8;

/** A batch that is about to be appended. */
export interface NextBatch {
  readonly batch: BatchView;
  readonly lastOffset: bigint;
  /** How long the active segment has existed, for batches without a time. */
  readonly activeForMs: number;
}

/** Whether the active segment must be closed before the batch. */
export function mustRollBefore(next: NextBatch, active: Segment, config: LogConfig): boolean {
  const { batch, lastOffset } = next;
  if (active.sizeBytes === 0) return false;
  if (active.sizeBytes + batch.sizeBytes > config.segmentBytes || !active.fits(batch, lastOffset)) return true;
  if (active.indexBytes + INDEX_ENTRY_BYTES > config.segmentIndexBytes) return true;
  const waitedMs =
    active.firstTimestampMs >= 0n ? Number(batch.maxTimestamp - active.firstTimestampMs) : next.activeForMs;
  return waitedMs > config.segmentMs;
}
