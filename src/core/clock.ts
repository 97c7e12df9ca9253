/** The port through which all code sees time; a simulator supplies a virtual one. */

/** A scheduled callback that can be taken back. */
export interface Timer {
  /** Idempotent; after it the callback never runs. */
  cancel(): void;
}

/** Wall time, elapsed time and timers. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump; used for record timestamps and retention only. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start, with fractions. Never goes back; used for durations. */
  monotonicMs(): number;
  /** Runs `callback` once, `delayMs` from now (0 = as soon as possible, never synchronously). */
  after(delayMs: number, callback: () => void): Timer;
}

/** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
