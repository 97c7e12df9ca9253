/** Copies of archived segments in an object store: the other objects of the same partition and base, named or not. */

import { type ArchivedSegment, baseOffsetOf, partitionPrefix } from "./manifest.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";
import type { SegmentCopies, SegmentCopy } from "./repair.ts";
import { indexesBeside } from "./repair-indexes.ts";

/** Of one store, which may be the damaged one itself or another. */
export function storedCopies(store: ObjectStore): SegmentCopies {
  return { copiesOf: (partition, segment) => copiesIn(store, partition, segment) };
}

async function* copiesIn(
  store: ObjectStore,
  partition: ArchivedPartition,
  segment: ArchivedSegment,
): AsyncGenerator<SegmentCopy, void, undefined> {
  for (const logKey of await store.list(partitionPrefix(partition))) {
    if (!logKey.endsWith(".log") || baseOffsetOf(logKey) !== segment.baseOffset) continue;
    const facts = await store.stat(logKey);
    if (facts?.sizeBytes !== segment.logBytes) continue;
    const read = (start: number, endExclusive: number) => store.get(logKey, { start, endExclusive });
    const key = logKey.slice(0, -".log".length);
    yield {
      from: `${store.location} ${logKey}`,
      log: { sizeBytes: facts.sizeBytes, read },
      indexes: () => indexesBeside(key, store),
    };
  }
}
