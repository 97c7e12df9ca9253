/** The chaos run's check finds what is missing, twice, out of order or changed. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { check, type LaneRead } from "../../chaos/check.ts";
import type { ReadRecord } from "../../chaos/kcat-records.ts";
import type { Outcome } from "../../chaos/ledger.ts";

function recordOf(id: number, offset: number, digest = `d${id}`): ReadRecord {
  return { partition: 0, offset, timestampMs: 1_000 + id, id, digest };
}

/** Source 0 1 (marker at 2) 3 4, target 10 to 13: a marker more on one side than on the other. */
const SOURCE = [recordOf(0, 0), recordOf(1, 1), recordOf(2, 3), recordOf(3, 4)];
const TARGET = [recordOf(0, 10), recordOf(1, 11), recordOf(2, 12), recordOf(3, 13)];
const FORWARD = new Map([0, 1, 2, 3, 4, 5].map((offset, index) => [offset, [10, 11, 12, 12, 13, 14][index] ?? -1]));
const BACKWARD = new Map([10, 11, 12, 13].map((offset, index) => [offset, [0, 1, 3, 4][index] ?? -1]));

interface World {
  readonly source?: readonly ReadRecord[];
  readonly target?: readonly ReadRecord[];
  readonly forward?: ReadonlyMap<number, number>;
  readonly outcomes?: readonly Outcome[];
}

/** The kinds that a world shows, with how many of each. */
function found({ source = SOURCE, target = TARGET, forward = FORWARD, outcomes }: World): Record<string, number> {
  const told = outcomes ?? ["acknowledged", "acknowledged", "acknowledged", "acknowledged"];
  const lane: LaneRead = { partition: 0, source, sourceStart: 0, sourceEnd: 5, target };
  const answer = (map: ReadonlyMap<number, number>, offset: bigint): bigint | undefined => {
    const value = map.get(Number(offset));
    return value === undefined ? undefined : BigInt(value);
  };
  const { counts } = check([lane], { sent: told.length, outcomeOf: (id) => told[id] }, () => ({
    translate: (offset) => answer(forward, offset),
    reverse: (offset) => answer(BACKWARD, offset),
  }));
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

test("chaos check finds nothing when both sides hold the same records in the same order", () => {
  assert.deepEqual(found({}), {});
});

test("chaos check names a record that is missing on the target", () => {
  const forward = new Map(FORWARD).set(1, 12);
  assert.deepEqual(found({ target: TARGET.toSpliced(1, 1), forward }), { lost: 1, offset: 1 });
});

test("chaos check names a record that is on the target twice", () => {
  const forward = new Map(FORWARD).set(5, 15);
  // No map leads from the repeat back to where it came from, so that is told too.
  assert.deepEqual(found({ target: [...TARGET, recordOf(1, 14)], forward }), { duplicated: 1, offset: 1 });
});

test("chaos check names a record that comes after a later one", () => {
  const target = [recordOf(0, 10), recordOf(2, 11), recordOf(1, 12), recordOf(3, 13)];
  assert.equal(found({ target })["reordered"], 1);
});

test("chaos check names a record whose key, value, headers or timestamp changed", () => {
  assert.deepEqual(found({ target: TARGET.with(2, recordOf(2, 12, "other")) }), { mutated: 1 });
});

test("chaos check names an aborted record that came through", () => {
  const forward = new Map(FORWARD).set(5, 15);
  const outcomes: readonly Outcome[] = ["acknowledged", "acknowledged", "acknowledged", "acknowledged", "aborted"];
  assert.deepEqual(found({ target: [...TARGET, recordOf(4, 14)], forward, outcomes }), { foreign: 1 });
});

test("chaos check names an offset that is translated to another record, markers and the end included", () => {
  for (const offset of [0, 2, 5]) {
    assert.deepEqual(found({ forward: new Map(FORWARD).set(offset, 11) }), { offset: 1 }, `offset ${offset}`);
  }
});

test("chaos check takes no source that lacks what was acknowledged or shows what was aborted", () => {
  const more: readonly Outcome[] = ["acknowledged", "acknowledged", "acknowledged", "acknowledged", "acknowledged"];
  assert.deepEqual(found({ outcomes: more }), { source: 1 });
  assert.deepEqual(found({ outcomes: ["acknowledged", "aborted", "acknowledged", "acknowledged"] }), { source: 1 });
  assert.deepEqual(found({ outcomes: ["acknowledged", "acknowledged", "acknowledged", "unknown"] }), {});
});
