/** What is left of a log after crashes at any byte, full disks and damage. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { CrashedFile } from "../../../../src/adapters/memory-storage.ts";
import { type BatchView, batchesIn } from "../../../../src/wire/record-batch.ts";
import { appendAll, batchOf, DIRECTORY, type LogWorld, NOW_MS, openWorld, readAll } from "./log-fixture.ts";

const SMALL = { indexIntervalBytes: 150, segmentBytes: 900 };

/** Bytes of `file` that survive when only `path` is torn, at `atBytes`. */
function tearing(path: string, atBytes: number): (file: CrashedFile) => number {
  return (file) => (file.path === path ? atBytes : file.sizeBytes);
}

function logFiles(world: LogWorld): string[] {
  return world.storage
    .list(DIRECTORY)
    .filter((name) => name.endsWith(".log"))
    .map((name) => `${DIRECTORY}/${name}`);
}

/** Whole batches in the first `bytes` bytes of a segment. */
function wholeBatches(data: Buffer, bytes: number): BatchView[] {
  return [...batchesIn(data.subarray(0, bytes))];
}

test("log holds exactly the whole batches when the active segment is torn at any byte", async () => {
  const path = `${DIRECTORY}/${"0".repeat(20)}.log`;
  const fill = (world: LogWorld): void => {
    for (let i = 1; i <= 6; i++) {
      const producer = { producerId: 7n, producerEpoch: 0, baseSequence: (i * (i - 1)) / 2 };
      appendAll(world.log, [batchOf({ count: i, valueBytes: 3, timestampMs: NOW_MS + i, ...producer })], 3);
    }
  };
  const whole = openWorld({ indexIntervalBytes: 150 });
  fill(whole);
  const data = whole.storage.readFile(path);
  for (let bytes = 0; bytes <= data.length; bytes++) {
    const world = openWorld({ indexIntervalBytes: 150 });
    fill(world);
    world.storage.crash(tearing(path, bytes));
    const log = world.reopen();
    const kept = wholeBatches(data, bytes);
    const last = kept.at(-1);
    assert.equal(log.endOffset, last?.nextOffset ?? 0n, `torn at ${bytes}`);
    assert.deepEqual(
      readAll(log),
      kept.map((batch) => batch.baseOffset),
    );
    assert.equal(log.latestEpoch, last === undefined ? -1 : 3);
    assert.equal(log.producers.describe()[0]?.lastSequence, last === undefined ? undefined : Number(last.lastOffset));
    const next = log.append(batchOf({ count: 2 }), { leaderEpoch: 4 });
    assert.equal(next.baseOffset, last?.nextOffset ?? 0n);
  }
});

test("log drops the segments behind when a segment in the middle is torn at any byte", async () => {
  const fill = (world: LogWorld): void =>
    appendAll(
      world.log,
      Array.from({ length: 24 }, (_, i) => batchOf({ count: 1 + (i % 3) })),
      1,
    );
  const whole = openWorld(SMALL);
  fill(whole);
  const files = logFiles(whole);
  assert.ok(files.length >= 3);
  const first = whole.storage.readFile(files[0] ?? "");
  const path = files[1] ?? "";
  const data = whole.storage.readFile(path);
  for (let bytes = 0; bytes < data.length; bytes++) {
    const world = openWorld(SMALL);
    fill(world);
    world.storage.crash(tearing(path, bytes));
    const log = world.reopen();
    const kept = [...wholeBatches(first, first.length), ...wholeBatches(data, bytes)];
    assert.deepEqual(
      readAll(log),
      kept.map((batch) => batch.baseOffset),
      `torn at ${bytes}`,
    );
    assert.deepEqual(logFiles(world), files.slice(0, 2));
  }
});

test("log never loses what was synced when each file is torn at random", async () => {
  const step = fc.record({
    count: fc.integer({ min: 1, max: 4 }),
    sync: fc.boolean(),
    keep: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const world = openWorld(SMALL);
      let synced = 0n;
      const appended: bigint[] = [];
      for (const { count, sync } of steps) {
        appended.push(world.log.append(batchOf({ count }), { leaderEpoch: 0 }).baseOffset);
        if (!sync) continue;
        await world.log.sync();
        synced = world.log.endOffset;
      }
      let turn = 0;
      world.storage.crash(({ syncedBytes, sizeBytes }) => {
        const keep = steps[turn++ % steps.length]?.keep ?? 0;
        return syncedBytes + Math.floor((sizeBytes - syncedBytes) * keep);
      });
      const log = world.reopen();
      assert.ok(log.endOffset >= synced, "synced batches stay");
      const kept = readAll(log);
      assert.deepEqual(kept, appended.slice(0, kept.length));
      assert.equal(log.endOffset, appended[kept.length] ?? log.endOffset);
    }),
    { numRuns: 150 },
  );
});

test("log cuts itself where any byte of an unsynced batch is flipped", () => {
  const world = openWorld();
  appendAll(world.log, [batchOf({ count: 2 }), batchOf({ count: 2 }), batchOf({ count: 2 })]);
  const path = logFiles(world)[0] ?? "";
  const data = world.storage.readFile(path);
  const second = [...batchesIn(data)][1];
  assert.ok(second);
  const LEADER_EPOCH_BYTES = [12, 13, 14, 15];
  for (let i = 0; i < second.sizeBytes; i++) {
    // The epoch is outside the checksum and any value is possible.
    if (LEADER_EPOCH_BYTES.includes(i)) continue;
    const flipped = Buffer.from(data);
    flipped.writeUInt8(data.readUInt8(second.start + i) ^ 1, second.start + i);
    world.storage.crash();
    world.storage.writeFile(path, flipped);
    assert.equal(world.reopen().endOffset, 2n, `byte ${i}`);
  }
});

test("log reads no data below the recovery point when it was closed in order", async () => {
  const world = openWorld(SMALL);
  appendAll(
    world.log,
    Array.from({ length: 40 }, (_, i) => batchOf({ timestampMs: NOW_MS + i })),
  );
  const expected = readAll(world.log);
  const latest = world.log.maxTimestampOffset();
  await world.log.close();
  const log = world.reopen();
  assert.deepEqual(readAll(log), expected);
  assert.deepEqual(log.maxTimestampOffset(), latest);
  appendAll(log, [batchOf({ timestampMs: NOW_MS + 99 })]);
  world.storage.crash((file) => file.sizeBytes);
  const again = world.reopen();
  assert.deepEqual(readAll(again), [...expected, 40n]);
  assert.equal(again.offsetForTimestamp(BigInt(NOW_MS + 50))?.offset, 40n);
});

test("log rebuilds epochs from its batches when their file is gone", async () => {
  const world = openWorld(SMALL);
  for (let i = 0; i < 20; i++) appendAll(world.log, [batchOf()], Math.floor(i / 5));
  const epochs = world.log.epochs;
  await world.log.close();
  world.storage.remove(`${DIRECTORY}/leader-epoch-checkpoint`);
  assert.deepEqual(world.reopen().epochs, epochs);
  assert.deepEqual(
    epochs.map((entry) => entry.startOffset),
    [0n, 5n, 10n, 15n],
  );
});

test("log refuses a directory that belongs to another topic", async () => {
  const world = openWorld();
  await world.log.close();
  world.storage.writeFile(
    `${DIRECTORY}/partition.metadata`,
    Buffer.from("version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"),
  );
  assert.throws(() => world.reopen(), {
    fault: {
      code: "LOG_WRONG_TOPIC",
      path: `${DIRECTORY}/partition.metadata`,
      expected: "AAECAwQFBgcICQoLDA0ODw",
      actual: "AAAAAAAAAAAAAAAAAAAAAQ",
    },
  });
});

test("log stays consistent when the disk is full at any append and goes on when there is room", async () => {
  for (let fullAt = 0; fullAt < 14; fullAt++) {
    const world = openWorld(SMALL);
    const bases: bigint[] = [];
    for (let i = 0; i < 14; i++) {
      const before = world.log.endOffset;
      const producer = { producerId: 1n, producerEpoch: 0, baseSequence: Number(before) };
      if (i === fullAt) {
        world.storage.fillDisk();
        assert.throws(
          () => world.log.append(batchOf({ count: 2, ...producer }), { leaderEpoch: 0 }),
          (error: Error) => "fault" in error,
        );
        assert.equal(world.log.endOffset, before);
        assert.deepEqual(readAll(world.log), bases);
        world.storage.freeDisk();
      }
      assert.equal(world.log.producers.check(batchOf({ count: 2, ...producer })).kind, "append");
      bases.push(world.log.append(batchOf({ count: 2, ...producer }), { leaderEpoch: 0 }).baseOffset);
    }
    assert.deepEqual(readAll(world.log), bases);
    world.storage.crash((file) => file.sizeBytes);
    assert.deepEqual(readAll(world.reopen()), bases);
  }
});

test("log believes nothing written after a truncation only because something older was synced there", async () => {
  for (let lostBytes = 1; lostBytes < 600; lostBytes += 7) {
    const world = openWorld(SMALL);
    appendAll(
      world.log,
      Array.from({ length: 40 }, () => batchOf()),
    );
    await world.log.close();
    const log = world.reopen();
    log.truncateTo(3n);
    appendAll(
      log,
      Array.from({ length: 20 }, () => batchOf({ valueBytes: 11 })),
    );
    const path = logFiles(world)[1] ?? "";
    world.storage.crash((file) => file.sizeBytes - (file.path === path ? lostBytes : 0));
    const kept = readAll(world.reopen());
    assert.deepEqual(
      kept,
      kept.map((_, i) => BigInt(i)),
    );
    assert.equal(world.log.endOffset, BigInt(kept.length));
    assert.ok(kept.length < 20);
  }
});

test("log never uses a snapshot of batches that a crash took", () => {
  const world = openWorld(SMALL);
  const producer = { producerEpoch: 0, baseSequence: 0 };
  for (let i = 0; i < 12; i++) appendAll(world.log, [batchOf({ producerId: BigInt(i), ...producer })]);
  assert.ok(world.storage.list(DIRECTORY).some((name) => name.endsWith(".snapshot")));
  world.storage.crash();
  world.reopen().configure({ ...world.config, segmentBytes: 1_000_000 });
  for (let i = 0; i < 12; i++) appendAll(world.log, [batchOf({ producerId: BigInt(100 + i), ...producer })]);
  world.storage.crash((file) => file.sizeBytes);
  const known = world
    .reopen()
    .producers.describe()
    .map((state) => state.producerId);
  assert.deepEqual(
    known,
    Array.from({ length: 12 }, (_, i) => BigInt(100 + i)),
  );
});

test("log removes segments below its start that a crash left", () => {
  const world = openWorld(SMALL);
  appendAll(
    world.log,
    Array.from({ length: 30 }, () => batchOf()),
  );
  const [, second] = world.log.closedSegments();
  world.storage.crash((file) => file.sizeBytes);
  const start = Buffer.from(`0\n1\norders 0 ${(second?.baseOffset ?? 0n) + 1n}\n`);
  world.storage.writeFile(`${DIRECTORY}/log-start-offset-checkpoint`, start);
  const before = logFiles(world).length;
  const log = world.reopen();
  assert.equal(logFiles(world).length, before - 1);
  assert.equal(log.localStartOffset, (second?.baseOffset ?? 0n) + 1n);
});

test("recovery point stays at a truncation though a flush was under way", async () => {
  const world = openWorld(SMALL);
  const point = (): string => world.storage.readFile(`${DIRECTORY}/recovery-point-offset-checkpoint`).toString();
  appendAll(
    world.log,
    Array.from({ length: 12 }, () => batchOf()),
  );
  await world.log.sync();
  appendAll(
    world.log,
    Array.from({ length: 12 }, () => batchOf()),
  );
  world.log.roll();
  const at = (world.log.closedSegments().at(-1)?.baseOffset ?? 0n) + 1n;
  world.log.truncateTo(at);
  appendAll(world.log, [batchOf()]);
  await world.log.sync();
  await world.log.sync();
  assert.ok(Number(point().split(" ")[2]) <= Number(at));
});

test("log keeps compacted gaps below the recovery point when it must walk all batches", async () => {
  const world = openWorld();
  appendAll(world.log, [batchOf(), batchOf(), batchOf()]);
  await world.log.close();
  const path = logFiles(world)[0] ?? "";
  const [first, , third] = [...batchesIn(world.storage.readFile(path))];
  world.storage.writeFile(path, Buffer.concat([first?.bytes ?? Buffer.alloc(0), third?.bytes ?? Buffer.alloc(0)]));
  world.storage.remove(`${DIRECTORY}/leader-epoch-checkpoint`);
  assert.deepEqual(readAll(world.reopen()), [0n, 2n]);
});
