/** Bytes that were fetched and are not yet released, shared by all sources of a worker. */

/** A thousand lanes must not need more memory than ten. Over a long way much has to be under way. */
const DEFAULT_PREFETCH_BYTES_MAX = 32 * 1024 * 1024;

/** For sources nearby, from which more comes at once: enough for two answers on their way and two being worked off. More would not make anything faster, only take memory. */
const NEARBY_BYTES_MAX = 8 * 1024 * 1024;

/** Counts; whoever fetches asks before, and may exceed it by little answers for those who wait. */
export class PrefetchBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = DEFAULT_PREFETCH_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** What may be fetched ahead now, from nearby or from afar; 0 when it is used up. */
  roomBytes(isFar: boolean): number {
    const most = isFar ? this.#bytesMax : Math.min(this.#bytesMax, NEARBY_BYTES_MAX);
    return Math.max(0, most - this.#bytes);
  }

  /** Adds bytes that were asked for or fetched; released ones are negative. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }
}
