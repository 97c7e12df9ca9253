/** Which segments time and size retention delete, and which never. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { batchesIn } from "../../../../src/wire/record-batch.ts";
import { appendAll, batchOf, DIRECTORY, NOW_MS, openWorld, readAll } from "./log-fixture.ts";

/** One batch of 100 bytes of value per segment. */
const ONE_PER_SEGMENT = { segmentBytes: 200 };
const batchAt = (timestampMs: number) => batchOf({ valueBytes: 100, timestampMs });

test("retention deletes old segments, the active one too, when all records are past retention.ms", async () => {
  const { log } = openWorld({ ...ONE_PER_SEGMENT, retentionMs: 1_000 });
  appendAll(log, [batchAt(NOW_MS - 5_000), batchAt(NOW_MS - 1_001)]);
  assert.equal(log.applyRetention(NOW_MS), 2);
  assert.deepEqual([log.startOffset, log.endOffset, log.sizeBytes], [2n, 2n, 0]);
  assert.equal(log.applyRetention(NOW_MS), 0);
  await log.close();
});

test("retention keeps a segment and what follows when its latest record is exactly retention.ms old", () => {
  const { log } = openWorld({ ...ONE_PER_SEGMENT, retentionMs: 1_000 });
  appendAll(log, [batchAt(NOW_MS - 1_001), batchAt(NOW_MS - 1_000), batchAt(NOW_MS - 9_000)]);
  assert.equal(log.applyRetention(NOW_MS), 1);
  assert.deepEqual(readAll(log), [1n, 2n]);
});

test("retention deletes nothing at or past the high watermark", () => {
  const { log } = openWorld({ ...ONE_PER_SEGMENT, retentionMs: 1_000 });
  appendAll(log, [batchAt(0), batchAt(0), batchAt(0)]);
  assert.equal(log.applyRetention(NOW_MS, { highWatermark: 2n }), 2);
  assert.equal(log.startOffset, 2n);
});

test("retention counts from the arrival when records have no time", () => {
  const world = openWorld({ ...ONE_PER_SEGMENT, retentionMs: 1_000 });
  world.clock.ms = NOW_MS + 5_000;
  appendAll(world.log, [batchAt(-1)]);
  assert.equal(world.log.applyRetention(NOW_MS + 6_000), 0);
  assert.equal(world.log.applyRetention(NOW_MS + 6_001), 1);
});

test("retention deletes segments while the rest still holds retention.bytes", () => {
  const { log } = openWorld({ ...ONE_PER_SEGMENT, retentionMs: -1, retentionBytes: 400 });
  appendAll(log, [batchAt(0), batchAt(0), batchAt(0), batchAt(0)]);
  const each = log.sizeBytes / 4;
  log.configure({ ...log.config, retentionBytes: 2 * each });
  assert.equal(log.applyRetention(NOW_MS), 2);
  log.configure({ ...log.config, retentionBytes: 2 * each - 1 });
  assert.equal(log.applyRetention(NOW_MS), 0);
  log.configure({ ...log.config, deletes: false, retentionBytes: 0 });
  assert.equal(log.applyRetention(NOW_MS), 0);
});

test("log starts where records were deleted to, also after a restart", async () => {
  const world = openWorld(ONE_PER_SEGMENT);
  appendAll(world.log, [batchOf({ count: 4 }), batchOf({ count: 4 }), batchOf({ count: 4 })]);
  world.log.deleteRecordsBefore(6n);
  assert.equal(world.log.startOffset, 6n);
  const first = [...batchesIn(world.log.read({ fromOffset: 6n, maxBytes: 1 }))][0];
  assert.equal(first?.baseOffset, 4n);
  assert.throws(() => world.log.read({ fromOffset: 5n, maxBytes: 1 }), /LOG_OFFSET_OUT_OF_RANGE/);
  assert.throws(() => world.log.deleteRecordsBefore(13n), /LOG_OFFSET_OUT_OF_RANGE/);
  await world.log.close();
  assert.deepEqual([world.reopen().startOffset, world.log.localStartOffset], [6n, 6n]);
  world.log.deleteRecordsBefore(12n);
  await world.log.close();
  const log = world.reopen();
  assert.deepEqual([log.startOffset, log.endOffset], [12n, 12n]);
  assert.deepEqual(log.append(batchOf(), { leaderEpoch: 0 }).baseOffset, 12n);
});

test("log goes on at its start when everything after it was lost in a crash", () => {
  const world = openWorld();
  appendAll(world.log, [batchOf({ count: 4 }), batchOf({ count: 4 })]);
  world.log.deleteRecordsBefore(8n);
  world.storage.crash();
  const log = world.reopen();
  assert.deepEqual([log.startOffset, log.endOffset], [8n, 8n]);
});

test("log keeps its start when segments are moved to a cold store, also after a restart", async () => {
  const world = openWorld(ONE_PER_SEGMENT);
  appendAll(
    world.log,
    Array.from({ length: 5 }, (_, i) => batchAt(NOW_MS + i)),
  );
  const closed = world.log.closedSegments();
  assert.deepEqual(
    closed.map((segment) => segment.baseOffset),
    [0n, 1n, 2n, 3n],
  );
  assert.throws(() => world.log.dropLocalSegment(1n), /LOG_SEGMENT_MISSING/);
  assert.throws(() => world.log.dropLocalSegment(4n), /LOG_SEGMENT_MISSING/);
  world.log.dropLocalSegment(0n);
  world.log.dropLocalSegment(1n);
  assert.deepEqual([world.log.startOffset, world.log.localStartOffset], [0n, 2n]);
  assert.throws(() => world.log.read({ fromOffset: 1n, maxBytes: 1 }), /LOG_OFFSET_OUT_OF_RANGE/);
  world.storage.crash((file) => file.sizeBytes);
  const log = world.reopen();
  assert.deepEqual([log.startOffset, log.localStartOffset, log.endOffset], [0n, 2n, 5n]);
  assert.deepEqual(readAll(log), [2n, 3n, 4n]);
  log.configure({ ...log.config, retentionBytes: 0 });
  assert.equal(log.applyRetention(NOW_MS), 0);
  log.deleteRecordsBefore(3n);
  assert.deepEqual([log.startOffset, log.localStartOffset], [3n, 3n]);
});

test("closed segment hands out its files byte for byte", async () => {
  const world = openWorld({ segmentBytes: 700, indexIntervalBytes: 100 });
  appendAll(
    world.log,
    Array.from({ length: 12 }, (_, i) => batchAt(NOW_MS + i)),
    2,
  );
  const info = world.log.closedSegments()[1];
  assert.ok(info);
  const files = world.log.readSegmentFiles(info.baseOffset);
  const stem = `${DIRECTORY}/${info.baseOffset.toString().padStart(20, "0")}`;
  const whole = Buffer.concat([files.readLog(0, 100), files.readLog(100, files.sizeBytes)]);
  assert.deepEqual(whole, world.storage.readFile(`${stem}.log`));
  assert.equal(whole.length, info.sizeBytes);
  assert.equal([...batchesIn(whole)].at(-1)?.nextOffset, info.nextOffset);
  assert.deepEqual(files.index, world.storage.readFile(`${stem}.index`));
  assert.deepEqual(files.timeindex, world.storage.readFile(`${stem}.timeindex`));
  assert.deepEqual(info.epochs, [{ epoch: 2, startOffset: 0n }]);
  assert.equal(files.txnindex, undefined);
  assert.ok(files.snapshot);
  world.log.deleteRecordsBefore(world.log.endOffset);
  assert.throws(() => files.readLog(0, 1), /LOG_SEGMENT_MISSING/);
  await world.log.close();
});

test("log syncs what is left when segments are truncated and deleted while it waits", async () => {
  const { log } = openWorld(ONE_PER_SEGMENT);
  appendAll(
    log,
    Array.from({ length: 6 }, () => batchAt(NOW_MS)),
  );
  const synced = log.sync();
  log.truncateTo(4n);
  log.deleteRecordsBefore(3n);
  await synced;
  await log.sync();
  assert.deepEqual(readAll(log), [3n]);
  await log.close();
  await log.close();
  assert.throws(() => log.append(batchAt(NOW_MS), { leaderEpoch: 0 }), /LOG_CLOSED/);
});
