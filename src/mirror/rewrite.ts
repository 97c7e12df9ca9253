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
  /** Offsets of the records to be copied less the batch's base offset, ascending. */
  readonly deltas: readonly number[];
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
  const { baseOffset } = batch;
  const firstDelta = Number(sourceNext - baseOffset);
  const deltas: number[] = [];
  const drops = filter?.dropsHeader;
  const records = decodeRecords(batch);
  let isUntouched = true;
  for (const record of records) {
    if (record.offsetDelta < firstDelta) continue;
    const reason = filter?.rejects(record, baseOffset);
    if (reason === undefined) {
      deltas.push(record.offsetDelta);
      if (isUntouched && drops !== undefined && record.headers.some(({ key }) => drops(key))) isUntouched = false;
    } else {
      onRejected?.(reason);
    }
  }
  return { deltas, isUntouched: isUntouched && deltas.length === records.length };
}

/** The runs of a batch's records to be copied at or above a source offset; from the header alone when the batch is dense and
 *  there is no filter. @throws {WireError} when a batch that has to be looked into is malformed */
export function keptRuns(batch: BatchView, sourceNext: bigint, filter: Filter | undefined): SourceRun[] {
  if (!batch.isDense || filter !== undefined)
    return toRuns(batch.baseOffset, selectRecords(batch, sourceNext, filter).deltas);
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
export function rewriteBatch(batch: BatchView, deltas: readonly number[], rules: RewriteRules): Rewritten[] {
  const drops = rules.filter?.dropsHeader;
  let at = 0;
  const built = rebuildBatch(batch, {
    // Both lists ascend.
    keep: ({ offsetDelta }) => {
      if (offsetDelta !== deltas[at]) return false;
      at++;
      return true;
    },
    ...(drops === undefined ? {} : { dropsHeader: drops }),
    timestamps: "append-time",
    stamp: NO_STAMP,
  });
  const last = deltas.at(-1);
  if (built === undefined || last === undefined) return [];
  const { baseOffset } = batch;
  if (built.sizeBytes <= rules.maxBatchBytes || deltas.length === 1)
    return [{ batch: built, runs: toRuns(baseOffset, deltas), nextOffset: baseOffset + BigInt(last) + 1n }];
  const middle = deltas.length >> 1;
  return [...rewriteBatch(batch, deltas.slice(0, middle), rules), ...rewriteBatch(batch, deltas.slice(middle), rules)];
}

function toRuns(baseOffset: bigint, deltas: readonly number[]): SourceRun[] {
  const runs: SourceRun[] = [];
  for (let start = 0; start < deltas.length; ) {
    const first = deltas[start] ?? 0;
    let length = 1;
    while (deltas[start + length] === first + length) length++;
    runs.push({ sourceStart: baseOffset + BigInt(first), length });
    start += length;
  }
  return runs;
}
