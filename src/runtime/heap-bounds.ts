/** Keeps the heap close to what lives in it. Left alone V8 lets the part in which objects are born grow to 64 MiB while many
 *  survive, as when a thousand lanes start, and garbage to as much as what lives; an idle worker never gives either back. */

import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** How much the old part may grow before it is collected. Records never lie there, so that collections are cheap and rare. */
const OLD_GROWTH_PERCENT = 20;
/** Enough for what lives from a fetch to its acknowledgement: the forward path costs as much CPU as with 64 MiB. */
const YOUNG_BYTES_MAX = 16 * 1024 * 1024;

/** Watches from now on, for the life of the process: V8 asks for the factor whenever it might grow. */
export function boundHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`);
  let mayGrow = true;
  const observer = new PerformanceObserver(() => {
    const isBelow = youngBytes() < YOUNG_BYTES_MAX;
    if (isBelow === mayGrow) return;
    mayGrow = isBelow;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  });
  observer.observe({ entryTypes: ["gc"] });
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ?? 0;
}
