/** How long after a kill the mirror moves again, as a reader of the target sees it: until a record arrives that was
 *  written after the kill. */

import type { Worker } from "./faults.ts";
import type { ReadRecord } from "./kcat-records.ts";

/** One kill and what came of it. */
export interface Kill {
  /** From the start of the load. */
  readonly atMs: number;
  readonly workers: readonly Worker[];
  /** A broker of the target was away, or had just come back: then elections take their time too. */
  readonly brokerAway: boolean;
  /** Until the first lane moved; undefined when none did before the end of the load. */
  readonly firstMs: number | undefined;
}

interface Pending {
  readonly atMs: number;
  readonly killedMs: number;
  readonly workers: readonly Worker[];
  readonly brokerAway: boolean;
  firstMs: number | undefined;
}

/** Watches the target's records and the kills; times are those of `Date.now()`, because records carry them too. */
export class MovingAgain {
  readonly #kills: Pending[] = [];
  readonly #startedMs: number;

  constructor(startedMs: number) {
    this.#startedMs = startedMs;
  }

  /** To be told right before the signal is sent. */
  killed(workers: readonly Worker[], brokerAway: boolean, nowMs: number): void {
    this.#kills.push({ atMs: nowMs - this.#startedMs, killedMs: nowMs, workers, brokerAway, firstMs: undefined });
  }

  /** To be told of every record that appears. */
  saw({ timestampMs }: ReadRecord, nowMs: number): void {
    for (let index = this.#kills.length - 1; index >= 0; index--) {
      const kill = this.#kills[index];
      if (kill === undefined || kill.firstMs !== undefined) return;
      if (timestampMs > kill.killedMs) kill.firstMs = nowMs - kill.killedMs;
    }
  }

  /** All kills so far. */
  get kills(): readonly Kill[] {
    return this.#kills.map(({ killedMs: _, ...kill }) => kill);
  }
}

/** Median, 99th percentile and worst of some times. */
export interface Spread {
  readonly count: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** Undefined for no times. */
export function spreadOf(times: readonly number[]): Spread | undefined {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  if (sorted.length === 0) return undefined;
  return { count: sorted.length, medianMs: at(0.5), p99Ms: at(0.99), worstMs: at(1) };
}
