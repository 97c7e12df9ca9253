/** Transactions in a log: markers, the last stable offset, and which aborted records a reader leaves out. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PartitionLog } from "../../../../src/broker/log/partition-log.ts";
import { markerBatch, markerIn } from "../../../../src/broker/log/txn-marker.ts";
import { AbortedTransactions } from "../../../../src/mirror/aborted.ts";
import { ErrorCode } from "../../../../src/wire/error-codes.ts";
import { batchesIn } from "../../../../src/wire/record-batch.ts";
import { TransactionIndex } from "../../../../src/wire/segment/transaction-index.ts";
import { batchOf, DIRECTORY, NOW_MS, openWorld } from "./log-fixture.ts";

/** Next sequence by producer, which a marker of the same epoch does not reset. */
type Sequences = Map<bigint, number>;

function write(
  log: PartitionLog,
  producerId: bigint,
  options: { readonly count?: number; readonly sequences?: Sequences } = {},
): bigint {
  const { count = 1, sequences = new Map<bigint, number>() } = options;
  const baseSequence = sequences.get(producerId) ?? 0;
  sequences.set(producerId, baseSequence + count);
  const batch = batchOf({ count, producerId, producerEpoch: 0, baseSequence, isTransactional: true });
  return log.append(batch, { leaderEpoch: 0 }).baseOffset;
}

function end(log: PartitionLog, producerId: bigint, how: "commit" | "abort"): bigint {
  const marker = { producerId, producerEpoch: 0, committed: how === "commit", coordinatorEpoch: 0 };
  return log.append(markerBatch(marker, { nowMs: NOW_MS, isAppendTime: false }), { leaderEpoch: 0 }).baseOffset;
}

test("log lets the last stable offset pass a transaction when the high watermark has passed its marker", () => {
  const { log } = openWorld();
  write(log, 1n);
  write(log, 2n);
  assert.equal(end(log, 1n, "abort"), 2n);
  assert.equal(log.lastStableOffset(2n), 0n, "the marker may still be cut off");
  assert.equal(log.lastStableOffset(3n), 1n, "the other one is open");
  end(log, 2n, "commit");
  assert.equal(log.lastStableOffset(3n), 1n);
  assert.equal(log.lastStableOffset(4n), 4n);
});

test("log names the aborted transactions that touch a read, wherever their markers are", () => {
  const { log } = openWorld({ segmentBytes: 200 });
  const sequences: Sequences = new Map();
  write(log, 1n, { sequences }); // 0
  write(log, 2n, { sequences }); // 1
  end(log, 2n, "abort"); // 2
  write(log, 2n, { sequences }); // 3
  end(log, 2n, "commit"); // 4
  end(log, 1n, "abort"); // 5
  assert.ok(log.closedSegments().length >= 2);
  const named = (fromOffset: bigint, endOffset: bigint) =>
    log.abortedTransactions({ fromOffset, endOffset }).map(({ producerId, firstOffset }) => [producerId, firstOffset]);
  assert.deepEqual(named(0n, 6n), [
    [2n, 1n],
    [1n, 0n],
  ]);
  assert.deepEqual(named(3n, 6n), [[1n, 0n]]);
  assert.deepEqual(named(6n, 6n), []);
});

test("log writes the index of aborted transactions as Kafka does when a segment is closed", () => {
  const { log, storage } = openWorld();
  write(log, 7n);
  end(log, 7n, "commit");
  log.roll();
  assert.equal(log.readSegmentFiles(0n).txnindex, undefined);
  write(log, 8n, { count: 3 });
  write(log, 7n, { sequences: new Map([[7n, 1]]) });
  end(log, 7n, "abort");
  end(log, 8n, "abort");
  log.roll();
  const expected = [
    [7n, 5n, 6n, 2n],
    [8n, 2n, 7n, 8n],
  ].map((numbers) => `0000${numbers.map((each) => each.toString(16).padStart(16, "0")).join("")}`);
  assert.equal(storage.readFile(`${DIRECTORY}/00000000000000000002.txnindex`).toString("hex"), expected.join(""));
});

test("log still names the aborted transactions of a segment that was moved away, until its start passes them", async () => {
  const world = openWorld();
  write(world.log, 1n);
  end(world.log, 1n, "abort");
  world.log.roll();
  write(world.log, 2n);
  end(world.log, 2n, "abort");
  world.log.roll();
  world.log.dropLocalSegment(0n);
  const range = { fromOffset: 0n, endOffset: 2n };
  assert.deepEqual(world.log.abortedTransactions(range), [{ producerId: 1n, firstOffset: 0n }]);
  await world.log.close();
  world.reopen();
  assert.deepEqual(world.log.abortedTransactions(range), [{ producerId: 1n, firstOffset: 0n }]);
  world.log.deleteRecordsBefore(2n);
  assert.deepEqual(
    world.storage.list(DIRECTORY).filter((name) => name.endsWith(".txnindex")),
    ["00000000000000000002.txnindex"],
  );
});

test("log finds the aborted transactions again when an index is damaged", async () => {
  const world = openWorld();
  write(world.log, 1n);
  world.log.roll();
  end(world.log, 1n, "abort");
  world.log.roll();
  await world.log.close();
  world.storage.writeFile(`${DIRECTORY}/00000000000000000001.txnindex`, Buffer.alloc(33));
  world.reopen();
  const found = world.log.abortedTransactions({ fromOffset: 0n, endOffset: 2n });
  assert.deepEqual(found, [{ producerId: 1n, firstOffset: 0n }]);
});

test("log shows a committed reader what was committed and nothing else, after kills, restarts and cuts", async () => {
  const producerId = fc.bigInt({ min: 1n, max: 3n });
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("write" as const), producerId, count: fc.integer({ min: 1, max: 3 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("commit" as const, "abort" as const), producerId }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("cut" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constantFrom("kill" as const, "restart" as const, "sync" as const) }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), fc.boolean(), async (steps, tiny) => {
      const world = openWorld({ segmentBytes: tiny ? 250 : 900, indexIntervalBytes: 150 });
      let model: Entry[] = [];
      for (const each of steps) {
        const base = world.log.endOffset;
        if (each.kind === "write") {
          // What producers send after a cut is not the subject: every batch is a producer's first.
          const batch = batchOf({
            count: each.count,
            producerId: each.producerId,
            producerEpoch: 0,
            isTransactional: true,
            baseSequence: 0,
          });
          world.log.append(batch, { leaderEpoch: 0 });
          model.push({ kind: "data", producerId: each.producerId, base });
        } else if (each.kind === "commit" || each.kind === "abort") {
          end(world.log, each.producerId, each.kind);
          model.push({ kind: each.kind, producerId: each.producerId, base });
        } else if (each.kind === "cut") {
          const to = world.log.truncateTo(BigInt(Math.floor(each.at * Number(base))));
          model = model.filter((entry) => entry.base < to);
        } else if (each.kind === "sync") {
          await world.log.sync();
        } else {
          if (each.kind === "restart") await world.log.close();
          else world.storage.crash((file) => file.sizeBytes);
          world.reopen();
        }
        checkReaders(world.log, model);
      }
    }),
    { numRuns: 150 },
  );
});

interface Entry {
  readonly kind: "data" | "commit" | "abort";
  readonly producerId: bigint;
  readonly base: bigint;
}

/** Reads in small fetches from a few places and compares with what the model says a committed reader sees. */
function checkReaders(log: PartitionLog, model: readonly Entry[]): void {
  const { seen, stable } = committed(model, log.endOffset);
  assert.equal(log.lastStableOffset(log.endOffset), stable);
  for (const from of [0n, log.endOffset / 3n, (log.endOffset * 2n) / 3n]) {
    const expected = seen.filter((entry) => entry.next > from && entry.next <= stable).map((entry) => entry.base);
    assert.deepEqual(readCommitted(log, from, stable), expected, `from ${from}`);
  }
}

function readCommitted(log: PartitionLog, from: bigint, stable: bigint): readonly bigint[] {
  const bases: bigint[] = [];
  for (let at = from; at < stable; ) {
    const batches = [...batchesIn(log.read({ fromOffset: at, maxBytes: 120, endOffset: stable }))];
    const endOffset = batches.at(-1)?.nextOffset ?? stable;
    const aborted = new AbortedTransactions(log.abortedTransactions({ fromOffset: at, endOffset }));
    for (const batch of batches) if (!aborted.covers(batch) && !batch.isControl) bases.push(batch.baseOffset);
    at = endOffset;
  }
  return bases;
}

function committed(model: readonly Entry[], endOffset: bigint) {
  const seen: { readonly base: bigint; readonly next: bigint }[] = [];
  let stable = endOffset;
  for (const [i, entry] of model.entries()) {
    if (entry.kind !== "data") continue;
    const outcome = model.slice(i).find((later) => later.kind !== "data" && later.producerId === entry.producerId);
    if (outcome === undefined && entry.base < stable) stable = entry.base;
    if (outcome?.kind === "commit") seen.push({ base: entry.base, next: model[i + 1]?.base ?? endOffset });
  }
  return { seen, stable };
}

test("log refuses markers of older epochs and of older coordinators, and knows a repeated one", () => {
  const { log } = openWorld();
  const marker = { producerId: 5n, producerEpoch: 3, committed: false, coordinatorEpoch: 2 };
  assert.equal(log.producers.checkMarker(marker, 0), ErrorCode.NONE, "nothing is known of the producer");
  log.append(markerBatch(marker, { nowMs: NOW_MS, isAppendTime: false }), { leaderEpoch: 0 });
  const [state] = log.producers.describe();
  assert.deepEqual(
    [state?.producerEpoch, state?.lastSequence, state?.coordinatorEpoch, state?.lastTimestampMs],
    [3, -1, 2, BigInt(NOW_MS)],
  );
  const code = (change: Partial<typeof marker>, version: number) =>
    log.producers.checkMarker({ ...marker, ...change }, version);
  assert.equal(code({ producerEpoch: 2 }, 0), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(code({ coordinatorEpoch: 1 }, 0), ErrorCode.TRANSACTION_COORDINATOR_FENCED);
  assert.equal(code({}, 2), ErrorCode.NONE, "a repeat of the marker that ended the transaction");
  log.append(batchOf({ producerId: 5n, producerEpoch: 3, baseSequence: 0, isTransactional: true }), { leaderEpoch: 0 });
  assert.equal(code({}, 0), ErrorCode.NONE, "ends the transaction without raising the epoch");
  assert.equal(code({}, 2), ErrorCode.INVALID_PRODUCER_EPOCH, "would end the next transaction of the epoch");
  assert.equal(code({ producerEpoch: 4 }, 2), ErrorCode.NONE);
});

test("log fences older epochs with a marker of a newer one, and keeps the remembered batches with one of the same", () => {
  const { log, clock } = openWorld();
  const first = batchOf({ count: 2, producerId: 5n, producerEpoch: 0, baseSequence: 0, timestampMs: 5 });
  log.append(first, { leaderEpoch: 0 });
  const marker = { producerId: 5n, producerEpoch: 0, committed: false, coordinatorEpoch: 0 };
  const append = (producerEpoch: number) =>
    log.append(markerBatch({ ...marker, producerEpoch }, { nowMs: clock.nowMs(), isAppendTime: false }), {
      leaderEpoch: 0,
    });
  append(0);
  assert.equal(log.producers.check(first).kind, "duplicate");
  log.expireProducers(NOW_MS + 1_000);
  assert.equal(log.producers.size, 1, "the marker's own time counts");
  append(1);
  const code = (producerEpoch: number, baseSequence: number) => {
    const verdict = log.producers.check(batchOf({ producerId: 5n, producerEpoch, baseSequence }));
    return verdict.kind === "refuse" ? verdict.errorCode : verdict.kind;
  };
  assert.equal(code(0, 0), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(code(1, 2), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(code(1, 0), "append");
});

test("log asks for the coordinator's word before the first batch of a transaction, and refuses what comes before it", () => {
  const { log } = openWorld();
  const batch = (baseSequence: number) =>
    batchOf({ producerId: 5n, producerEpoch: 0, baseSequence, isTransactional: true });
  const code = (baseSequence: number, isVerified: boolean) => {
    const verdict = log.producers.check(batch(baseSequence), { isVerified });
    return verdict.kind === "refuse" ? verdict.errorCode : verdict.kind;
  };
  assert.equal(code(0, false), ErrorCode.INVALID_TXN_STATE);
  log.producers.beginVerification(batch(0), { nowMs: NOW_MS, mustBeginAtZero: false });
  log.producers.beginVerification(batch(1), { nowMs: NOW_MS, mustBeginAtZero: false });
  assert.equal(code(1, true), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, "the first one was not appended");
  assert.equal(code(0, true), "append");
  log.append(batch(0), { leaderEpoch: 0 });
  assert.equal(code(1, false), "append", "the transaction is open here");
});

test("an index of aborted transactions is refused when it is cut, of another version, or out of order", () => {
  const entry = { producerId: 1n, firstOffset: 3n, lastOffset: 5n, lastStableOffset: 6n };
  const index = new TransactionIndex();
  index.append(entry);
  index.append({ ...entry, lastOffset: 4n });
  const bytes = index.toBytes();
  assert.equal(bytes.length, 34, "a marker that is not later was there before");
  assert.equal(TransactionIndex.parse(bytes, 3n)?.lastOffset, 5n);
  assert.equal(TransactionIndex.parse(bytes, 6n), undefined);
  assert.equal(TransactionIndex.parse(bytes.subarray(1), 3n), undefined);
  assert.equal(TransactionIndex.parse(Buffer.concat([bytes, bytes]), 3n), undefined);
});

test("a marker reads back from its batch, and a control batch of another kind is none", () => {
  const marker = { producerId: 1n, producerEpoch: 2, committed: true, coordinatorEpoch: 3 };
  const batch = markerBatch(marker, { nowMs: NOW_MS, isAppendTime: true });
  assert.ok(batch.isControl && batch.isTransactional && batch.isLogAppendTime);
  assert.deepEqual(markerIn(batch), marker);
  assert.equal(
    markerIn(batchOf({ isControl: true, records: [{ timestampMs: 0n, key: Buffer.from([0, 0, 0, 2]), value: null }] })),
    undefined,
  );
});
