/** Upkeep removes what a rule says, and never what the cluster may still need. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { keepUp, type LocalStart, type UpkeepPolicy } from "../../../src/tier/upkeep.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const GRACE_MS = 60_000;
const EVERYTHING: UpkeepPolicy = { retention: { ageMs: 0 }, onTopicDeleted: "delete", graceMs: GRACE_MS };

async function openWorld() {
  const clock = createFakeClock(1_000_000);
  const store = createMemoryStore({ nowMs: () => clock.nowMs() });
  const source = fakeSegmentSource(consecutiveSegments(4, { batchesPerSegment: 10, maxTimestampMs: 0 }));
  const policy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
  await offloadOnce(policy, () => true, { source, store, clock, random: seededRandom(3) });
  const raised: bigint[] = [];
  const run = (local: LocalStart, rule = EVERYTHING, wanted = (_topic: string) => true) => {
    const { clusterId } = PARTITION;
    const raiseStart = async (_: unknown, offset: bigint): Promise<void> => void raised.push(offset);
    return keepUp(rule, wanted, {
      store,
      clock,
      logs: { clusterId, localStart: async () => local, raiseStart },
      collects: true,
    });
  };
  return { clock, store, raised, run };
}

test("upkeep removes what is past retention and no more local, raises the start, and collects after the grace", async () => {
  const world = await openWorld();
  const first = await world.run(100n);
  assert.deepEqual([first.segmentsRemoved, first.objectsCollected, world.raised], [2, 0, [100n]]);
  await world.clock.advance(GRACE_MS + 1);
  assert.equal((await world.run(100n)).objectsCollected, 6);
});

test("upkeep removes nothing while nobody knows what the cluster has, or of topics that the rule does not select", async () => {
  const world = await openWorld();
  assert.equal((await world.run("unknown")).segmentsRemoved, 0);
  assert.equal((await world.run("gone", EVERYTHING, () => false)).segmentsRemoved, 0);
  const keep: UpkeepPolicy = { ...EVERYTHING, retention: {}, onTopicDeleted: "keep" };
  assert.equal((await world.run("gone", keep)).segmentsRemoved, 0);
});

test("upkeep removes the archive of a deleted topic where the rule says so, and all of it after the grace", async () => {
  const world = await openWorld();
  const rule: UpkeepPolicy = { ...EVERYTHING, retention: {} };
  assert.equal((await world.run("gone", rule)).segmentsRemoved, 4);
  assert.ok(world.store.objects.size > 12);
  await world.clock.advance(GRACE_MS + 1);
  await world.run("gone", rule);
  assert.equal(world.store.objects.size, 0);
});

test("upkeep collects what killed writers left of the cluster's topics", async () => {
  const world = await openWorld();
  const { clusterId, topic, topicId } = PARTITION;
  const key = `${clusterId}/${topic}-${topicId}/0/00000000000000000000-1-cafe.log`;
  world.store.begun.set("left", { key, id: "left", sizeBytes: 1, writtenMs: world.clock.nowMs() });
  assert.equal((await world.run(0n)).unfinishedCollected, 0);
  await world.clock.advance(GRACE_MS + 1);
  assert.equal((await world.run(0n, EVERYTHING, () => false)).unfinishedCollected, 0);
  assert.equal((await world.run(0n)).unfinishedCollected, 1);
  assert.equal(world.store.begun.size, 0);
});
