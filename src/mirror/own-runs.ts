/** What a lane's own batches on the target say, compared with what the lane knows: pure reckoning for takeover. */

import type { OffsetMap } from "./offset-map.ts";
import { earlier, later } from "./offset-order.ts";
import type { SourceRun } from "./rewrite.ts";
import type { OwnRun } from "./target-scan.ts";

/** True when one of the runs has the position at the target offset. */
export function holds(runs: readonly OwnRun[], position: bigint, targetOffset: bigint): boolean {
  return runs.some(
    (run) =>
      targetOffset >= run.targetStart &&
      targetOffset < run.targetStart + BigInt(run.length) &&
      run.position + (targetOffset - run.targetStart) === position,
  );
}

/** True when the target holds the map's last record where the map says, and its leader was not a later one than the map knows of: behind
 *  what was lost and written again, a record may come to lie where another of its number lay by chance. */
export function holdsEnd(
  runs: readonly OwnRun[],
  { progress: { count, targetNext }, targetEpoch }: OffsetMap,
): boolean {
  const known = targetEpoch < 0 ? runs : runs.filter(({ leaderEpoch }) => leaderEpoch <= targetEpoch);
  return holds(known, count - 1n, targetNext - 1n);
}

/** The epoch of the latest leader that appended any of the runs; -1 for none. */
export function latestEpoch(runs: readonly OwnRun[]): number {
  return runs.reduce((latest, { leaderEpoch }) => Math.max(latest, leaderEpoch), -1);
}

/** True when an old batch lies behind what is known: without it, a leader's memory that lies behind only means that the log was
 *  cut and written again between the two questions ("Positions never go back without a repeat in the log"). */
export function isWrittenAgain(runs: readonly OwnRun[], accepted: bigint, targetNext: bigint): boolean {
  return runs.some((run) => run.targetStart >= targetNext && run.position + BigInt(run.length) === accepted);
}

/** The target offset after the last record that lies where the map says, with none before it, from `fromOffset` on, that lies elsewhere
 *  now. Undefined when there is no such record. `runs` hold all that the target has from there on; records may be missing (compaction), and may lie there twice. */
export function intactEnd(map: OffsetMap, runs: readonly OwnRun[], fromOffset: bigint): bigint | undefined {
  let end: bigint | undefined;
  const intact: { readonly from: bigint; readonly to: bigint }[] = [];
  for (const run of runs) {
    for (const offset of [run.targetStart, run.targetStart + BigInt(run.length) - 1n]) {
      const claimed = claimedOffset(map, run.position + (offset - run.targetStart));
      if (claimed === undefined) continue;
      if (claimed === offset) {
        intact.push({ from: run.targetStart, to: offset });
        end = offset + 1n;
      } else if (claimed >= fromOffset && !intact.some(({ from, to }) => from <= claimed && claimed <= to)) return end;
    }
  }
  return end;
}

/** Where the map says that the record at a position lies on the target; undefined where it does not know. */
function claimedOffset(map: OffsetMap, position: bigint): bigint | undefined {
  const source = map.sourceOfPosition(position);
  if (source === undefined || source >= map.progress.sourceNext) return undefined;
  const { kind, targetOffset } = map.translate(source);
  return kind === "exact" ? targetOffset : undefined;
}

/** Runs of both sides cut to common lengths; undefined when a position is missing on the target. */
export function pairRuns(
  sourceRuns: readonly SourceRun[],
  targetRuns: readonly OwnRun[],
  count: bigint,
): { sourceStart: bigint; targetStart: bigint; length: number }[] | undefined {
  const pairs: { sourceStart: bigint; targetStart: bigint; length: number }[] = [];
  let position = count;
  let index = 0;
  let used = 0;
  for (const run of targetRuns) {
    if (run.position > position) return undefined;
    let skip = Number(position - run.position);
    while (skip < run.length) {
      const sourceRun = sourceRuns[index];
      if (sourceRun === undefined) return pairs;
      const length = Math.min(run.length - skip, sourceRun.length - used);
      pairs.push({
        sourceStart: sourceRun.sourceStart + BigInt(used),
        targetStart: run.targetStart + BigInt(skip),
        length,
      });
      skip += length;
      used += length;
      position += BigInt(length);
      if (used === sourceRun.length) {
        index++;
        used = 0;
      }
    }
  }
  return index === sourceRuns.length ? pairs : undefined;
}

/** Records that lie on the target again although their position was already there. */
export function repeatedRecords(runs: readonly OwnRun[], count: bigint): bigint {
  let repeats = 0n;
  let next: bigint | undefined;
  for (const run of runs) {
    const end = run.position + BigInt(run.length);
    const expected: bigint = next ?? (run.position < count ? end : count);
    if (run.position < expected && next !== undefined) repeats += earlier(end, expected) - run.position;
    next = later(end, expected);
  }
  return repeats;
}

/** The records count as positions of the lane, but translations keep pointing elsewhere. */
export function appendUnverified(map: OffsetMap, runs: readonly OwnRun[]): void {
  for (const run of runs) {
    const { count, targetNext } = map.progress;
    const end = run.position + BigInt(run.length);
    if (end <= count || run.targetStart < targetNext) continue;
    const from = later(run.position, count);
    map.appendRepeat(run.targetStart + (from - run.position), Number(end - from));
  }
}
