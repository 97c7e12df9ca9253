/** Index of a segment from time to relative offset (Kafka's `.timeindex`, `TimeIndex`).
 *
 *  Entries of 12 bytes, {greatest timestamp so far i64, offset - base i32 of the batch that holds it}. Timestamps rise
 *  strictly: everything at or before an entry's offset is at most as late as its timestamp. */

const ENTRY_BYTES = 12;
const INITIAL_ENTRIES = 16;

/** One entry: no record up to `relativeOffset` is later than `timestampMs`. */
export interface TimeEntry {
  readonly timestampMs: bigint;
  readonly relativeOffset: number;
}

/** The time index of one segment, in memory; `toBytes` is the file. */
export class TimeIndex {
  #bytes = Buffer.allocUnsafe(INITIAL_ENTRIES * ENTRY_BYTES);
  #count = 0;

  /** Reads a file; undefined when it is no time index. */
  static parse(bytes: Buffer): TimeIndex | undefined {
    if (bytes.length % ENTRY_BYTES !== 0) return undefined;
    const index = new TimeIndex();
    index.#bytes = Buffer.from(bytes);
    index.#count = bytes.length / ENTRY_BYTES;
    for (let i = 1; i < index.#count; i++) {
      const [previous, entry] = [index.#entry(i - 1), index.#entry(i)];
      if (entry.timestampMs <= previous.timestampMs || entry.relativeOffset < previous.relativeOffset) return undefined;
    }
    return index;
  }

  get sizeBytes(): number {
    return this.#count * ENTRY_BYTES;
  }

  /** The last entry: the latest time known, and where. */
  get last(): TimeEntry | undefined {
    return this.#count === 0 ? undefined : this.#entry(this.#count - 1);
  }

  /** Adds an entry when its time is later than the last one's and not before the epoch; nothing happens otherwise. */
  appendIfLater(entry: TimeEntry): void {
    if (entry.timestampMs <= (this.last?.timestampMs ?? -1n)) return;
    if (this.sizeBytes + ENTRY_BYTES > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(Math.max(this.#bytes.length, ENTRY_BYTES))]);
    }
    this.#bytes.writeBigInt64BE(entry.timestampMs, this.sizeBytes);
    this.#bytes.writeInt32BE(entry.relativeOffset, this.sizeBytes + 8);
    this.#count += 1;
  }

  /** Relative offset up to which every record is earlier than `timestampMs`; 0 without a better one. */
  offsetBefore(timestampMs: bigint): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entry(middle).timestampMs < timestampMs) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#entry(low - 1).relativeOffset;
  }

  /** Drops entries at or above the offset. */
  truncateTo(relativeOffset: number): void {
    while ((this.last?.relativeOffset ?? -1) >= relativeOffset) this.#count -= 1;
  }

  /** The file's content; shares memory until the next change. */
  toBytes(): Buffer {
    return this.#bytes.subarray(0, this.sizeBytes);
  }

  #entry(at: number): TimeEntry {
    return {
      timestampMs: this.#bytes.readBigInt64BE(at * ENTRY_BYTES),
      relativeOffset: this.#bytes.readInt32BE(at * ENTRY_BYTES + 8),
    };
  }
}
