/** Holds a mirror to its limits: bytes per second, and bytes on their way to the target. All lanes of the mirror pass through one
 *  gate, one batch after the other.
 *
 *  ```
 *  live    lanes at their end  ---> 7 of 8 turns, while any waits --> gate --> target
 *  backlog lanes with more     ---> the rest, and whatever is free -->
 *  ```
 *  A lane has one batch at the gate at most, and each queue is served in order: "No lane waits for more than one batch of every other". */

import type { Clock, Timer } from "../core/clock.ts";

/** What may pass at once after a pause, as time at the full rate. Short, so that a second's count is never far above the limit. */
const BURST_MS = 100;
/** Live batches in a row while a backlog waits. */
const LIVE_TURNS_MAX = 7;

/** Limits of one mirror. */
export interface PaceLimits {
  /** Undefined: as fast as it goes. */
  readonly bytesPerSecond: number | undefined;
  /** A larger batch goes alone. */
  readonly inFlightBytesMax: number;
}

/** Figures of a pace. */
export interface PaceStatus extends PaceLimits {
  readonly inFlightBytes: number;
  /** Time during which batches waited for the rate, since it was made. */
  readonly throttledMs: number;
}

interface Waiter {
  readonly bytes: number;
  readonly admit: () => void;
}

/** Shared by the lanes of a mirror, in all its flows. */
export class Pace {
  readonly #limits: PaceLimits;
  readonly #clock: Clock;
  readonly #live = new Set<Waiter>();
  readonly #backlog = new Set<Waiter>();
  /** Bytes that may pass now; below zero after a batch that was larger. */
  #allowance: number;
  #filledMs: number;
  #inFlightBytes = 0;
  #liveTurns = 0;
  #timer: Timer | undefined;
  #throttledMs = 0;

  constructor(limits: PaceLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#allowance = this.#burstBytes;
    this.#filledMs = clock.monotonicMs();
  }

  get status(): PaceStatus {
    return { ...this.#limits, inFlightBytes: this.#inFlightBytes, throttledMs: this.#throttledMs };
  }

  /** Lets a batch pass; undefined: at once. Each one that passed is to `leave` once its outcome is known. Rejects with the
   *  signal's reason, and then nothing has passed. */
  enter(bytes: number, options: { readonly isLive: boolean; readonly signal: AbortSignal }): Promise<void> | undefined {
    if (this.#live.size === 0 && this.#backlog.size === 0 && this.#fits(bytes)) {
      this.#take(bytes);
      return undefined;
    }
    return this.#wait(bytes, options);
  }

  /** The batch is settled, one way or the other. */
  leave(bytes: number): void {
    this.#inFlightBytes -= bytes;
    this.#serve();
  }

  async #wait(
    bytes: number,
    { isLive, signal }: { readonly isLive: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    signal.throwIfAborted();
    const queue = isLive ? this.#live : this.#backlog;
    const admitted = Promise.withResolvers<void>();
    const waiter = { bytes, admit: admitted.resolve };
    const onAbort = (): void => {
      if (!queue.delete(waiter)) return;
      admitted.reject(signal.reason);
      this.#serve();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    queue.add(waiter);
    this.#serve();
    try {
      await admitted.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #serve(): void {
    for (;;) {
      const queue = this.#nextQueue();
      const [head] = queue;
      if (head === undefined || !this.#fits(head.bytes)) return;
      queue.delete(head);
      this.#liveTurns = queue === this.#live ? this.#liveTurns + 1 : 0;
      this.#take(head.bytes);
      head.admit();
    }
  }

  #nextQueue(): Set<Waiter> {
    if (this.#live.size === 0) return this.#backlog;
    return this.#liveTurns >= LIVE_TURNS_MAX && this.#backlog.size > 0 ? this.#backlog : this.#live;
  }

  /** Whether a batch may pass now; if only time is missing, the gate opens again by itself. */
  #fits(bytes: number): boolean {
    const { bytesPerSecond, inFlightBytesMax } = this.#limits;
    if (this.#inFlightBytes > 0 && this.#inFlightBytes + bytes > inFlightBytesMax) return false;
    if (bytesPerSecond === undefined) return true;
    this.#fill(bytesPerSecond);
    if (this.#allowance > 0) return true;
    this.#openAfter(((1 - this.#allowance) * 1_000) / bytesPerSecond);
    return false;
  }

  #openAfter(waitMs: number): void {
    if (this.#timer !== undefined) return;
    const startMs = this.#clock.monotonicMs();
    this.#timer = this.#clock.after(Math.ceil(waitMs), () => {
      this.#timer = undefined;
      this.#throttledMs += this.#clock.monotonicMs() - startMs;
      this.#serve();
    });
  }

  #fill(bytesPerSecond: number): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = ((nowMs - this.#filledMs) * bytesPerSecond) / 1_000;
    this.#allowance = Math.min(this.#burstBytes, this.#allowance + earned);
    this.#filledMs = nowMs;
  }

  #take(bytes: number): void {
    this.#inFlightBytes += bytes;
    if (this.#limits.bytesPerSecond !== undefined) this.#allowance -= bytes;
  }

  get #burstBytes(): number {
    return ((this.#limits.bytesPerSecond ?? 0) * BURST_MS) / 1_000;
  }
}
