/** How long records took from their producer to the target's acknowledgement, counted in classes. */

/** Upper bounds of the classes, in milliseconds; one more class holds what took longer. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
];

/** Batches by the class of their newest record. */
export interface LatencyCounts {
  /** One more than there are bounds. */
  readonly batches: number[];
  sumMs: number;
}

/** All zero. */
export function noLatency(): LatencyCounts {
  return { batches: new Array<number>(LATENCY_BOUNDS_MS.length + 1).fill(0), sumMs: 0 };
}

/** Counts one batch. Clocks of producers that run ahead count as no time at all. */
export function noteLatency(counts: LatencyCounts, latencyMs: number): void {
  let index = 0;
  while (latencyMs > (LATENCY_BOUNDS_MS[index] ?? Number.POSITIVE_INFINITY)) index++;
  counts.batches[index] = (counts.batches[index] ?? 0) + 1;
  counts.sumMs += Math.max(0, latencyMs);
}

/** Several together. */
export function addLatencies(all: readonly LatencyCounts[]): LatencyCounts {
  const sum = noLatency();
  for (const { batches, sumMs } of all) {
    for (let index = 0; index < sum.batches.length; index++)
      sum.batches[index] = (sum.batches[index] ?? 0) + (batches[index] ?? 0);
    sum.sumMs += sumMs;
  }
  return sum;
}
