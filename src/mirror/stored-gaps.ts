/** A lane's gaps as they are stored: in its live state, which any worker may write late, and in its history record, which only the writer
 *  behind the fence can. What either of them tells is true. */

import type { Gap, GapCause } from "./offset-ports.ts";
import type { Fields } from "./stored-fields.ts";

/** Gaps listed in a record: about 6 KiB. A lane that gaps more often has a retention problem, not a bookkeeping one. */
export const GAPS_MAX = 64;

const CAUSES: readonly GapCause[] = ["retention", "recreated", "diverged", "skipped"];

/** The most recent gaps of a lane, and how many there were ever. */
export interface Gaps {
  /** Oldest first, at most `GAPS_MAX`. */
  readonly gaps: readonly Gap[];
  readonly gapCount: number;
}

/** No gap. */
export const NO_GAPS: Gaps = { gaps: [], gapCount: 0 };

/** With one more, forgetting the oldest when there are too many. */
export function withGap({ gaps, gapCount }: Gaps, gap: Gap): Gaps {
  return { gaps: [...gaps, gap].slice(-GAPS_MAX), gapCount: gapCount + 1 };
}

/** What two places tell of the same lane: a gap that both know counts once. */
export function allGaps(one: Gaps, other: Gaps): Gaps {
  const known = new Set(one.gaps.map(gapKey));
  const more = other.gaps.filter((gap) => !known.has(gapKey(gap)));
  const gaps = [...one.gaps, ...more].toSorted((a, b) => a.atMs - b.atMs);
  const gapCount = Math.max(one.gapCount, other.gapCount, gaps.length);
  return { gaps: gaps.slice(-GAPS_MAX), gapCount };
}

function gapKey({ fromOffset, toOffset, cause }: Gap): string {
  return `${fromOffset}/${toOffset}/${cause}`;
}

/** The fields of a stored record. */
export function encodeGaps({ gaps, gapCount }: Gaps): object {
  const listed = gaps.slice(-GAPS_MAX).map(({ fromOffset, toOffset, atMs, cause }) => ({
    fromOffset: String(fromOffset),
    toOffset: String(toOffset),
    atMs,
    cause,
  }));
  return { gaps: listed, gapCount };
}

/** @throws {StoredError} `STORED_MALFORMED` */
export function decodeGaps(fields: Fields): Gaps {
  return { gaps: fields.list("gaps", GAPS_MAX).map(readGap), gapCount: fields.integer("gapCount") };
}

function readGap(fields: Fields): Gap {
  return {
    fromOffset: fields.natural("fromOffset"),
    toOffset: fields.natural("toOffset"),
    atMs: fields.integer("atMs"),
    cause: fields.oneOf("cause", CAUSES),
  };
}
