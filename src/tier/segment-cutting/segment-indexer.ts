/** Learns of a segment, batch by batch, what its index files say: places, times, aborted transactions, leader epochs (Kafka:
 *  `LogSegment.append`). */

import { transactionEndIn } from "../../wire/control-batch.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { OffsetIndex } from "../../wire/segment/offset-index.ts";
import { TimeIndex } from "../../wire/segment/time-index.ts";
import { TransactionIndex } from "../../wire/segment/transaction-index.ts";
import type { LeaderEpochStart } from "../ports.ts";

/** Positions and relative offsets are stored in 31 bits. */
const INT31_MAX = 2 ** 31 - 1;

/** True when a segment that begins at `baseOffset` can say where `offset` is. */
export function addressable(baseOffset: bigint, offset: bigint): boolean {
  return offset - baseOffset <= BigInt(INT31_MAX);
}

/** A transaction of which data lies before the segment, and its end at or behind the segment's base. */
export interface EarlierTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** Where a segment begins. */
export interface SegmentStart {
  readonly baseOffset: bigint;
  /** Those that will be aborted are enough: nobody looks for the others. */
  readonly earlierTransactions: readonly EarlierTransaction[];
}

/** One segment's indexes as far as it was read; batches are added in the order of their offsets. */
export class SegmentIndexer {
  readonly baseOffset: bigint;
  readonly #indexIntervalBytes: number;
  readonly #offsets = new OffsetIndex();
  readonly #times = new TimeIndex();
  readonly #aborted = new TransactionIndex();
  readonly #epochs: LeaderEpochStart[] = [];
  /** First offset by producer. */
  readonly #open: Map<bigint, bigint>;
  #sizeBytes = 0;
  #nextOffset: bigint;
  #firstTimestampMs = -1n;
  #maxTimestampMs = -1n;
  #maxTimestampRelative = 0;
  #bytesSinceIndexEntry = 0;

  constructor({ baseOffset, earlierTransactions }: SegmentStart, options: { readonly indexIntervalBytes: number }) {
    this.baseOffset = baseOffset;
    this.#nextOffset = baseOffset;
    this.#indexIntervalBytes = options.indexIntervalBytes;
    this.#open = new Map(earlierTransactions.map(({ producerId, firstOffset }) => [producerId, firstOffset]));
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  /** Offset after the last batch; the base before the first. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }
  /** Greatest timestamp of the first batch, which the age of a segment counts from; -1 before it. */
  get firstTimestampMs(): bigint {
    return this.#firstTimestampMs;
  }
  /** Greatest timestamp of any batch; -1 without one. */
  get maxTimestampMs(): bigint {
    return this.#maxTimestampMs;
  }
  get leaderEpochs(): readonly LeaderEpochStart[] {
    return this.#epochs;
  }
  /** Transactions that have no end yet, as the next segment has to know them. */
  get openTransactions(): readonly EarlierTransaction[] {
    return [...this.#open].map(([producerId, firstOffset]) => ({ producerId, firstOffset }));
  }

  /** True when the batch can be addressed in the segment. */
  fits(batch: BatchView): boolean {
    return this.#sizeBytes + batch.sizeBytes <= INT31_MAX && addressable(this.baseOffset, batch.lastOffset);
  }

  /** Takes the next batch, which lies behind all that were added before. */
  add(batch: BatchView): void {
    const position = this.#sizeBytes;
    const lastRelative = Number(batch.lastOffset - this.baseOffset);
    if (position === 0) this.#firstTimestampMs = batch.maxTimestamp;
    if (batch.maxTimestamp > this.#maxTimestampMs) {
      this.#maxTimestampMs = batch.maxTimestamp;
      this.#maxTimestampRelative = lastRelative;
    }
    if (this.#bytesSinceIndexEntry > this.#indexIntervalBytes) {
      this.#offsets.append(lastRelative, position);
      this.#noteTime();
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batch.sizeBytes;
    this.#sizeBytes += batch.sizeBytes;
    this.#nextOffset = batch.nextOffset;
    if (batch.leaderEpoch !== this.#epochs.at(-1)?.epoch)
      this.#epochs.push({ epoch: batch.leaderEpoch, startOffset: batch.baseOffset });
    this.#noteTransaction(batch);
  }

  /** Content of the index files; `.txnindex` is left out when nothing was aborted. */
  files(): { readonly index: Buffer; readonly timeindex: Buffer; readonly txnindex: Buffer | undefined } {
    // Kafka closes a segment with an entry of its greatest time; repeating it changes nothing.
    this.#noteTime();
    return {
      index: this.#offsets.toBytes(),
      timeindex: this.#times.toBytes(),
      txnindex: this.#aborted.sizeBytes === 0 ? undefined : this.#aborted.toBytes(),
    };
  }

  #noteTime(): void {
    this.#times.appendIfLater({ timestampMs: this.#maxTimestampMs, relativeOffset: this.#maxTimestampRelative });
  }

  #noteTransaction(batch: BatchView): void {
    if (!batch.isTransactional) return;
    const { producerId } = batch;
    if (!batch.isControl) {
      if (!this.#open.has(producerId)) this.#open.set(producerId, batch.baseOffset);
      return;
    }
    const end = transactionEndIn(batch);
    const firstOffset = this.#open.get(producerId);
    // A producer may end a transaction in a partition that it never wrote to.
    if (end === undefined || firstOffset === undefined) return;
    this.#open.delete(producerId);
    if (end === "commit") return;
    const { lastOffset } = batch;
    let lastStableOffset = lastOffset + 1n;
    for (const offset of this.#open.values()) if (offset < lastStableOffset) lastStableOffset = offset;
    this.#aborted.append({ producerId, firstOffset, lastOffset, lastStableOffset });
  }
}
