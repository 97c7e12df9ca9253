/** Tells which transactional batches belong to aborted transactions, from the list that a read_committed fetch carries. */

import type { BatchView } from "../wire/record-batch.ts";
import type { AbortedTransaction } from "./ports.ts";

/** Walks one chunk's batches in order. A producer is aborted from its listed first offset to its next marker
 *  (Kafka, `CompletedFetch`); every chunk's list is complete for that chunk, so nothing is carried over. */
export class AbortedTransactions {
  readonly #pending: AbortedTransaction[];
  readonly #open = new Set<bigint>();

  constructor(list: readonly AbortedTransaction[]) {
    this.#pending = list.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  }

  /** True for data of an aborted transaction. Call once per batch, in order, control batches included. */
  covers(batch: BatchView): boolean {
    this.#openUpTo(batch.lastOffset);
    if (this.#open.size === 0 || !batch.isTransactional) return false;
    const producerId = batch.producerId;
    if (!batch.isControl) return this.#open.has(producerId);
    this.#open.delete(producerId);
    return false;
  }

  #openUpTo(offset: bigint): void {
    for (let next = this.#pending[0]; next !== undefined && next.firstOffset <= offset; next = this.#pending[0]) {
      this.#open.add(next.producerId);
      this.#pending.shift();
    }
  }
}
