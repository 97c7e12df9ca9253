/** The log of one partition: offsets, whole batches, rolling, reopening. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesIn } from "../../../../src/wire/record-batch.ts";
import { appendAll, batchOf, NOW_MS, openWorld, readAll } from "./log-fixture.ts";

test("log gives each record the next offset when batches are appended", async () => {
  const { log } = openWorld();
  assert.deepEqual(log.append(batchOf({ count: 3 }), { leaderEpoch: 4 }), { baseOffset: 0n, lastOffset: 2n });
  assert.deepEqual(log.append(batchOf({ count: 2 }), { leaderEpoch: 4 }), { baseOffset: 3n, lastOffset: 4n });
  assert.equal(log.endOffset, 5n);
  assert.equal(log.latestEpoch, 4);
  await log.close();
});

test("log returns whole batches from the one that holds the offset when it is read", async () => {
  const { log } = openWorld();
  appendAll(log, [batchOf({ count: 3 }), batchOf({ count: 3 }), batchOf({ count: 3 })]);
  const offsets = (from: bigint, maxBytes: number, endOffset = 9n): bigint[] =>
    [...batchesIn(log.read({ fromOffset: from, maxBytes, endOffset }))].map((batch) => batch.baseOffset);
  assert.deepEqual(offsets(4n, 1_000), [3n, 6n]);
  assert.deepEqual(offsets(4n, 1), [3n]);
  assert.deepEqual(offsets(0n, 1_000, 6n), [0n, 3n]);
  assert.deepEqual(offsets(0n, 1_000, 5n), [0n]);
  assert.deepEqual(offsets(9n, 1_000), []);
  assert.equal(log.read({ fromOffset: 0n, maxBytes: 10, atLeastOneBatch: false }).length, 0);
  assert.throws(() => log.read({ fromOffset: 10n, maxBytes: 1 }), {
    fault: { code: "LOG_OFFSET_OUT_OF_RANGE", offset: 10n, localStartOffset: 0n, endOffset: 9n },
  });
  await log.close();
});

test("log keeps everything when it is closed and opened again", async () => {
  const world = openWorld({ segmentBytes: 2_000, indexIntervalBytes: 200 });
  appendAll(
    world.log,
    Array.from({ length: 50 }, () => batchOf({ count: 2 })),
  );
  const before = readAll(world.log);
  await world.log.close();
  const log = world.reopen();
  assert.equal(log.endOffset, 100n);
  assert.deepEqual(readAll(log), before);
  appendAll(log, [batchOf()]);
  assert.equal(log.endOffset, 101n);
  assert.equal(before.length, 50);
  await log.close();
});

test("log starts the next segment when record time is segment.ms past the first batch", async () => {
  const { log } = openWorld({ segmentMs: 1_000 });
  appendAll(log, [batchOf(), batchOf({ timestampMs: NOW_MS + 1_000 })]);
  assert.equal(log.closedSegments().length, 0);
  appendAll(log, [batchOf({ timestampMs: NOW_MS + 1_001 })]);
  assert.deepEqual(
    log.closedSegments().map((s) => [s.baseOffset, s.nextOffset, s.maxTimestampMs]),
    [[0n, 2n, BigInt(NOW_MS + 1_000)]],
  );
  await log.close();
});

test("log holds few files open when it has read all of its segments", async () => {
  const world = openWorld({ segmentBytes: 300 });
  appendAll(
    world.log,
    Array.from({ length: 40 }, (_, i) => batchOf({ timestampMs: NOW_MS + i })),
  );
  await world.log.sync();
  readAll(world.log);
  for (let i = 0; i < 40; i++) world.log.offsetForTimestamp(BigInt(NOW_MS + i));
  for (const { baseOffset } of world.log.closedSegments()) world.log.readSegmentFiles(baseOffset).readLog(0, 10);
  assert.ok(world.log.closedSegments().length > 10);
  assert.equal(world.storage.openFiles, 3);
  await world.log.close();
  assert.equal(world.storage.openFiles, 0);
  readAll(world.reopen());
  assert.equal(world.storage.openFiles, 3);
});
