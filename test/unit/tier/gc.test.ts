/** Collecting never takes what a reader may need, however often it is interrupted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/memory-store.ts";
import { publish, readHead } from "../../../src/tier/archive.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import { collect, type GcReport } from "../../../src/tier/gc.ts";
import { manifestPrefix, partitionPrefix } from "../../../src/tier/manifest.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { storeNowMs } from "../../../src/tier/store-clock.ts";
import { verifyPartition } from "../../../src/tier/verify.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const GRACE_MS = 60_000;
const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

function openWorld() {
  const clock = createFakeClock(1_000_000);
  const random = seededRandom(5);
  const store = createMemoryStore({ nowMs: () => clock.nowMs() });
  const segments = consecutiveSegments(12, { batchesPerSegment: 4, maxTimestampMs: 0 });
  const offload = (count = segments.length) =>
    offloadOnce(POLICY, () => true, { source: fakeSegmentSource(segments.slice(0, count)), store, clock, random });
  return { clock, random, store, offload };
}

async function collected(world: ReturnType<typeof openWorld>, dryRun = false): Promise<GcReport> {
  const [entry] = await readCatalog(world.store);
  assert.ok(entry !== undefined);
  return collect(entry, { graceMs: GRACE_MS, dryRun }, { ...world, nowMs: await storeNowMs(world.store) });
}

async function assertWhole(world: ReturnType<typeof openWorld>): Promise<void> {
  const [entry] = await readCatalog(world.store);
  assert.ok(entry !== undefined);
  assert.deepEqual((await verifyPartition(entry, { share: 1, nowMs: Date.now() }, world)).findings, []);
}

/** Takes the first segment out of the archive, as retention does. */
async function unlinkFirst(store: MemoryStore, nowMs: number): Promise<string> {
  const head = await readHead(store, PARTITION);
  assert.ok(head !== undefined);
  const [first, ...segments] = head.manifest.segments;
  assert.ok(first !== undefined);
  assert.ok((await publish(store, head, { ...head.manifest, segments, writtenAtMs: nowMs })) !== undefined);
  return first.key;
}

test("gc leaves alone what a manifest names and removes an interrupted upload after the grace period", async () => {
  const world = openWorld();
  await world.offload(3);
  const orphan = `${partitionPrefix(PARTITION)}00000000000000000020-7-ab.log`;
  await world.store.put(orphan, Buffer.from("half"));
  await world.clock.advance(GRACE_MS - 1);
  assert.deepEqual(await collected(world), {
    objects: [],
    manifests: [],
    bytes: 0,
    waiting: 1,
    unknown: 0,
    blockedBy: undefined,
  });
  await world.clock.advance(2);
  assert.deepEqual((await collected(world, true)).objects, [orphan]);
  assert.ok(world.store.objects.has(orphan));
  assert.deepEqual((await collected(world)).objects, [orphan]);
  assert.ok(!world.store.objects.has(orphan));
  await assertWhole(world);
});

test("gc leaves alone what no manifest ever held, since it may be the only copy", async () => {
  const world = openWorld();
  await world.offload(3);
  await world.store.put(`${partitionPrefix(PARTITION)}00000000000000009999-7-ab.log`, Buffer.from("under way"));
  await world.clock.advance(100 * GRACE_MS);
  const { objects, unknown } = await collected(world);
  assert.deepEqual([objects, unknown], [[], 1]);
  for (const key of await world.store.list(manifestPrefix(PARTITION))) await world.store.remove(key);
  const { objects: ofLost, unknown: unknownOfLost } = await collected(world);
  assert.deepEqual([ofLost, unknownOfLost], [[], 10]);
});

test("gc counts the grace period of a segment from when it was taken out, not from when it was written", async () => {
  const world = openWorld();
  await world.offload(4);
  await world.clock.advance(100 * GRACE_MS);
  const key = await unlinkFirst(world.store, world.clock.nowMs());
  await world.clock.advance(GRACE_MS / 2);
  assert.deepEqual((await collected(world)).objects, []);
  await world.clock.advance(GRACE_MS);
  const { objects } = await collected(world);
  assert.deepEqual(objects, [`${key}.index`, `${key}.log`, `${key}.timeindex`]);
  await assertWhole(world);
});

test("gc removes manifests of the past but for the latest ones", async () => {
  const world = openWorld();
  await world.offload();
  await world.clock.advance(2 * GRACE_MS);
  const { manifests } = await collected(world);
  assert.equal(manifests.length, 2);
  await assertWhole(world);
  await world.offload();
});

test("gc that is interrupted at any step leaves an archive that is whole, and the next one finishes", async () => {
  for (let step = 0; ; step++) {
    const world = openWorld();
    await world.offload();
    await unlinkFirst(world.store, world.clock.nowMs());
    await world.clock.advance(2 * GRACE_MS);
    let left = step;
    world.store.before = () => {
      if (left-- === 0) throw new Error("interrupted");
    };
    const ended = await collected(world).then(
      () => true,
      () => false,
    );
    world.store.before = () => {};
    await assertWhole(world);
    await collected(world);
    await assertWhole(world);
    assert.equal((await collected(world)).objects.length, 0);
    if (ended) break;
  }
});
