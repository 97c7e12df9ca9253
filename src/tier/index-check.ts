/** Whether the index objects of a segment tell of its batches what is so; as strict as Kafka's own dump tool. */

import { transactionEndIn } from "../wire/control-batch.ts";
import type { BatchView } from "../wire/record-batch.ts";
import { OffsetIndex } from "../wire/segment/offset-index.ts";
import { TimeIndex } from "../wire/segment/time-index.ts";
import { TransactionIndex } from "../wire/segment/transaction-index.ts";
import type { IndexSuffix } from "./manifest.ts";

const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;
const ABORTED_ENTRY_BYTES = 34;

/** The content of the index objects; those that could not be read are absent and not judged. */
export type IndexContents = Readonly<Partial<Record<IndexSuffix, Buffer>>>;

/** Takes the batches of one segment in order, each with its position, and then tells which indexes are wrong. */
export class IndexCheck {
  readonly #baseOffset: bigint;
  readonly #indexes: IndexContents;
  readonly #wrong = new Map<IndexSuffix, string>();
  #offsetAt = 0;
  #timeAt = 0;
  #abortedAt = 0;

  constructor(baseOffset: bigint, indexes: IndexContents) {
    this.#baseOffset = baseOffset;
    this.#indexes = indexes;
    const { index, timeindex, txnindex } = indexes;
    if (index !== undefined && OffsetIndex.parse(index) === undefined) this.#tell("index", "its entries do not rise");
    if (timeindex !== undefined && TimeIndex.parse(timeindex) === undefined)
      this.#tell("timeindex", "its entries do not rise");
    if (txnindex !== undefined && TransactionIndex.parse(txnindex, baseOffset) === undefined)
      this.#tell("txnindex", "its entries do not rise, or are of another version");
  }

  /** The next batch. */
  add(batch: BatchView, position: number): void {
    this.#matchOffsets(batch, position);
    this.#matchTimes(batch);
    if (batch.isControl) this.#matchAborted(batch);
  }

  /** What is wrong with each index that is; call after the last batch. */
  findings(): ReadonlyMap<IndexSuffix, string> {
    const { index, timeindex, txnindex } = this.#indexes;
    if (this.#offsetAt < (index?.length ?? 0)) this.#tell("index", "an entry points at no batch");
    if (this.#timeAt < (timeindex?.length ?? 0)) this.#tell("timeindex", "an entry names an offset that no batch has");
    if (this.#abortedAt < (txnindex?.length ?? 0)) this.#tell("txnindex", "an entry names no abort marker");
    return this.#wrong;
  }

  /** The first fault of an index is enough. */
  #tell(suffix: IndexSuffix, what: string): void {
    if (!this.#wrong.has(suffix)) this.#wrong.set(suffix, what);
  }

  #matchOffsets(batch: BatchView, position: number): void {
    const index = this.#indexes.index;
    if (index === undefined || this.#offsetAt + OFFSET_ENTRY_BYTES > index.length) return;
    const pointed = index.readInt32BE(this.#offsetAt + 4);
    if (pointed > position) return;
    const offset = this.#baseOffset + BigInt(index.readInt32BE(this.#offsetAt));
    if (pointed < position) this.#tell("index", `an entry points at ${pointed}, where no batch begins`);
    else if (offset < batch.baseOffset || offset > batch.lastOffset)
      this.#tell("index", `an entry says offset ${offset} is at ${position}, where ${batch.baseOffset} is`);
    this.#offsetAt += OFFSET_ENTRY_BYTES;
  }

  #matchTimes(batch: BatchView): void {
    const index = this.#indexes.timeindex;
    while (index !== undefined && this.#timeAt + TIME_ENTRY_BYTES <= index.length) {
      const offset = this.#baseOffset + BigInt(index.readInt32BE(this.#timeAt + 8));
      if (offset > batch.lastOffset) return;
      const timestampMs = index.readBigInt64BE(this.#timeAt);
      if (offset < batch.baseOffset) this.#tell("timeindex", `an entry names offset ${offset}, which no batch has`);
      else if (timestampMs !== batch.maxTimestamp)
        this.#tell("timeindex", `an entry says ${timestampMs} for the batch at ${batch.baseOffset}`);
      this.#timeAt += TIME_ENTRY_BYTES;
    }
  }

  #matchAborted(batch: BatchView): void {
    const index = this.#indexes.txnindex;
    if (index === undefined || this.#abortedAt + ABORTED_ENTRY_BYTES > index.length) return;
    const lastOffset = index.readBigInt64BE(this.#abortedAt + 18);
    if (lastOffset > batch.lastOffset) return;
    const producerId = index.readBigInt64BE(this.#abortedAt + 2);
    const isMarker = lastOffset === batch.lastOffset && transactionEndIn(batch) === "abort";
    if (!isMarker || producerId !== batch.producerId)
      this.#tell("txnindex", `an entry says producer ${producerId} aborted at offset ${lastOffset}`);
    this.#abortedAt += ABORTED_ENTRY_BYTES;
  }
}
