/** Keeps a small heap close to what lives in it. Left alone V8 lets the part in which objects are born grow to 64 MiB while many
 *  survive, as when a thousand lanes start, and garbage to as much as what lives; an idle worker never gives either back. */

import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";

/** Beyond this, with many thousand lanes, collecting so often would cost more than the memory is worth. */
const SMALL_HEAP_BYTES_MAX = 96 * 1024 * 1024;
/** How much the old part may grow before it is collected; 0 is V8's own choice. Records never lie there, so that collections are
 *  cheap and rare. */
const OLD_GROWTH_PERCENT = 20;
/** Enough for what lives from a fetch to its acknowledgement: the forward path costs as much CPU as with 16 MiB or 64 MiB. */
const YOUNG_BYTES_MAX = 8 * 1024 * 1024;

/** Watches from now on, for the life of the process: V8 asks for both flags whenever it might grow. To be called before the modules of
 *  a command are loaded: while they are, much survives, and what was given out once is not taken back. */
export function boundHeap(): void {
  const set = { oldPercent: 0, youngFactor: 2 };
  const bound = (oldPercent: number, youngFactor: number): void => {
    if (oldPercent !== set.oldPercent) setFlagsFromString(`--heap-growing-percent=${oldPercent}`);
    if (youngFactor !== set.youngFactor) setFlagsFromString(`--semi-space-growth-factor=${youngFactor}`);
    Object.assign(set, { oldPercent, youngFactor });
  };
  const observer = new PerformanceObserver(() => {
    const isSmall = getHeapStatistics().used_heap_size < SMALL_HEAP_BYTES_MAX;
    bound(isSmall ? OLD_GROWTH_PERCENT : 0, isSmall && youngBytes() >= YOUNG_BYTES_MAX ? 1 : 2);
  });
  observer.observe({ entryTypes: ["gc"] });
  bound(OLD_GROWTH_PERCENT, 1);
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? 0;
}
