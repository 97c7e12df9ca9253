/** Which target records are told when the source has lost theirs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { copiesFrom } from "../../../src/mirror/divergence.ts";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";

function mapOf(...runs: readonly (readonly [number, number, number])[]): OffsetMap {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  for (const [sourceStart, targetStart, length] of runs)
    map.append({ sourceStart: BigInt(sourceStart), targetStart: BigInt(targetStart), length });
  return map;
}

test("copiesFrom lists where the records from an offset on lie on the target", () => {
  const map = mapOf([0, 0, 5], [7, 5, 3], [10, 20, 4]);
  assert.deepEqual(copiesFrom(map, 3n), [
    { fromOffset: 3n, toOffset: 8n },
    { fromOffset: 20n, toOffset: 24n },
  ]);
  assert.deepEqual(copiesFrom(map, 12n), [{ fromOffset: 22n, toOffset: 24n }]);
});

test("copiesFrom lists nothing when the target holds nothing from there on", () => {
  assert.deepEqual(copiesFrom(mapOf([0, 0, 5]), 5n), []);
  assert.deepEqual(copiesFrom(mapOf(), 0n), []);
});

test("copiesFrom lists the first ranges of many", () => {
  const runs = Array.from({ length: 40 }, (_, at) => [at * 2, at * 3, 1] as const);
  const ranges = copiesFrom(mapOf(...runs), 0n);
  assert.equal(ranges.length, 16);
  assert.equal(ranges.at(-1)?.fromOffset, 45n);
});
