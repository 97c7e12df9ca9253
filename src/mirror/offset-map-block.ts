/** A block of an offset map: at most 4,096 runs in one typed array, searched by either column. */

import { assertInvariant } from "../core/errors.ts";

/** Runs per block, and so per stored chunk: about 20 KiB when stored, found in 12 steps. */
export const BLOCK_RUNS_MAX = 4_096;

/** Most lanes have one run for ever; a thousand of them must cost nothing. */
const INITIAL_RUNS = 4;
/** source start, target start, length. */
const COLUMNS = 3;

/** `length` records that lie one after another on both sides. Offsets are exact below 2^53. */
export interface RunRow {
  readonly sourceStart: number;
  readonly targetStart: number;
  readonly length: number;
}

/** A place in a lane between two records: offsets on both sides, and records before it. */
export interface LanePoint {
  readonly source: number;
  readonly target: number;
  readonly count: number;
}

/** What a block is made with; it has no runs yet. */
export interface RunBlockOptions {
  readonly number: number;
  readonly from: LanePoint;
  readonly targetEpoch?: number;
  readonly runsMax?: number | undefined;
}

/** Runs in order. Both columns strictly increase and runs never touch on both sides at once (they would be one run). */
export class RunBlock {
  /** Ordinal of the block since the lane began. */
  readonly number: number;
  /** Where the block begins: the end of the last run before it, or the map's beginning. */
  readonly from: LanePoint;
  /** At most `BLOCK_RUNS_MAX`; tests take fewer. */
  readonly runsMax: number;
  /** Leader epoch of the target under which the last of the runs was acked; -1 unknown. */
  targetEpoch: number;
  #rows: Float64Array;
  #size = 0;
  #records = 0;

  constructor(options: RunBlockOptions) {
    this.number = options.number;
    this.from = options.from;
    this.runsMax = options.runsMax ?? BLOCK_RUNS_MAX;
    this.targetEpoch = options.targetEpoch ?? -1;
    this.#rows = new Float64Array(INITIAL_RUNS * COLUMNS);
  }

  get size(): number {
    return this.#size;
  }
  get isFull(): boolean {
    return this.#size >= this.runsMax;
  }
  /** Bytes held, for budgets. */
  get heldBytes(): number {
    return this.#rows.byteLength;
  }

  sourceAt(index: number): number {
    return this.#rows[index * COLUMNS] ?? Number.NaN;
  }
  targetAt(index: number): number {
    return this.#rows[index * COLUMNS + 1] ?? Number.NaN;
  }
  lengthAt(index: number): number {
    return this.#rows[index * COLUMNS + 2] ?? Number.NaN;
  }
  rowAt(index: number): RunRow | undefined {
    if (index < 0 || index >= this.#size) return undefined;
    return { sourceStart: this.sourceAt(index), targetStart: this.targetAt(index), length: this.lengthAt(index) };
  }

  /** The place after the last run (`from` when there is none). */
  get end(): LanePoint {
    if (this.#size === 0) return this.from;
    const last = this.#size - 1;
    const length = this.lengthAt(last);
    return {
      source: this.sourceAt(last) + length,
      target: this.targetAt(last) + length,
      count: this.from.count + this.#records,
    };
  }
  get sourceEnd(): number {
    const last = this.#size - 1;
    return last < 0 ? this.from.source : this.sourceAt(last) + this.lengthAt(last);
  }
  get targetEnd(): number {
    const last = this.#size - 1;
    return last < 0 ? this.from.target : this.targetAt(last) + this.lengthAt(last);
  }

  /** Extends the last run when the new one touches it on both sides. False when the block is full and it does not. */
  append(row: RunRow): boolean {
    const { sourceStart, targetStart, length } = row;
    assertInvariant(
      length > 0 && sourceStart >= this.sourceEnd && targetStart >= this.targetEnd,
      "Runs increase on both sides",
      { sourceStart, targetStart, length, sourceEnd: this.sourceEnd, targetEnd: this.targetEnd },
    );
    const at = (this.#size - 1) * COLUMNS;
    if (this.#size > 0 && sourceStart === this.sourceEnd && targetStart === this.targetEnd) {
      this.#rows[at + 2] = (this.#rows[at + 2] ?? 0) + length;
    } else {
      if (this.isFull) return false;
      this.#grow();
      this.#rows[at + COLUMNS] = sourceStart;
      this.#rows[at + COLUMNS + 1] = targetStart;
      this.#rows[at + COLUMNS + 2] = length;
      this.#size++;
    }
    this.#records += length;
    return true;
  }

  /** Index of the first run that has a record at or after the source offset; `size` when none has. */
  indexBySource(source: number): number {
    return this.#search(0, source);
  }
  /** Index of the first run that has a record at or after the target offset; `size` when none has. */
  indexByTarget(target: number): number {
    return this.#search(1, target);
  }

  /** The source offset of the record that has `position` records of the lane before it. */
  sourceOfPosition(position: number): number {
    let left = position - this.from.count;
    for (let index = 0; index < this.#size; index++) {
      const length = this.lengthAt(index);
      if (left < length) return this.sourceAt(index) + left;
      left -= length;
    }
    return this.sourceEnd;
  }

  /** Removes every record at or after the target offset. */
  cutTarget(target: number): void {
    while (this.#size > 0) {
      const last = this.#size - 1;
      const excess = this.targetEnd - Math.max(target, this.targetAt(last));
      if (excess <= 0) return;
      const kept = this.lengthAt(last) - excess;
      this.#records -= excess;
      if (kept > 0) this.#rows[last * COLUMNS + 2] = kept;
      else this.#size--;
    }
  }

  /** Plain binary search over run ends; `column` 0 source, 1 target. */
  #search(column: number, offset: number): number {
    const rows = this.#rows;
    let low = 0;
    let high = this.#size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const end = (rows[middle * COLUMNS + column] ?? 0) + (rows[middle * COLUMNS + 2] ?? 0);
      if (end > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    if ((this.#size + 1) * COLUMNS <= this.#rows.length) return;
    const grown = new Float64Array(Math.min(this.#rows.length * 2, BLOCK_RUNS_MAX * COLUMNS));
    grown.set(this.#rows);
    this.#rows = grown;
  }
}
