/** Holds work to a rate: bytes or requests per second. */

import { type Clock, sleep } from "../core/clock.ts";

/** What may pass at once after a pause, as time at the full rate. */
const BURST_MS = 250;

/** One rate; whoever takes first is served first. */
export class Throttle {
  readonly #perSecond: number | undefined;
  readonly #clock: Clock;
  /** What may pass now; below zero after something larger. */
  #allowance: number;
  #filledMs: number;
  #last: Promise<void> = Promise.resolve();

  /** Without a rate nothing waits. */
  constructor(perSecond: number | undefined, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#allowance = burstOf(perSecond);
    this.#filledMs = clock.monotonicMs();
  }

  /** Waits until `amount` may pass. One amount may be larger than the rate: those behind it wait the longer. */
  take(amount: number): Promise<void> {
    if (this.#perSecond === undefined) return Promise.resolve();
    this.#last = this.#last.then(() => this.#pass(amount));
    return this.#last;
  }

  async #pass(amount: number): Promise<void> {
    const perSecond = this.#perSecond ?? 1;
    this.#fill(perSecond);
    if (this.#allowance <= 0) await sleep(this.#clock, Math.ceil(((1 - this.#allowance) * 1_000) / perSecond));
    this.#fill(perSecond);
    this.#allowance -= amount;
  }

  #fill(perSecond: number): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#filledMs) * perSecond) / 1_000;
    this.#allowance = Math.min(burstOf(perSecond), this.#allowance + earned);
    this.#filledMs = nowMs;
  }
}

function burstOf(perSecond: number | undefined): number {
  return Math.max(1, ((perSecond ?? 0) * BURST_MS) / 1_000);
}
