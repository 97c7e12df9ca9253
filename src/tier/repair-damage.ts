/** Which offsets of a damaged segment cannot be read any more. */

import { WireError } from "../wire/errors.ts";
import type { ArchivedSegment } from "./manifest.ts";
import type { ObjectStore } from "./ports.ts";
import { walkSegment } from "./segment-walk.ts";
import type { Finding } from "./verify-segment.ts";

/** Offsets that are lost, and why. */
export interface DamagedRange {
  readonly startOffset: bigint;
  readonly endOffset: bigint;
  readonly what: string;
}

/** The batches that are not whole; where lengths are wrong too, everything behind. Nothing when only an index is damaged: readers then go
 *  through the data. @throws {StoreError} */
export async function damagedRanges(
  segment: ArchivedSegment,
  findings: readonly Finding[],
  store: ObjectStore,
): Promise<readonly DamagedRange[]> {
  const key = `${segment.key}.log`;
  const about = findings.find((finding) => finding.key === key);
  if (about === undefined) return [];
  const all = { startOffset: segment.baseOffset, endOffset: segment.nextOffset, what: about.what };
  const facts = await store.stat(key);
  if (facts === undefined) return [all];
  const ranges: DamagedRange[] = [];
  let next = segment.baseOffset;
  const read = (start: number, endExclusive: number) => store.get(key, { start, endExclusive });
  const rest = (what: string): void => {
    if (next < segment.lastOffset + 1n) ranges.push({ startOffset: next, endOffset: segment.nextOffset, what });
  };
  try {
    await walkSegment({ sizeBytes: facts.sizeBytes, read }, (batch) => {
      const isInside = batch.baseOffset >= next && batch.lastOffset <= segment.lastOffset;
      if (!isInside) throw new WireError({ code: "WIRE_BAD_BATCH", what: `offset ${batch.baseOffset}` });
      try {
        batch.verifyCrc();
      } catch (error) {
        if (!(error instanceof WireError)) throw error;
        ranges.push({ startOffset: batch.baseOffset, endOffset: batch.nextOffset, what: error.message });
      }
      next = batch.nextOffset;
    });
    rest("cut off");
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    rest("no batches from here on");
  }
  return ranges.length === 0 ? [all] : ranges;
}
