/** A clock that only moves when a test says so. */

import type { Clock, Timer } from "../../src/core/clock.ts";

/** A clock under a test's control. */
export interface FakeClock extends Clock {
  /** Moves time on and runs every timer that falls due, in order, settling promises in between. */
  advance(durationMs: number): Promise<void>;
}

interface Entry {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Starts at `startMs` since the epoch. */
export function createFakeClock(startMs = 1_750_000_000_000): FakeClock {
  let elapsedMs = 0;
  let order = 0;
  let entries: Entry[] = [];
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 50; i++) await Promise.resolve();
  };
  return {
    nowMs: () => startMs + elapsedMs,
    monotonicMs: () => elapsedMs,
    after(delayMs, callback): Timer {
      const entry = { dueMs: elapsedMs + Math.max(0, delayMs), order: order++, callback };
      entries.push(entry);
      return {
        cancel: () => {
          entries = entries.filter((other) => other !== entry);
        },
      };
    },
    async advance(durationMs) {
      const endMs = elapsedMs + durationMs;
      await settle();
      for (;;) {
        const due = entries
          .filter((entry) => entry.dueMs <= endMs)
          .sort((a, b) => a.dueMs - b.dueMs || a.order - b.order)[0];
        if (due === undefined) break;
        entries = entries.filter((entry) => entry !== due);
        elapsedMs = Math.max(elapsedMs, due.dueMs);
        due.callback();
        await settle();
      }
      elapsedMs = endMs;
    },
  };
}
