/** How long after a kill each lane moves again, as a reader of the target sees it: from right before the signal until a record arrives
 *  that was sent after it, the start of the new process included. */

import type { Worker } from "./faults.ts";
import type { ReadRecord } from "./kcat-records.ts";

/** What the project promises: a lane moves again this soon after a worker was killed. */
export const MOVING_AGAIN_MS_MAX = 2_000;
/** ... unless the source had nothing to read: a transaction of it stood open, or nobody wrote to the partition. A lane that carries over
 *  within this time what appears then had moved again before: transactions of lanes last about as long. */
const CARRIED_MS_MAX = 1_000;

/** One kill and what came of it. */
export interface Kill {
  /** From the start of the load. */
  readonly atMs: number;
  readonly workers: readonly Worker[];
  /** A broker of the target was away, or had just come back, or went within the time that is promised: elections take theirs too. */
  readonly brokerAway: boolean;
  /** By partition: until the lane moved; undefined when another fault came within the time that is promised, or the end. */
  readonly lanesMs: readonly (number | undefined)[];
  /** By partition: until readers of the source could read the first record that was sent after the kill; undefined before they did. */
  readonly sourceMs: readonly (number | undefined)[];
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
  readonly sourceMs: (number | undefined)[];
}

/** A kill at some time. */
export interface Killed {
  readonly workers: readonly Worker[];
  readonly brokerAway: boolean;
  /** The number of the next record that will be sent. */
  readonly fromId: number;
}

/** Watches the records of both sides and the faults; times are those of `Date.now()`. */
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
    const sourceMs = Array.from({ length: this.#partitions }, () => undefined);
    const open = new Set(lanesMs.keys());
    this.#kills.push({ ...killed, atMs: nowMs - this.#startedMs, killedMs: nowMs, open, lanesMs, sourceMs });
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

  /** To be told of every record that can be read on the source. */
  appeared({ partition, id }: Pick<ReadRecord, "partition" | "id">, nowMs: number): void {
    for (const { fromId, killedMs, sourceMs } of this.#kills)
      if (id >= fromId) sourceMs[partition] ??= nowMs - killedMs;
  }

  /** To be told of every record that appears on the target. */
  saw({ partition, id }: Pick<ReadRecord, "partition" | "id">, nowMs: number): void {
    for (const { fromId, killedMs, open, lanesMs } of this.#kills)
      if (id >= fromId && open.delete(partition)) lanesMs[partition] = nowMs - killedMs;
  }

  /** All kills so far. */
  get kills(): readonly Kill[] {
    return this.#kills.map(({ killedMs: _, fromId: __, open: ___, ...kill }) => kill);
  }
}

/** How long each lane took to carry over the first record after the kill, from when readers of the source could read it; both readers may
 *  be a little late. */
export function carriedMs({ lanesMs, sourceMs }: Kill): readonly (number | undefined)[] {
  return lanesMs.map((ms, partition) => ms && Math.max(0, ms - (sourceMs[partition] ?? ms)));
}

/** Whether a lane took longer than is promised, and not because the source had nothing for it. */
export function isLate(kill: Kill, partition: number): boolean {
  const { [partition]: ms = 0 } = kill.lanesMs;
  const { [partition]: carried = 0 } = carriedMs(kill);
  return ms > MOVING_AGAIN_MS_MAX && carried > CARRIED_MS_MAX;
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
