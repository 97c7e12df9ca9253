/** What is stored for a lane that MirrorMaker 2 copied until now. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLanes, MemoryProgressStore } from "../../../../src/adapters/memory-progress.ts";
import type { Uuid } from "../../../../src/core/brand.ts";
import { adoptedLane } from "../../../../src/mirror/mm2/adopted-lane.ts";
import { compileFilter } from "../../../../src/mirror/record-filter.ts";
import { MODEL_LANE } from "../model/world.ts";

const WANTED = {
  lane: MODEL_LANE,
  sourcePartition: { topic: "orders", topicId: MODEL_LANE.sourceTopicId as Uuid, partition: 0 },
  targetPartition: { topic: "west.orders", topicId: MODEL_LANE.targetTopicId as Uuid, partition: 0 },
};

test("an adopted lane is stored where it goes on, knows nothing below, and has its own rules", async () => {
  const lanes = new MemoryLanes();
  const rules = { provenance: "local", filter: compileFilter({ skipTombstones: true }) } as const;
  const place = { sourceNext: 40n, targetNext: 50n, delivery: "exactly-once", nowMs: 7 } as const;
  const { state, map } = adoptedLane({ wanted: WANTED, ...place, rules });
  const writer = new MemoryProgressStore(lanes);
  writer.save(state, map);
  await writer.flush();
  const stored = await new MemoryProgressStore(lanes).load(MODEL_LANE);
  assert.deepEqual(stored.state?.progress, { sourceNext: 40n, targetNext: 50n, count: 0n });
  assert.match(stored.state?.plan ?? "", /provenance=local.*skipTombstones/);
  stored.map?.append({ sourceStart: 42n, targetStart: 50n, length: 3 });
  assert.deepEqual(stored.map?.translate(39n).kind, "expired");
  assert.deepEqual(stored.map?.translate(40n), { kind: "exact", targetOffset: 50n });
  assert.deepEqual(stored.map?.reverse(49n).kind, "expired");
  assert.deepEqual(stored.map?.reverse(50n), { kind: "exact", sourceOffset: 42n });
});
