/** Finding records by time: through the time index to a batch, then record by record (Kafka's `findOffsetByTimestamp`). */

import type { BatchView } from "../../wire/record-batch.ts";
import { RecordWalk } from "./record-walk.ts";
import type { Segment } from "./segment.ts";

/** A record's offset, its time in milliseconds since the epoch, and the epoch of the leader that wrote it. */
export interface TimestampedOffset {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly leaderEpoch: number;
}

/** The first record at or after `timestampMs` and at or after `startOffset`. Only the first segment that claims to have
 *  such a time is searched, as in Kafka. */
export function findTimestamp(
  segments: readonly Segment[],
  timestampMs: bigint,
  startOffset: bigint,
): TimestampedOffset | undefined {
  const segment = segments.find((each) => each.sizeBytes > 0 && each.maxTimestampMs >= timestampMs);
  if (segment === undefined) return undefined;
  const before = segment.offsetBefore(timestampMs);
  for (const batch of segment.batchesFrom(before > startOffset ? before : startOffset)) {
    if (batch.maxTimestamp < timestampMs) continue;
    const found = findInBatch(batch, timestampMs, startOffset);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first record with the greatest time of all segments. */
export function findLatest(segments: readonly Segment[]): TimestampedOffset | undefined {
  let latest: Segment | undefined;
  for (const segment of segments) {
    if (segment.sizeBytes > 0 && segment.maxTimestampMs > (latest?.maxTimestampMs ?? -1n)) latest = segment;
  }
  if (latest === undefined) return undefined;
  for (const batch of latest.batchesFrom(latest.maxTimestampOffset)) {
    return findInBatch(batch, batch.maxTimestamp, batch.baseOffset);
  }
  return undefined;
}

function findInBatch(batch: BatchView, timestampMs: bigint, startOffset: bigint): TimestampedOffset | undefined {
  const { baseOffset, baseTimestamp, leaderEpoch } = batch;
  const appendTimeMs = batch.isLogAppendTime ? batch.maxTimestamp : undefined;
  const walk = new RecordWalk(batch);
  while (walk.next()) {
    const offset = baseOffset + BigInt(walk.offsetDelta);
    const recordMs = appendTimeMs ?? baseTimestamp + BigInt(walk.timestampDelta);
    if (offset >= startOffset && recordMs >= timestampMs) return { offset, timestampMs: recordMs, leaderEpoch };
  }
  return undefined;
}
