/** A clock that stands still until a test moves it; between timers all promises settle. */

import type { Clock, Timer } from "../../../src/core/clock.ts";

interface Entry {
  readonly dueMs: number;
  readonly callback: () => void;
}

/** Timers run in the order of their due times, ties in the order of their making. */
export class ManualClock implements Clock {
  #nowMs = 0;
  #timers: Entry[] = [];

  nowMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const entry = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    const at = this.#timers.findLastIndex((other) => other.dueMs <= entry.dueMs);
    this.#timers.splice(at + 1, 0, entry);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== entry);
      },
    };
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Moves time forward by `durationMs`, running everything that becomes due, also what is added meanwhile. */
  async run(durationMs: number): Promise<void> {
    const untilMs = this.#nowMs + durationMs;
    await settled();
    for (let next = this.#timers[0]; next !== undefined && next.dueMs <= untilMs; next = this.#timers[0]) {
      this.#timers.shift();
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.callback();
      await settled();
    }
    this.#nowMs = untilMs;
  }

  /** Runs timers until `promise` settles; fails when nothing is left to run. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let done = false;
    const finish = (): void => {
      done = true;
    };
    promise.then(finish, finish);
    await settled();
    while (!done) {
      const next = this.#timers[0];
      if (next === undefined) throw new Error("nothing left to run, and the promise has not settled");
      await this.run(Math.max(0, next.dueMs - this.#nowMs));
    }
    return promise;
  }
}

/** All promise reactions and next-tick callbacks have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
