/** The transactions whose abort marker lies in one segment (Kafka's `.txnindex`: `TransactionIndex`, `AbortedTxn`).
 *
 *  Entries of 34 bytes in the order of their markers:
 *  ```
 *  version i16 = 0 | producerId i64 | firstOffset i64 | lastOffset i64, the marker | lastStableOffset i64
 *  ```
 *  The last stable offset is the one that the marker leaves behind: no transaction with a later marker begins below it, so a
 *  search that reaches it needs to look no further. */

const VERSION = 0;
const ENTRY_BYTES = 34;
const PRODUCER_ID_AT = 2;
const FIRST_OFFSET_AT = 10;
const LAST_OFFSET_AT = 18;
const LAST_STABLE_OFFSET_AT = 26;

/** An aborted transaction, as a fetch response names it. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** One entry. */
export interface AbortedEntry extends AbortedTransaction {
  /** Offset of the abort marker. */
  readonly lastOffset: bigint;
  readonly lastStableOffset: bigint;
}

/** Which offsets a fetch returned. */
export interface OffsetRange {
  readonly fromOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
}

/** The index of one segment, in memory; `toBytes` is the file, which is left out when it would be empty. */
export class TransactionIndex {
  #bytes: Buffer = Buffer.alloc(0);

  /** Reads a file; undefined when it is no index: cut entries, another version, markers that do not rise from `baseOffset`. */
  static parse(bytes: Buffer, baseOffset: bigint): TransactionIndex | undefined {
    if (bytes.length % ENTRY_BYTES !== 0) return undefined;
    let least = baseOffset;
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const lastOffset = bytes.readBigInt64BE(at + LAST_OFFSET_AT);
      if (bytes.readInt16BE(at) !== VERSION || lastOffset < least) return undefined;
      least = lastOffset + 1n;
    }
    const index = new TransactionIndex();
    index.#bytes = Buffer.from(bytes);
    return index;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  /** Offset of the last marker, -1 without one. */
  get lastOffset(): bigint {
    const { length } = this.#bytes;
    return length === 0 ? -1n : this.#bytes.readBigInt64BE(length - ENTRY_BYTES + LAST_OFFSET_AT);
  }

  /** Adds a transaction whose marker was just appended; one that is there already changes nothing. */
  append(entry: AbortedEntry): void {
    if (entry.lastOffset <= this.lastOffset) return;
    const bytes = Buffer.alloc(ENTRY_BYTES);
    bytes.writeInt16BE(VERSION, 0);
    bytes.writeBigInt64BE(entry.producerId, PRODUCER_ID_AT);
    bytes.writeBigInt64BE(entry.firstOffset, FIRST_OFFSET_AT);
    bytes.writeBigInt64BE(entry.lastOffset, LAST_OFFSET_AT);
    bytes.writeBigInt64BE(entry.lastStableOffset, LAST_STABLE_OFFSET_AT);
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
  }

  /** Drops transactions whose marker lies at or past the offset. */
  truncateTo(offset: bigint): void {
    let end = this.#bytes.length;
    while (end > 0 && this.#bytes.readBigInt64BE(end - ENTRY_BYTES + LAST_OFFSET_AT) >= offset) end -= ENTRY_BYTES;
    this.#bytes = this.#bytes.subarray(0, end);
  }

  /** Adds the transactions that touch the range to `found`; true when later segments cannot hold any more of them. */
  collect({ fromOffset, endOffset }: OffsetRange, found: AbortedTransaction[]): boolean {
    const bytes = this.#bytes;
    for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
      const firstOffset = bytes.readBigInt64BE(at + FIRST_OFFSET_AT);
      if (firstOffset < endOffset && bytes.readBigInt64BE(at + LAST_OFFSET_AT) >= fromOffset)
        found.push({ producerId: bytes.readBigInt64BE(at + PRODUCER_ID_AT), firstOffset });
      if (bytes.readBigInt64BE(at + LAST_STABLE_OFFSET_AT) >= endOffset) return true;
    }
    return false;
  }

  /** The file's content; shares memory until the next change. */
  toBytes(): Buffer {
    return this.#bytes;
  }
}
