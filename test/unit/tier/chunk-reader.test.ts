/** Reads of objects in chunks: shared, fetched ahead, and ended when their reader goes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { ChunkFiles } from "../../../src/tier/chunk-files.ts";
import { CHUNK_BYTES, ChunkReader } from "../../../src/tier/chunk-reader.ts";
import type { ByteRange, ObjectStore } from "../../../src/tier/ports.ts";
import { createFakeClock } from "../../support/fake-clock.ts";

const OBJECT = { key: "a.log", sizeBytes: 3 * CHUNK_BYTES + 1_000 };
const CONTENT = Buffer.alloc(OBJECT.sizeBytes);
for (let i = 0; i < CONTENT.length; i += 4) CONTENT.writeUInt32LE(i, i);

interface Held {
  readonly start: number;
  release(): void;
}

/** A store that remembers what was asked, and answers at once or when it is told to. */
async function openStore(options: { readonly isHeld?: boolean } = {}) {
  const inner = createMemoryStore();
  for (const key of ["a.log", "b.log", "c.log"]) await inner.put(key, CONTENT);
  const asked: string[] = [];
  const held: Held[] = [];
  const ended: string[] = [];
  const get = (key: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> => {
    const start = range?.start ?? 0;
    asked.push(`${key}@${start / CHUNK_BYTES}`);
    if (options.isHeld !== true) return inner.get(key, range);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        ended.push(`${key}@${start / CHUNK_BYTES}`);
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", end, { once: true });
      held.push({ start, release: () => void inner.get(key, range).then(resolve, reject) });
    });
  };
  const store: ObjectStore = { ...inner, get };
  return { store, asked, held, ended, clock: createFakeClock() };
}

function openFiles(storage = new MemoryStorage()): ChunkFiles {
  return ChunkFiles.open({ directory: "/cache", bytesMax: 64 * 1024 * 1024 }, { storage, logger: silentLogger });
}

test("chunk reader returns the bytes asked for across the borders of chunks and up to the object's end", async () => {
  const world = await openStore();
  const chunks = new ChunkReader(world);
  for (const [start, end] of [
    [0, 10],
    [CHUNK_BYTES - 3, CHUNK_BYTES + 3],
    [10, OBJECT.sizeBytes],
    [OBJECT.sizeBytes - 5, OBJECT.sizeBytes + 5],
    [OBJECT.sizeBytes, OBJECT.sizeBytes + 1],
  ] as const) {
    assert.ok((await chunks.read(OBJECT, start, end)).equals(CONTENT.subarray(start, end)), `${start}-${end}`);
  }
  assert.deepEqual(world.asked, ["a.log@0", "a.log@1", "a.log@2", "a.log@3"]);
});

test("many readers of one chunk cause one request, and all hear of its failure", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const reads = Array.from({ length: 50 }, (_, i) => chunks.read(OBJECT, i * 10, i * 10 + 10));
  await world.clock.advance(1);
  assert.equal(world.held.length, 1);
  world.held[0]?.release();
  for (const [i, bytes] of (await Promise.all(reads)).entries())
    assert.ok(bytes.equals(CONTENT.subarray(i * 10, i * 10 + 10)));

  const missing = { key: "gone.log", sizeBytes: 10 };
  const failing = Array.from({ length: 3 }, () => chunks.read(missing, 0, 10));
  await world.clock.advance(1);
  assert.equal(world.held.length, 2);
  world.held[1]?.release();
  for (const read of failing) await assert.rejects(read, (error) => hasFaultCode(error, "STORE_MISSING"));
});

test("a store that never answers lets its readers go, and the next one asks again", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const read = chunks.read(OBJECT, 0, 10);
  const refused = assert.rejects(read, (error) => hasFaultCode(error, "STORE_UNAVAILABLE"));
  await world.clock.advance(120_000);
  await refused;
  const again = chunks.read(OBJECT, 0, 10);
  await world.clock.advance(1);
  world.held[1]?.release();
  assert.ok((await again).equals(CONTENT.subarray(0, 10)));
});

test("an object shorter than its manifest says is a failure, not a short answer", async () => {
  const world = await openStore();
  const chunks = new ChunkReader(world);
  const longer = { key: "a.log", sizeBytes: OBJECT.sizeBytes + 1 };
  const read = chunks.read(longer, 3 * CHUNK_BYTES, longer.sizeBytes);
  await assert.rejects(read, (error) => hasFaultCode(error, "STORE_FAILED"));
});

test("at most eight requests are under way, and a reader's turn comes before any prefetch", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const keys = ["a.log", "b.log", "c.log"];
  const object = (i: number) => ({ key: keys[i % 3] ?? "", sizeBytes: OBJECT.sizeBytes });
  const reads = Array.from({ length: 12 }, (_, i) => {
    const start = Math.floor(i / 3) * CHUNK_BYTES;
    return chunks.read(object(i), start, start + 1);
  });
  chunks.prefetch({}, [{ object: { ...OBJECT, key: "late.log" }, index: 0 }]);
  await world.clock.advance(1);
  assert.equal(world.held.length, 8);
  for (let i = 0; i < 12; i++) {
    assert.ok(world.held.length - i <= 8);
    world.held[i]?.release();
    await world.clock.advance(1);
  }
  await Promise.all(reads);
  assert.equal(world.asked.indexOf("late.log@0"), 12);
});

test("prefetch fetches once, is joined by a reader, and is dropped for a reader that is elsewhere now", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const reader = {};
  const at = (index: number, key = "a.log") => ({ object: { key, sizeBytes: OBJECT.sizeBytes }, index });
  chunks.prefetch(reader, [at(0), at(1), at(2), at(3)]);
  assert.deepEqual(world.asked, ["a.log@0", "a.log@1", "a.log@2", "a.log@3"]);
  // Four are under way, which is all that prefetching may take; these wait, and are replaced.
  chunks.prefetch(reader, [at(1, "b.log"), at(2, "b.log")]);
  chunks.prefetch(reader, [at(3, "b.log")]);
  assert.equal(world.asked.length, 4);
  const joined = chunks.read(OBJECT, CHUNK_BYTES, CHUNK_BYTES + 4);
  for (let i = 0; i < world.held.length; i++) {
    world.held[i]?.release();
    await world.clock.advance(1);
  }
  assert.ok((await joined).equals(CONTENT.subarray(CHUNK_BYTES, CHUNK_BYTES + 4)));
  assert.deepEqual(world.asked.slice(4), ["b.log@3"]);
  await chunks.read(at(3, "b.log").object, 3 * CHUNK_BYTES, OBJECT.sizeBytes);
  assert.equal(world.asked.length, 5);
});

test("a prefetch that fails is nobody's trouble, and the reader asks again", async () => {
  const world = await openStore();
  const chunks = new ChunkReader(world);
  const gone = { key: "gone.log", sizeBytes: 10 };
  chunks.prefetch({}, [{ object: gone, index: 0 }]);
  await world.clock.advance(1);
  await assert.rejects(chunks.read(gone, 0, 10), (error) => hasFaultCode(error, "STORE_MISSING"));
  assert.equal(world.asked.length, 2);
});

test("chunks come from files after a restart, and from the store again when a file is damaged", async () => {
  const storage = new MemoryStorage();
  const world = await openStore();
  const first = new ChunkReader({ ...world, files: openFiles(storage) });
  await first.read(OBJECT, 0, CHUNK_BYTES * 2);
  const second = new ChunkReader({ ...world, files: openFiles(storage) });
  assert.ok((await second.read(OBJECT, 5, 25)).equals(CONTENT.subarray(5, 25)));
  assert.deepEqual([world.asked.length, second.figures.requests, second.figures.fileHits], [2, 0, 1]);
  for (const name of storage.list("/cache")) storage.writeFile(`/cache/${name}`, Buffer.alloc(CHUNK_BYTES, 7));
  const third = new ChunkReader({ ...world, files: openFiles(storage) });
  assert.ok((await third.read(OBJECT, 5, 25)).equals(CONTENT.subarray(5, 25)));
  assert.equal(third.figures.requests, 1);
});

test("a full disk only costs the files", async () => {
  const storage = new MemoryStorage();
  const world = await openStore();
  const chunks = new ChunkReader({ ...world, files: openFiles(storage) });
  storage.fillDisk();
  assert.ok((await chunks.read(OBJECT, 0, 100)).equals(CONTENT.subarray(0, 100)));
  assert.equal(storage.list("/cache").length, 0);
});

test("a request ends when the last of its readers goes, and whoever comes then begins another one", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const [first, second] = [new AbortController(), new AbortController()];
  const read = (signal?: AbortSignal) => chunks.until(signal).read(OBJECT, 0, 10);
  const reads = [read(first.signal), read(second.signal)];
  const gone = reads.map((each) => assert.rejects(each, /went home/));
  first.abort(new Error("went home"));
  await gone[0];
  assert.deepEqual([world.asked, world.ended], [["a.log@0"], []]);
  second.abort(new Error("went home"));
  await gone[1];
  assert.deepEqual(world.ended, ["a.log@0"]);
  const third = read();
  await setImmediate();
  assert.deepEqual(world.asked, ["a.log@0", "a.log@0"]);
  world.held[1]?.release();
  assert.ok((await third).equals(CONTENT.subarray(0, 10)));
  await assert.rejects(read(first.signal), /went home/);
});

test("a reader that goes leaves those alone who wait for the same chunk", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const going = new AbortController();
  const gone = assert.rejects(chunks.until(going.signal).read(OBJECT, 0, 10), /went home/);
  const staying = [chunks.read(OBJECT, 0, 20), chunks.until(new AbortController().signal).read(OBJECT, 0, 30)];
  await setImmediate();
  going.abort(new Error("went home"));
  await gone;
  world.held[0]?.release();
  for (const [at, bytes] of (await Promise.all(staying)).entries())
    assert.ok(bytes.equals(CONTENT.subarray(0, 20 + 10 * at)));
  assert.deepEqual([world.asked, world.ended], [["a.log@0"], []]);
});

test("a reader that goes gives its turn back, whether it had one or waited for it", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  const going = new AbortController();
  const wanted = ["a.log", "b.log", "c.log"].flatMap((key) => [0, 1, 2, 3].map((index) => ({ key, index })));
  const reads = wanted.map(({ key, index }) =>
    assert.rejects(chunks.until(going.signal).read({ ...OBJECT, key }, index * CHUNK_BYTES, index * CHUNK_BYTES + 1)),
  );
  await setImmediate();
  assert.equal(world.asked.length, 8);
  going.abort(new Error("went home"));
  await Promise.all(reads);
  assert.deepEqual([world.asked.length, world.ended.length], [8, 8]);
  const after = wanted.map(({ key, index }) =>
    chunks.read({ ...OBJECT, key }, index * CHUNK_BYTES, index * CHUNK_BYTES + 1),
  );
  await setImmediate();
  for (let at = 8; at < 20; at++) {
    world.held[at]?.release();
    await after[at - 8];
  }
  assert.equal(world.asked.length, 20);
});

test("a chunk that is fetched ahead comes although a reader who joined it goes", async () => {
  const world = await openStore({ isHeld: true });
  const chunks = new ChunkReader(world);
  chunks.prefetch({}, [{ object: OBJECT, index: 1 }]);
  const going = new AbortController();
  const gone = assert.rejects(chunks.until(going.signal).read(OBJECT, CHUNK_BYTES, CHUNK_BYTES + 1), /went home/);
  going.abort(new Error("went home"));
  await gone;
  assert.deepEqual(world.ended, []);
  world.held[0]?.release();
  assert.equal((await chunks.read(OBJECT, CHUNK_BYTES, CHUNK_BYTES + 1)).length, 1);
  assert.deepEqual(world.asked, ["a.log@1"]);
});
