/** A worker's clock: it may be wrong, and it stands still while the process is frozen. */

import type { Clock, Timer } from "../../src/core/clock.ts";

/** Wraps the world's clock. */
export class WorkerClock implements Clock {
  readonly #inner: Clock;
  /** Wall time is off by this much. */
  skewMs = 0;
  #isFrozen = false;
  /** Timers that came due while frozen, in order. */
  #due: (() => void)[] = [];

  constructor(inner: Clock) {
    this.#inner = inner;
  }

  nowMs(): number {
    return this.#inner.nowMs() + this.skewMs;
  }

  monotonicMs(): number {
    return this.#inner.monotonicMs();
  }

  after(delayMs: number, callback: () => void): Timer {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) callback();
    };
    const timer = this.#inner.after(delayMs, () => {
      if (this.#isFrozen) this.#due.push(run);
      else run();
    });
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  /** Everything that came due happens now, one after the other. */
  thaw(): void {
    this.#isFrozen = false;
    const due = this.#due;
    this.#due = [];
    for (const run of due) this.#inner.after(0, run);
  }
}
