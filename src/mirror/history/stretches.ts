/** The producers that a lane has written as, in order: each wrote one stretch of its positions.
 *
 *  ```
 *  positions  0 ......... 500 ......... 900 ......... 1400 ......
 *  stretches  live, epoch 0 | history    | history     | live, epoch 2
 *             derived id    | id 7, e. 4 | id 7, e. 6  | derived id
 *  ```
 *  The record at position n carries sequence (n - base) mod 2^31 of its stretch. What a producer wrote beyond the end of its stretch
 *  was never committed, or is gone: it holds no position ("Aborted records hold no position"). */

import type { Era } from "../offset-ports.ts";

/** One producer's part of a lane. It ends where the next one begins. */
export interface Stretch extends Era {
  readonly producerId: bigint;
}

/** A stretch with the position after its last record; undefined while it still grows. */
export interface BoundedStretch extends Stretch {
  readonly end: bigint | undefined;
}

/** Stretches remembered: about 3 KiB. Each one more is a worker's start in history mode; what lies before the oldest is too old to be
 *  cut away by any election. */
export const STRETCHES_MAX = 64;

/** The stretches after `next` began. Where it begins at or before another, that one's records are gone. */
export function extended(stretches: readonly Stretch[], next: Stretch): readonly Stretch[] {
  return [...stretches.filter(({ base }) => base < next.base), next].slice(-STRETCHES_MAX);
}

/** Each with its end; the last one ends at `end`. */
export function bounded(stretches: readonly Stretch[], end?: bigint): readonly BoundedStretch[] {
  return stretches.map((stretch, at) => ({ ...stretch, end: stretches[at + 1]?.base ?? end }));
}
