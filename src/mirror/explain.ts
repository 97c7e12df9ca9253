/** Says how one offset of a lane became another, as data: for `offsets explain` and for people who doubt a number. */

import type { OffsetMap, Run } from "./offset-map.ts";
import type { Progress, ReverseTranslation, Translation } from "./offset-ports.ts";

/** Offsets from `from` up to, not including, `to`; empty when equal. */
export interface OffsetRange {
  readonly from: bigint;
  readonly to: bigint;
}

/** Why a source offset is answered by the target offset that it is. */
export type ExplainedBy =
  /** The record itself is on the target. */
  | { readonly kind: "record"; readonly run: Run; readonly indexInRun: bigint }
  /** The offset lies in a hole: a marker, an aborted, filtered, compacted or looped record. The next record answers. */
  | { readonly kind: "hole"; readonly hole: OffsetRange; readonly nextRun: Run }
  /** All mirrored records come from before it; the lane's next record will be the answer. */
  | { readonly kind: "end"; readonly hole: OffsetRange }
  /** The lane has not come that far. */
  | { readonly kind: "ahead"; readonly missing: OffsetRange }
  | { readonly kind: "below-map"; readonly sourceFloor: bigint };

/** A translation with its reasons. */
export interface Explanation {
  readonly sourceOffset: bigint;
  readonly translation: Translation;
  readonly by: ExplainedBy;
  /** What lies on either side between the answer's run and the run before: source offsets that were not mirrored, and target
   *  offsets that others wrote. Undefined when the map has no run before. */
  readonly before:
    | { readonly run: Run; readonly sourceHole: OffsetRange; readonly targetHole: OffsetRange }
    | undefined;
  /** What the answer leads back to. Equal to `sourceOffset` for a record; later for a hole. */
  readonly back: ReverseTranslation;
  readonly progress: Progress;
  readonly floor: { readonly source: bigint; readonly target: bigint };
  readonly runCount: number;
}

/** Explains a source offset by the lane's map. */
export function explainOffset(map: OffsetMap, sourceOffset: bigint): Explanation {
  const translation = map.translate(sourceOffset);
  const asked = translation.kind === "expired" ? translation.sourceFloor : sourceOffset;
  const { run, before } = map.around(asked);
  const next = {
    source: run?.sourceStart ?? map.progress.sourceNext,
    target: run?.targetStart ?? map.progress.targetNext,
  };
  return {
    sourceOffset,
    translation,
    by: explainedBy(translation, { sourceOffset, run, before, map }),
    before: before && {
      run: before,
      sourceHole: { from: before.sourceStart + BigInt(before.length), to: next.source },
      targetHole: { from: before.targetStart + BigInt(before.length), to: next.target },
    },
    back: map.reverse(translation.targetOffset),
    progress: map.progress,
    floor: map.floor,
    runCount: map.runCount,
  };
}

function explainedBy(
  translation: Translation,
  found: {
    readonly sourceOffset: bigint;
    readonly run: Run | undefined;
    readonly before: Run | undefined;
    readonly map: OffsetMap;
  },
): ExplainedBy {
  const { sourceOffset, run, before, map } = found;
  if (translation.kind === "expired") return { kind: "below-map", sourceFloor: translation.sourceFloor };
  if (translation.kind === "clamped")
    return { kind: "ahead", missing: { from: translation.sourceNext, to: sourceOffset } };
  const from = before === undefined ? map.floor.source : before.sourceStart + BigInt(before.length);
  if (run === undefined) return { kind: "end", hole: { from, to: map.progress.sourceNext } };
  if (sourceOffset < run.sourceStart) return { kind: "hole", hole: { from, to: run.sourceStart }, nextRun: run };
  return { kind: "record", run, indexInRun: sourceOffset - run.sourceStart };
}
