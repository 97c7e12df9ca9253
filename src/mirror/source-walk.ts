/** Counts records of the source again, from headers, under the same plan by which they were copied: finds the source
 *  offset behind a number of appended records. */

import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { AbortedTransactions } from "./aborted.ts";
import { hasFault } from "./errors.ts";
import { GapSearch } from "./gap-search.ts";
import { earlier } from "./offset-order.ts";
import { isUnknownWriter, type PlanRules, planBatch } from "./plan.ts";
import type { Source, SourceChunk, SourcePosition, TopicPartition } from "./ports.ts";
import { keptRuns, type SourceRun } from "./rewrite.ts";
import type { Witness } from "./witness.ts";

/** What to count, and where. */
export interface WalkRequest {
  readonly source: Source;
  readonly partition: TopicPartition;
  readonly from: SourcePosition;
  /** Records to find; more than 0. */
  readonly records: bigint;
  readonly rules: PlanRules;
  /** What the target has of the last one; undefined when that is unknown. */
  readonly last: Witness | undefined;
}

/** What was found. */
export interface Walked {
  /** The records in order; neighbours that touch are one run. */
  readonly runs: readonly SourceRun[];
  /** The offset after the last record found, and its leader epoch. */
  readonly next: SourcePosition;
  /** Batch and offset of the last record found, for verification; undefined when retention removed it. */
  readonly last: { readonly batch: BatchView; readonly offset: bigint } | undefined;
  /** Records that the source no longer has; less than 0 never. 0 = all were found. */
  readonly missing: bigint;
  /** Offsets without a record were met: the source is compacted, and may have been so since the records were counted. */
  readonly hasGaps: boolean;
  /** Retention removed records on the way, and what is left does not tell where the last one is or was: the rest says nothing then. */
  readonly isUnclear: boolean;
}

/** Walks from a position until `records` were found or the source ends. Where retention has removed some, the last one is looked for
 *  in what is left (see gap-search.ts). If it is gone, too, or is not known, offsets are taken for one record each: the place found
 *  is then not behind the true one.
 *  @throws {MirrorError} `SOURCE_*` other than `SOURCE_GAP` */
export async function walkSource(request: WalkRequest, signal: AbortSignal): Promise<Walked> {
  const walk = new Walk(request);
  const { endOffset } = await request.source.bounds(request.partition);
  while (!walk.isDone && walk.next.offset < endOffset) {
    const reader = request.source.open(request.partition, walk.next);
    try {
      while (!walk.isDone && walk.next.offset < endOffset) await walk.take(await reader.next(signal));
    } catch (error) {
      if (!hasFault(error, "SOURCE_GAP")) throw error;
      walk.jumpTo(error.fault.logStartOffset);
    } finally {
      reader.close();
    }
  }
  walk.settle();
  return walk.result;
}

class Walk {
  readonly #rules: PlanRules;
  readonly #witness: Witness | undefined;
  readonly #runs: SourceRun[] = [];
  #left: bigint;
  #next: SourcePosition;
  #last: Walked["last"];
  #hasGaps = false;
  #isUnclear = false;
  /** Of the last record, behind a gap that began here. */
  #search: { readonly gapFrom: bigint; readonly search: GapSearch } | undefined;

  constructor(request: WalkRequest) {
    this.#rules = request.rules;
    this.#witness = request.last;
    this.#left = request.records;
    this.#next = request.from;
  }

  get isDone(): boolean {
    return this.#search?.search.isDone ?? this.#left === 0n;
  }
  get next(): SourcePosition {
    return this.#next;
  }
  get result(): Walked {
    return {
      runs: this.#runs,
      next: this.#next,
      last: this.#last,
      missing: this.#left,
      hasGaps: this.#hasGaps,
      isUnclear: this.#isUnclear,
    };
  }

  async take(chunk: SourceChunk): Promise<void> {
    const aborted = new AbortedTransactions(chunk.aborted);
    for (const batch of batchesIn(chunk.records)) {
      if (this.isDone) return;
      if (batch.baseOffset > this.#next.offset || !batch.isDense) this.#noteHole();
      if (isUnknownWriter(batch, this.#rules)) await this.#rules.history?.writers.learn(batch.producerId);
      const plan = planBatch(batch, this.#rules, this.#next.offset, aborted.covers(batch));
      if (plan.kind !== "skip") {
        for (const run of keptRuns(batch, this.#next.offset, this.#rules.filter)) this.#add(run, batch);
        if (this.isDone) return;
      }
      this.#moveTo(batch.nextOffset, batch.leaderEpoch);
    }
  }

  /** Retention removed what lies before an offset. */
  jumpTo(offset: bigint): void {
    if (this.#witness === undefined) {
      this.#assume(offset);
      return;
    }
    const gapFrom = this.#search?.gapFrom ?? this.#next.offset;
    const request = { fromOffset: gapFrom, toOffset: offset, records: this.#left, last: this.#witness };
    this.#search = { gapFrom, search: new GapSearch(request) };
    this.#next = { offset, leaderEpoch: -1 };
  }

  /** Takes in what the search found; nothing is taken after that. */
  settle(): void {
    if (this.#search === undefined) return;
    const { gapFrom, search } = this.#search;
    const { verdict } = search;
    this.#search = undefined;
    if (verdict.kind === "behind") {
      const { runs, batch, offset } = verdict;
      this.#runs.push(...runs);
      this.#last = { batch, offset };
      this.#next = { offset: offset + 1n, leaderEpoch: batch.leaderEpoch };
      this.#left = 0n;
      return;
    }
    this.#isUnclear = verdict.kind === "unclear";
    this.#next = { offset: gapFrom, leaderEpoch: -1 };
    this.#assume(gapFrom + this.#left);
  }

  #noteHole(): void {
    this.#hasGaps = true;
    this.#search?.search.noteHole();
  }

  #assume(offset: bigint): void {
    const gap = offset - this.#next.offset;
    const assumed = earlier(gap, this.#left);
    const sourceStart = this.#next.offset;
    if (assumed > 0n) this.#runs.push({ sourceStart, length: Number(assumed) });
    this.#left -= assumed;
    this.#last = undefined;
    this.#next = { offset: this.isDone ? sourceStart + assumed : offset, leaderEpoch: -1 };
  }

  #add(run: SourceRun, batch: BatchView): void {
    if (this.isDone) return;
    if (this.#search !== undefined) {
      this.#search.search.add(run, batch);
      return;
    }
    const length = this.#left < BigInt(run.length) ? Number(this.#left) : run.length;
    this.#left -= BigInt(length);
    const end = run.sourceStart + BigInt(length);
    this.#runs.push({ sourceStart: run.sourceStart, length });
    this.#last = { batch, offset: end - 1n };
    this.#next = { offset: end, leaderEpoch: batch.leaderEpoch };
  }

  #moveTo(offset: bigint, leaderEpoch: number): void {
    if (offset > this.#next.offset) this.#next = { offset, leaderEpoch };
  }
}
