/** Which transactions of a log keep its last stable offset back: those without a marker, and those whose marker the high
 *  watermark has not passed (Kafka's `ProducerStateManager`: ongoing and unreplicated transactions).
 *
 *  Holds the invariant "The last stable offset never passes an open transaction, nor one whose marker may still be cut off". */

import { assertInvariant } from "../../core/errors.ts";
import { lowerOffset } from "../offset-order.ts";

/** A transaction that has its marker. */
export interface DecidedTransaction {
  readonly firstOffset: bigint;
  /** Offset of the marker. */
  readonly lastOffset: bigint;
  /** The last stable offset once the marker counts. */
  readonly lastStableOffset: bigint;
}

/** One open transaction per producer, and the decided ones that are not committed yet. */
export class OpenTransactions {
  /** First offset by producer. They begin in the order of the log, so the first one is the oldest. */
  readonly #ongoing = new Map<bigint, bigint>();
  /** In the order of their markers. */
  #decided: DecidedTransaction[] = [];

  /** Notes that a producer's transaction begins here; transactions begin in the order of offsets. */
  begin(producerId: bigint, firstOffset: bigint): void {
    assertInvariant(!this.#ongoing.has(producerId), "A producer has one open transaction in a partition", {
      producerId,
    });
    this.#ongoing.set(producerId, firstOffset);
  }

  /** Ends a producer's transaction with a marker; undefined when it had none. */
  end(producerId: bigint, lastOffset: bigint): DecidedTransaction | undefined {
    const firstOffset = this.#ongoing.get(producerId);
    if (firstOffset === undefined) return undefined;
    this.#ongoing.delete(producerId);
    const decided = { firstOffset, lastOffset, lastStableOffset: this.#oldest ?? lastOffset + 1n };
    this.#decided.push(decided);
    return decided;
  }

  /** First offset that read_committed may not see, undefined when nothing is open. Decided transactions whose marker lies
   *  below the high watermark are forgotten. */
  firstUnstable(highWatermark: bigint): bigint | undefined {
    if (this.#decided.length > 0) this.#decided = this.#decided.filter(({ lastOffset }) => lastOffset >= highWatermark);
    let first = this.#oldest;
    for (const { firstOffset } of this.#decided)
      first = first === undefined ? firstOffset : lowerOffset(first, firstOffset);
    return first;
  }

  /** Forgets everything, as a log does before it is read again. */
  clear(): void {
    this.#ongoing.clear();
    this.#decided = [];
  }

  get #oldest(): bigint | undefined {
    for (const firstOffset of this.#ongoing.values()) return firstOffset;
    return undefined;
  }
}
