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

/** Grows at its end as the lane advances. Offsets are bigint outside and exact numbers (below 2^53) inside. */
export class OffsetMap implements OffsetTranslator {
  #blocks: RunBlock[];
  #floor: { source: number; target: number };
  #sourceNext: number;
  #targetNext: number;
  readonly #dirty = new Set<number>();
  readonly #removed = new Set<number>();

  private constructor(
    blocks: RunBlock[],
    floor: { source: number; target: number },
    next: { source: number; target: number },
  ) {
    this.#blocks = blocks;
    this.#floor = floor;
    this.#sourceNext = next.source;
    this.#targetNext = next.target;
  }

  /** An empty map for a lane that stands at `progress`. With count 0 the lane begins here: nothing of it lies below on the
   *  target, so `reverse` knows all target offsets. */
  static startingAt(progress: Progress, options: { readonly blockRunsMax?: number } = {}): OffsetMap {
    const next = { source: exact(progress.sourceNext), target: exact(progress.targetNext) };
    const floor = { source: next.source, target: progress.count === 0n ? 0 : next.target };
    const from = { ...floor, count: exact(progress.count) };
    const map = new OffsetMap([new RunBlock({ number: 0, from, runsMax: options.blockRunsMax })], floor, next);
    map.#dirty.add(0);
    return map;
  }

  /** A map from blocks that follow one another (see `map-chunk-merge.ts`). */
  static fromBlocks(
    blocks: readonly RunBlock[],
    next: { readonly source: number; readonly target: number },
  ): OffsetMap {
    const [first] = blocks;
    if (first === undefined) throw new RangeError("a map has at least one block");
    blocks.reduce((before, block) => {
      assertInvariant(
        before.sourceEnd === block.from.source && before.targetEnd === block.from.target,
        "Blocks follow one another",
        { before: before.number, block: block.number },
      );
      return block;
    });
    const { source, target } = first.from;
    return new OffsetMap([...blocks], { source, target }, next);
  }

  /** How far the map reaches: what it says holds for every source offset below `sourceNext`. */
  get progress(): Progress {
    return {
      sourceNext: BigInt(this.#sourceNext),
      targetNext: BigInt(this.#targetNext),
      count: BigInt(this.#tail.end.count),
    };
  }
  /** Below these offsets the map knows nothing. */
  get floor(): { readonly source: bigint; readonly target: bigint } {
    return { source: BigInt(this.#floor.source), target: BigInt(this.#floor.target) };
  }
  get runCount(): number {
    return this.#blocks.reduce((sum, block) => sum + block.size, 0);
  }
  /** Bytes of the columns, for budgets. */
  get heldBytes(): number {
    return this.#blocks.reduce((sum, block) => sum + block.heldBytes, 0);
  }

  /** Adds acked records: `length` source offsets from `sourceStart`, without a hole, as they lie on the target. Source
   *  offsets passed over since the last call are holes. `targetEpoch`: see `LaneStateRecord.targetEpoch`. */
  append(run: Run, targetEpoch = -1): void {
    const row = { sourceStart: exact(run.sourceStart), targetStart: exact(run.targetStart), length: run.length };
    assertInvariant(
      row.length > 0 && row.sourceStart >= this.#sourceNext && row.targetStart >= this.#targetNext,
      "Runs increase on both sides",
      { ...row, sourceNext: this.#sourceNext, targetNext: this.#targetNext },
    );
    if (!this.#tail.append(row)) {
      this.#openBlock(this.#tail.end);
      this.#tail.append(row);
    }
    this.#tail.targetEpoch = targetEpoch;
    this.#sourceNext = row.sourceStart + row.length;
    this.#targetNext = row.targetStart + row.length;
    this.#dirty.add(this.#tail.number);
  }

  /** Source offsets below `sourceNext` that were not appended are holes for good. Never goes back. */
  advanceTo(sourceNext: bigint): void {
    const next = exact(sourceNext);
    assertInvariant(next >= this.#sourceNext, "Progress never goes back", { next, sourceNext: this.#sourceNext });
    if (next === this.#sourceNext) return;
    this.#sourceNext = next;
    this.#dirty.add(this.#tail.number);
  }

  /** Notes records that landed a second time, at `targetStart` and after. They count as positions of the lane, but every
   *  translation keeps pointing at the first copy. */
  appendRepeat(targetStart: bigint, length: number): void {
    const start = exact(targetStart);
    assertInvariant(length > 0 && start >= this.#targetNext, "Runs increase on both sides", { start, length });
    const { source, target, count } = this.#tail.end;
    this.#openBlock({ source, target, count: count + length });
    this.#targetNext = start + length;
  }

  /** For every source offset at or above the floor: the lane's records with a source offset >= `sourceOffset` and its
   *  records from the answer on are the same list, now and after any number of appends. */
  translate(sourceOffset: bigint): Translation {
    const source = Number(sourceOffset);
    if (source < this.#floor.source) {
      return {
        kind: "expired",
        targetOffset: this.#targetOf(this.#floor.source),
        sourceFloor: BigInt(this.#floor.source),
      };
    }
    if (source <= this.#sourceNext) return { kind: "exact", targetOffset: this.#targetOf(source) };
    return { kind: "clamped", targetOffset: BigInt(this.#targetNext), sourceNext: BigInt(this.#sourceNext) };
  }

  /** For every target offset at or above the floor: the lane's records at or after `targetOffset` and its records with a
   *  source offset >= the answer are the same list. */
  reverse(targetOffset: bigint): ReverseTranslation {
    const target = Number(targetOffset);
    if (target < this.#floor.target) {
      return {
        kind: "expired",
        sourceOffset: this.#sourceOf(this.#floor.target),
        targetFloor: BigInt(this.#floor.target),
      };
    }
    if (target <= this.#targetNext) return { kind: "exact", sourceOffset: this.#sourceOf(target) };
    return { kind: "clamped", sourceOffset: BigInt(this.#sourceNext), targetNext: BigInt(this.#targetNext) };
  }

  /** The source offset of the record that has `position` of the lane's records before it; `sourceNext` for the position
   *  after the last one; undefined below the map. */
  sourceOfPosition(position: bigint): bigint | undefined {
    const count = exact(position);
    if (count === this.#tail.end.count) return BigInt(this.#sourceNext);
    const after = this.#blocks.findIndex((block) => block.from.count > count);
    const block = this.#blocks.at(after - (after < 0 ? 0 : 1));
    if (after === 0 || block === undefined || count > this.#tail.end.count) return undefined;
    return BigInt(block.sourceOfPosition(count));
  }

  /** Forgets every record at or after `targetOffset`, because the target lost them (an unclean election there), and goes back to
   *  the first of them. Answers the progress from which to go on; undefined when the loss reaches below the floor, where the
   *  map cannot say: it is then worthless. */
  truncateTarget(targetOffset: bigint): Progress | undefined {
    const target = exact(targetOffset);
    if (target < this.#floor.target) return undefined;
    if (target >= this.#targetNext) return this.progress;
    this.#sourceNext = Number(this.#sourceOf(target));
    this.#targetNext = target;
    while (this.#blocks.length > 1 && this.#tail.from.target >= target) this.#dropTail();
    this.#tail.cutTarget(target);
    this.#dirty.add(this.#tail.number);
    this.#removed.add(this.#tail.number);
    return this.progress;
  }

  /** Forgets what lies before `sourceOffset` (gone from both logs). Memory is freed by whole blocks. */
  trimBefore(sourceOffset: bigint): void {
    const source = Math.min(exact(sourceOffset), this.#sourceNext);
    if (source <= this.#floor.source) return;
    this.#floor = { source, target: this.#endBefore(source) };
    for (let first = this.#blocks[0]; this.#blocks.length > 1 && first !== undefined; first = this.#blocks[0]) {
      if (first.sourceEnd > source) break;
      this.#blocks.shift();
      this.#dirty.delete(first.number);
      this.#removed.add(first.number);
    }
  }

  /** The run that holds the record which `translate` answers, and the one before it. Both may be missing. */
  around(sourceOffset: bigint): { readonly run: Run | undefined; readonly before: Run | undefined } {
    const source = Number(sourceOffset);
    const block = this.#blockBySource(source) ?? this.#tail;
    const index = block.indexBySource(source);
    const position = this.#blocks.indexOf(block);
    const previous = position > 0 ? this.#blocks[position - 1] : undefined;
    const before = block.rowAt(index - 1) ?? previous?.rowAt(previous.size - 1);
    return { run: toRun(block.rowAt(index)), before: toRun(before) };
  }

  /** All runs, in order. */
  *runs(): Generator<Run, void, undefined> {
    for (const block of this.#blocks) {
      for (let index = 0; index < block.size; index++) {
        const run = toRun(block.rowAt(index));
        if (run !== undefined) yield run;
      }
    }
  }

  /** Up to which target offset blocks of each target leader epoch reach: if the target answers (OffsetForLeaderEpoch) an epoch's
   *  end below that, its log was truncated there and the map must be too. Unknown epochs are left out. */
  epochEnds(): readonly { readonly targetEpoch: number; readonly targetEnd: bigint }[] {
    const ends = new Map<number, number>();
    for (const { targetEpoch, targetEnd, size } of this.#blocks) {
      if (targetEpoch >= 0 && size > 0) ends.set(targetEpoch, Math.max(targetEnd, ends.get(targetEpoch) ?? 0));
    }
    return [...ends].map(([targetEpoch, targetEnd]) => ({ targetEpoch, targetEnd: BigInt(targetEnd) }));
  }

  /** The block that still grows. */
  get tailNumber(): number {
    return this.#tail.number;
  }
  /** Numbers of the blocks that the map consists of, ascending. */
  get blockNumbers(): readonly number[] {
    return this.#blocks.map((block) => block.number);
  }
  /** Runs in the block that still grows. */
  get tailRunCount(): number {
    return this.#tail.size;
  }

  /** True when `takeChanges` would answer something. */
  get hasChanges(): boolean {
    return this.#dirty.size > 0 || this.#removed.size > 0;
  }

  /** What changed since the last call, which the caller must write. */
  takeChanges(): MapChanges {
    const blocks = this.#blocks.filter((block) => this.#dirty.has(block.number));
    const removed = [...this.#removed];
    this.#dirty.clear();
    this.#removed.clear();
    return { blocks, removed };
  }

  get #tail(): RunBlock {
    const tail = this.#blocks.at(-1);
    if (tail === undefined) throw new Error("a map has at least one block");
    return tail;
  }

  #openBlock(from: LanePoint): void {
    const closed = this.#tail;
    this.#removed.delete(closed.number);
    this.#dirty.add(closed.number);
    const { targetEpoch, runsMax } = closed;
    this.#blocks.push(new RunBlock({ number: closed.number + 1, from, targetEpoch, runsMax }));
    this.#dirty.add(closed.number + 1);
  }

  /** The block before the tail becomes the tail again; complete forms of both must go. */
  #dropTail(): void {
    const dropped = this.#blocks.pop();
    if (dropped === undefined) return;
    this.#dirty.delete(dropped.number);
    this.#removed.add(dropped.number);
  }

  /** The target offset of the first record at or after the source offset; `targetNext` when there is none. */
  #targetOf(source: number): bigint {
    const block = this.#blockBySource(source);
    if (block === undefined) return BigInt(this.#targetNext);
    const index = block.indexBySource(source);
    return BigInt(block.targetAt(index) + Math.max(0, source - block.sourceAt(index)));
  }

  /** The source offset of the first record at or after the target offset; `sourceNext` when there is none. */
  #sourceOf(target: number): bigint {
    const position = this.#firstBlock((block) => block.targetEnd > target);
    const block = this.#blocks[position];
    if (block === undefined) return BigInt(this.#sourceNext);
    const index = block.indexByTarget(target);
    return BigInt(block.sourceAt(index) + Math.max(0, target - block.targetAt(index)));
  }

  /** The target offset after the last record below the source offset. */
  #endBefore(source: number): number {
    const position = this.#firstBlock((block) => block.sourceEnd > source);
    const block = this.#blocks[position] ?? this.#tail;
    const index = block.indexBySource(source);
    if (index < block.size && block.sourceAt(index) < source)
      return block.targetAt(index) + source - block.sourceAt(index);
    return index === 0
      ? Math.max(this.#floor.target, block.from.target)
      : block.targetAt(index - 1) + block.lengthAt(index - 1);
  }

  #blockBySource(source: number): RunBlock | undefined {
    return this.#blocks[this.#firstBlock((block) => block.sourceEnd > source)];
  }

  /** Binary search for the first block for which `holds`, which stays true from there on. */
  #firstBlock(holds: (block: RunBlock) => boolean): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#blocks[middle];
      if (block !== undefined && holds(block)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function toRun(row: RunRow | undefined): Run | undefined {
  if (row === undefined) return undefined;
  return { sourceStart: BigInt(row.sourceStart), targetStart: BigInt(row.targetStart), length: row.length };
}

/** An offset as an exact number. A partition would need 28,000 years at 10,000 records a second to pass the limit. */
function exact(offset: bigint): number {
  const value = Number(offset);
  assertInvariant(Number.isSafeInteger(value) && value >= 0, "Offsets are below 2^53", { offset });
  return value;
}
