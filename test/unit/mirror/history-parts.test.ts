/** The parts of history mode one by one: stretches, the record, who stands by, when a lane returns. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSimClock, type SimClock } from "../../../src/adapters/sim-clock.ts";
import { Slots } from "../../../src/adapters/slots.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import type { Peeked } from "../../../src/mirror/history/ports.ts";
import { decodeHistory, encodeHistory, type HistoryRecord } from "../../../src/mirror/history/record.ts";
import { CALM_MAX_MS, CALM_MS, ReturnRule } from "../../../src/mirror/history/return-rule.ts";
import { HEAD_START_MS, IDLE_STANDBY_MS, RIVAL_MS, STANDBY_MS, Standby } from "../../../src/mirror/history/standby.ts";
import { bounded, extended, STRETCHES_MAX, type Stretch } from "../../../src/mirror/history/stretches.ts";
import type { Target, TopicPartition } from "../../../src/mirror/ports.ts";
import { scanOwn } from "../../../src/mirror/target-scan.ts";
import { transactionEndIn } from "../../../src/wire/control-batch.ts";
import type { BatchView } from "../../../src/wire/record-batch.ts";
import { encodeBatch } from "../../../src/wire/records.ts";

const AT: TopicPartition = { topic: "west.orders", topicId: "AAAAAAAAAAAAAAAAAAAAAg" as Uuid, partition: 0 };
const DERIVED = 5n;
const WRITER = 9n;
const WRITER_EPOCH = 4;
const RECORD: HistoryRecord = {
  lane: {
    sourceClusterId: "west",
    sourceTopicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid,
    sourcePartition: 0,
    targetClusterId: "central",
    targetTopicId: AT.topicId,
    targetPartition: 0,
  },
  mode: "history",
  epoch: 1,
  progress: { sourceNext: 2n ** 53n + 1n, targetNext: 12n, count: 10n },
  sourceEpoch: 3,
  stretches: [
    { producerId: DERIVED, epoch: 0, base: 0n },
    { producerId: WRITER, epoch: WRITER_EPOCH, base: 6n },
  ],
  plan: "v1 provenance=all",
  planBase: 0n,
  worker: "one",
  gaps: [{ fromOffset: 3n, toOffset: 2n ** 53n + 1n, atMs: 900, cause: "retention" }],
  gapCount: 2,
  updatedMs: 1_000,
};

test("history record comes back as it was written, and one of a later version is refused", () => {
  assert.deepEqual(decodeHistory(encodeHistory(RECORD)), RECORD);
  const later = { ...JSON.parse(encodeHistory(RECORD).toString()), v: 2 };
  assert.throws(() => decodeHistory(Buffer.from(JSON.stringify(later))), /STORED_VERSION_UNSUPPORTED/);
  const wrong = { ...JSON.parse(encodeHistory(RECORD).toString()), count: 10 };
  assert.throws(() => decodeHistory(Buffer.from(JSON.stringify(wrong))), /count is not a decimal string/);
});

test("stretches end where the next one begins, and those without records are dropped", () => {
  const stretch = (base: bigint): Stretch => ({ producerId: WRITER, epoch: Number(base), base });
  const all = [stretch(0n), stretch(5n)];
  assert.deepEqual(
    bounded(extended(all, stretch(9n)), 12n).map(({ base, end }) => [base, end]),
    [
      [0n, 5n],
      [5n, 9n],
      [9n, 12n],
    ],
  );
  assert.deepEqual(extended(all, stretch(5n)), [stretch(0n), stretch(5n)]);
  assert.deepEqual(extended(all, stretch(3n)), [stretch(0n), stretch(3n)], "what an election took holds nothing");
  let many: readonly Stretch[] = [];
  for (let base = 0n; base < 100n; base++) many = extended(many, stretch(base));
  assert.equal(many.length, STRETCHES_MAX);
  assert.equal(many.at(-1)?.base, 99n);
});

/** A log of batches of two records, one after the other. */
function logOf(...batches: BatchView[]): Target {
  let next = 0n;
  for (const batch of batches) {
    batch.setBaseOffset(next);
    next = batch.nextOffset;
  }
  const scan = async function* () {
    for (const batch of batches) yield Buffer.from(batch.bytes);
  };
  return { scan } as unknown as Target;
}

function data(producerId: bigint, producerEpoch: number, baseSequence: number, isTransactional = true): BatchView {
  const record = { timestampMs: 1n, key: null, value: null };
  return encodeBatch([record, record], { producerId, producerEpoch, baseSequence, isTransactional });
}

function marker(producerId: bigint, type: 0 | 1): BatchView {
  const key = Buffer.from([0, 0, 0, type]);
  const control = { isTransactional: true, isControl: true } as const;
  return encodeBatch([{ timestampMs: 1n, key, value: null }], {
    ...{ producerId, producerEpoch: 4, baseSequence: -1 },
    ...control,
  });
}

async function positionsIn(target: Target): Promise<(readonly [bigint, bigint])[]> {
  const stretches = bounded(RECORD.stretches, 10n);
  const range = { near: 0n, fromOffset: 0n, toOffset: 100n };
  const { runs } = await scanOwn({ target, partition: AT, producerId: DERIVED, stretches, ...range });
  return runs.map(({ position, targetStart }) => [position, targetStart] as const);
}

test("Aborted records hold no position, nor does a record without its commit", async () => {
  const live = data(DERIVED, 0, 0, false);
  assert.deepEqual(await positionsIn(logOf(live, data(WRITER, 4, 0), marker(WRITER, 1))), [
    [0n, 0n],
    [6n, 2n],
  ]);
  assert.deepEqual(await positionsIn(logOf(data(WRITER, 4, 0), marker(WRITER, 0))), []);
  assert.deepEqual(await positionsIn(logOf(data(WRITER, 4, 0))), []);
  assert.deepEqual(await positionsIn(logOf(data(WRITER, 4, 0), marker(7n, 1))), [], "another producer's commit");
});

test("Aborted records hold no position: what lies beyond a stretch's end or was written by others is passed over", async () => {
  assert.deepEqual(await positionsIn(logOf(data(WRITER, 4, 4), marker(WRITER, 1))), []);
  assert.deepEqual(await positionsIn(logOf(data(WRITER, 5, 0), marker(WRITER, 1))), []);
  assert.deepEqual(await positionsIn(logOf(data(DERIVED, 0, 6, false))), []);
});

test("control batch tells how it ends its transaction", () => {
  assert.equal(transactionEndIn(marker(WRITER, 1)), "commit");
  assert.equal(transactionEndIn(marker(WRITER, 0)), "abort");
  assert.equal(transactionEndIn(data(WRITER, 4, 0)), undefined);
});

/** Lets virtual time pass. */
function pass(clock: SimClock, ms: number): Promise<boolean> {
  let isOver = false;
  clock.after(ms, () => {
    isOver = true;
  });
  return clock.runUntil(() => isOver, 2 * ms);
}

/** What a reader sees of a lane. */
function peeked(record: HistoryRecord | undefined, writerEpoch = -1): Peeked {
  return { record, writerEpoch };
}

test("lane is left to another worker while its record is young or changes, and taken when it rests", async () => {
  const clock = createSimClock();
  const standby = new Standby(clock, "two");
  const at = (sourceNext: bigint, updatedMs: number): HistoryRecord => {
    return { ...RECORD, progress: { ...RECORD.progress, sourceNext }, updatedMs };
  };
  assert.equal(standby.look(peeked(undefined)), "free");
  assert.equal(standby.look(peeked(at(1n, clock.nowMs()))), "taken", "young");
  await pass(clock, STANDBY_MS);
  assert.equal(standby.look(peeked(at(2n, 0))), "taken", "changed, whatever its clock says");
  await pass(clock, STANDBY_MS);
  assert.equal(standby.look(peeked(at(2n, clock.nowMs()))), "resting", "whatever its clock says");
  await pass(clock, IDLE_STANDBY_MS);
  assert.equal(standby.look(peeked(at(2n, clock.nowMs()))), "free");
  standby.committed(500);
  assert.equal(standby.look(peeked(at(3n, clock.nowMs()))), "free", "its own");
  standby.fenced();
  assert.equal(standby.look(peeked(at(3n, 0))), "taken", "whoever fenced it has not committed yet");
  assert.equal(standby.look(peeked({ ...at(4n, clock.nowMs()), mode: "live" })), "free", "the holder gave it back");
  standby.fenced();
  for (const record of [undefined, { ...at(4n, 0), mode: "live" as const }]) {
    assert.equal(standby.look(peeked(record)), "taken", "whoever fenced it has not committed yet");
    await pass(clock, STANDBY_MS);
    assert.equal(standby.look(peeked(record)), "free");
    standby.fenced();
  }
  const fresh = new Standby(clock, "three");
  const old = at(1n, clock.nowMs() - STANDBY_MS);
  assert.equal(fresh.look(peeked(old)), "taken", "its holder's successor goes first");
  await pass(clock, HEAD_START_MS);
  assert.equal(fresh.look(peeked(old, WRITER_EPOCH + 1)), "resting", "what the holder left open was aborted");
  assert.equal(fresh.look(peeked(old, WRITER_EPOCH + 2)), "taken", "another writer was opened");
});

test("lane is taken at once by what came of its holder, unless another worker was faster", () => {
  const clock = createSimClock();
  const record = { ...RECORD, updatedMs: clock.nowMs() };
  const standby = new Standby(clock, RECORD.worker);
  assert.equal(standby.look(peeked(record)), "free");
  standby.opened();
  standby.fenced();
  assert.equal(standby.look(peeked(record)), "taken");
  assert.equal(new Standby(clock, "").look(peeked({ ...record, worker: "" })), "taken", "no name is nobody's name");
});

test("worker that opened writers in vain waits no longer than others once somebody commits in time", async () => {
  const clock = createSimClock();
  const at = (sourceNext: bigint): HistoryRecord => ({ ...RECORD, progress: { ...RECORD.progress, sourceNext } });
  const waited = async (everyMs: number): Promise<number> => {
    const standby = new Standby(clock, "two");
    standby.opened();
    standby.fenced();
    for (let next = 1n; next <= 3n; next++) {
      assert.equal(standby.look(peeked(at(next))), "taken");
      await pass(clock, everyMs);
    }
    const sinceMs = clock.monotonicMs() - everyMs;
    while (standby.look(peeked(at(3n))) === "taken") await pass(clock, 100);
    return Math.round(clock.monotonicMs() - sinceMs);
  };
  assert.equal(await waited(500), STANDBY_MS);
  assert.equal(await waited(1_500), 2 * STANDBY_MS);
});

test("worker opens no writer while another one's that was opened behind the record may come to commit", async () => {
  const clock = createSimClock();
  const own = new Standby(clock, RECORD.worker);
  const stranger = new Standby(clock, "two");
  const opened = { producerId: WRITER, epoch: WRITER_EPOCH + 2 };
  for (const one of [own, stranger]) {
    assert.equal(one.yields(RECORD, undefined), false, "nobody, or nobody knows");
    assert.equal(one.yields(RECORD, { producerId: WRITER, epoch: WRITER_EPOCH }), false, "whoever wrote the record");
    assert.equal(one.yields(RECORD, opened), true);
  }
  await pass(clock, RIVAL_MS);
  assert.equal(own.yields(RECORD, opened), false, "it was no more than a reader that ended a transaction");
  assert.equal(stranger.yields(RECORD, opened), true);
  await pass(clock, STANDBY_MS - RIVAL_MS);
  assert.equal(stranger.yields(RECORD, opened), false);
  const next = { producerId: WRITER + 1n, epoch: 0 };
  assert.ok(own.yields(RECORD, next) && stranger.yields(RECORD, next), "another one was opened since");
});

test("of two workers that open writers in vain one waits longer each time, and so does one whose transactions take long", async () => {
  const clock = createSimClock();
  const standby = new Standby(clock, "two");
  const waited = async (): Promise<number> => {
    const sinceMs = clock.monotonicMs();
    while (standby.look(peeked(RECORD)) === "taken") await pass(clock, 100);
    return Math.round(clock.monotonicMs() - sinceMs);
  };
  const times: number[] = [];
  for (let i = 0; i < 6; i++) {
    standby.opened();
    standby.fenced();
    times.push(await waited());
  }
  assert.deepEqual(times, [2_000, 4_000, 8_000, 16_000, 16_000, 16_000]);
  standby.opened();
  standby.committed(700);
  standby.fenced();
  assert.equal(await waited(), 1_400);
});

test("lane returns after a calm that doubles with each entry, and never when epochs run out", async () => {
  const clock = createSimClock();
  const rule = new ReturnRule(clock);
  rule.entered();
  assert.equal(rule.returnsInMs(1), CALM_MS);
  await pass(clock, 4_000);
  assert.equal(Math.round(rule.returnsInMs(1) ?? -1), CALM_MS - 4_000);
  rule.sawOld();
  assert.equal(rule.returnsInMs(1), CALM_MS);
  rule.entered();
  assert.equal(rule.returnsInMs(3), 2 * CALM_MS);
  for (let i = 0; i < 20; i++) rule.entered();
  assert.equal(rule.returnsInMs(5), CALM_MAX_MS);
  assert.equal(rule.returnsInMs(32_000), undefined);
});

test("slots are given in order of asking, and giving one back twice is once", async () => {
  const slots = new Slots(1);
  const first = await slots.take();
  const order: string[] = [];
  const second = slots.take().then((release) => {
    order.push("second");
    return release;
  });
  const third = slots.take().then((release) => {
    order.push("third");
    return release;
  });
  first();
  first();
  const release = await second;
  await Promise.resolve();
  assert.deepEqual(order, ["second"]);
  release();
  (await third)();
  assert.deepEqual(order, ["second", "third"]);
});
