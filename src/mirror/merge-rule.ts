/** Which waiting batches travel together, and how their records map back. */

import { WireError } from "../wire/errors.ts";
import { mergeBatches, mergedBytesMax } from "../wire/merge.ts";
import type { BatchView } from "../wire/record-batch.ts";
import type { SourceRun } from "./rewrite.ts";

/** Size of a merged batch, at least: five of them in flight carry 30 MB/s over a round trip of 80 ms. */
const MERGED_BYTES_MIN = 512 * 1024;
/** What a fifth of the window should carry for each millisecond of the way there and back: together 100 MB/s. */
const MERGED_BYTES_PER_MS = 20 * 1024;
/** A batch of this size is worth a request of its own. */
const SMALL_BATCH_BYTES_MAX = 128 * 1024;

/** With acknowledgements this slow, merging pays even where it means to decompress and compress again: five batches of 16 KiB
 *  in flight would carry less than 2 MB/s. */
const RECOMPRESS_ROUND_TRIP_MS = 40;

/** What depends on the lane at the moment. */
export interface MergeRules {
  /** The target's max.message.bytes. */
  readonly maxBatchBytes: number;
  /** The quickest acknowledgement so far: the way there and back. */
  readonly roundTripMs: number;
}

/** Batches that wait to travel together, in order. */
export class Waiting {
  #batches: BatchView[] = [];
  /** The most that they can come to together. */
  #bytesMax = 0;

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  add(batch: BatchView): void {
    this.#batches.push(batch);
    this.#bytesMax += mergedBytesMax(batch);
  }

  /** Hands them out. */
  take(): readonly BatchView[] {
    const batches = this.#batches;
    this.#batches = [];
    this.#bytesMax = 0;
    return batches;
  }

  /** True when `batch` may travel in one batch with those that wait already. All have the plan `forward`, so none is a control
   *  batch, has gaps, or carries append times. */
  joins(batch: BatchView, rules: MergeRules): boolean {
    const first = this.#batches[0] ?? batch;
    const recompresses = rules.roundTripMs >= RECOMPRESS_ROUND_TRIP_MS;
    if (batch.codec !== first.codec || (batch.codec !== 0 && !recompresses)) return false;
    if (first.sizeBytes > SMALL_BATCH_BYTES_MAX || batch.sizeBytes > SMALL_BATCH_BYTES_MAX) return false;
    const wantedBytes = Math.max(MERGED_BYTES_MIN, rules.roundTripMs * MERGED_BYTES_PER_MS);
    return this.#bytesMax + mergedBytesMax(batch) <= Math.min(wantedBytes, rules.maxBatchBytes);
  }
}

/** Several source batches as one. */
export interface Merged {
  readonly batch: BatchView;
  readonly runs: readonly SourceRun[];
  /** The source offset after the last record, and the leader epoch that wrote it. */
  readonly nextOffset: bigint;
  readonly leaderEpoch: number;
}

/** The merged batch; undefined when one of them is damaged inside: sent as they are, the target says which. */
export function merge(batches: readonly BatchView[]): Merged | undefined {
  const last = batches.at(-1);
  if (last === undefined) return undefined;
  try {
    const batch = mergeBatches(batches);
    return { batch, runs: runsOf(batches), nextOffset: last.nextOffset, leaderEpoch: last.leaderEpoch };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

/** Contiguous batches are one run. */
function runsOf(batches: readonly BatchView[]): SourceRun[] {
  const runs: { sourceStart: bigint; length: number }[] = [];
  for (const { baseOffset, recordCount } of batches) {
    const run = runs.at(-1);
    if (run !== undefined && run.sourceStart + BigInt(run.length) === baseOffset) run.length += recordCount;
    else runs.push({ sourceStart: baseOffset, length: recordCount });
  }
  return runs;
}
