/** Which pairs of offsets a lane tells MirrorMaker 2's readers.
 *
 *  Such a reader answers a group at source offset g with the sync whose upstream offset is the highest at or below g: its downstream
 *  offset when both are equal, else the one after it (Kafka, `OffsetSyncStore.translateDownstream`). So it never passes an unread
 *  record as long as **"an offset sync names one record on both sides"**. A sync of two *next* offsets would break that: with
 *  (g, translate(g)) where g lies in a hole, a group behind the hole's beginning would be sent past the record that follows. */

import type { OffsetMap } from "../offset-map.ts";
import type { OffsetSync } from "./formats.ts";
import type { LaneMap } from "./ports.ts";

/** The offsets of one record. */
export interface RecordPair {
  readonly upstreamOffset: bigint;
  readonly downstreamOffset: bigint;
}

/** The record from which a reader translates source position `next` best: the one at `next`, else the last one before it.
 *  Undefined when the map knows neither. */
export function syncRecord(map: Pick<OffsetMap, "around">, next: bigint): RecordPair | undefined {
  const { run, before } = map.around(next);
  if (run !== undefined && run.sourceStart <= next)
    return { upstreamOffset: next, downstreamOffset: run.targetStart + (next - run.sourceStart) };
  if (before === undefined) return undefined;
  const last = BigInt(before.length) - 1n;
  return { upstreamOffset: before.sourceStart + last, downstreamOffset: before.targetStart + last };
}

/** Remembers how far each lane has told. Upstream offsets rise, because a reader that meets a lower one forgets all that it knew;
 *  just that is wanted when the target lost records and what was told is no longer true. */
export class OffsetSyncs {
  /** Bounded by the number of lanes. */
  readonly #told = new Map<string, RecordPair>();

  /** The syncs that are news, in the order in which they must be written: one at each of the groups' positions that was not
   *  passed yet, and the lane's newest record. */
  due({ sourceTopic: topic, partition, map }: LaneMap, positions: readonly bigint[]): readonly OffsetSync[] {
    const newest = syncRecord(map, map.progress.sourceNext);
    const told = this.#told.get(`${topic}/${partition}`);
    if (newest === undefined || (told !== undefined && isSame(told, newest))) return [];
    const pairs = told !== undefined && isTrue(map, told) ? between(map, positions, told, newest) : [newest];
    return pairs.map((pair) => ({ topic, partition, ...pair }));
  }

  /** To be called once they are acked. */
  wrote(syncs: readonly OffsetSync[]): void {
    for (const { topic, partition, upstreamOffset, downstreamOffset } of syncs)
      this.#told.set(`${topic}/${partition}`, { upstreamOffset, downstreamOffset });
  }
}

/** Whether the record is still where it was said to be. */
function isTrue(map: OffsetMap, told: RecordPair): boolean {
  const now = syncRecord(map, told.upstreamOffset);
  return now !== undefined && isSame(now, told);
}

function isSame(a: RecordPair, b: RecordPair): boolean {
  return a.upstreamOffset === b.upstreamOffset && a.downstreamOffset === b.downstreamOffset;
}

function between(
  map: OffsetMap,
  positions: readonly bigint[],
  told: RecordPair,
  newest: RecordPair,
): readonly RecordPair[] {
  const pairs = positions.flatMap((position) => syncRecord(map, position) ?? []);
  const byUpstream = new Map([...pairs, newest].map((pair) => [pair.upstreamOffset, pair]));
  return [...byUpstream.values()]
    .filter(({ upstreamOffset }) => upstreamOffset > told.upstreamOffset)
    .toSorted((a, b) => (a.upstreamOffset < b.upstreamOffset ? -1 : 1));
}
