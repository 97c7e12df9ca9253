/** A repair never worsens: it takes verified bytes or leaves things as they are, and says what is lost. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore, type MemoryStore } from "../../../src/adapters/memory-store.ts";
import { publish, readHead } from "../../../src/tier/archive.ts";
import { readCatalog } from "../../../src/tier/catalog.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { type RepairReport, repairPartition, type SegmentCopies } from "../../../src/tier/repair.ts";
import { storedCopies } from "../../../src/tier/stored-copies.ts";
import { verifyPartition } from "../../../src/tier/verify.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { abortedAcrossSegments, consecutiveSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
const SEGMENTS = 4;

/** Everything in the store was written at time 0, far more than an hour before. */
const NOW_MS = 36_000_000;

async function openWorld(nowMs = NOW_MS) {
  const [clock, random] = [createFakeClock(nowMs), seededRandom(3)];
  const segments = consecutiveSegments(SEGMENTS, { batchesPerSegment: 10, maxTimestampMs: 0 });
  const archive = async (): Promise<MemoryStore> => {
    const store = createMemoryStore();
    await offloadOnce(POLICY, () => true, { source: fakeSegmentSource(segments), store, clock, random });
    return store;
  };
  const store = await archive();
  const entryNow = async () => (await readCatalog(store))[0] ?? assert.fail("no archive");
  const repair = async (copies: readonly SegmentCopies[] = [], dryRun = false): Promise<RepairReport> =>
    repairPartition(await entryNow(), { dryRun }, { store, clock, random, copies });
  const findings = async () =>
    (await verifyPartition(await entryNow(), { share: 1, nowMs }, { store, random })).findings;
  return { store, segments, archive, repair, findings };
}

type World = Awaited<ReturnType<typeof openWorld>>;

function keyOf(store: MemoryStore, what: RegExp, at: number): string {
  return [...store.objects.keys()].filter((key) => what.test(key)).sort()[at] ?? assert.fail(`no ${what}`);
}

/** Flips a bit of the batch at offset 55, the second one of segment 1. */
function flipBit({ store }: World): void {
  const bytes = store.objects.get(keyOf(store, /\.log$/, 1)) ?? assert.fail("no object");
  const at = bytes.readInt32BE(8) + 12 + 80;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function ranges({ lost }: RepairReport): readonly (readonly [bigint, bigint])[] {
  return lost.map(({ startOffset, endOffset }) => [startOffset, endOffset]);
}

test("repair takes the same bytes from another store, under a new name, and the archive is whole again", async () => {
  const damages: readonly ((world: World) => void)[] = [
    flipBit,
    ({ store }) => store.objects.delete(keyOf(store, /\.log$/, 1)),
    ({ store }) => store.objects.set(keyOf(store, /\.log$/, 1), Buffer.alloc(20)),
  ];
  for (const damage of damages) {
    const world = await openWorld();
    damage(world);
    const copies = [storedCopies(world.store), storedCopies(await world.archive())];
    const before = new Map(world.store.objects);
    assert.equal((await world.repair(copies, true)).mended.length, 1);
    assert.deepEqual(new Map(world.store.objects), before);
    const report = await world.repair(copies);
    assert.deepEqual([report.mended.length, report.lost.length, report.published], [1, 0, SEGMENTS + 1]);
    assert.deepEqual(await world.findings(), []);
    const head = await readHead(world.store, PARTITION);
    const mended = world.store.objects.get(`${head?.manifest.segments[1]?.key}.log`);
    assert.deepEqual(mended, world.segments[1]?.files.bytes);
    assert.deepEqual((await world.repair(copies)).published, undefined);
  }
});

test("repair believes no copy whose bytes differ, and names the offsets that are lost", async () => {
  const world = await openWorld();
  flipBit(world);
  const other = await world.archive();
  const copy = other.objects.get(keyOf(other, /\.log$/, 1)) ?? assert.fail("no copy");
  copy[300] = (copy[300] ?? 0) ^ 1;
  const before = new Map(world.store.objects);
  const report = await world.repair([storedCopies(world.store), storedCopies(other)]);
  assert.deepEqual([report.mended, ranges(report), report.published], [[], [[55n, 60n]], undefined]);
  assert.deepEqual(new Map(world.store.objects), before);
  world.store.objects.set(
    keyOf(world.store, /\.log$/, 2),
    world.segments[2]?.files.bytes.subarray(0, 400) ?? assert.fail(),
  );
  assert.deepEqual(ranges(await world.repair()), [
    [55n, 60n],
    [110n, 150n],
  ]);
  world.store.objects.delete(keyOf(world.store, /\.log$/, 3));
  assert.deepEqual(ranges(await world.repair()), [
    [55n, 60n],
    [110n, 150n],
    [150n, 200n],
  ]);
});

test("repair builds indexes anew from data that is whole", async () => {
  const world = await openWorld();
  world.store.objects.delete(keyOf(world.store, /[0-9a-f]\.index$/, 0));
  const { mended } = await world.repair();
  assert.deepEqual(
    mended.map(({ baseOffset, from }) => [baseOffset, from]),
    [[0n, "its own data"]],
  );
  assert.deepEqual(await world.findings(), []);
});

async function openAborted() {
  const [store, clock, random] = [createMemoryStore(), createFakeClock(1_000), seededRandom(3)];
  const held = abortedAcrossSegments();
  await offloadOnce(POLICY, () => true, { source: fakeSegmentSource(held), store, clock, random });
  return {
    ...{ store, txnindex: held[1]?.files.txnindex },
    repair: async () =>
      repairPartition(
        (await readCatalog(store))[0] ?? assert.fail("no archive"),
        { dryRun: false },
        {
          ...{ store, clock, random, copies: [] },
        },
      ),
    forgetOpen: async () => {
      const head = (await readHead(store, PARTITION)) ?? assert.fail("no archive");
      const segments = head.manifest.segments.map((segment) => ({ ...segment, openTransactions: undefined }));
      await publish(store, head, { ...head.manifest, segments });
    },
    txnindexNow: async () => store.get(`${(await readHead(store, PARTITION))?.manifest.segments[1]?.key}.txnindex`),
  };
}

test("repair rebuilds which transactions were aborted with those that began in earlier segments, or not at all", async () => {
  const world = await openAborted();
  world.store.objects.delete(keyOf(world.store, /\.txnindex$/, 0));
  assert.equal((await world.repair()).mended.length, 1);
  assert.deepEqual(await world.txnindexNow(), world.txnindex);

  const kept = await openAborted();
  await kept.forgetOpen();
  kept.store.objects.delete(keyOf(kept.store, /\.timeindex$/, 1));
  assert.equal((await kept.repair()).mended.length, 1);
  assert.deepEqual(await kept.txnindexNow(), kept.txnindex);

  const untold = await openAborted();
  await untold.forgetOpen();
  untold.store.objects.delete(keyOf(untold.store, /\.txnindex$/, 0));
  assert.equal((await untold.repair()).mended.length, 0);
});

test("repair recovers a damaged newest manifest from the one before it and the objects", async () => {
  for (const damaged of [[3], [2, 3], [0, 1, 2, 3]]) {
    const world = await openWorld();
    for (const at of damaged) world.store.objects.set(keyOf(world.store, /manifest/, at), Buffer.from("{"));
    await assert.rejects(readHead(world.store, PARTITION));
    const report = await world.repair();
    const whole = SEGMENTS - damaged.length;
    assert.deepEqual([report.recoveredFrom, report.adopted, report.published], [whole, damaged.length, SEGMENTS + 1]);
    const head = await readHead(world.store, PARTITION);
    assert.deepEqual(
      head?.manifest.segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      [
        [0n, 50n],
        [50n, 100n],
        [100n, 150n],
        [150n, 200n],
      ],
    );
    // Those in the middle stay unreadable until gc takes them; the last one is known and named by its successor.
    assert.equal((await world.findings()).length, damaged.length - 1);
  }
});

test("repair names the segments again whose manifests are lost, and leaves those alone that may be under way", async () => {
  for (const lost of [1, 2, SEGMENTS]) {
    const lose = ({ store }: World): void => {
      for (let at = SEGMENTS - 1; at >= SEGMENTS - lost; at--) store.objects.delete(keyOf(store, /manifest/, at));
    };
    const soon = await openWorld(60_000);
    lose(soon);
    assert.deepEqual([(await soon.repair()).published, (await soon.findings()).length], [undefined, 0]);
    const world = await openWorld();
    lose(world);
    assert.equal((await world.findings()).length, lost);
    assert.equal((await world.repair([], true)).adopted, lost);
    const report = await world.repair();
    const whole = SEGMENTS - lost;
    assert.deepEqual([report.recoveredFrom, report.adopted, report.published], [whole, lost, whole + 1]);
    const { manifest } = (await readHead(world.store, PARTITION)) ?? assert.fail("no manifest");
    assert.deepEqual(
      manifest.segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
      world.segments.map(({ info }) => [info.baseOffset, info.nextOffset]),
    );
    assert.deepEqual(await world.findings(), []);
  }
});

test("repair goes on behind a manifest whose predecessor was changed after it", async () => {
  const world = await openWorld();
  const key = keyOf(world.store, /manifest/, 2);
  world.store.objects.set(key, Buffer.from(`${world.store.objects.get(key)} `));
  await assert.rejects(readHead(world.store, PARTITION));
  assert.equal((await world.repair()).recoveredFrom, SEGMENTS);
  assert.equal((await readHead(world.store, PARTITION))?.manifest.segments.length, SEGMENTS);
});
