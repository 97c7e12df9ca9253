/** The cache on disk keeps its limit and believes nothing that is damaged. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { type Logger, silentLogger } from "../../../src/core/logger.ts";
import { ChunkFiles } from "../../../src/tier/chunk-files.ts";

const DIRECTORY = "/cache";

function openCache(storage = new MemoryStorage(), bytesMax = 300, logger: Logger = silentLogger) {
  const open = (): ChunkFiles => ChunkFiles.open({ directory: DIRECTORY, bytesMax }, { storage, logger });
  return { storage, cache: open(), open };
}

function chunk(index: number, bytes = 100): Buffer {
  return Buffer.alloc(bytes, index + 1);
}

const at = (index: number, object = "s3://bucket\0a.log") => ({ object, index });

test("chunk files survive a restart and know objects of other names apart", () => {
  const { cache, open } = openCache();
  cache.write(at(0), chunk(0));
  cache.write(at(1), chunk(1));
  const again = open();
  assert.deepEqual([again.read(at(0)), again.read(at(1))], [chunk(0), chunk(1)]);
  assert.equal(again.read(at(0, "s3://bucket\0b.log")), undefined);
  assert.equal(again.bytes, 200);
});

test("The cache never holds more than its limit: what was unused for longest goes", () => {
  const { cache, storage } = openCache();
  for (const index of [0, 1, 2]) cache.write(at(index), chunk(index));
  assert.deepEqual(cache.read(at(0)), chunk(0));
  cache.write(at(3), chunk(3));
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => cache.has(at(index))),
    [true, false, true, true],
  );
  assert.equal(cache.bytes, 300);
  assert.equal(storage.list(DIRECTORY).length, 3);
  cache.write(at(4), chunk(4, 301));
  assert.equal(cache.has(at(4)), false);
});

test("The cache never holds more than its limit, also when it is opened with a lower one", () => {
  const { cache, storage } = openCache();
  for (const index of [0, 1, 2]) cache.write(at(index), chunk(index));
  const smaller = openCache(storage, 150).cache;
  assert.equal(smaller.bytes, 100);
  assert.equal(storage.list(DIRECTORY).length, 1);
});

test("a chunk file that is damaged, cut or unfinished is removed and counts as absent", () => {
  const { cache, storage, open } = openCache();
  for (const index of [0, 1]) cache.write(at(index), chunk(index));
  const [first = "", second = ""] = storage.list(DIRECTORY);
  storage.writeFile(`${DIRECTORY}/${first}`, chunk(9));
  storage.writeFile(`${DIRECTORY}/${second}`, chunk(1, 99));
  storage.writeFile(`${DIRECTORY}/${first}.7-1.tmp`, chunk(0));
  const again = open();
  assert.deepEqual([again.read(at(0)), again.read(at(1))], [undefined, undefined]);
  assert.deepEqual([storage.list(DIRECTORY), again.bytes], [[], 0]);
});

test("a full disk leaves the cache as it is, and the log hears of it once", () => {
  const told: string[] = [];
  const logger = {
    ...silentLogger,
    warn: (text: string) => void told.push(text),
    info: (text: string) => void told.push(text),
  };
  const { cache, storage } = openCache(new MemoryStorage(), 300, logger);
  cache.write(at(0), chunk(0));
  storage.fillDisk();
  cache.write(at(1), chunk(1));
  cache.write(at(2), chunk(2));
  assert.deepEqual([cache.read(at(0)), cache.has(at(1)), cache.bytes], [chunk(0), false, 100]);
  storage.freeDisk();
  cache.write(at(1), chunk(1));
  assert.deepEqual(cache.read(at(1)), chunk(1));
  assert.equal(told.length, 2);
});
