/** Reads a stretch of a partition as checksums of its committed records. */

import { createHash } from "node:crypto";
import { batchesIn } from "../../wire/record-batch.ts";
import { type DecodedRecord, decodeRecords } from "../../wire/records.ts";
import { AbortedTransactions } from "../aborted.ts";
import type { Source, TopicPartition } from "../ports.ts";
import type { RecordPrint } from "./tail-match.ts";

/** What to read: offsets from `from` up to, not including, `to`, of which both are within the log. */
export interface PrintRequest {
  readonly source: Source;
  readonly partition: TopicPartition;
  readonly from: bigint;
  readonly to: bigint;
  /** False where the target puts its own timestamps on records. */
  readonly withTimestamps: boolean;
}

/** The records of the stretch; `appendTime` says whether some carry the time at which they were appended.
 *  @throws {MirrorError} `SOURCE_*` */
export async function readPrints(
  request: PrintRequest,
  signal: AbortSignal,
): Promise<{ readonly prints: readonly RecordPrint[]; readonly appendTime: boolean }> {
  const { source, partition, from, to, withTimestamps } = request;
  const prints: RecordPrint[] = [];
  let appendTime = false;
  if (from >= to) return { prints, appendTime };
  const reader = source.open(partition, { offset: from, leaderEpoch: -1 });
  try {
    for (let next = from; next < to; ) {
      const chunk = await reader.next(signal);
      const aborted = new AbortedTransactions(chunk.aborted);
      for (const batch of batchesIn(chunk.records)) {
        next = batch.nextOffset;
        if (aborted.covers(batch) || batch.isControl) continue;
        appendTime ||= batch.isLogAppendTime;
        for (const record of decodeRecords(batch)) {
          const offset = batch.baseOffset + BigInt(record.offsetDelta);
          if (offset >= from && offset < to) prints.push({ offset, print: printOf(record, withTimestamps) });
        }
      }
      chunk.release();
    }
  } finally {
    reader.close();
  }
  return { prints, appendTime };
}

function printOf({ timestampMs, key, value, headers }: DecodedRecord, withTimestamp: boolean): string {
  const hash = createHash("sha256");
  const add = (bytes: Buffer | null): void => {
    hash.update(`${bytes?.length ?? -1},`);
    if (bytes !== null) hash.update(bytes);
  };
  hash.update(withTimestamp ? `${timestampMs},` : "-,");
  add(key);
  add(value);
  for (const header of headers) {
    add(Buffer.from(header.key));
    add(header.value);
  }
  return hash.digest("base64");
}
