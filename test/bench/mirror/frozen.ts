/** A mirror that runs only while it is measured: all others are stopped meanwhile, so that nobody competes but the brokers. */

import type { Contender } from "./contenders.ts";

/** Lets the process run while `work` does, and stops it again; an end of it meanwhile is an error of `work`'s own. */
export async function thawed<T>({ pid }: Pick<Contender, "pid">, work: () => Promise<T>): Promise<T> {
  process.kill(pid, "SIGCONT");
  try {
    return await work();
  } finally {
    freeze({ pid });
  }
}

/** Stops it where it is. */
export function freeze({ pid }: Pick<Contender, "pid">): void {
  try {
    process.kill(pid, "SIGSTOP");
  } catch {
    // It has ended: whoever needs it next hears of that.
  }
}
