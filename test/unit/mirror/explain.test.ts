/** Explanations say the same as translations, and why. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { explainOffset } from "../../../src/mirror/explain.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { mapSteps, play, startModel } from "./offset-map-model.ts";

/** Source 0-9 on target 0-9, source 10-11 skipped, others' records on target 10-14, source 12-16 on target 15-19, 17 skipped. */
function sample(): OffsetMap {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 10 });
  map.append({ sourceStart: 12n, targetStart: 15n, length: 5 });
  map.advanceTo(18n);
  return map;
}

test("An explanation names the run and the holes before it when the record is on the target", () => {
  const { by, before, translation, back } = explainOffset(sample(), 13n);
  const run = { sourceStart: 12n, targetStart: 15n, length: 5 };
  assert.deepEqual(translation, { kind: "exact", targetOffset: 16n });
  assert.deepEqual(by, { kind: "record", run, indexInRun: 1n });
  assert.deepEqual(before?.sourceHole, { from: 10n, to: 12n });
  assert.deepEqual(before?.targetHole, { from: 10n, to: 15n });
  assert.deepEqual(back, { kind: "exact", sourceOffset: 13n });
});

test("An explanation names the hole when the offset was not mirrored", () => {
  const { by, back } = explainOffset(sample(), 10n);
  const nextRun = { sourceStart: 12n, targetStart: 15n, length: 5 };
  assert.deepEqual(by, { kind: "hole", hole: { from: 10n, to: 12n }, nextRun });
  assert.deepEqual(back, { kind: "exact", sourceOffset: 12n });
});

test("An explanation tells the end of the lane from what lies ahead of it, and from what the map forgot", () => {
  const map = sample();
  assert.deepEqual(explainOffset(map, 17n).by, { kind: "end", hole: { from: 17n, to: 18n } });
  assert.deepEqual(explainOffset(map, 20n).by, { kind: "ahead", missing: { from: 18n, to: 20n } });
  map.trimBefore(5n);
  assert.deepEqual(explainOffset(map, 4n).by, { kind: "below-map", sourceFloor: 5n });
});

test("An explanation of an empty lane says that it is at its end", () => {
  const map = OffsetMap.startingAt({ sourceNext: 3n, targetNext: 7n, count: 0n });
  const { by, before } = explainOffset(map, 3n);
  assert.deepEqual(by, { kind: "end", hole: { from: 3n, to: 3n } });
  assert.equal(before, undefined);
});

test("An explanation agrees with the translation for every offset", () => {
  fc.assert(
    fc.property(mapSteps, (steps) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax: 3 });
      play(steps, model, map);
      for (let source = 0n; source < map.progress.sourceNext + 3n; source++) {
        const { by, translation } = explainOffset(map, source);
        assert.deepEqual(translation, map.translate(source));
        const pair = model.pairs.find((each) => each.source >= Number(source));
        if (by.kind === "record") {
          assert.equal(pair?.source, Number(source));
          assert.equal(by.run.targetStart + by.indexInRun, translation.targetOffset);
        }
        if (by.kind === "hole") {
          assert.equal(by.nextRun.targetStart, translation.targetOffset);
          assert.ok(by.hole.from <= source && source < by.hole.to);
        }
        if (by.kind === "end") assert.equal(pair, undefined);
      }
    }),
    { numRuns: 200 },
  );
});
