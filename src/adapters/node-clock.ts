/** The clock of this process: wall time, `performance.now` and timers. */

import type { Clock, Timer } from "../core/clock.ts";

/** Longest delay a Node timer can carry; a longer one would fire at once. */
const DELAY_MS_MAX = 2 ** 31 - 1;

/** A clock on real time. Its timers keep the process alive until they have run or are cancelled. */
export function nodeClock(): Clock {
  return { nowMs: () => Date.now(), monotonicMs: () => performance.now(), after };
}

function after(delayMs: number, callback: () => void): Timer {
  if (delayMs <= 0) {
    const handle = setImmediate(callback);
    return { cancel: () => clearImmediate(handle) };
  }
  const handle = setTimeout(callback, Math.min(delayMs, DELAY_MS_MAX));
  return { cancel: () => clearTimeout(handle) };
}
