/** Reading on in an archive while it is cut, collected or damaged. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { publish, readHead } from "../../../src/tier/archive.ts";
import { CHUNK_BYTES } from "../../../src/tier/chunk-reader.ts";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import type { Manifest } from "../../../src/tier/manifest.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { type BatchShape, fakeSegmentSource, PARTITION, segmentFiles } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;
/** Large enough that a segment takes three chunks. */
const BATCH_BYTES = 100_000;
const BATCHES = 90;

/** Segments of large batches, one record each, with every offset once. */
async function openArchive(segments = 2) {
  const store = createMemoryStore();
  const clock = createFakeClock();
  const held = Array.from({ length: segments }, (_, s) => {
    const base = s * BATCHES;
    const shapes: BatchShape[] = Array.from({ length: BATCHES }, (_b, i) => ({
      ...{ baseOffset: base + i, recordCount: 1, bytes: BATCH_BYTES },
    }));
    const files = segmentFiles(base, shapes);
    const info = {
      ...{ baseOffset: BigInt(base), nextOffset: BigInt(base + BATCHES), sizeBytes: files.bytes.length },
      maxTimestampMs: 0,
    };
    return { info, files };
  });
  await offloadOnce(POLICY, () => true, { source: fakeSegmentSource(held), store, clock, random: seededRandom(1) });
  const gets: string[] = [];
  store.before = ({ kind, key }) => {
    if (kind === "get" && !key.includes("manifest")) gets.push(key.replace(/^.*\./, "."));
  };
  return { store, clock, gets, end: BigInt(segments * BATCHES) };
}

type World = Awaited<ReturnType<typeof openArchive>>;

async function readOn(reader: ColdReader, world: World, from = 0n): Promise<readonly bigint[]> {
  const offsets: bigint[] = [];
  for (let offset = from; offset < world.end; ) {
    const read = await reader.read({ partition: PARTITION, offset, maxBytes: 1_000_000 });
    if (read === undefined) break;
    for (const batch of batchesIn(read.bytes)) offsets.push(batch.baseOffset);
    assert.equal(offsets.at(-1), read.nextOffset - 1n);
    offset = read.nextOffset;
    await world.clock.advance(0);
  }
  return offsets;
}

/** Publishes a manifest with other segments, as retention does. */
async function republish(world: World, change: (segments: Manifest["segments"]) => Manifest["segments"]) {
  const head = await readHead(world.store, PARTITION);
  assert.ok(head !== undefined);
  await publish(world.store, head, { ...head.manifest, segments: change(head.manifest.segments) });
}

test("a reader that goes on from batch to batch asks for each chunk once, for no index, and finds the next ones fetched", async () => {
  const world = await openArchive();
  const reader = new ColdReader(world);
  const offsets = await readOn(reader, world);
  assert.deepEqual(
    offsets,
    Array.from({ length: 2 * BATCHES }, (_, i) => BigInt(i)),
  );
  const chunksPerSegment = Math.ceil((BATCHES * BATCH_BYTES) / CHUNK_BYTES);
  assert.deepEqual(world.gets, Array(2 * chunksPerSegment).fill(".log"));
  assert.equal(reader.figures.requests, 2 * chunksPerSegment);
  // All but the very first, across the border of the segments too.
  assert.equal(reader.figures.prefetches, 2 * chunksPerSegment - 1);
});

test("a reader that begins within a segment is led there by its index", async () => {
  const world = await openArchive();
  const offsets = await readOn(new ColdReader(world), world, 77n);
  assert.deepEqual([offsets[0], offsets.length], [77n, 2 * BATCHES - 77]);
  assert.equal(world.gets.filter((kind) => kind === ".index").length, 1);
});

test("records that arrive damaged are read again, and are refused when they are so in the store", async () => {
  const world = await openArchive(1);
  const key = [...world.store.objects.keys()].find((each) => each.endsWith(".log")) ?? "";
  const sound = world.store.objects.get(key) ?? Buffer.alloc(0);
  const damaged = Buffer.from(sound);
  damaged.writeUInt8(damaged.readUInt8(500) ^ 1, 500);
  world.store.objects.set(key, damaged);
  let reads = 0;
  world.store.after = ({ kind, key: read }) => {
    if (kind === "get" && read === key && ++reads === 1) world.store.objects.set(key, sound);
  };
  const reader = new ColdReader(world);
  const read = await reader.read({ partition: PARTITION, offset: 0n, maxBytes: 1 });
  assert.ok(read?.bytes.equals(sound.subarray(0, read.bytes.length)));
  assert.equal(reads, 2);
  world.store.objects.set(key, damaged);
  const other = new ColdReader(world);
  const refused = other.read({ partition: PARTITION, offset: 0n, maxBytes: 1 });
  await assert.rejects(refused, (error) => hasFaultCode(error, "ARCHIVE_CORRUPT"));
});

test("a reader looks at the newest manifest when retention took what it knew of", async () => {
  const world = await openArchive();
  const reader = new ColdReader(world);
  await reader.read({ partition: PARTITION, offset: 100n, maxBytes: 1 });
  await republish(world, (segments) => segments.slice(1));
  for (const key of [...world.store.objects.keys()])
    if (key.includes("/00000000000000000000-")) world.store.objects.delete(key);
  const read = await reader.read({ partition: PARTITION, offset: 5n, maxBytes: 1 });
  assert.equal(read?.nextOffset, BigInt(BATCHES + 1));
});

test("a reader goes on behind a hole between segments", async () => {
  const world = await openArchive(3);
  await republish(world, (segments) => segments.filter((_, i) => i !== 1));
  const offsets = await readOn(new ColdReader(world), world, BigInt(BATCHES - 1));
  assert.deepEqual([offsets[0], offsets[1]], [BigInt(BATCHES - 1), BigInt(2 * BATCHES)]);
});

test("readers that look for the newest manifest at once share two looks, the second of which begins after they asked", async () => {
  const world = await openArchive(1);
  const reader = new ColdReader(world);
  let lists = 0;
  world.store.before = ({ kind }) => {
    if (kind === "list") lists++;
  };
  const looks = Array.from({ length: 20 }, () => reader.refresh(PARTITION));
  await republish(world, (segments) => segments.slice(1));
  const listsOfPublish = 1;
  const manifests = await Promise.all(looks);
  assert.equal(lists - listsOfPublish, 2);
  assert.deepEqual(new Set(manifests.slice(1)).size, 1);
});
