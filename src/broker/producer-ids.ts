/** Producer ids, handed to brokers in blocks so that the journal is written once per block (KIP-730). */

/** Ids per block, as in Kafka. */
const BLOCK = 1_000n;

/** An id is never given out twice; what is left of a block when the process ends is lost. */
export class ProducerIds {
  readonly #blocks = new Map<number, { next: bigint; readonly end: bigint }>();
  readonly #reserve: (size: bigint) => bigint;

  /** `reserve` puts the next `size` ids on record and returns the first one. */
  constructor(reserve: (size: bigint) => bigint) {
    this.#reserve = reserve;
  }

  /** The next id of one broker. */
  next(brokerId: number): bigint {
    let block = this.#blocks.get(brokerId);
    if (block === undefined || block.next === block.end) {
      const first = this.#reserve(BLOCK);
      block = { next: first, end: first + BLOCK };
      this.#blocks.set(brokerId, block);
    }
    return block.next++;
  }
}
