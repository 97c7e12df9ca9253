/** A lane alone in its world: what it copies, skips, rewrites, and how it stops. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./model/world.ts";

test("lane copies each record once and in order when nothing goes wrong", async () => {
  const world = new World({ seed: 1, replicatesMs: 1 });
  for (let i = 0; i < 40; i++) world.produce(1 + (i % 5));
  const worker = world.spawn();
  const expected = world.sourceRecords().length;
  assert.ok(await world.until(() => worker.lane.status.count === BigInt(expected)));
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
  assert.deepEqual(world.bugs, []);
  assert.equal(world.difference(), undefined);
  assert.equal(world.wrongTranslation(worker.lane), undefined);
  assert.equal(worker.lane.map?.runCount, 1);
});
