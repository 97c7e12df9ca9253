/** What retention takes out is unreadable for nobody before the grace period is over, and never what a cluster still has itself. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import { collect } from "../../../src/tier/gc.ts";
import { archivedTo } from "../../../src/tier/manifest.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { type RemoteRetention, removePartition, retainPartition } from "../../../src/tier/retention.ts";
import { storeNowMs } from "../../../src/tier/store-clock.ts";
import { verifyPartition } from "../../../src/tier/verify.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const GRACE_MS = 60_000;
const DAY_MS = 86_400_000;
const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

/** Four segments of 50 offsets, a day apart; it is the end of the fourth day. The store's clock is an hour ahead of ours. */
async function openWorld() {
  const clock = createFakeClock(4 * DAY_MS);
  const random = seededRandom(5);
  const store = createMemoryStore({ nowMs: () => clock.nowMs() + 3_600_000 });
  const plain = consecutiveSegments(4, { batchesPerSegment: 10, maxTimestampMs: 0 });
  const segments = plain.map(({ info, files }, day) => ({
    files,
    info: { ...info, maxTimestampMs: (day + 1) * DAY_MS },
  }));
  const offload = (count = 4) =>
    offloadOnce(POLICY, () => true, { source: fakeSegmentSource(segments.slice(0, count)), store, clock, random });
  await offload(3);
  const retain = async (retention: RemoteRetention, localStart?: bigint) => {
    const bounds = { nowMs: await storeNowMs(store), localStart };
    return retainPartition(PARTITION, { retention, bounds }, { store, clock });
  };
  const entry = async () => (await readCatalog(store))[0] ?? assert.fail("no archive");
  const gc = async () =>
    collect(await entry(), { graceMs: GRACE_MS, dryRun: false }, { store, nowMs: await storeNowMs(store) });
  const logs = () => [...store.objects.keys()].filter((key) => key.endsWith(".log")).length;
  const assertWhole = async () =>
    assert.deepEqual(
      (await verifyPartition(await entry(), { share: 1, nowMs: Date.now() }, { store, random })).findings,
      [],
    );
  return { clock, store, segments, offload, retain, gc, logs, assertWhole };
}

test("retention takes out what is older than it may be, and the objects go after the grace period", async () => {
  const world = await openWorld();
  const report = await world.retain({ ageMs: 2 * DAY_MS });
  assert.deepEqual([report?.segments.length, report?.startOffset], [2, 100n]);
  assert.equal(await world.retain({ ageMs: 2 * DAY_MS }), undefined);
  const head = await readHead(world.store, PARTITION);
  assert.deepEqual([head?.manifest.removed?.nextOffset, head?.manifest.removed?.cause], [100n, "retention"]);
  await world.assertWhole();
  assert.equal((await world.gc()).waiting, 6);
  assert.equal(world.logs(), 3);
  await world.clock.advance(GRACE_MS + 1);
  assert.equal((await world.gc()).objects.length, 6);
  assert.equal(world.logs(), 1);
  await world.assertWhole();
});

test("retention by size keeps at least so many bytes", async () => {
  const world = await openWorld();
  const [, , newest] = world.segments;
  assert.ok(newest !== undefined);
  assert.equal(await world.retain({ bytes: 3 * newest.info.sizeBytes }), undefined);
  assert.equal((await world.retain({ bytes: newest.info.sizeBytes }))?.segments.length, 2);
});

test("the archive keeps at least what is local, whatever its age", async () => {
  const world = await openWorld();
  assert.equal(await world.retain({ ageMs: 0 }, 0n), undefined);
  assert.equal((await world.retain({ ageMs: 0 }, 99n))?.startOffset, 50n);
});

test("offloading goes on where it was when retention took everything", async () => {
  const world = await openWorld();
  assert.equal((await world.retain({ ageMs: 1 }))?.startOffset, 150n);
  assert.equal(archivedTo((await readHead(world.store, PARTITION))?.manifest), 150n);
  await world.clock.advance(GRACE_MS + 1);
  await world.gc();
  assert.equal(world.logs(), 0);
  assert.equal((await world.offload()).segmentsOffloaded, 1);
  const head = await readHead(world.store, PARTITION);
  assert.deepEqual([head?.manifest.segments[0]?.baseOffset, head?.manifest.removed?.nextOffset], [150n, 150n]);
  await world.assertWhole();
});

test("a removed topic leaves nothing behind after the grace period", async () => {
  const world = await openWorld();
  assert.equal((await removePartition(PARTITION, "command", world))?.segments.length, 3);
  await world.gc();
  assert.equal(world.logs(), 3);
  await world.clock.advance(GRACE_MS + 1);
  await world.gc();
  assert.deepEqual([...world.store.objects.keys()], []);
});

test("gc touches nothing of an archive with a damaged manifest, and goes on once it is repaired", async () => {
  const world = await openWorld();
  await world.retain({ ageMs: 2 * DAY_MS });
  await world.clock.advance(GRACE_MS + 1);
  const damaged = [...world.store.objects.keys()].filter((key) => key.includes("manifest")).sort()[1];
  assert.ok(damaged !== undefined);
  world.store.objects.set(damaged, Buffer.from("{"));
  const before = world.store.objects.size;
  assert.equal((await world.gc()).blockedBy, damaged);
  assert.equal(world.store.objects.size, before);
});
