/** The offset map of one lane: which target offset each source offset became, exactly, both ways, over all history.
 *
 *  ```
 *  source  0 1 2 3 4 5 6 7 8 9      runs (sourceStart, targetStart, length)
 *          a b c . d e . . f g      (0, 0, 3)   . = a hole: marker, aborted, compacted, filtered
 *  target  a b c d e x f g          (4, 3, 2)   x = a foreign record
 *          0 1 2 3 4 5 6 7          (8, 6, 2)
 *  ```
 *  A contiguous copy is one run however long; only a hole on either side starts a new one. Three facts bound the map: the
 *  floor (nothing is known below it), `sourceNext` (every source offset below it is mirrored or skipped for good) and
 *  `targetNext` (the target offset after the lane's last record). */

import { assertInvariant } from "../core/errors.ts";
import { type LanePoint, RunBlock, type RunRow } from "./offset-map-block.ts";
import { RunList } from "./offset-map-runs.ts";
import type { OffsetTranslator, Progress, ReverseTranslation, Translation } from "./offset-ports.ts";

/** Records that lie one after another on both sides. */
export interface Run {
  readonly sourceStart: bigint;
  readonly targetStart: bigint;
  readonly length: number;
}

/** What must be written so that the stored map equals this one, since the last call. */
export interface MapChanges {
  /** Changed blocks; the one numbered `tailNumber` still grows. */
  readonly blocks: readonly RunBlock[];
  /** Numbers of blocks that were complete once and are gone, or are the tail again. */
  readonly removed: readonly number[];
}

/** A pair of offsets. */
interface Pair {
  readonly source: number;
  readonly target: number;
}

/** Grows at its end as the lane advances. Offsets are bigint outside and exact numbers (below 2^53) inside. */
export class OffsetMap implements OffsetTranslator {
  readonly #runs: RunList;
  #floor: Pair;
  #next: Pair;
  readonly #dirty = new Set<number>();
  readonly #removed = new Set<number>();

  private constructor(runs: RunList, floor: Pair, next: Pair) {
    this.#runs = runs;
    this.#floor = floor;
    this.#next = next;
  }

  /** An empty map for a lane that stands at `progress`. With count 0 the lane begins here: nothing of it lies below on the
   *  target, so `reverse` knows all target offsets, unless another program copied what lies below (`copiedBelow`).
   *  `blockRunsMax` is for tests. */
  static startingAt(
    progress: Progress,
    options: { readonly blockRunsMax?: number; readonly copiedBelow?: boolean } = {},
  ): OffsetMap {
    const next = { source: exact(progress.sourceNext), target: exact(progress.targetNext) };
    const floor = {
      source: next.source,
      target: progress.count === 0n && options.copiedBelow !== true ? 0 : next.target,
    };
    const from = { ...floor, count: exact(progress.count) };
    const block = new RunBlock({ number: 0, from, runsMax: options.blockRunsMax });
    const map = new OffsetMap(new RunList([block]), floor, next);
    map.#dirty.add(0);
    return map;
  }

  /** A map from blocks that follow one another (see `map-chunk-merge.ts`). */
  static fromBlocks(blocks: readonly RunBlock[], next: Pair): OffsetMap {
    const runs = new RunList(blocks);
    const { source, target } = runs.first.from;
    return new OffsetMap(runs, { source, target }, next);
  }

  /** How far the map reaches: what it says holds for every source offset below `sourceNext`. */
  get progress(): Progress {
    const { source, target } = this.#next;
    return { sourceNext: BigInt(source), targetNext: BigInt(target), count: BigInt(this.#runs.tail.end.count) };
  }
  /** Below these offsets the map knows nothing. */
  get floor(): { readonly source: bigint; readonly target: bigint } {
    return { source: BigInt(this.#floor.source), target: BigInt(this.#floor.target) };
  }
  get runCount(): number {
    return this.#runs.blocks.reduce((sum, block) => sum + block.size, 0);
  }
  /** Bytes of the columns, for budgets. */
  get heldBytes(): number {
    return this.#runs.blocks.reduce((sum, block) => sum + block.heldBytes, 0);
  }

  /** Adds acked records: `length` source offsets from `sourceStart`, without a hole, as they lie on the target. Source
   *  offsets passed over since the last call are holes. `targetEpoch`: see `LaneStateRecord.targetEpoch`; unknown
   *  where takeover found them, and never lower than that of the records before. */
  append(run: Run, targetEpoch = -1): void {
    const row = { sourceStart: exact(run.sourceStart), targetStart: exact(run.targetStart), length: run.length };
    assertInvariant(
      row.length > 0 && row.sourceStart >= this.#next.source && row.targetStart >= this.#next.target,
      "Runs increase on both sides",
      { ...row, sourceNext: this.#next.source, targetNext: this.#next.target },
    );
    if (!this.#runs.tail.append(row)) {
      this.#openBlock(this.#runs.tail.end);
      this.#runs.tail.append(row);
    }
    this.#runs.tail.targetEpoch = Math.max(this.#runs.tail.targetEpoch, targetEpoch);
    this.#next = { source: row.sourceStart + row.length, target: row.targetStart + row.length };
    this.#dirty.add(this.tailNumber);
  }

  /** Source offsets below `sourceNext` that were not appended are holes for good. Never goes back. */
  advanceTo(sourceNext: bigint): void {
    const source = exact(sourceNext);
    assertInvariant(source >= this.#next.source, "Progress never goes back", { source, sourceNext: this.#next.source });
    if (source === this.#next.source) return;
    this.#next = { ...this.#next, source };
    this.#dirty.add(this.tailNumber);
  }

  /** Goes back over source offsets that were passed over without a record; false when there is a record among them. */
  retreatTo(sourceNext: bigint): boolean {
    const source = exact(sourceNext);
    if (source > this.#next.source || source < this.#runs.tail.end.source) return false;
    this.#next = { ...this.#next, source };
    this.#dirty.add(this.tailNumber);
    return true;
  }

  /** Notes records that landed a second time, at `targetStart` and after. They count as positions of the lane, but every
   *  translation keeps pointing at the first copy. */
  appendRepeat(targetStart: bigint, length: number): void {
    const start = exact(targetStart);
    assertInvariant(length > 0 && start >= this.#next.target, "Runs increase on both sides", { start, length });
    const { source, target, count } = this.#runs.tail.end;
    this.#openBlock({ source, target, count: count + length });
    this.#next = { ...this.#next, target: start + length };
  }

  /** For every source offset at or above the floor: the lane's records with a source offset >= `sourceOffset` and its
   *  records from the answer on are the same list, now and after any number of appends. */
  translate(sourceOffset: bigint): Translation {
    const source = Number(sourceOffset);
    const floor = this.#floor.source;
    if (source < floor) return { kind: "expired", targetOffset: this.#targetOf(floor), sourceFloor: BigInt(floor) };
    if (source <= this.#next.source) return { kind: "exact", targetOffset: this.#targetOf(source) };
    return { kind: "clamped", targetOffset: BigInt(this.#next.target), sourceNext: BigInt(this.#next.source) };
  }

  /** For every target offset at or above the floor: the lane's records at or after `targetOffset` and its records with a
   *  source offset >= the answer are the same list. */
  reverse(targetOffset: bigint): ReverseTranslation {
    const target = Number(targetOffset);
    const floor = this.#floor.target;
    if (target < floor) return { kind: "expired", sourceOffset: this.#sourceOf(floor), targetFloor: BigInt(floor) };
    if (target <= this.#next.target) return { kind: "exact", sourceOffset: this.#sourceOf(target) };
    return { kind: "clamped", sourceOffset: BigInt(this.#next.source), targetNext: BigInt(this.#next.target) };
  }

  /** The source offset of the record that has `position` of the lane's records before it; `sourceNext` for the position
   *  after the last one; undefined outside the map. */
  sourceOfPosition(position: bigint): bigint | undefined {
    const count = exact(position);
    if (count === this.#runs.tail.end.count) return BigInt(this.#next.source);
    const source = this.#runs.sourceOfPosition(count);
    return source === undefined ? undefined : BigInt(source);
  }

  /** Forgets every record at or after `targetOffset`, because the target lost them (an unclean election there), and goes back to
   *  the first of them. Answers the progress from which to go on; undefined when the loss reaches below the floor, where the
   *  map cannot say: it is then worthless. After a loss among records that had landed twice, `count` is too high by up to their number. */
  truncateTarget(targetOffset: bigint): Progress | undefined {
    const target = exact(targetOffset);
    if (target < this.#floor.target) return undefined;
    if (target >= this.#next.target) return this.progress;
    this.#next = { source: this.#runs.sourceOf(target) ?? this.#next.source, target };
    while (this.#runs.tail.from.target >= target) {
      const dropped = this.#runs.dropTail();
      if (dropped === undefined) break;
      this.#dirty.delete(dropped.number);
      this.#removed.add(dropped.number);
    }
    this.#runs.tail.cutTarget(target);
    this.#dirty.add(this.tailNumber);
    // The tail has a key of its own: its form as a complete block, if there is one, is of the past.
    this.#removed.add(this.tailNumber);
    return this.progress;
  }

  /** Forgets what lies before `sourceOffset` (gone from both logs). Memory is freed by whole blocks. */
  trimBefore(sourceOffset: bigint): void {
    const source = Math.min(exact(sourceOffset), this.#next.source);
    if (source <= this.#floor.source) return;
    this.#floor = { source, target: Math.max(this.#floor.target, this.#runs.targetEndBefore(source) ?? 0) };
    while (this.#runs.first.sourceEnd <= source) {
      const dropped = this.#runs.dropFirst();
      if (dropped === undefined) return;
      this.#dirty.delete(dropped.number);
      this.#removed.add(dropped.number);
    }
  }

  /** The run that holds the record which `translate` answers, and the one before it. Both may be missing. */
  around(sourceOffset: bigint): { readonly run: Run | undefined; readonly before: Run | undefined } {
    const { run, before } = this.#runs.around(Number(sourceOffset));
    return { run: run && toRun(run), before: before && toRun(before) };
  }

  /** All runs, in order. */
  *runs(): Generator<Run, void, undefined> {
    for (const block of this.#runs.blocks) {
      for (let index = 0; index < block.size; index++) {
        const row = block.rowAt(index);
        if (row !== undefined) yield toRun(row);
      }
    }
  }

  /** Up to which target offset blocks of each target leader epoch reach: if the target answers (OffsetForLeaderEpoch) an epoch's
   *  end below that, its log was truncated there and the map must be too. Unknown epochs are left out. */
  epochEnds(): readonly { readonly targetEpoch: number; readonly targetEnd: bigint }[] {
    const ends = new Map<number, number>();
    for (const { targetEpoch, targetEnd, size } of this.#runs.blocks) {
      if (targetEpoch >= 0 && size > 0) ends.set(targetEpoch, targetEnd);
    }
    return [...ends].map(([targetEpoch, targetEnd]) => ({ targetEpoch, targetEnd: BigInt(targetEnd) }));
  }

  /** The highest epoch under which a record of the map's end was acked; -1 when unknown. */
  get targetEpoch(): number {
    return this.#runs.tail.targetEpoch;
  }

  /** The block that still grows. */
  get tailNumber(): number {
    return this.#runs.tail.number;
  }
  /** Runs in it. */
  get tailRunCount(): number {
    return this.#runs.tail.size;
  }
  /** Numbers of the blocks that the map consists of, ascending. */
  get blockNumbers(): readonly number[] {
    return this.#runs.blocks.map((block) => block.number);
  }
  /** True when `takeChanges` would answer something. */
  get hasChanges(): boolean {
    return this.#dirty.size > 0 || this.#removed.size > 0;
  }

  /** What changed since the last call, which the caller must write. */
  takeChanges(): MapChanges {
    const blocks = this.#runs.blocks.filter((block) => this.#dirty.has(block.number));
    const removed = [...this.#removed];
    this.#dirty.clear();
    this.#removed.clear();
    return { blocks, removed };
  }

  #openBlock(from: LanePoint): void {
    const { number, targetEpoch, runsMax } = this.#runs.tail;
    this.#removed.delete(number);
    this.#dirty.add(number).add(number + 1);
    this.#runs.push(new RunBlock({ number: number + 1, from, targetEpoch, runsMax }));
  }

  #targetOf(source: number): bigint {
    return BigInt(this.#runs.targetOf(source) ?? this.#next.target);
  }

  #sourceOf(target: number): bigint {
    return BigInt(this.#runs.sourceOf(target) ?? this.#next.source);
  }
}

function toRun({ sourceStart, targetStart, length }: RunRow): Run {
  return { sourceStart: BigInt(sourceStart), targetStart: BigInt(targetStart), length };
}

/** An offset as an exact number. A partition would need 28,000 years at 10,000 records a second to pass the limit. */
function exact(offset: bigint): number {
  const value = Number(offset);
  assertInvariant(Number.isSafeInteger(value) && value >= 0, "Offsets are below 2^53", { offset });
  return value;
}
