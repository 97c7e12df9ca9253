/** How long after a kill each lane moves again, as a reader of the target sees it: from right before the signal until a record arrives
 *  that was sent after it, the start of the new process included. */

import type { Worker } from "./faults.ts";
import type { ReadRecord } from "./kcat-records.ts";

/** What the project promises: a lane moves again this soon after a worker was killed. */
export const MOVING_AGAIN_MS_MAX = 2_000;

/** One kill and what came of it. */
export interface Kill {
  /** From the start of the load. */
  readonly atMs: number;
  readonly workers: readonly Worker[];
  /** A broker of the target was away, or had just come back, or went within the time that is promised: elections take theirs too. */
  readonly brokerAway: boolean;
  /** By partition: until the lane moved; undefined when another fault came within the time that is promised, or the end. */
  readonly lanesMs: readonly (number | undefined)[];
}

interface Pending {
  readonly atMs: number;
  readonly killedMs: number;
  readonly workers: readonly Worker[];
  /** The first record that was sent after the kill. */
  readonly fromId: number;
  brokerAway: boolean;
  readonly open: Set<number>;
  readonly lanesMs: (number | undefined)[];
}

/** A kill at some time. */
export interface Killed {
  readonly workers: readonly Worker[];
  readonly brokerAway: boolean;
  /** The number of the next record that will be sent. */
  readonly fromId: number;
}

/** Watches the target's records and the faults; times are those of `Date.now()`. */
export class MovingAgain {
  readonly #kills: Pending[] = [];
  readonly #startedMs: number;
  readonly #partitions: number;

  constructor(options: { readonly startedMs: number; readonly partitions: number }) {
    this.#startedMs = options.startedMs;
    this.#partitions = options.partitions;
  }

  /** To be told right before the signal is sent. */
  killed(killed: Killed, nowMs: number): void {
    this.disturbed(nowMs);
    const lanesMs = Array.from({ length: this.#partitions }, () => undefined);
    const open = new Set(lanesMs.keys());
    this.#kills.push({ ...killed, atMs: nowMs - this.#startedMs, killedMs: nowMs, open, lanesMs });
  }

  /** Another fault: what had its time and did not move stays late, the others are looked at again from now on only. */
  disturbed(nowMs: number): void {
    for (const { killedMs, open } of this.#kills) if (nowMs - killedMs < MOVING_AGAIN_MS_MAX) open.clear();
  }

  /** A broker of the target goes: no excuse for what had its time. */
  brokerGoes(nowMs: number): void {
    for (const kill of this.#kills)
      kill.brokerAway ||= kill.open.size > 0 && nowMs - kill.killedMs < MOVING_AGAIN_MS_MAX;
  }

  /** To be told of every record that appears. */
  saw({ partition, id }: Pick<ReadRecord, "partition" | "id">, nowMs: number): void {
    for (const { fromId, killedMs, open, lanesMs } of this.#kills)
      if (id >= fromId && open.delete(partition)) lanesMs[partition] = nowMs - killedMs;
  }

  /** All kills so far. */
  get kills(): readonly Kill[] {
    return this.#kills.map(({ atMs, workers, brokerAway, lanesMs }) => ({ atMs, workers, brokerAway, lanesMs }));
  }
}

/** The lane that moved first; undefined when none did before another fault. */
export function firstOf({ lanesMs }: Kill): number | undefined {
  const moved = lanesMs.filter((ms) => ms !== undefined);
  return moved.length === 0 ? undefined : Math.min(...moved);
}

/** Some quantiles of some times. */
export interface Spread {
  readonly count: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** Undefined for no times. */
export function spreadOf(times: readonly number[]): Spread | undefined {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  if (sorted.length === 0) return undefined;
  return { count: sorted.length, medianMs: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99), worstMs: at(1) };
}
