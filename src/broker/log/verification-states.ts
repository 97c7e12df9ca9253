/** Producers whose first transactional batch waits for the coordinator's word that the partition belongs to their transaction
 *  (KIP-890; Kafka's `VerificationStateEntry`). */

/** What is known of a producer between its first transactional batch and the append of one. */
interface Verification {
  epoch: number;
  /** Lowest sequence that came in this epoch: what comes behind a gap is refused. */
  lowestSequence: number;
  readonly sinceMs: number;
  readonly mustBeginAtZero: boolean;
}

/** What a batch says of itself. */
export interface VerifiedBatch {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** At most one entry per producer; they expire with the producers. */
export class VerificationStates {
  readonly #states = new Map<bigint, Verification>();

  /** Notes that a batch came. `mustBeginAtZero`: the producer raises its epoch with every transaction, so one that is
   *  unknown here begins at sequence 0. */
  note(batch: VerifiedBatch, options: { readonly nowMs: number; readonly mustBeginAtZero: boolean }): void {
    const { producerId, producerEpoch: epoch, baseSequence } = batch;
    const known = this.#states.get(producerId);
    if (known === undefined) {
      const { nowMs: sinceMs, mustBeginAtZero } = options;
      this.#states.set(producerId, { epoch, lowestSequence: baseSequence, sinceMs, mustBeginAtZero });
    } else if (epoch > known.epoch) {
      known.epoch = epoch;
      known.lowestSequence = baseSequence;
    } else if (epoch === known.epoch && baseSequence < known.lowestSequence) {
      known.lowestSequence = baseSequence;
    }
  }

  /** Why a batch that would be appended comes too early; undefined when it does not. */
  complaint(batch: VerifiedBatch, isKnownProducer: boolean): string | undefined {
    const state = this.#states.get(batch.producerId);
    if (state === undefined) return undefined;
    if (state.mustBeginAtZero && !isKnownProducer && batch.baseSequence !== 0)
      return `sequence ${batch.baseSequence} where 0 is the first of a producer that is not known`;
    return batch.baseSequence > state.lowestSequence
      ? `sequence ${batch.baseSequence} before ${state.lowestSequence} was appended`
      : undefined;
  }

  /** Whether a batch of the producer is waiting. */
  has(producerId: bigint): boolean {
    return this.#states.has(producerId);
  }

  /** Forgets a producer: its batch was appended, or its transaction ended. */
  clear(producerId: bigint): void {
    this.#states.delete(producerId);
  }

  /** Forgets those that have waited for `expirationMs`. */
  removeExpired(nowMs: number, expirationMs: number): void {
    for (const [producerId, { sinceMs }] of this.#states)
      if (nowMs - sinceMs >= expirationMs) this.#states.delete(producerId);
  }
}
