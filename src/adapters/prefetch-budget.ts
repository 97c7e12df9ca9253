/** Bytes that may lie fetched ahead of readers, shared by all sources of a worker. */

/** A thousand lanes must not need more memory than ten. */
export const DEFAULT_PREFETCH_BYTES_MAX = 32 * 1024 * 1024;

/** Counts; whoever fetches asks before, and may exceed it by what is on its way then. */
export class PrefetchBudget {
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = DEFAULT_PREFETCH_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** True while more may be fetched ahead. */
  get hasRoom(): boolean {
    return this.#bytes < this.#bytesMax;
  }

  /** Adds bytes that were fetched; taken ones are negative. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }
}
