/** Whether the source's topic still is the one that was copied, where no topic id says so: by the last record that both have. */

import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../wire/records.ts";
import { hasFault } from "./errors.ts";
import type { OffsetMap } from "./offset-map.ts";
import type { Source, Target, TopicPartition } from "./ports.ts";

/** Both ends of a lane. */
export interface Ends {
  readonly source: Source;
  readonly target: Target;
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
}

/** A record, and whether its batch has times of its own. */
interface Found {
  readonly record: DecodedRecord;
  readonly isLogAppendTime: boolean;
}

/** False when the lane's last record on the target is not the one at its offset on the source. What one side has no longer, or
 *  not yet, cannot be compared: then the answer is true. @throws {MirrorError} `SOURCE_*`, `TARGET_*` */
export async function isSameTopic(ends: Ends, map: OffsetMap, signal: AbortSignal): Promise<boolean> {
  const { count, targetNext } = map.progress;
  if (count === 0n) return true;
  const back = map.reverse(targetNext - 1n);
  if (back.kind !== "exact") return true;
  const written = await onTarget(ends, targetNext - 1n);
  const read = written && (await onSource(ends, back.sourceOffset, signal));
  if (written === undefined || read === undefined) return true;
  const hasSameTime = written.isLogAppendTime || written.record.timestampMs === read.record.timestampMs;
  return hasSameTime && isSame(read.record.key, written.record.key) && isSame(read.record.value, written.record.value);
}

async function onTarget({ target, targetPartition }: Ends, offset: bigint): Promise<Found | undefined> {
  const { startOffset, endOffset } = await target.bounds(targetPartition);
  if (offset < startOffset || offset >= endOffset) return undefined;
  for await (const records of target.scan(targetPartition, offset, offset + 1n)) {
    const found = recordIn(batchesIn(records), offset);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function onSource(
  { source, sourcePartition }: Ends,
  offset: bigint,
  signal: AbortSignal,
): Promise<Found | undefined> {
  const { startOffset, endOffset } = await source.bounds(sourcePartition);
  if (offset < startOffset || offset >= endOffset) return undefined;
  const reader = source.open(sourcePartition, { offset, leaderEpoch: -1 });
  try {
    const chunk = await reader.next(signal);
    return recordIn(batchesIn(chunk.records), offset);
  } catch (error) {
    if (hasFault(error, "SOURCE_GAP")) return undefined;
    throw error;
  } finally {
    reader.close();
  }
}

function recordIn(batches: Iterable<BatchView>, offset: bigint): Found | undefined {
  for (const batch of batches) {
    if (batch.lastOffset < offset || batch.isControl) continue;
    if (batch.baseOffset > offset) return undefined;
    const delta = Number(offset - batch.baseOffset);
    const record = decodeRecords(batch).find(({ offsetDelta }) => offsetDelta === delta);
    return record && { record, isLogAppendTime: batch.isLogAppendTime };
  }
  return undefined;
}

function isSame(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}
