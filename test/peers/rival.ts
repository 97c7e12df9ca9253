/** A second worker on the same lanes, without any coordination, that freezes and thaws: what it sends late is stale. */

import { setTimeout as delay } from "node:timers/promises";
import type { MainJobWorld } from "../../src/quickstart/world.ts";

/** Long enough for the other worker to pass it by, several times within a run. */
const FROZEN_MS = 400;
const AWAKE_MS = 300;

/** The rival while it runs; disposing of it ends it. */
export interface Rival extends AsyncDisposable {
  /** How often it was frozen so far. */
  readonly pauses: number;
}

/** Starts the rival as soon as the source topics exist, and freezes it again and again with SIGSTOP. */
export async function startRival(world: MainJobWorld): Promise<Rival> {
  const worker = await world.startWorker();
  const ending = new AbortController();
  let pauses = 0;
  let failure: unknown;
  void worker.ended.then((end) => {
    if (!ending.signal.aborted) failure = new Error(`the second worker ended by itself: ${JSON.stringify(end)}`);
    ending.abort();
  });
  const freezing = (async () => {
    while (!ending.signal.aborted) {
      process.kill(worker.pid, "SIGSTOP");
      pauses++;
      await delay(FROZEN_MS);
      process.kill(worker.pid, "SIGCONT");
      await delay(AWAKE_MS);
    }
  })();
  return {
    get pauses() {
      return pauses;
    },
    async [Symbol.asyncDispose]() {
      const own = failure;
      ending.abort();
      await freezing;
      await worker.stop();
      if (own !== undefined) throw own;
    },
  };
}
