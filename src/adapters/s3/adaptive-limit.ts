/** How many requests may be under way at once: one more for every round that goes well, half as many when the store says
 *  that it is too many (additive increase, multiplicative decrease). */

/** A store that has to say "slow down" more often than this is not made slower each time: one burst is one message. */
const SHRINK_INTERVAL_MS = 1_000;

/** Options of a limit. */
export interface AdaptiveLimitOptions {
  readonly initial: number;
  readonly max: number;
  /** Milliseconds that never go back. */
  readonly nowMs: () => number;
}

/** Waiters are served in the order in which they came. */
export class AdaptiveLimit {
  readonly #options: AdaptiveLimitOptions;
  readonly #waiting: (() => void)[] = [];
  #limit: number;
  #running = 0;
  #shrunkAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: AdaptiveLimitOptions) {
    this.#options = options;
    this.#limit = options.initial;
  }

  /** Requests that may be under way now; at least 1. */
  get current(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  /** Runs `work` when there is room. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.current) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      this.#running--;
      this.#admit();
    }
  }

  /** A request went well. */
  grow(): void {
    this.#limit = Math.min(this.#options.max, this.#limit + 1 / this.#limit);
    this.#admit();
  }

  /** The store said that it is too much. */
  shrink(): void {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#shrunkAtMs < SHRINK_INTERVAL_MS) return;
    this.#shrunkAtMs = nowMs;
    this.#limit = Math.max(1, this.#limit / 2);
  }

  /** Whoever is woken has its place already, so that nobody who comes later can take it. */
  #admit(): void {
    while (this.#running < this.current) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running++;
      next();
    }
  }
}
