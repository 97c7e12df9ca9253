/** Sparse index of a segment: from relative offset to the position of a batch (Kafka's `.index`, `OffsetIndex`).
 *
 *  Entries of 8 bytes, {offset - base i32, position i32}, both rising. The offset is the *last* offset of the batch that
 *  starts at the position, so a walk from the entry found for an offset meets the batch that holds it. */

const ENTRY_BYTES = 8;
const INITIAL_ENTRIES = 16;

/** The index of one segment, in memory; `toBytes` is the file. */
export class OffsetIndex {
  #bytes = Buffer.allocUnsafe(INITIAL_ENTRIES * ENTRY_BYTES);
  #count = 0;

  /** Reads a file; undefined when it is no index: cut entries, or offsets or positions that do not rise. */
  static parse(bytes: Buffer): OffsetIndex | undefined {
    if (bytes.length % ENTRY_BYTES !== 0) return undefined;
    const index = new OffsetIndex();
    index.#bytes = Buffer.from(bytes);
    index.#count = bytes.length / ENTRY_BYTES;
    for (let i = 0; i < index.#count; i++) {
      const previousOffset = i === 0 ? -1 : index.#offset(i - 1);
      const previousPosition = i === 0 ? 0 : index.#position(i - 1);
      if (index.#offset(i) <= previousOffset || index.#position(i) <= previousPosition) return undefined;
    }
    return index;
  }

  get sizeBytes(): number {
    return this.#count * ENTRY_BYTES;
  }

  /** Relative offset and position of the last entry. */
  get last(): { readonly relativeOffset: number; readonly position: number } | undefined {
    if (this.#count === 0) return undefined;
    return { relativeOffset: this.#offset(this.#count - 1), position: this.#position(this.#count - 1) };
  }

  /** Adds the batch that starts at `position` and ends with `relativeOffset`. */
  append(relativeOffset: number, position: number): void {
    if (this.sizeBytes + ENTRY_BYTES > this.#bytes.length) {
      this.#bytes = Buffer.concat([this.#bytes, Buffer.allocUnsafe(Math.max(this.#bytes.length, ENTRY_BYTES))]);
    }
    this.#bytes.writeInt32BE(relativeOffset, this.sizeBytes);
    this.#bytes.writeInt32BE(position, this.sizeBytes + 4);
    this.#count += 1;
  }

  /** A position at or before the batch that holds the offset; 0 without a better one. */
  floorPosition(relativeOffset: number): number {
    const at = this.#firstAbove(relativeOffset);
    return at === 0 ? 0 : this.#position(at - 1);
  }

  /** Position of an indexed batch whose last offset is at or above the offset: it, or an earlier one, is the first such batch. */
  ceilingPosition(relativeOffset: number): number | undefined {
    const at = this.#firstAbove(relativeOffset - 1);
    return at === this.#count ? undefined : this.#position(at);
  }

  /** Last offset of the first indexed batch that ends at or after the offset. */
  ceilingOffset(relativeOffset: number): number | undefined {
    const at = this.#firstAbove(relativeOffset - 1);
    return at === this.#count ? undefined : this.#offset(at);
  }

  /** Drops entries at or above the offset. */
  truncateTo(relativeOffset: number): void {
    this.#count = this.#firstAbove(relativeOffset - 1);
  }

  /** The file's content; shares memory until the next change. */
  toBytes(): Buffer {
    return this.#bytes.subarray(0, this.sizeBytes);
  }

  /** Number of entries at or below the offset. */
  #firstAbove(relativeOffset: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offset(middle) <= relativeOffset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #offset(entry: number): number {
    return this.#bytes.readInt32BE(entry * ENTRY_BYTES);
  }

  #position(entry: number): number {
    return this.#bytes.readInt32BE(entry * ENTRY_BYTES + 4);
  }
}
