/** A naive offset map, and random histories of a lane to compare it with. */

import fc from "fast-check";
import type { OffsetMap } from "../../../src/mirror/offset-map.ts";

/** One thing that happens to a lane. */
export type MapStep =
  | { readonly kind: "append"; readonly sourceHole: number; readonly targetHole: number; readonly length: number }
  | { readonly kind: "advance"; readonly sourceHole: number }
  | { readonly kind: "truncate"; readonly permille: number }
  | { readonly kind: "trim"; readonly permille: number };

/** The lane as a list of records. */
export interface MapModel {
  pairs: { source: number; target: number }[];
  floorSource: number;
  floorTarget: number;
  sourceNext: number;
  targetNext: number;
  /** Records that lay below the floor when it was raised. */
  trimmed: number;
}

const hole = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 4 }));

/** Holes on both sides, foreign records on the target, loss of the target's end, retention. */
export const mapSteps: fc.Arbitrary<MapStep[]> = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant("append" as const),
        sourceHole: hole,
        targetHole: hole,
        length: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant("advance" as const), sourceHole: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("truncate" as const), permille: fc.integer({ min: 0, max: 1_000 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("trim" as const), permille: fc.integer({ min: 0, max: 1_000 }) }),
    },
  ),
  { maxLength: 40 },
);

/** A lane that begins at source offset 5, behind 7 records of others on the target. */
export function startModel(): MapModel {
  return { pairs: [], floorSource: 5, floorTarget: 0, sourceNext: 5, targetNext: 7, trimmed: 0 };
}

/** Does the steps to both. */
export function play(steps: readonly MapStep[], model: MapModel, map: OffsetMap): void {
  for (const step of steps) playOne(step, model, map);
}

function playOne(step: MapStep, model: MapModel, map: OffsetMap): void {
  switch (step.kind) {
    case "append": {
      const source = model.sourceNext + step.sourceHole;
      const target = model.targetNext + step.targetHole;
      for (let i = 0; i < step.length; i++) model.pairs.push({ source: source + i, target: target + i });
      model.sourceNext = source + step.length;
      model.targetNext = target + step.length;
      map.append({ sourceStart: BigInt(source), targetStart: BigInt(target), length: step.length });
      return;
    }
    case "advance":
      model.sourceNext += step.sourceHole;
      map.advanceTo(BigInt(model.sourceNext));
      return;
    case "truncate":
      truncate(between(model.floorTarget, model.targetNext, step.permille), model, map);
      return;
    case "trim":
      trim(between(model.floorSource, model.sourceNext, step.permille), model, map);
      return;
  }
}

function truncate(target: number, model: MapModel, map: OffsetMap): void {
  const lost = model.pairs.find((pair) => pair.target >= target);
  model.pairs = model.pairs.filter((pair) => pair.target < target);
  model.sourceNext = lost?.source ?? model.sourceNext;
  model.targetNext = Math.min(model.targetNext, target);
  map.truncateTarget(BigInt(target));
}

function trim(source: number, model: MapModel, map: OffsetMap): void {
  const kept = model.pairs.filter((pair) => pair.source >= source);
  const lastGone = model.pairs[model.pairs.length - kept.length - 1];
  model.trimmed += model.pairs.length - kept.length;
  model.pairs = kept;
  model.floorSource = source;
  if (lastGone !== undefined) model.floorTarget = lastGone.target + 1;
  map.trimBefore(BigInt(source));
}

function between(low: number, high: number, permille: number): number {
  return low + Math.round(((high - low) * permille) / 1_000);
}
