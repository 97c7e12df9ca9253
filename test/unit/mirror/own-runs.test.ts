/** What is left of a map when the target lost records and they were written again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { OffsetMap } from "../../../src/mirror/offset-map.ts";
import { holdsEnd, intactEnd } from "../../../src/mirror/own-runs.ts";
import type { OwnRun } from "../../../src/mirror/target-scan.ts";

/** Ten records at the same offsets on both sides but for markers on the target behind positions 4 and 6. */
function known(): OffsetMap {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 0n, length: 5 });
  map.append({ sourceStart: 5n, targetStart: 6n, length: 2 });
  map.append({ sourceStart: 7n, targetStart: 9n, length: 3 });
  return map;
}

function run(position: bigint, targetStart: bigint, length: number): OwnRun {
  return { position, targetStart, length, leaderEpoch: 3 };
}

test("map is intact up to the last record that lies where it says", () => {
  const map = known();
  assert.equal(intactEnd(map, [run(0n, 0n, 5), run(5n, 6n, 2), run(7n, 9n, 3)], 0n), 12n);
  assert.equal(intactEnd(map, [run(0n, 0n, 5), run(5n, 6n, 2)], 0n), 8n);
  assert.equal(intactEnd(map, [run(7n, 9n, 1)], 9n), 10n);
  assert.equal(intactEnd(map, [], 0n), undefined);
});

test("map is not intact behind a record that lies elsewhere now, even where later ones lie as before by chance", () => {
  const written = [run(0n, 0n, 5), run(5n, 7n, 2), run(7n, 9n, 3)];
  assert.equal(intactEnd(known(), written, 0n), 5n);
  assert.equal(intactEnd(known(), written.slice(1), 6n), undefined);
});

test("map is intact beyond records that compaction took, and beyond those that lie on the target twice", () => {
  assert.equal(intactEnd(known(), [run(0n, 0n, 1), run(8n, 10n, 2)], 0n), 12n);
  const twice = [run(0n, 0n, 5), run(5n, 6n, 2), run(5n, 12n, 2), run(7n, 9n, 3)];
  assert.equal(intactEnd(known(), twice, 0n), 12n);
  assert.equal(intactEnd(known(), [run(3n, 8n, 1), run(7n, 9n, 3)], 6n), 12n);
});

test("map's last record is not there when a later leader than the map knows of appended what lies in its place", () => {
  const map = known();
  const last = run(7n, 9n, 3);
  assert.ok(holdsEnd([last], map), "the map knows of no leader");
  map.append({ sourceStart: 10n, targetStart: 12n, length: 1 }, 3);
  assert.ok(holdsEnd([last, run(10n, 12n, 1)], map));
  assert.equal(holdsEnd([last], map), false);
  assert.equal(holdsEnd([last, { ...run(10n, 12n, 1), leaderEpoch: 4 }], map), false);
});
