/** The stored form of a lane's state. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Uuid } from "../../../src/core/brand.ts";
import { type Gap, type LaneIdentity, type LaneStateRecord, laneKey } from "../../../src/mirror/offset-ports.ts";
import { decodeLaneState, encodeLaneState } from "../../../src/mirror/state-record.ts";
import { StoredError } from "../../../src/mirror/stored-error.ts";
import { GAPS_MAX } from "../../../src/mirror/stored-gaps.ts";

const offset = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });
const integer = fc.integer({ min: -1, max: 2 ** 31 - 1 });
/** Objects as literals make them. */
const plain = { noNullPrototype: true };
const lanes: fc.Arbitrary<LaneIdentity> = fc.record(
  {
    sourceClusterId: fc.string(),
    sourceTopicId: fc.base64String().map((text) => text as Uuid),
    sourcePartition: integer,
    targetClusterId: fc.string(),
    targetTopicId: fc.base64String().map((text) => text as Uuid),
    targetPartition: integer,
  },
  plain,
);

const states: fc.Arbitrary<LaneStateRecord> = fc.record(
  {
    lane: lanes,
    sourceTopic: fc.string(),
    targetTopic: fc.string(),
    progress: fc.record({ sourceNext: offset, targetNext: offset, count: offset }, plain),
    mode: fc.constantFrom("live" as const, "history" as const, "at-least-once" as const),
    era: fc.record({ epoch: integer, base: offset }, plain),
    producerId: fc.option(offset, { nil: undefined }),
    plan: fc.string(),
    targetEpoch: integer,
    sourceEpoch: integer,
    floor: fc.option(fc.record({ source: offset, target: offset }, plain), { nil: undefined }),
    gaps: fc.array(
      fc.record(
        { fromOffset: offset, toOffset: offset, atMs: fc.nat(), cause: fc.constantFrom("retention" as const) },
        plain,
      ),
      { maxLength: 5 },
    ),
    gapCount: fc.nat(),
    repeats: offset,
    updatedMs: fc.nat(),
  },
  plain,
);

function anyState(): LaneStateRecord {
  const [state] = fc.sample(states, { numRuns: 1, seed: 1 });
  if (state === undefined) throw new Error("no sample");
  return state;
}

/** The record's JSON with some fields changed. */
function altered(state: LaneStateRecord, change: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(JSON.stringify({ ...JSON.parse(encodeLaneState(state).toString()), ...change }));
}

test("A lane state reads back as it was written", () => {
  fc.assert(
    fc.property(states, (state) => {
      assert.deepEqual(decodeLaneState(encodeLaneState(state)), state);
    }),
  );
});

test("A lane state ignores fields that a newer program added", () => {
  const state = anyState();
  assert.deepEqual(decodeLaneState(altered(state, { later: { anything: [1] } })), state);
});

test("A lane state of a version that must not be misread is refused", () => {
  assert.throws(
    () => decodeLaneState(altered(anyState(), { v: 2 })),
    (error) => error instanceof StoredError && error.fault.code === "STORED_VERSION_UNSUPPORTED",
  );
});

test("A lane state names the field that is wrong", () => {
  for (const change of [
    { sourceNext: 5 },
    { sourceNext: "-1" },
    { count: "9".repeat(40) },
    { mode: "turbo" },
    { lane: [] },
    { gaps: {} },
    { era: { epoch: 1.5, base: "0" } },
    { producerId: null },
  ]) {
    const [field] = Object.keys(change);
    assert.throws(
      () => decodeLaneState(altered(anyState(), change)),
      (error) =>
        error instanceof StoredError &&
        error.fault.code === "STORED_MALFORMED" &&
        error.fault.why.startsWith(String(field)),
    );
  }
});

test("A lane state of hostile bytes gives a typed error", () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
      assert.throws(() => decodeLaneState(Buffer.from(text)), StoredError);
    }),
  );
  assert.throws(() => decodeLaneState(Buffer.alloc(1 << 20, "[")), StoredError);
});

test("A lane state lists the latest gaps and counts them all", () => {
  const gaps = Array.from({ length: 100 }, (_, index): Gap => {
    return { fromOffset: BigInt(index), toOffset: BigInt(index + 1), atMs: 0, cause: "retention" };
  });
  const state = { ...anyState(), gaps, gapCount: 100 };
  const read = decodeLaneState(encodeLaneState(state));
  assert.equal(read.gapCount, 100);
  assert.equal(read.gaps.length, GAPS_MAX);
  assert.equal(read.gaps.at(-1)?.fromOffset, 99n);
});

test("A lane key tells distinct identities apart", () => {
  fc.assert(
    fc.property(lanes, lanes, (a, b) => {
      const same = JSON.stringify(a) === JSON.stringify(b);
      // Topic ids are URL-safe base64 and hold no slash; cluster ids may hold anything.
      fc.pre(![a, b].some((lane) => `${lane.sourceTopicId}${lane.targetTopicId}`.includes("/")));
      assert.equal(laneKey(a) === laneKey(b), same);
    }),
  );
  const base = anyState().lane;
  const a = laneKey({ ...base, sourceClusterId: "x/y" });
  const b = laneKey({ ...base, sourceClusterId: "x" });
  assert.equal(a.split("/").length, b.split("/").length);
});
