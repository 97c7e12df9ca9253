/** A partition as it was at a time: it ends in front of the first record from then on, as `tier restore --at` ends it. */

import type { ArchivedExtent } from "./archived-topics.ts";
import type { ColdReader } from "./cold-reader.ts";
import type { ArchivedPartition } from "./ports.ts";

/** How far the search for that record has come. */
export interface MomentSearch {
  /** None of the offsets below it is that record. */
  readonly searchedTo: bigint;
  /** Where the partition ends; undefined while the archive holds no such record, and so shows all it has. */
  readonly endOffset: bigint | undefined;
}

/** Goes on with the search in what the archive holds now: what was found stays, whatever is archived later.
 *  @throws {ArchiveError | StoreError} */
export async function searchMoment(
  { partition, extent, untilMs }: MomentQuestion,
  before: MomentSearch | undefined,
  reader: ColdReader,
): Promise<MomentSearch> {
  if (before?.endOffset !== undefined) return before;
  const { startOffset, endOffset } = extent;
  const from = before === undefined || before.searchedTo < startOffset ? startOffset : before.searchedTo;
  if (from >= endOffset) return { searchedTo: from, endOffset: undefined };
  const range = { partition, startOffset: from, endOffset };
  const found = await reader.offsetForTimestamp(range, BigInt(Math.ceil(untilMs)));
  return { searchedTo: endOffset, endOffset: found?.offset };
}

/** What is asked. */
export interface MomentQuestion {
  readonly partition: ArchivedPartition;
  /** What the archive holds of it. */
  readonly extent: ArchivedExtent;
  /** The first time that does not belong to it any more, milliseconds since the epoch. */
  readonly untilMs: number;
}

/** The part of an extent that lies in front of the end. */
export function extentUntil(extent: ArchivedExtent, endOffset: bigint | undefined): ArchivedExtent {
  if (endOffset === undefined || endOffset >= extent.endOffset) return extent;
  const startOffset = extent.startOffset < endOffset ? extent.startOffset : endOffset;
  const epochs = extent.epochs.filter((epoch, at) => at === 0 || epoch.startOffset < endOffset);
  return { startOffset, endOffset, epochs };
}
