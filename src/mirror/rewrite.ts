/** Builds anew what cannot be forwarded: drops records below the position and those that a filter leaves out, closes offset
 *  gaps, fixes timestamps, splits what is too large. The codec stays, and so does every key, value and header that goes along,
 *  byte for byte. */

import { rebuildBatch } from "../wire/rebuild.ts";
import { type BatchView, NO_PRODUCER_ID } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import type { Filter, FilterReason } from "./record-filter.ts";

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

/** What is left of a batch. */
export interface Selected {
  /** Source offsets of the records to be copied, ascending. */
  readonly offsets: readonly bigint[];
  /** True when that is every record with every header. */
  readonly isUntouched: boolean;
}

/** Chooses the records at or above a source offset that the filter, if there is one, leaves in.
 *  @throws {WireError} when the batch is malformed */
export function selectRecords(
  batch: BatchView,
  sourceNext: bigint,
  filter: Filter | undefined,
  onRejected?: (reason: FilterReason) => void,
): Selected {
  const offsets: bigint[] = [];
  const drops = filter?.dropsHeader;
  const records = decodeRecords(batch);
  let isUntouched = true;
  for (const record of records) {
    const offset = batch.baseOffset + BigInt(record.offsetDelta);
    if (offset < sourceNext) continue;
    const reason = filter?.rejects(record, offset);
    if (reason === undefined) {
      offsets.push(offset);
      if (drops !== undefined && record.headers.some(({ key }) => drops(key))) isUntouched = false;
    } else {
      onRejected?.(reason);
    }
  }
  return { offsets, isUntouched: isUntouched && offsets.length === records.length };
}

/** The runs of a batch's records to be copied at or above a source offset; from the header alone when the batch is dense and
 *  there is no filter. @throws {WireError} when a batch that has to be looked into is malformed */
export function keptRuns(batch: BatchView, sourceNext: bigint, filter: Filter | undefined): SourceRun[] {
  if (!batch.isDense || filter !== undefined) return toRuns(selectRecords(batch, sourceNext, filter).offsets);
  const start = batch.baseOffset < sourceNext ? sourceNext : batch.baseOffset;
  return start >= batch.nextOffset ? [] : [{ sourceStart: start, length: Number(batch.nextOffset - start) }];
}

/** How chosen records are built anew. */
export interface RewriteRules {
  readonly filter: Filter | undefined;
  readonly maxBatchBytes: number;
}

/** The chosen records as producible batches of at most `maxBatchBytes`, in order; a single record may be larger, which is for
 *  the target to refuse. Empty when none is chosen. Halves until the parts fit: at most log2(records) times.
 *  @throws {WireError} when the batch is malformed */
export function rewriteBatch(batch: BatchView, offsets: readonly bigint[], rules: RewriteRules): Rewritten[] {
  const wanted = new Set(offsets);
  const base = batch.baseOffset;
  const drops = rules.filter?.dropsHeader;
  const built = rebuildBatch(batch, {
    keep: (record) => wanted.has(base + BigInt(record.offsetDelta)),
    ...(drops === undefined ? {} : { dropsHeader: drops }),
    timestamps: "append-time",
    stamp: NO_STAMP,
  });
  const last = offsets.at(-1);
  if (built === undefined || last === undefined) return [];
  if (built.sizeBytes <= rules.maxBatchBytes || offsets.length === 1)
    return [{ batch: built, runs: toRuns(offsets), nextOffset: last + 1n }];
  const middle = offsets.length >> 1;
  return [
    ...rewriteBatch(batch, offsets.slice(0, middle), rules),
    ...rewriteBatch(batch, offsets.slice(middle), rules),
  ];
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
