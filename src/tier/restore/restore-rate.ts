/** How fast the store hands out what a restore reads: from a sample, for the estimate of a dry run. */

import type { Clock } from "../../core/clock.ts";
import type { ObjectStore } from "../ports.ts";
import { READ_BYTES } from "./range-reader.ts";
import type { RestorePlan } from "./restore-plan.ts";

/** Reads of the sample. */
const SAMPLE_READS = 4;

/** Bytes per second of some reads one after the other; undefined when there is nothing to read. @throws {StoreError} */
export async function measureRate(plan: RestorePlan, store: ObjectStore, clock: Clock): Promise<number | undefined> {
  const segment = plan.topics.flatMap(({ partitions }) => partitions.flatMap(({ range }) => range.segments))[0];
  if (segment === undefined) return undefined;
  const startMs = clock.monotonicMs();
  let bytes = 0;
  for (let read = 0; read < SAMPLE_READS; read++) {
    const start = read * READ_BYTES;
    if (start >= segment.logBytes) break;
    const endExclusive = Math.min(start + READ_BYTES, segment.logBytes);
    bytes += (await store.get(`${segment.key}.log`, { start, endExclusive })).length;
  }
  return (bytes * 1_000) / Math.max(clock.monotonicMs() - startMs, 1);
}
