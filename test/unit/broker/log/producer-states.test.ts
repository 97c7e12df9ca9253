/** What a log remembers of idempotent producers, and answers to their sequences as Kafka does. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { PartitionLog } from "../../../../src/broker/log/partition-log.ts";
import { decodeSnapshot, encodeSnapshot } from "../../../../src/broker/log/producer-snapshot.ts";
import { markerBatch } from "../../../../src/broker/log/txn-marker.ts";
import { ErrorCode } from "../../../../src/wire/error-codes.ts";
import { type BatchView, SEQUENCE_MODULUS } from "../../../../src/wire/record-batch.ts";
import { batchOf, DIRECTORY, NOW_MS, openWorld } from "./log-fixture.ts";

const MAX = SEQUENCE_MODULUS - 1;

interface Sent {
  readonly epoch?: number;
  readonly first: number;
  readonly count: number;
  readonly producerId?: bigint;
  readonly timestampMs?: number;
}

/** Sends like a leader: check, then append. Answers "appended", the original offset of a duplicate, or the error code. */
function send(log: PartitionLog, sent: Sent): string | bigint | number {
  const { epoch = 0, first, count, producerId = 9n, timestampMs = NOW_MS } = sent;
  const batch = batchOf({ count, producerId, producerEpoch: epoch, baseSequence: first, timestampMs });
  const verdict = log.producers.check(batch);
  if (verdict.kind === "refuse") return verdict.errorCode;
  if (verdict.kind === "duplicate") return verdict.baseOffset;
  log.append(batch, { leaderEpoch: 0 });
  return "appended";
}

const { OUT_OF_ORDER_SEQUENCE_NUMBER: OUT_OF_ORDER, INVALID_PRODUCER_EPOCH: OLD_EPOCH } = ErrorCode;

/** Each case: what went before, and what is answered to one more batch. */
const CASES: readonly {
  readonly name: string;
  readonly before: readonly Sent[];
  readonly sent: Sent;
  readonly answer: string | bigint | number;
}[] = [
  {
    name: "the next sequence",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 8, count: 2 },
    answer: "appended",
  },
  {
    name: "an overlap beyond the end",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 4, count: 6 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "a part of the last batch",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 4, count: 2 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "an overlap of the last and the next",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 6, count: 4 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "two batches joined",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 0, count: 8 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "a gap",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 9, count: 2 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "the last batch again",
    before: [
      { first: 0, count: 4 },
      { first: 4, count: 4 },
    ],
    sent: { first: 4, count: 4 },
    answer: 4n,
  },
  {
    name: "the fifth last batch again",
    before: [0, 1, 2, 3, 4].map((first) => ({ first, count: 1 })),
    sent: { first: 0, count: 1 },
    answer: 0n,
  },
  {
    name: "the sixth last batch again",
    before: [0, 1, 2, 3, 4, 5].map((first) => ({ first, count: 1 })),
    sent: { first: 0, count: 1 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "a newer epoch from 0",
    before: [{ first: 0, count: 4 }],
    sent: { epoch: 1, first: 0, count: 1 },
    answer: "appended",
  },
  {
    name: "a newer epoch from elsewhere",
    before: [{ first: 0, count: 4 }],
    sent: { epoch: 1, first: 4, count: 1 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "an older epoch",
    before: [
      { first: 0, count: 4 },
      { epoch: 1, first: 0, count: 1 },
    ],
    sent: { first: 4, count: 1 },
    answer: OLD_EPOCH,
  },
  {
    name: "an old batch of an older epoch",
    before: [
      { first: 0, count: 4 },
      { epoch: 1, first: 0, count: 1 },
    ],
    sent: { first: 0, count: 4 },
    answer: OLD_EPOCH,
  },
  {
    name: "any sequence of an unknown producer",
    before: [],
    sent: { epoch: 5, first: 1_000, count: 1 },
    answer: "appended",
  },
  {
    name: "a batch across the wrap again",
    before: [{ first: MAX - 2, count: 6 }],
    sent: { first: MAX - 2, count: 6 },
    answer: 0n,
  },
  {
    name: "the sequence after a wrap",
    before: [{ first: MAX - 2, count: 6 }],
    sent: { first: 3, count: 1 },
    answer: "appended",
  },
  {
    name: "a gap after a wrap",
    before: [{ first: MAX - 2, count: 6 }],
    sent: { first: 4, count: 1 },
    answer: OUT_OF_ORDER,
  },
  {
    name: "0 after the greatest sequence",
    before: [{ first: MAX, count: 1 }],
    sent: { first: 0, count: 1 },
    answer: "appended",
  },
  {
    name: "a batch with an id and no epoch",
    before: [{ epoch: -1, first: 5, count: 1 }],
    sent: { epoch: -1, first: 5, count: 1 },
    answer: "appended",
  },
  {
    name: "a plain batch",
    before: [{ producerId: -1n, first: 5, count: 1 }],
    sent: { producerId: -1n, first: 5, count: 1 },
    answer: "appended",
  },
  {
    name: "the greatest producer id again",
    before: [{ producerId: 2n ** 63n - 1n, first: 0, count: 1 }],
    sent: { producerId: 2n ** 63n - 1n, first: 0, count: 1 },
    answer: 0n,
  },
];

for (const { name, before, sent, answer } of CASES) {
  test(`log answers as Kafka does when it is sent ${name}`, () => {
    const { log } = openWorld();
    for (const each of before) assert.equal(send(log, each), "appended");
    assert.equal(send(log, sent), answer);
  });
}

test("log knows only the last batch of a producer when it was closed and opened", async () => {
  const world = openWorld();
  for (let i = 0; i < 5; i++) send(world.log, { first: i, count: 1 });
  await world.log.close();
  const log = world.reopen();
  assert.equal(send(log, { first: 3, count: 1 }), OUT_OF_ORDER);
  assert.equal(send(log, { first: 4, count: 1 }), 4n);
  assert.equal(send(log, { first: 6, count: 1 }), OUT_OF_ORDER);
  assert.equal(send(log, { first: 5, count: 1 }), "appended");
});

test("log knows only the last batch of a producer when its process was killed", () => {
  const world = openWorld();
  for (let i = 0; i < 5; i++) send(world.log, { first: i, count: 1 });
  world.storage.crash((file) => file.sizeBytes);
  const log = world.reopen();
  assert.equal(send(log, { first: 3, count: 1 }), OUT_OF_ORDER);
  assert.equal(send(log, { first: 4, count: 1 }), 4n);
  assert.equal(send(log, { first: 5, count: 1 }), "appended");
});

test("log remembers a producer when all its records are deleted", async () => {
  const world = openWorld();
  send(world.log, { first: 0, count: 4 });
  world.clock.ms = NOW_MS + 1_000;
  world.log.configure({ ...world.config, retentionMs: 500 });
  assert.equal(world.log.applyRetention(world.clock.ms), 1);
  assert.equal(world.log.startOffset, 4n);
  assert.equal(send(world.log, { first: 0, count: 4 }), 0n);
  await world.log.close();
  const log = world.reopen();
  assert.equal(send(log, { first: 0, count: 4 }), 0n);
  assert.equal(send(log, { first: 5, count: 1 }), OUT_OF_ORDER);
  assert.equal(send(log, { first: 4, count: 1 }), "appended");
});

test("log forgets a producer when the time of its last record is past the expiration", () => {
  const world = openWorld({ producerIdExpirationMs: 1_000 });
  send(world.log, { first: 0, count: 4, timestampMs: NOW_MS - 1_000 });
  send(world.log, { producerId: 10n, first: 0, count: 4, timestampMs: NOW_MS - 999 });
  world.log.expireProducers(NOW_MS);
  assert.deepEqual(
    world.log.producers.describe().map((state) => state.producerId),
    [10n],
  );
  assert.equal(send(world.log, { first: 700, count: 1 }), "appended");
});

test("log describes a producer by its last batch", () => {
  const { log } = openWorld();
  send(log, { first: 0, count: 4, timestampMs: NOW_MS });
  send(log, { first: 4, count: 3, timestampMs: NOW_MS - 5 });
  assert.deepEqual(log.producers.describe(), [
    {
      producerId: 9n,
      producerEpoch: 0,
      lastSequence: 6,
      lastOffset: 6n,
      offsetDelta: 2,
      lastTimestampMs: BigInt(NOW_MS - 5),
      coordinatorEpoch: -1,
      currentTxnFirstOffset: -1n,
    },
  ]);
});

test("snapshot holds what was put in, and is refused when a byte is flipped", () => {
  const { log } = openWorld();
  send(log, { first: MAX - 1, count: 4 });
  send(log, { producerId: 2n ** 62n, epoch: 7, first: 4, count: 3 });
  const bytes = encodeSnapshot(log.producers.describe());
  assert.deepEqual(decodeSnapshot(bytes), log.producers.describe());
  for (let i = 0; i < bytes.length; i++) {
    const flipped = Buffer.from(bytes);
    flipped.writeUInt8(bytes.readUInt8(i) ^ 0x10, i);
    assert.equal(decodeSnapshot(flipped), undefined, `byte ${i}`);
  }
  assert.equal(decodeSnapshot(bytes.subarray(0, -1)), undefined);
});

test("log falls back to the batches when a snapshot is damaged", async () => {
  const world = openWorld();
  send(world.log, { first: 0, count: 4 });
  await world.log.close();
  const path = `${DIRECTORY}/${"4".padStart(20, "0")}.snapshot`;
  assert.ok(world.storage.exists(path));
  world.storage.writeFile(path, Buffer.from("damaged"));
  const log = world.reopen();
  assert.equal(send(log, { first: 0, count: 4 }), 0n);
  assert.equal(world.storage.exists(path), false);
});

test("log keeps the newest snapshot and those of its segments when it is opened", async () => {
  const world = openWorld({ segmentBytes: 200 });
  for (let i = 0; i < 3; i++) {
    send(world.log, { first: 4 * i, count: 4 });
    await world.log.close();
    world.reopen();
  }
  const names = world.storage.list(DIRECTORY);
  const offsets = (suffix: string): number[] =>
    names.filter((n) => n.endsWith(suffix)).map((n) => Number.parseInt(n, 10));
  assert.deepEqual(
    [offsets(".log"), offsets(".snapshot")],
    [
      [0, 4, 8],
      [4, 8, 12],
    ],
  );
  world.log.configure({ ...world.config, segmentBytes: 1_000_000 });
  for (let i = 3; i < 6; i++) {
    send(world.log, { first: 4 * i, count: 4 });
    await world.log.close();
    world.reopen().configure({ ...world.config, segmentBytes: 1_000_000 });
  }
  const left = world.storage.list(DIRECTORY).filter((name) => name.endsWith(".snapshot"));
  assert.deepEqual(
    left.map((name) => Number.parseInt(name, 10)),
    [4, 8, 24],
  );
  assert.equal(send(world.log, { first: 20, count: 4 }), 20n);
});

test("log holds the last stable offset at the first open transaction until its marker is there, also after a restart", async () => {
  const world = openWorld();
  const transactional = { producerEpoch: 0, baseSequence: 0, isTransactional: true, timestampMs: 5 };
  const append = (batch: BatchView): void => void world.log.append(batch, { leaderEpoch: 0 });
  append(batchOf({ count: 2 }));
  append(batchOf({ count: 2, producerId: 1n, ...transactional }));
  append(batchOf({ count: 2, producerId: 2n, ...transactional }));
  await world.log.close();
  world.reopen();
  assert.equal(world.log.lastStableOffset(6n), 2n);
  assert.equal(world.log.lastStableOffset(1n), 1n);
  assert.equal(send(world.log, { producerId: 2n, first: 2, count: 1 }), ErrorCode.INVALID_TXN_STATE);
  world.log.expireProducers(NOW_MS);
  const end = { committed: true, coordinatorEpoch: 0 };
  const at = { nowMs: NOW_MS, isAppendTime: false };
  append(markerBatch({ producerId: 1n, producerEpoch: 0, ...end }, at));
  assert.equal(world.log.lastStableOffset(7n), 4n);
  append(markerBatch({ producerId: 2n, producerEpoch: 1, ...end }, at));
  assert.equal(world.log.lastStableOffset(8n), 8n);
  assert.equal(send(world.log, { producerId: 2n, epoch: 1, first: 2, count: 1 }), OUT_OF_ORDER);
  assert.equal(send(world.log, { producerId: 2n, epoch: 1, first: 0, count: 1 }), "appended");
});
