/** Ways to wait: for a promise unless aborted, for a retry, for the first of several attempts. */

import { type BackoffOptions, backoffMs, DEFAULT_BACKOFF } from "../core/backoff.ts";
import { type Clock, sleep } from "../core/clock.ts";
import type { Random } from "../core/random.ts";

/** Clock and chance, which every wait needs. */
export interface WaitDeps {
  readonly clock: Clock;
  readonly random: Random;
}

/** The promise's outcome, or the signal's reason if that comes first. The work behind the promise goes on. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => {});
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    const done = (): void => signal.removeEventListener("abort", onAbort);
    promise.then(
      (value) => {
        done();
        resolve(value);
      },
      (reason) => {
        done();
        reject(reason);
      },
    );
  });
}

/** Bounds of repeated attempts. */
export interface RetryOptions {
  /** No attempt begins later than this after the first. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly backoff?: BackoffOptions;
  /** Whether another attempt may help and does no harm. */
  readonly mayRetry: (error: unknown) => boolean;
}

/** Repeats `attempt` with backoff until it succeeds, fails for good, or the time is up; then throws its last error. */
export async function retrying<T>(
  deps: WaitDeps,
  options: RetryOptions,
  attempt: (attempt: number) => Promise<T>,
): Promise<T> {
  const endMs = deps.clock.monotonicMs() + options.timeoutMs;
  for (let count = 1; ; count++) {
    try {
      return await attempt(count);
    } catch (thrown) {
      const waitMs = backoffMs(count, deps.random, options.backoff ?? DEFAULT_BACKOFF);
      if (!options.mayRetry(thrown) || deps.clock.monotonicMs() + waitMs > endMs) throw thrown;
      await sleep(deps.clock, waitMs, options.signal);
    }
  }
}

/** One way to reach the result of `firstOf`. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** The first success among attempts that are started one after the other: the next when one fails, or when nothing
 *  has happened for `staggerMs`, so that one hung server costs that long and no more. Losers are aborted.
 *  @throws {AggregateError} with all failures, in the order of the attempts */
export function firstOf<T>(
  attempts: readonly Attempt<T>[],
  options: { readonly clock: Clock; readonly staggerMs: number },
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const losers = new AbortController();
    const failures: unknown[] = [];
    let started = 0;
    let failed = 0;
    let timer = { cancel: (): void => {} };
    const finish = (settle: () => void): void => {
      timer.cancel();
      settle();
      losers.abort(new Error("another attempt was faster"));
    };
    const startNext = (): void => {
      timer.cancel();
      const at = started;
      const attempt = attempts[at];
      if (attempt === undefined) {
        if (failed === attempts.length) finish(() => reject(new AggregateError(failures, "every attempt failed")));
        return;
      }
      started++;
      timer = options.clock.after(options.staggerMs, startNext);
      attempt(losers.signal).then(
        (value) => finish(() => resolve(value)),
        (thrown) => {
          failures[at] = thrown;
          failed++;
          if (!losers.signal.aborted) startNext();
        },
      );
    };
    startNext();
  });
}
