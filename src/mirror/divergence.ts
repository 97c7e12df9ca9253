/** Which records of the target the source no longer has after an unclean election there. */

import type { OffsetMap, Run } from "./offset-map.ts";

/** Offsets of the target, the last one excluded. */
export interface OffsetRange {
  readonly fromOffset: bigint;
  readonly toOffset: bigint;
}

/** Ranges that are listed; a lane with more has holes, not more trouble. */
const RANGES_MAX = 16;

/** Where the copies of all records from `sourceOffset` on lie on the target, the first ranges of them. */
export function copiesFrom(map: Pick<OffsetMap, "runs">, sourceOffset: bigint): readonly OffsetRange[] {
  const ranges: OffsetRange[] = [];
  for (const run of map.runs()) {
    const range = rangeFrom(run, sourceOffset);
    if (range === undefined) continue;
    const before = ranges.at(-1);
    if (before?.toOffset === range.fromOffset)
      ranges[ranges.length - 1] = { fromOffset: before.fromOffset, toOffset: range.toOffset };
    else if (ranges.length === RANGES_MAX) return ranges;
    else ranges.push(range);
  }
  return ranges;
}

function rangeFrom({ sourceStart, targetStart, length }: Run, sourceOffset: bigint): OffsetRange | undefined {
  const toOffset = targetStart + BigInt(length);
  const cut = sourceOffset > sourceStart ? sourceOffset - sourceStart : 0n;
  return cut >= BigInt(length) ? undefined : { fromOffset: targetStart + cut, toOffset };
}
