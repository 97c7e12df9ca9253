/** A lane alone in its world: what it copies, skips and rewrites, where it stops, and how it finds itself again. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { producerIdOf, reverseLane } from "../../../src/mirror/lane-id.ts";
import type { LaneOptions } from "../../../src/mirror/lane-options.ts";
import { planText } from "../../../src/mirror/plan.ts";
import { compileFilter } from "../../../src/mirror/record-filter.ts";
import type { RecordFilter } from "../../../src/topology/record-filter.ts";
import { decodeRecords } from "../../../src/wire/records.ts";
import { idOfName } from "../../../src/wire/topic-ids.ts";
import { MODEL_LIMITS } from "./model/model-target.ts";
import { LANE_OPTIONS, MODEL_LANE, type Worker, World, type WorldOptions } from "./model/world.ts";

const DAY_MS = 86_400_000;

function openWorld(options: Partial<WorldOptions> = {}): World {
  return new World({ seed: 1, replicatesMs: 1, ...options });
}

async function caughtUp(world: World, worker: Worker): Promise<void> {
  const end = world.source.endOffset;
  const isDone = await world.until(() => worker.lane.map?.progress.sourceNext === end, 60_000);
  assert.ok(isDone, `lane is ${worker.lane.status.state}: ${JSON.stringify(worker.lane.status.reason?.code)}`);
}

async function stopped(world: World, worker: Worker): Promise<string | undefined> {
  assert.ok(await world.until(() => worker.lane.status.state === "stopped", 60_000), "the lane did not stop");
  return worker.lane.status.reason?.code;
}

function assertExact(world: World, worker: Worker, expected = world.sourceRecords()): void {
  assert.deepEqual(world.bugs, []);
  assert.equal(world.difference(expected), undefined);
  assert.equal(world.wrongTranslation(worker.lane, expected), undefined);
}

test("lane copies each record once and in order when nothing goes wrong", async () => {
  const world = openWorld();
  for (let i = 0; i < 40; i++) world.produce(1 + (i % 5));
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.lane.map?.runCount, 1);
  assert.equal(worker.lane.status.lagRecords, 0n);
});

test("lane keeps at most five batches in flight, and one before the first ack", async () => {
  const world = openWorld();
  for (let i = 0; i < 40; i++) world.produce(2);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assert.equal(worker.target.inFlightBeforeFirstAckMax, 1);
  assert.equal(worker.target.inFlightMax, 5);
});

test("lane keeps to the rate of its mirror, and stops at once although it waits for it", async () => {
  const world = openWorld({ pace: { bytesPerSecond: 1_000, inFlightBytesMax: 1_000_000 } });
  for (let i = 0; i < 400; i++) world.produce(2);
  const worker = world.spawn();
  await world.until(() => worker.lane.status.counts.forwardedBytes > 0);
  const before = worker.lane.status.counts.forwardedBytes;
  await world.until(() => false, 10_000);
  const perSecond = (worker.lane.status.counts.forwardedBytes - before) / 10;
  assert.ok(perSecond > 900 && perSecond < 1_100, `${perSecond} B/s`);
  await Promise.all([worker.stop(), world.until(() => false, 100)]);
  assert.equal(worker.lane.status.state, "drained");
});

test("lane keeps old records to the rate of the backfill, and lets new ones go as they come", async () => {
  const backfill = { bytesPerSecond: 1_000, olderThanMs: 600_000 };
  const world = openWorld({ backfill });
  const oldMs = world.clock.nowMs() - 3_600_000;
  for (let i = 0; i < 100; i++) world.produce(2, {}, oldMs);
  const worker = world.spawn();
  await world.until(() => worker.lane.status.counts.forwardedBytes > 0);
  const bytes = () => worker.lane.status.counts.forwardedBytes;
  const before = bytes();
  await world.until(() => false, 5_000);
  const perSecond = (bytes() - before) / 5;
  assert.ok(perSecond > 800 && perSecond < 1_200, `${perSecond} B/s`);
  await caughtUp(world, worker);
  for (let i = 0; i < 100; i++) world.produce(2);
  assert.ok(await world.until(() => worker.lane.isAtEnd, 1_000), "new ones do not wait");
  assertExact(world, worker);
});

test("lane holds no transaction open while old records wait for their rate", async () => {
  // A batch has about 100 bytes: it waits for longer than the coordinator leaves a transaction open.
  const world = openWorld({ backfill: { bytesPerSecond: 5, olderThanMs: 600_000 }, history: {} });
  const oldMs = world.clock.nowMs() - 3 * MODEL_LIMITS.producerIdExpirationMs;
  for (let i = 0; i < 10; i++) world.produce(2, {}, oldMs);
  const worker = world.spawn();
  assert.ok(await world.until(() => worker.lane.map?.progress.sourceNext === world.source.endOffset, 600_000));
  assert.deepEqual(worker.lane.status.faults, {});
  assertExact(world, worker);
});

test("A chunk is released only after everything read from it is acknowledged", async () => {
  const world = openWorld({ replicatesMs: 20 });
  for (let i = 0; i < 200; i++) world.produce(1 + (i % 5));
  const worker = world.spawn();
  await caughtUp(world, worker);
  // The model's target reads a batch's memory when it delivers it, its source overwrites what is released.
  assertExact(world, worker);
  assert.ok(world.source.chunksRead > 10);
  assert.equal(world.source.chunksReleased, world.source.chunksRead);
});

test("lane settles what is in flight and stores it when it is asked to stop", async () => {
  const world = openWorld();
  for (let i = 0; i < 40; i++) world.produce(2);
  const worker = world.spawn();
  await world.until(() => worker.lane.status.counts.forwardedBatches > 7);
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
  assert.equal(worker.lane.status.state, "drained");
  assert.equal(worker.lane.map?.progress.count, world.broker.endOffset);
  const stored = await worker.store.load(MODEL_LANE);
  assert.deepEqual(stored.state?.progress, worker.lane.map?.progress);
});

test("lane skips markers and aborted data and maps what follows exactly", async () => {
  const world = openWorld();
  const transaction = { producerId: 9n, producerEpoch: 0, baseSequence: 0, isTransactional: true };
  const marker = { ...transaction, isControl: true };
  world.produce(3);
  world.produce(2, transaction);
  world.produce(1, marker);
  const firstOffset = world.source.endOffset;
  world.produce(4, { ...transaction, baseSequence: 2 });
  world.produce(1, { ...transaction, producerId: 10n });
  world.source.aborted = [{ producerId: 9n, firstOffset, lastOffset: firstOffset + 5n }];
  world.produce(1, marker);
  world.produce(2, { ...transaction, baseSequence: 6 });
  const worker = world.spawn();
  await caughtUp(world, worker);
  const expected = world.sourceRecords().filter(({ offset }) => offset < firstOffset || offset >= firstOffset + 4n);
  assertExact(world, worker, expected);
  assert.equal(worker.lane.status.counts.skippedBatches.control, 2);
  assert.equal(worker.lane.status.counts.skippedBatches.aborted, 1);
  assert.ok(world.broker.log.every((batch) => !batch.isTransactional));
});

test("lane counts offsets that end with a marker as done", async () => {
  const world = openWorld();
  world.produce(3);
  world.produce(1, { producerId: 9n, producerEpoch: 0, baseSequence: 0, isTransactional: true, isControl: true });
  const worker = world.spawn();
  await caughtUp(world, worker);
  assert.equal(worker.lane.map?.progress.sourceNext, 4n);
});

test("lane closes the gaps of a compacted source and maps them exactly", async () => {
  const world = openWorld();
  world.produce(3);
  world.compacted([0, 2, 3, 7], 9);
  world.produce(2);
  world.compacted([4], 6);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.lane.status.counts.rewrittenBatches["offset-gaps"], 2);
});

test("lane gives records the time at which the source's broker appended them", async () => {
  const world = openWorld();
  const appendTimeMs = BigInt(world.clock.nowMs() - 5);
  world.produce(3, { appendTimeMs }, world.clock.nowMs() - 1_000);
  const worker = world.spawn();
  await caughtUp(world, worker);
  const times = world.broker.log.flatMap((batch) => decodeRecords(batch).map(({ timestampMs }) => timestampMs));
  assert.deepEqual(times, [appendTimeMs, appendTimeMs, appendTimeMs]);
});

test("lane splits a batch that is larger than the target takes", async () => {
  const world = openWorld({ limits: { ...MODEL_LIMITS, maxBatchBytes: 200 } });
  world.produce(40);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.ok(world.broker.log.length > 1 && world.broker.log.every((batch) => batch.sizeBytes <= 200));
  assert.equal(worker.lane.map?.runCount, 1);
});

test("lane does not carry back what the reverse lane brought", async () => {
  const world = openWorld();
  world.produce(2);
  world.produce(3, { producerId: producerIdOf(reverseLane(MODEL_LANE)), producerEpoch: 0, baseSequence: 0 });
  world.produce(2);
  const worker = world.spawn();
  await caughtUp(world, worker);
  const expected = world.sourceRecords().filter(({ offset }) => offset < 2n || offset >= 5n);
  assertExact(world, worker, expected);
  assert.equal(worker.lane.status.counts.skippedBatches.loop, 1);
});

test("lane keeps its place beside other writers in the target", async () => {
  const world = openWorld();
  for (let i = 0; i < 20; i++) world.produce(2);
  world.writeForeign(3);
  const worker = world.spawn();
  await world.until(() => worker.lane.status.counts.forwardedBatches > 3);
  world.writeForeign(2);
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.lane.map?.runCount, 2);
});

test("lane goes on from what its predecessor appended but did not store", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  for (let i = 0; i < 20; i++) world.produce(3);
  const first = world.spawn();
  await world.until(() => first.lane.status.counts.forwardedBatches > 5);
  first.crash();
  await world.until(() => false, 500);
  const second = world.spawn();
  await caughtUp(world, second);
  assertExact(world, second);
  assert.equal(second.lane.status.takeovers.walked, 1);
  assert.ok(second.lane.status.repeatsAvoided >= 15n);
});

test("lane goes on from the target's log when the target has forgotten the producer", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  for (let i = 0; i < 20; i++) world.produce(3);
  const first = world.spawn();
  await world.until(() => first.lane.status.counts.forwardedBatches > 5);
  first.crash();
  await world.until(() => false, 500);
  world.broker.producers.clear();
  const second = world.spawn();
  await caughtUp(world, second);
  assertExact(world, second);
});

test("lane sends again what the target lost in an unclean election, and forgets its old places", async () => {
  const world = openWorld();
  for (let i = 0; i < 20; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  world.broker.truncate(world.broker.log[11]?.baseOffset ?? 0n);
  world.writeForeign(50);
  world.produce(2);
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.lane.status.takeovers.truncated, 1);
});

test("lane that is idle notices that the target lost records, and sends them again", async () => {
  const world = openWorld();
  for (let i = 0; i < 20; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  world.broker.truncate(world.broker.log[11]?.baseOffset ?? 0n);
  assert.ok(await world.until(() => worker.lane.status.takeovers.truncated === 1, 5_000));
  await caughtUp(world, worker);
  assertExact(world, worker);
});

test("lane forgets where records lay that both sides have deleted, and nothing else", async () => {
  const world = openWorld();
  for (let i = 0; i < 10; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  world.source.startOffset = 21n;
  world.broker.startOffset = 12n;
  world.produce(3);
  assert.ok(await world.until(() => worker.lane.map?.floor.source === 12n, 5_000));
  assert.deepEqual(worker.lane.map?.translate(12n), { kind: "exact", targetOffset: 12n });
  world.broker.startOffset = 30n;
  assert.ok(await world.until(() => worker.lane.map?.floor.source === 21n, 5_000));
  assert.equal(worker.lane.map?.translate(20n).kind, "expired");
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
  const next = world.spawn();
  await caughtUp(world, next);
  assert.equal(next.lane.map?.floor.source, 21n);
});

test("lane tells about a transaction of the source that is open for too long, and that it ended", async () => {
  const world = openWorld({ lane: { openTransactionMs: 2_000 } });
  world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  world.source.heldOffsets = 4n;
  assert.equal(worker.lane.status.heldOffsets, 4n);
  assert.ok(await world.until(() => worker.lane.status.reason !== undefined, 5_000));
  const { reason, state, faults } = worker.lane.status;
  assert.equal(state, "copying");
  assert.ok(reason?.code === "SOURCE_TRANSACTION_OPEN");
  assert.deepEqual([reason.offset, reason.producerId], [3n, 77n]);
  assert.equal(faults.SOURCE_TRANSACTION_OPEN, 1);
  world.source.heldOffsets = 0n;
  assert.ok(await world.until(() => worker.lane.status.reason === undefined, 5_000));
});

test("lane never walks back when an old batch was appended again after the target forgot the producer", async () => {
  const world = openWorld();
  for (let i = 0; i < 20; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  const old = world.broker.log[4];
  assert.ok(old !== undefined);
  world.broker.producers.clear();
  world.broker.append(old);
  world.broker.commit();
  world.produce(2);
  world.produce(2);
  await caughtUp(world, worker);
  const values = world.targetRecords().map(({ value }) => value);
  const repeated = decodeRecords(old).map(({ value }) => String(value));
  const sent = world.sourceRecords().map(({ value }) => value);
  assert.deepEqual(values, [...sent.slice(0, 60), ...repeated, ...sent.slice(60)]);
  assert.equal(worker.lane.status.takeovers.repeated, 1);
  assert.equal(worker.lane.status.repeats, 3n);
});

test("lane that another worker moved into a new era follows it", async () => {
  const world = openWorld();
  for (let i = 0; i < 10; i++) world.produce(3);
  const [first, second] = [world.spawn(), world.spawn()];
  await caughtUp(world, first);
  await caughtUp(world, second);
  const old = world.broker.log[4];
  assert.ok(old !== undefined);
  world.broker.producers.clear();
  world.broker.append(old);
  world.broker.commit();
  for (let i = 0; i < 10; i++) world.produce(2);
  await caughtUp(world, first);
  await caughtUp(world, second);
  const values = world.targetRecords().map(({ value }) => value);
  assert.equal(values.length, 50 + 3);
  assert.deepEqual(
    values.slice(33),
    world
      .sourceRecords()
      .slice(30)
      .map(({ value }) => value),
  );
});

test("lane goes back to the stored place and says so when the walk leads to another record", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  for (let i = 0; i < 20; i++) world.produce(3);
  const first = world.spawn();
  await world.until(() => first.lane.status.counts.forwardedBatches > 5);
  first.crash();
  await world.until(() => false, 500);
  world.source.batches.splice(0, 1);
  world.source.startOffset = 0n;
  const second = world.spawn();
  await caughtUp(world, second);
  assert.equal(second.lane.status.takeovers.unverified, 1);
  assert.equal(second.lane.status.repeats, second.lane.map === undefined ? -1n : world.broker.endOffset - 57n);
  const values = new Set(world.targetRecords().map(({ value }) => value));
  assert.ok(world.sourceRecords().every(({ value }) => values.has(value)));
});

test("lane goes back to the stored place when compaction took records that the walk would have to count", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  for (let i = 0; i < 20; i++) world.produce(3);
  const first = world.spawn();
  await caughtUp(world, first);
  first.crash();
  await world.until(() => false, 500);
  // The last batch stays, as in a log whose newest segment is not cleaned.
  world.source.batches.splice(2, 15);
  const second = world.spawn();
  await caughtUp(world, second);
  assert.equal(second.lane.status.takeovers.unverified, 1);
  assert.equal(second.lane.status.repeats, 60n);
  const values = world.targetRecords().map(({ value }) => value);
  const left = world.sourceRecords().map(({ value }) => value);
  assert.deepEqual(values.slice(-left.length), left);
});

test("lane finds its place although retention removed the walked records from the source", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  for (let i = 0; i < 20; i++) world.produce(3);
  const first = world.spawn();
  await world.until(() => first.lane.status.counts.forwardedBatches > 8);
  first.crash();
  await world.until(() => false, 500);
  world.source.startOffset = 9n;
  const second = world.spawn();
  await caughtUp(world, second);
  assert.equal(world.difference(), undefined);
  assert.equal(second.lane.status.gapCount, 0);
});

/** A lane whose stored place is the very beginning, although it copied all of the batches; they cover three offsets a record. */
async function crashedBehindSparse(world: World, batches: number): Promise<void> {
  for (let i = 0; i < batches; i++) world.compacted([0], 3);
  const first = world.spawn();
  await caughtUp(world, first);
  first.crash();
  await world.until(() => false, 500);
}

test("lane goes on behind its last record when retention removed records between offsets without any", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000 });
  await crashedBehindSparse(world, 20);
  world.source.startOffset = 45n;
  world.produce(3);
  const second = world.spawn();
  await caughtUp(world, second);
  assert.deepEqual(world.bugs, []);
  assert.equal(world.difference(), undefined);
  assert.equal(world.wrongTranslation(second.lane), undefined);
  assert.deepEqual([second.lane.status.gapCount, second.lane.status.repeats], [0, 0n]);
});

test("lane stands in the gap when retention removed all that it copied", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000, lane: { gapPolicy: "skip" } });
  await crashedBehindSparse(world, 20);
  for (let i = 0; i < 5; i++) world.produce(6);
  world.source.startOffset = 66n;
  const second = world.spawn();
  await caughtUp(world, second);
  const expected = world.sourceRecords().filter(({ offset }) => offset < 60n || offset >= 66n);
  assert.equal(world.difference(expected), undefined);
  const { gaps, repeats } = second.lane.status;
  // What it copied had at least one offset a record.
  assert.deepEqual([gaps.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]), repeats], [[[20n, 66n]], 0n]);
});

test("lane tells of possible repeats when its last record cannot be told from others behind a gap", async () => {
  const world = openWorld({ storeEveryMs: 1_000_000, lane: { gapPolicy: "skip" } });
  await crashedBehindSparse(world, 20);
  // Compaction takes the last copied record, behind the gap.
  world.source.startOffset = 45n;
  world.source.batches.splice(19, 1);
  world.produce(3);
  const second = world.spawn();
  await caughtUp(world, second);
  assert.equal(second.lane.status.takeovers.unverified, 1);
  assert.equal(second.lane.status.repeats, 20n);
  const values = world.targetRecords().map(({ value }) => value);
  const left = world.sourceRecords().filter(({ offset }) => offset >= 45n);
  assert.deepEqual(
    values.slice(-left.length),
    left.map(({ value }) => value),
  );
});

test("lane stops at a gap unless it was told to skip", async () => {
  const world = openWorld();
  for (let i = 0; i < 5; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
  for (let i = 0; i < 5; i++) world.produce(3);
  world.source.startOffset = 21n;
  assert.equal(await stopped(world, world.spawn()), "SOURCE_GAP");
});

test("lane that skips a gap records it and maps across it", async () => {
  const world = openWorld({ lane: { gapPolicy: "skip" } });
  for (let i = 0; i < 5; i++) world.produce(3);
  const first = world.spawn();
  await caughtUp(world, first);
  await Promise.all([first.stop(), world.until(() => false, 1_000)]);
  for (let i = 0; i < 5; i++) world.produce(3);
  world.source.startOffset = 21n;
  const worker = world.spawn();
  await caughtUp(world, worker);
  const expected = world.sourceRecords().filter(({ offset }) => offset < 15n || offset >= 21n);
  assert.equal(world.difference(expected), undefined);
  const [gap] = worker.lane.status.gaps;
  assert.deepEqual([gap?.fromOffset, gap?.toOffset, gap?.cause], [15n, 21n, "retention"]);
});

test("lane stops when the source lost what was copied", async () => {
  const world = openWorld();
  for (let i = 0; i < 5; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  world.source.truncate(9n);
  for (let i = 0; i < 5; i++) world.produce(3);
  assert.equal(await stopped(world, worker), "SOURCE_DIVERGED");
  const { reason } = worker.lane.status;
  assert.ok(reason?.code === "SOURCE_DIVERGED");
  assert.deepEqual(reason.copies, [{ fromOffset: 9n, toOffset: 15n }]);
});

for (const isRunning of [true, false]) {
  const when = isRunning ? "while it copied" : "while nobody copied";
  test(`lane that accepts what the source lost ${when} copies what it has now behind it, each record once`, async () => {
    const world = openWorld({ lane: { divergencePolicy: "continue" } });
    for (let i = 0; i < 5; i++) world.produce(3);
    const first = world.spawn();
    await caughtUp(world, first);
    const before = world.targetRecords().map(({ value }) => value);
    if (!isRunning) await Promise.all([first.stop(), world.until(() => false, 1_000)]);
    world.source.truncate(9n);
    for (let i = 0; i < 5; i++) world.produce(3);
    const worker = isRunning ? first : world.spawn();
    await caughtUp(world, worker);
    const since = world.sourceRecords().filter(({ offset }) => offset >= 9n);
    const expected = [...before, ...since.map(({ value }) => value)];
    assert.deepEqual(
      world.targetRecords().map(({ value }) => value),
      expected,
    );
    const [gap] = worker.lane.status.gaps;
    assert.deepEqual([gap?.fromOffset, gap?.toOffset, gap?.cause], [9n, 15n, "diverged"]);
    assert.deepEqual(worker.lane.map?.translate(9n), { kind: "exact", targetOffset: 15n });
    assert.equal(worker.lane.status.repeats, 0n);
  });
}

test("lane stops when the source lost what was copied while nobody copied", async () => {
  const world = openWorld();
  for (let i = 0; i < 5; i++) world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
  world.source.truncate(9n);
  for (let i = 0; i < 5; i++) world.produce(3);
  assert.equal(await stopped(world, world.spawn()), "SOURCE_DIVERGED");
});

test("lane does not take records of a newer epoch that it passed over for a loss", async () => {
  const world = openWorld({ replicatesMs: 20 });
  world.produce(3);
  world.source.epoch++;
  world.produce(3, { producerId: producerIdOf(reverseLane(MODEL_LANE)), producerEpoch: 0, baseSequence: 0 });
  const first = world.spawn();
  await caughtUp(world, first);
  await Promise.all([first.stop(), world.until(() => false, 1_000)]);
  world.produce(2);
  const second = world.spawn();
  await caughtUp(world, second);
  const expected = world.sourceRecords().filter(({ offset }) => offset < 3n || offset >= 6n);
  assertExact(world, second, expected);
});

test("lane stops before records that are too old for the target to remember their producer", async () => {
  const world = openWorld();
  world.produce(3);
  world.produce(3, {}, world.clock.nowMs() - DAY_MS / 2 - 10_000);
  const worker = world.spawn();
  assert.equal(await stopped(world, worker), "HISTORY_NEEDED");
  assert.equal(worker.lane.map?.progress.sourceNext, 3n);
  assert.equal(world.broker.endOffset, 3n);
});

test("lane of an at-least-once mirror copies old records without a producer, one batch at a time", async () => {
  const world = openWorld({ lane: { delivery: "at-least-once" } });
  for (let i = 0; i < 10; i++) world.produce(3, {}, world.clock.nowMs() - 30 * DAY_MS);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.target.inFlightMax, 1);
  assert.ok(world.broker.log.every(({ producerId }) => producerId === -1n));
  assert.equal(worker.lane.status.delivery, "at-least-once");
});

test("lane takes records with times in the future", async () => {
  const world = openWorld();
  world.produce(3, {}, world.clock.nowMs() + DAY_MS);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker);
});

test("lane that was idle for longer than the target remembers looks before it sends", async () => {
  const world = openWorld({ replicatesMs: 10_000, storeEveryMs: 600_000 });
  world.produce(3);
  const worker = world.spawn();
  await caughtUp(world, worker);
  await world.until(() => false, DAY_MS);
  world.broker.expire(world.clock.nowMs() - DAY_MS);
  world.produce(3);
  await caughtUp(world, worker);
  assertExact(world, worker);
  assert.equal(worker.lane.status.takeovers.unchanged, 2);
});

test("lane that is told to begin at the end copies only what comes after", async () => {
  const world = openWorld({ lane: { start: "latest" } });
  world.produce(5);
  const worker = world.spawn();
  await world.until(() => worker.lane.status.state === "copying");
  world.produce(2);
  await caughtUp(world, worker);
  assert.deepEqual(
    world.targetRecords().map(({ value }) => value),
    ["v5", "v6"],
  );
});

test("sequence numbers wrap without a repeat or a loss", async () => {
  const world = openWorld({ storeEveryMs: 20 });
  const position = 2n ** 31n - 10n;
  world.beginAt(position);
  for (let i = 0; i < 10; i++) world.produce(3);
  const first = world.spawn();
  await world.until(() => first.lane.status.counts.forwardedBatches > 4);
  first.crash();
  await world.until(() => false, 500);
  const second = world.spawn();
  await caughtUp(world, second);
  assert.equal(world.difference(), undefined);
  assert.equal(second.lane.map?.progress.count, position + 30n);
});

/** The lane's rules with a filter over the model's keys, which are `v0`, `v1` and so on. */
function rulesWith(filter: RecordFilter): Partial<LaneOptions> {
  return { rules: { ...LANE_OPTIONS.rules, filter: compileFilter(filter) } };
}

test("lane leaves out what its filter says, counts it by rule, and forwards untouched batches as they are", async () => {
  const world = openWorld({ lane: rulesWith({ keys: { include: [], exclude: ["v1", "v2", "v7", "v8"] } }) });
  for (const count of [2, 2, 2, 3, 2]) world.produce(count);
  const worker = world.spawn();
  await caughtUp(world, worker);
  const left = world.sourceRecords().filter(({ value }) => !["v1", "v2", "v7", "v8"].includes(value));
  assertExact(world, worker, left);
  const { asIsBatches, rewrittenBatches, skippedBatches, filteredRecords } = worker.lane.status.counts;
  assert.equal(asIsBatches, 2);
  assert.equal(rewrittenBatches.filter, 3);
  assert.equal(skippedBatches.filtered, 0);
  assert.equal(filteredRecords.key, 4);
});

test("lane comes to the source's end when its filter leaves nothing in", async () => {
  const world = openWorld({ lane: rulesWith({ keys: { include: ["none"], exclude: [] } }) });
  for (const count of [2, 3]) world.produce(count);
  const worker = world.spawn();
  await caughtUp(world, worker);
  assertExact(world, worker, []);
  assert.equal(worker.lane.status.counts.skippedBatches.filtered, 2);
});

async function stopOrderly(world: World, worker: Worker): Promise<void> {
  await Promise.all([worker.stop(), world.until(() => false, 1_000)]);
}

test("Other rules begin another era", async () => {
  const world = openWorld();
  world.produce(4);
  const first = world.spawn();
  await caughtUp(world, first);
  await stopOrderly(world, first);
  const second = world.spawn(rulesWith({ keys: { include: [], exclude: ["v5"] } }));
  world.produce(4);
  await caughtUp(world, second);
  assert.deepEqual(
    world.targetRecords().map(({ value }) => value),
    ["v0", "v1", "v2", "v3", "v4", "v6", "v7"],
  );
  const { state } = await second.store.load(MODEL_LANE);
  assert.equal(state?.era.epoch, 1);
  assert.equal(state.plan, planText(second.lane.options.rules));
});

test("lane stops when a worker that began later copies it by other rules", async () => {
  const world = openWorld();
  world.produce(4);
  const first = world.spawn();
  await caughtUp(world, first);
  const second = world.spawn(rulesWith({ keys: { include: [], exclude: ["none"] } }));
  await world.until(() => second.lane.status.state === "copying");
  for (let i = 0; i < 5; i++) {
    world.produce(2);
    await caughtUp(world, second);
  }
  assert.equal(await stopped(world, first), "LANE_RULES_CHANGED");
  assert.equal(second.lane.status.state, "copying");
});

test("lane stops when its records were chosen by rules that it does not know", async () => {
  const world = openWorld();
  world.produce(4);
  const first = world.spawn();
  await caughtUp(world, first);
  await stopOrderly(world, first);
  const { state, map } = await first.store.load(MODEL_LANE);
  assert.ok(state !== undefined && map !== undefined);
  first.store.save({ ...state, plan: "v9 moon=full" }, map);
  await first.store.flush();
  assert.equal(await stopped(world, world.spawn()), "LANE_UNEXPLAINED");
});

test("No record of another topic follows the copied ones", async () => {
  const sourcePartition = { ...LANE_OPTIONS.sourcePartition, topicId: idOfName("orders") };
  const world = openWorld({ lane: { sourcePartition } });
  for (const count of [3, 2]) world.produce(count);
  const first = world.spawn();
  await caughtUp(world, first);
  await stopOrderly(world, first);
  world.produce(2);
  const second = world.spawn();
  await caughtUp(world, second);
  assertExact(world, second);
  await stopOrderly(world, second);
  // Made again under the same name, and filled beyond the lane's position.
  world.source.batches.splice(0);
  for (let i = 0; i < 5; i++) world.produce(3);
  const third = world.spawn();
  assert.equal(await stopped(world, third), "SOURCE_TOPIC_RECREATED");
  assert.equal(world.broker.endOffset, 7n);
});
