/** The offset map against a naive model: a list of pairs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { type MapModel, mapSteps, play, startModel } from "./offset-map-model.ts";

/** Few enough that short histories cross several blocks. */
const blockRunsMax = 3;

function assertTranslates(map: OffsetMap, model: MapModel): void {
  for (let source = model.floorSource; source <= model.sourceNext + 3; source++) {
    const answer = map.translate(BigInt(source));
    assert.equal(answer.kind, source <= model.sourceNext ? "exact" : "clamped");
    const first = model.pairs.find((pair) => pair.source >= source);
    assert.equal(Number(answer.targetOffset), first?.target ?? model.targetNext, `source ${source}`);
  }
}

function assertReverses(map: OffsetMap, model: MapModel): void {
  for (let target = Number(map.floor.target); target <= model.targetNext + 3; target++) {
    const answer = map.reverse(BigInt(target));
    assert.equal(answer.kind, target <= model.targetNext ? "exact" : "clamped");
    const first = model.pairs.find((pair) => pair.target >= target);
    assert.equal(Number(answer.sourceOffset), first?.source ?? model.sourceNext, `target ${target}`);
  }
}

test("Records from a translated offset on are the records with that source offset or a later one", () => {
  fc.assert(
    fc.property(mapSteps, (steps) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax });
      play(steps, model, map);
      assertTranslates(map, model);
      for (let source = model.floorSource; source <= model.sourceNext; source++) {
        const from = Number(map.translate(BigInt(source)).targetOffset);
        assert.deepEqual(
          model.pairs.filter((pair) => pair.target >= from),
          model.pairs.filter((pair) => pair.source >= source),
        );
      }
    }),
    { numRuns: 400 },
  );
});

test("Records from a reversed offset on are the records with that target offset or a later one", () => {
  fc.assert(
    fc.property(mapSteps, (steps) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax });
      play(steps, model, map);
      assertReverses(map, model);
      assert.deepEqual(map.floor, { source: BigInt(model.floorSource), target: BigInt(model.floorTarget) });
    }),
    { numRuns: 400 },
  );
});

test("An exact translation stays right when the lane goes on", () => {
  fc.assert(
    fc.property(mapSteps, mapSteps, (first, then) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax });
      play(first, model, map);
      const asked = model.sourceNext;
      const from = Number(map.translate(BigInt(asked)).targetOffset);
      play(
        then.filter((step) => step.kind === "append" || step.kind === "advance"),
        model,
        map,
      );
      assert.deepEqual(
        model.pairs.filter((pair) => pair.target >= from),
        model.pairs.filter((pair) => pair.source >= asked),
      );
    }),
  );
});

test("Runs increase on both sides and are as few as the holes allow", () => {
  fc.assert(
    fc.property(mapSteps, (steps) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax });
      play(steps, model, map);
      const runs = [...map.runs()];
      for (const [index, run] of runs.entries()) {
        const next = runs[index + 1];
        if (next === undefined) continue;
        const sourceEnd = run.sourceStart + BigInt(run.length);
        const targetEnd = run.targetStart + BigInt(run.length);
        assert.ok(next.sourceStart >= sourceEnd && next.targetStart >= targetEnd);
        assert.ok(next.sourceStart > sourceEnd || next.targetStart > targetEnd, "two runs that touch are one");
      }
    }),
  );
});

test("OffsetMap finds the source offset of every position of the lane", () => {
  fc.assert(
    fc.property(mapSteps, (steps) => {
      const model = startModel();
      const map = OffsetMap.startingAt({ sourceNext: 5n, targetNext: 7n, count: 0n }, { blockRunsMax });
      play(steps, model, map);
      assert.equal(Number(map.progress.count), model.trimmed + model.pairs.length);
      for (const [index, pair] of model.pairs.entries()) {
        assert.equal(map.sourceOfPosition(BigInt(model.trimmed + index)), BigInt(pair.source));
      }
      assert.equal(map.sourceOfPosition(map.progress.count), map.progress.sourceNext);
      assert.equal(map.sourceOfPosition(map.progress.count + 1n), undefined);
    }),
  );
});

test("OffsetMap keeps one run when a lane copies without a hole", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  for (let offset = 0n; offset < 1_000n; offset += 10n) {
    map.append({ sourceStart: offset, targetStart: offset, length: 10 });
  }
  assert.equal(map.runCount, 1);
  assert.ok(map.heldBytes < 200);
});

test("OffsetMap answers the lane's end when asked inside a hole that ends the mirrored part", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 10 });
  assert.deepEqual(map.translate(11n), { kind: "clamped", targetOffset: 10n, sourceNext: 10n });
  map.advanceTo(12n);
  assert.deepEqual(map.translate(10n), { kind: "exact", targetOffset: 10n });
  assert.deepEqual(map.translate(12n), { kind: "exact", targetOffset: 10n });
  assert.deepEqual(map.translate(13n), { kind: "clamped", targetOffset: 10n, sourceNext: 12n });
});

test("OffsetMap answers expired below its beginning", () => {
  const map = OffsetMap.startingAt({ sourceNext: 100n, targetNext: 40n, count: 60n });
  map.append({ sourceStart: 102n, targetStart: 45n, length: 5 });
  assert.deepEqual(map.translate(99n), { kind: "expired", targetOffset: 45n, sourceFloor: 100n });
  assert.deepEqual(map.translate(100n), { kind: "exact", targetOffset: 45n });
  assert.deepEqual(map.reverse(39n), { kind: "expired", sourceOffset: 102n, targetFloor: 40n });
  assert.deepEqual(map.reverse(40n), { kind: "exact", sourceOffset: 102n });
});

test("OffsetMap knows all target offsets when the lane begins behind other writers' records", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 1_000n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 1_000n, length: 5 });
  assert.deepEqual(map.reverse(500n), { kind: "exact", sourceOffset: 0n });
});

test("OffsetMap refuses to cut below its beginning", () => {
  const map = OffsetMap.startingAt({ sourceNext: 100n, targetNext: 40n, count: 60n });
  map.append({ sourceStart: 100n, targetStart: 40n, length: 5 });
  assert.equal(map.truncateTarget(39n), undefined);
  assert.deepEqual(map.truncateTarget(42n), { sourceNext: 102n, targetNext: 42n, count: 62n });
});

test("OffsetMap keeps pointing at the first copy when records landed twice", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 10 });
  map.appendRepeat(10n, 4);
  map.append({ sourceStart: 10n, targetStart: 14n, length: 3 });
  assert.equal(map.progress.count, 17n);
  assert.deepEqual(map.translate(8n), { kind: "exact", targetOffset: 8n });
  assert.deepEqual(map.translate(10n), { kind: "exact", targetOffset: 14n });
  assert.equal(map.sourceOfPosition(14n), 10n);
  assert.equal(map.sourceOfPosition(9n), 9n);
});

test("OffsetMap refuses a run that goes back", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 5n, targetStart: 5n, length: 5 });
  assert.throws(() => map.append({ sourceStart: 9n, targetStart: 10n, length: 1 }), /Runs increase on both sides/);
  assert.throws(() => map.append({ sourceStart: 10n, targetStart: 9n, length: 1 }), /Runs increase on both sides/);
  assert.throws(() => map.advanceTo(9n), /Progress never goes back/);
  assert.throws(() => map.append({ sourceStart: 2n ** 53n, targetStart: 10n, length: 1 }), /below 2\^53/);
});

test("OffsetMap names what each target leader epoch covers", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n }, { blockRunsMax: 1 });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 5 }, 3);
  map.append({ sourceStart: 6n, targetStart: 5n, length: 5 }, 3);
  map.append({ sourceStart: 12n, targetStart: 10n, length: 5 }, 4);
  assert.deepEqual(map.epochEnds(), [
    { targetEpoch: 3, targetEnd: 10n },
    { targetEpoch: 4, targetEnd: 15n },
  ]);
});

test("A map goes back over what was passed over, and never over a record", () => {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 5 });
  map.advanceTo(9n);
  assert.equal(map.retreatTo(4n), false);
  assert.equal(map.retreatTo(10n), false);
  assert.equal(map.progress.sourceNext, 9n);
  assert.equal(map.retreatTo(6n), true);
  assert.deepEqual(map.progress, { sourceNext: 6n, targetNext: 5n, count: 5n });
});
