/** Virtual time: nothing waits, timers fire in order as soon as everything else has come to rest. */

import type { Clock, Timer } from "../core/clock.ts";

interface SimTimer {
  readonly dueMs: number;
  /** Breaks ties, so that runs repeat exactly. */
  readonly order: number;
  readonly callback: () => void;
  isCancelled: boolean;
}

/** A clock that a simulation drives. */
export interface SimClock extends Clock {
  /** Timers that have fired so far. */
  readonly firedCount: number;
  /** Lets time pass until `isDone` holds, which is asked after every timer. False when `limitMs` of virtual time passed,
   *  or nothing was left to happen, before it held. */
  runUntil(isDone: () => boolean, limitMs: number): Promise<boolean>;
}

/** Time starts at `startMs` since the epoch. */
export function createSimClock(startMs = 1_750_000_000_000): SimClock {
  const heap: SimTimer[] = [];
  let elapsedMs = 0;
  let order = 0;
  let fired = 0;
  return {
    get firedCount() {
      return fired;
    },
    nowMs: () => Math.floor(startMs + elapsedMs),
    monotonicMs: () => elapsedMs,
    after(delayMs, callback): Timer {
      const timer: SimTimer = { dueMs: elapsedMs + Math.max(0, delayMs), order: order++, callback, isCancelled: false };
      push(heap, timer);
      return {
        cancel: () => {
          timer.isCancelled = true;
        },
      };
    },
    async runUntil(isDone, limitMs) {
      const endMs = elapsedMs + limitMs;
      for (;;) {
        await atRest();
        if (isDone()) return true;
        const timer = pop(heap);
        if (timer === undefined) return false;
        if (timer.isCancelled) continue;
        if (timer.dueMs > endMs) {
          push(heap, timer);
          elapsedMs = endMs;
          return false;
        }
        elapsedMs = Math.max(elapsedMs, timer.dueMs);
        fired++;
        timer.callback();
      }
    },
  };
}

/** Resolves when no promise callback is left to run: immediates run after all microtasks. */
function atRest(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function isBefore(a: SimTimer, b: SimTimer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}

function push(heap: SimTimer[], timer: SimTimer): void {
  heap.push(timer);
  for (let at = heap.length - 1; at > 0; ) {
    const parent = (at - 1) >> 1;
    if (!swapIfBefore(heap, at, parent)) return;
    at = parent;
  }
}

function pop(heap: SimTimer[]): SimTimer | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || first === last) return first;
  heap[0] = last;
  for (let at = 0; ; ) {
    const left = 2 * at + 1;
    const right = left + 1;
    const leftTimer = heap[left];
    const rightTimer = heap[right];
    if (leftTimer === undefined) return first;
    const child = rightTimer !== undefined && isBefore(rightTimer, leftTimer) ? right : left;
    if (!swapIfBefore(heap, child, at)) return first;
    at = child;
  }
}

function swapIfBefore(heap: SimTimer[], lower: number, upper: number): boolean {
  const a = heap[lower];
  const b = heap[upper];
  if (a === undefined || b === undefined || !isBefore(a, b)) return false;
  heap[lower] = b;
  heap[upper] = a;
  return true;
}
