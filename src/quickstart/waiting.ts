/** Waiting until something is so: asks again and again, gives up after a time, and says what it waited for. */

import { setTimeout as delay } from "node:timers/promises";
import { timedOut } from "./errors.ts";

/** What to wait for. */
export interface Wait {
  /** For the error: "flights on central" and the like. */
  readonly what: string;
  readonly wanted: number;
  readonly timeoutMs: number;
  readonly pollMs?: number;
}

/** Often enough for a worker to be met in the middle of its work, seldom enough not to be a load. */
const DEFAULT_POLL_MS = 15;

/** Asks `done` until it answers at least `wanted`, and returns the answer. @throws {QuickstartError} `QUICKSTART_TIMEOUT` */
export async function until(wait: Wait, done: () => Promise<number>): Promise<number> {
  const deadline = performance.now() + wait.timeoutMs;
  while (true) {
    const count = await done();
    if (count >= wait.wanted) return count;
    if (performance.now() > deadline) {
      const { what, wanted, timeoutMs } = wait;
      throw timedOut({ what, done: count, wanted, timeoutMs });
    }
    await delay(wait.pollMs ?? DEFAULT_POLL_MS);
  }
}
