/** The wait of a long poll: until enough bytes came, something happened that the client must hear, or its time is up. */

import type { FetchPlan } from "./fetch-plan.ts";
import type { RequestContext } from "./handler.ts";
import type { PartitionWatcher } from "./partition.ts";

/** Longest wait whatever the client asks for; librdkafka and Java ask for half a second. */
const WAIT_MS_MAX = 60_000;

/** Resolves when reading again makes sense. Counts the bytes that pass the high watermarks instead of reading to see. */
export function fetchWait(
  plan: FetchPlan,
  scope: {
    readonly request: { readonly minBytes: number; readonly maxWaitMs: number };
    readonly context: RequestContext;
  },
): Promise<void> {
  const { request, context } = scope;
  return new Promise((resolve) => {
    let missingBytes = request.minBytes - plan.readBytes;
    let isDone = false;
    const partitions = plan.partitions();
    const finish = (): void => {
      if (isDone) return;
      isDone = true;
      timer.cancel();
      context.signal.removeEventListener("abort", finish);
      for (const partition of partitions) partition.unwatch(watcher);
      resolve();
    };
    const watcher: PartitionWatcher = {
      onProgress: (bytes, stableBytes) => {
        missingBytes -= plan.isCommittedOnly ? stableBytes : bytes;
        if (missingBytes <= 0) finish();
      },
      onLeaderChange: finish,
    };
    const timer = context.clock.after(Math.min(request.maxWaitMs, WAIT_MS_MAX), finish);
    context.signal.addEventListener("abort", finish, { once: true });
    for (const partition of partitions) partition.watch(watcher);
  });
}
