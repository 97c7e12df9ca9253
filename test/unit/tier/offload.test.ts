/** The archive never has a hole, never dangles, and never lets go of a local copy that is not safe. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore, type MemoryStore, type StoreOperation } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { readHead } from "../../../src/tier/archive.ts";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import { decodeManifest, manifestPrefix } from "../../../src/tier/manifest.ts";
import {
  type ColdPolicy,
  coldSegments,
  movedBoth,
  NOTHING_MOVED,
  type OffloadDeps,
  type OffloadReport,
  offloadOnce,
} from "../../../src/tier/offload.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { consecutiveSegments, fakeSegmentSource, type HeldSegment, PARTITION } from "../../support/segments.ts";

const NOW_MS = 1_750_000_000_000;
const EVERYTHING_COLD: ColdPolicy = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" };

function openWorld(
  options: { readonly segments?: readonly HeldSegment[]; readonly seed?: number; readonly store?: MemoryStore } = {},
) {
  const segments =
    options.segments ?? consecutiveSegments(4, { batchesPerSegment: 10, maxTimestampMs: NOW_MS - 60_000 });
  const source = fakeSegmentSource(segments);
  const store = options.store ?? createMemoryStore();
  const deps: OffloadDeps = {
    source,
    store,
    clock: createFakeClock(NOW_MS),
    random: seededRandom(options.seed ?? 1),
  };
  return {
    segments,
    source,
    store,
    deps,
    offload: (policy = EVERYTHING_COLD) => offloadOnce(policy, () => true, deps),
  };
}

/** Every manifest ever published must name only objects that exist, without a hole between segments. */
async function assertSound(store: MemoryStore): Promise<void> {
  for (const key of await store.list(manifestPrefix(PARTITION))) {
    const manifest = decodeManifest(key, store.objects.get(key) ?? Buffer.alloc(0));
    for (const [i, segment] of manifest.segments.entries()) {
      assert.equal(store.objects.get(`${segment.key}.log`)?.length, segment.logBytes);
      assert.ok(store.objects.has(`${segment.key}.index`) && store.objects.has(`${segment.key}.timeindex`));
      const before = manifest.segments[i - 1];
      if (before !== undefined) assert.equal(segment.baseOffset, before.nextOffset);
    }
  }
}

test("offload archives cold segments and then drops their local copies", async () => {
  const world = openWorld();
  assert.deepEqual(await world.offload(), {
    segmentsOffloaded: 4,
    bytesOffloaded: world.segments.reduce((sum, { info }) => sum + info.sizeBytes, 0),
    segmentsDropped: 4,
  });
  const head = await readHead(world.store, PARTITION);
  assert.deepEqual(
    head?.manifest.segments.map(({ baseOffset, recordCount }) => [baseOffset, recordCount]),
    [
      [0n, 50],
      [50n, 50],
      [100n, 50],
      [150n, 50],
    ],
  );
  assert.deepEqual(world.source.dropped, [0n, 50n, 100n, 150n]);
  await assertSound(world.store);
});

test("offload leaves local copies alone when the policy says never", async () => {
  const world = openWorld();
  await world.offload({ ...EVERYTHING_COLD, deleteLocal: "never" });
  assert.deepEqual(world.source.dropped, []);
  assert.deepEqual(await world.offload({ ...EVERYTHING_COLD, deleteLocal: "never" }), {
    segmentsOffloaded: 0,
    bytesOffloaded: 0,
    segmentsDropped: 0,
  });
});

test("coldSegments stops at the first segment that is too young or within what stays local", () => {
  const closed = consecutiveSegments(4, { batchesPerSegment: 2, maxTimestampMs: NOW_MS - 1_000 }).map(
    ({ info }) => info,
  );
  const size = closed[0]?.sizeBytes ?? 0;
  const cold = (policy: Partial<ColdPolicy>) => coldSegments(closed, { ...EVERYTHING_COLD, ...policy }, NOW_MS).length;
  assert.equal(cold({}), 4);
  assert.equal(cold({ olderThanMs: 1_001 }), 0);
  assert.equal(cold({ keepLocalBytes: 2 * size }), 2);
  assert.equal(cold({ keepLocalBytes: 2 * size + 1 }), 1);
});

test("offload keeps the local copy when the read-back differs", async () => {
  const world = openWorld();
  world.store.after = ({ kind, key }) => {
    const object = world.store.objects.get(key);
    if (kind === "put" && key.endsWith(".log") && object !== undefined) object[70] = (object[70] ?? 0) ^ 1;
  };
  await assert.rejects(world.offload(), (error) => hasFaultCode(error, "ARCHIVE_READ_BACK_DIFFERS"));
  assert.deepEqual(world.source.dropped, []);
  assert.equal(await readHead(world.store, PARTITION), undefined);
});

test("offload refuses a segment whose batches fail their CRC", async () => {
  const segments = consecutiveSegments(1, { batchesPerSegment: 4, maxTimestampMs: 0 });
  const log = segments[0]?.files.bytes;
  if (log !== undefined) log[100] = (log[100] ?? 0) ^ 1;
  const world = openWorld({ segments });
  await assert.rejects(world.offload(), (error) => hasFaultCode(error, "WIRE_BAD_CRC"));
  assert.equal(world.store.objects.size, 0);
});

test("offload leaves no hole and loses nothing when it crashes at any step", async () => {
  const countSteps = openWorld();
  let steps = 0;
  countSteps.store.before = () => void steps++;
  await countSteps.offload();
  for (const when of ["before", "after"] as const) {
    for (let crashAt = 0; crashAt < steps; crashAt++) {
      const world = openWorld({ seed: 100 + crashAt });
      let step = 0;
      world.store[when] = () => {
        if (step++ === crashAt) throw new Error("crash");
      };
      await assert.rejects(world.offload());
      world.store[when] = () => {};
      await assertSound(world.store);
      const archived = (await readHead(world.store, PARTITION))?.manifest.segments ?? [];
      for (const dropped of world.source.dropped) assert.ok(archived.some(({ baseOffset }) => baseOffset === dropped));
      await offloadOnce(EVERYTHING_COLD, () => true, { ...world.deps, random: seededRandom(900 + crashAt) });
      assert.deepEqual(
        (await readHead(world.store, PARTITION))?.manifest.segments.map(({ baseOffset }) => baseOffset),
        [0n, 50n, 100n, 150n],
      );
      await assertSound(world.store);
    }
  }
});

test("one of two writers wins each manifest when both offload the same partition", async () => {
  const store = createMemoryStore();
  const one = openWorld({ store, seed: 1 });
  const two = openWorld({ store, seed: 2 });
  await Promise.all([one.offload(), two.offload()]);
  assert.deepEqual(
    (await readHead(store, PARTITION))?.manifest.segments.map(({ baseOffset }) => baseOffset),
    [0n, 50n, 100n, 150n],
  );
  assert.deepEqual(one.source.dropped, [0n, 50n, 100n, 150n]);
  assert.deepEqual(two.source.dropped, [0n, 50n, 100n, 150n]);
  await assertSound(store);
});

test("offload stops instead of leaving a hole when local segments begin beyond the archive", async () => {
  const world = openWorld();
  await world.offload({ ...EVERYTHING_COLD, keepLocalBytes: 1 });
  const later = consecutiveSegments(6, { batchesPerSegment: 10, maxTimestampMs: 0 }).slice(5);
  const next = openWorld({ segments: later, store: world.store });
  await assert.rejects(next.offload(), (error) => hasFaultCode(error, "ARCHIVE_GAP"));
});

test("a manifest that does not follow its predecessor is refused", async () => {
  const world = openWorld();
  await world.offload();
  const keys = await world.store.list(manifestPrefix(PARTITION));
  const [previous] = keys.slice(-2);
  const bytes = world.store.objects.get(previous ?? "");
  if (bytes !== undefined) world.store.objects.set(previous ?? "", Buffer.concat([bytes, Buffer.from(" ")]));
  await assert.rejects(readHead(world.store, PARTITION), (error) => hasFaultCode(error, "ARCHIVE_BROKEN_CHAIN"));
});

test("cold reader returns the batch that holds each offset, whole and unchanged", async () => {
  const world = openWorld();
  await world.offload();
  const reader = new ColdReader(world.deps);
  const all = Buffer.concat(world.segments.map(({ files }) => files.bytes));
  const batches = [...batchesIn(all)];
  for (let offset = 0n; offset < 200n; offset++) {
    const read = await reader.read({ partition: PARTITION, offset, maxBytes: 1 });
    const expected = batches.find((batch) => batch.lastOffset >= offset);
    assert.ok(read !== undefined && expected !== undefined);
    assert.ok(read.bytes.equals(expected.bytes), `offset ${offset}`);
  }
  assert.equal(await reader.read({ partition: PARTITION, offset: 200n, maxBytes: 1 }), undefined);
});

test("cold reader fills the limit with whole batches of one segment", async () => {
  const world = openWorld();
  await world.offload();
  const read = await new ColdReader(world.deps).read({ partition: PARTITION, offset: 12n, maxBytes: 1_000_000 });
  const found = [...batchesIn(read?.bytes ?? Buffer.alloc(0))];
  assert.deepEqual([found[0]?.baseOffset, found.at(-1)?.nextOffset], [10n, 50n]);
});

test("cold reader sees segments archived after its first read", async () => {
  const world = openWorld();
  const reader = new ColdReader(world.deps);
  await world.offload({ ...EVERYTHING_COLD, keepLocalBytes: 1 });
  assert.equal(await reader.read({ partition: PARTITION, offset: 160n, maxBytes: 1 }), undefined);
  await world.offload();
  assert.notEqual(await reader.read({ partition: PARTITION, offset: 160n, maxBytes: 1 }), undefined);
});

test("offload writes data, then indexes, then the manifest", async () => {
  const operations: StoreOperation[] = [];
  const world = openWorld();
  world.store.before = (operation) => void operations.push(operation);
  await world.offload();
  const puts = operations.filter(({ kind }) => kind === "put" || kind === "putIfAbsent").map(({ key }) => key);
  const manifests = await world.store.list(manifestPrefix(PARTITION));
  for (const [at, manifest] of manifests.entries()) {
    const { key } = decodeManifest(manifest, await world.store.get(manifest)).segments[at] ?? {};
    const order = [`${key}.log`, `${key}.index`, `${key}.timeindex`, manifest];
    assert.deepEqual(
      puts.filter((put) => order.includes(put)),
      order,
    );
  }
});

test("offload tells what it moved although it fails later", async () => {
  const world = openWorld();
  let moved = NOTHING_MOVED;
  let puts = 0;
  world.store.before = ({ kind, key }) => {
    if (kind === "put" && key.endsWith(".log") && ++puts === 3) throw new Error("full");
  };
  const onMoved = (step: OffloadReport): void => {
    moved = movedBoth(moved, step);
  };
  await assert.rejects(
    offloadOnce(EVERYTHING_COLD, () => true, { ...world.deps, onMoved }),
    /full/,
  );
  assert.deepEqual([moved.segmentsOffloaded, moved.segmentsDropped], [2, 2]);
});

test("offload keeps the local copy of a segment whose archived copy was damaged since, and archives the others", async () => {
  const world = openWorld();
  await world.offload({ ...EVERYTHING_COLD, deleteLocal: "never", keepLocalBytes: 1 });
  const [key = ""] = [...world.store.objects.keys()].filter((each) => each.endsWith(".log"));
  const object = world.store.objects.get(key);
  if (object !== undefined) object[80] = (object[80] ?? 0) ^ 1;
  await assert.rejects(world.offload(), (error) => hasFaultCode(error, "ARCHIVE_CORRUPT"));
  assert.deepEqual(world.source.dropped, []);
  assert.equal((await readHead(world.store, PARTITION))?.manifest.segments.length, 4);
});

test("offload begins no new archive behind segments whose manifests are gone", async () => {
  const world = openWorld();
  await world.offload({ ...EVERYTHING_COLD, keepLocalBytes: 1 });
  const manifests = await world.store.list(manifestPrefix(PARTITION));
  const held = manifests.map((key) => [key, world.store.objects.get(key) ?? Buffer.alloc(0)] as const);
  for (const [key] of held) await world.store.remove(key);
  await assert.rejects(world.offload(), (error) => hasFaultCode(error, "ARCHIVE_MANIFESTS_GONE"));
  assert.equal(world.source.dropped.length, 3);
  for (const [key, bytes] of held) await world.store.put(key, bytes);
  await world.offload();
  assert.equal((await readHead(world.store, PARTITION))?.manifest.segments.length, 4);
});

test("offload leaves nothing behind of an upload that fails or that is read back as something else", async () => {
  for (const kind of ["put", "get"] as const) {
    const world = openWorld();
    world.store.before = (operation) => {
      if (operation.kind === kind && operation.key.endsWith(".timeindex")) throw new Error("full");
    };
    await assert.rejects(world.offload(), /full/);
    assert.deepEqual(
      [...world.store.objects.keys()].filter((key) => !key.includes("-1-")),
      [],
    );
    assert.ok(world.store.objects.size <= 3, `${kind}: ${[...world.store.objects.keys()]}`);
  }
});
