/** Work of a world that lives in virtual time. */

import type { SimClock } from "../../src/adapters/sim-clock.ts";

/** Virtual time after which work that should have ended never will. */
const WAIT_MS_MAX = 120_000;

/** Lets virtual time pass until the work is done, and answers what came of it. */
export async function settledOn<T>(clock: SimClock, work: Promise<T>): Promise<T> {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  work.then(settle, settle);
  if (!(await clock.runUntil(() => isSettled, WAIT_MS_MAX)))
    throw new Error("nothing more happens, yet the work is not done");
  return work;
}
