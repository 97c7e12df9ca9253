/** Reads a partition's log as a committed reader would see all of it: data records of transactions that were not aborted. */

import type { PartitionLog } from "../../src/broker/log/partition-log.ts";
import { type BatchView, batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords } from "../../src/wire/records.ts";
import { contentOf, type SeenRecord } from "./ledger.ts";

/** More than any log of a run. */
const LOG_BYTES_MAX = 1 << 28;
/** Key of an abort marker's record: version 0, type 0. */
const ABORT_TYPE = 0;

/** A record with its place. */
export interface LogRecord extends SeenRecord {
  readonly offset: bigint;
}

/** All records from the log's start to its end. */
export function recordsOf(log: PartitionLog | undefined): readonly LogRecord[] {
  if (log === undefined || log.endOffset === log.startOffset) return [];
  const batches: BatchView[] = [];
  for (let from = log.startOffset; from < log.endOffset; ) {
    const read = [...batchesIn(log.read({ fromOffset: from, maxBytes: LOG_BYTES_MAX }))];
    const last = read.at(-1);
    if (last === undefined) break;
    batches.push(...read);
    from = last.nextOffset;
  }
  return batches
    .filter((batch, i) => !batch.isControl && !(batch.isTransactional && isAborted(batch, batches.slice(i + 1))))
    .flatMap((batch) =>
      decodeRecords(batch).map((record) => ({
        offset: batch.baseOffset + BigInt(record.offsetDelta),
        content: contentOf(record),
        timestampMs: record.timestampMs,
      })),
    )
    .filter(({ offset }) => offset >= log.startOffset);
}

/** What the producer's next marker says; an open transaction counts as aborted, as nobody may read it. */
function isAborted(batch: BatchView, later: readonly BatchView[]): boolean {
  const marker = later.find((other) => other.isControl && other.producerId === batch.producerId);
  if (marker === undefined) return true;
  const [record] = decodeRecords(marker);
  return record?.key?.readInt16BE(2) === ABORT_TYPE;
}
