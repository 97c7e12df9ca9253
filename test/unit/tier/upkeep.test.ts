/** Upkeep removes what a rule says, and never what the cluster may still need. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { keepUp, type LocalStart, missingArchives, type UpkeepPolicy } from "../../../src/tier/upkeep.ts";
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

test("An archive goes with its topic only when the topic was missing for the whole grace period, and is missing now", async () => {
  const world = await openWorld();
  const rule: UpkeepPolicy = { ...EVERYTHING, retention: {} };
  const removed = async (local: LocalStart, afterMs = 0) => {
    await world.clock.advance(afterMs);
    return (await world.run(local, rule)).segmentsOfDeletedTopics;
  };
  assert.equal(await removed("missing"), 0);
  assert.equal(await removed("missing", GRACE_MS - 1), 0);
  assert.equal(await removed("unknown", 10 * GRACE_MS), 0, "not while nobody can tell");
  assert.equal(await removed(0n), 0);
  assert.equal(await removed("missing", 1), 0, "it was there meanwhile, so the grace begins anew");
  assert.equal(await removed("missing", GRACE_MS), 4);
  assert.equal((await world.run("missing", { ...rule, onTopicDeleted: "keep" })).segmentsRemoved, 0);
});

test("upkeep keeps the archive of a missing topic where the rule says so, and notes nothing", async () => {
  const world = await openWorld();
  const keep: UpkeepPolicy = { ...EVERYTHING, onTopicDeleted: "keep" };
  for (let round = 0; round < 3; round++) {
    assert.equal((await world.run("missing", keep)).segmentsRemoved, 0);
    await world.clock.advance(2 * GRACE_MS);
  }
  assert.deepEqual(
    [...world.store.objects.keys()].filter((key) => key.includes("/missing/")),
    [],
  );
});

test("a dry look at missing topics tells their archives and since when, and changes nothing", async () => {
  const world = await openWorld();
  const localStart = async (): Promise<LocalStart> => "missing";
  const logs = { clusterId: PARTITION.clusterId, localStart, raiseStart: async () => {} };
  const look = () => missingArchives(() => true, { store: world.store, logs });
  const before = [...world.store.objects.keys()];
  const [fresh] = await look();
  assert.deepEqual([fresh?.segments, fresh?.missingSinceMs], [4, undefined]);
  assert.deepEqual([...world.store.objects.keys()], before);
  const noted = world.clock.nowMs();
  await world.run("missing");
  await world.clock.advance(1_000);
  assert.equal((await look())[0]?.missingSinceMs, noted);
  assert.deepEqual(await missingArchives(() => false, { store: world.store, logs }), []);
});
