/** Which transactions have records in a log and no marker yet, from the headers of its batches. */

import type { BatchView } from "../wire/record-batch.ts";
import type { OpenTransaction } from "./manifest.ts";

/** To be shown every batch, in order. */
export class OpenTransactions {
  readonly #open: Map<bigint, bigint>;

  /** `before`: those that are open where the batches begin. */
  constructor(before: readonly OpenTransaction[]) {
    this.#open = new Map(before.map(({ producerId, firstOffset }) => [producerId, firstOffset]));
  }

  see({ isTransactional, isControl, producerId, baseOffset }: BatchView): void {
    if (!isTransactional) return;
    if (isControl) this.#open.delete(producerId);
    else if (!this.#open.has(producerId)) this.#open.set(producerId, baseOffset);
  }

  /** In the order of their first offsets. */
  get list(): readonly OpenTransaction[] {
    const open = [...this.#open].map(([producerId, firstOffset]) => ({ producerId, firstOffset }));
    return open.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  }
}
