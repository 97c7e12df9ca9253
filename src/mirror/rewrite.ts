/** Builds anew what cannot be forwarded: drops records below the position, closes offset gaps, fixes timestamps, splits what
 *  is too large. The codec stays, and so does every key, value and header, byte for byte. */

import { rebuildBatch } from "../wire/rebuild.ts";
import { type BatchView, NO_PRODUCER_ID } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";

/** Source offsets without a hole. */
export interface SourceRun {
  readonly sourceStart: bigint;
  readonly length: number;
}

/** A producible batch in place of (a part of) a source batch. */
export interface Rewritten {
  readonly batch: BatchView;
  /** Where its records come from, in order. */
  readonly runs: readonly SourceRun[];
  /** The source offset after its last record. */
  readonly nextOffset: bigint;
}

/** Stands in until the lane stamps the batch. */
const NO_STAMP = { producerId: NO_PRODUCER_ID, producerEpoch: -1, baseSequence: -1 };

/** The runs of a batch's records at or above a source offset; from the header alone when the batch is dense.
 *  @throws {WireError} when a batch with gaps is malformed */
export function keptRuns(batch: BatchView, sourceNext: bigint): SourceRun[] {
  if (!batch.isDense) return toRuns(keptOffsets(batch, sourceNext));
  const start = batch.baseOffset < sourceNext ? sourceNext : batch.baseOffset;
  return start >= batch.nextOffset ? [] : [{ sourceStart: start, length: Number(batch.nextOffset - start) }];
}

/** The records at or above `sourceNext` as producible batches of at most `maxBatchBytes`, in order; a single record may be
 *  larger, which is for the target to refuse. Empty when no record is left.
 *  @throws {WireError} when the batch is malformed */
export function rewriteBatch(batch: BatchView, sourceNext: bigint, maxBatchBytes: number): Rewritten[] {
  const offsets = keptOffsets(batch, sourceNext);
  return offsets.length === 0 ? [] : buildParts(batch, offsets, maxBatchBytes);
}

/** Halves until the parts fit: at most log2(records) times. */
function buildParts(batch: BatchView, offsets: readonly bigint[], maxBatchBytes: number): Rewritten[] {
  const wanted = new Set(offsets);
  const base = batch.baseOffset;
  const built = rebuildBatch(batch, {
    keep: (record) => wanted.has(base + BigInt(record.offsetDelta)),
    timestamps: "append-time",
    stamp: NO_STAMP,
  });
  const last = offsets.at(-1);
  if (built === undefined || last === undefined) return [];
  if (built.sizeBytes <= maxBatchBytes || offsets.length === 1)
    return [{ batch: built, runs: toRuns(offsets), nextOffset: last + 1n }];
  const middle = offsets.length >> 1;
  return [
    ...buildParts(batch, offsets.slice(0, middle), maxBatchBytes),
    ...buildParts(batch, offsets.slice(middle), maxBatchBytes),
  ];
}

function keptOffsets(batch: BatchView, sourceNext: bigint): bigint[] {
  const base = batch.baseOffset;
  const offsets = decodeRecords(batch).map((record) => base + BigInt(record.offsetDelta));
  return offsets.filter((offset) => offset >= sourceNext);
}

function toRuns(offsets: readonly bigint[]): SourceRun[] {
  const runs: { sourceStart: bigint; length: number }[] = [];
  for (const offset of offsets) {
    const run = runs.at(-1);
    if (run !== undefined && run.sourceStart + BigInt(run.length) === offset) run.length++;
    else runs.push({ sourceStart: offset, length: 1 });
  }
  return runs;
}
