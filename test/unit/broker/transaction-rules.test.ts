/** The steps of a transaction one by one, where the contract suite cannot go: used-up epochs, and every state against every end. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type EndRequest, judgeEnd } from "../../../src/broker/transactions/end-rules.ts";
import { entryOf, TransactionRecord } from "../../../src/broker/transactions/record.ts";
import {
  isKnownProducer,
  newTransaction,
  TRANSACTION_STATES,
  type Transaction,
  withDecision,
  withEnd,
  withNextEpoch,
  withNextProducer,
  withPartitions,
} from "../../../src/broker/transactions/transaction.ts";
import { errorName } from "../../../src/wire/error-codes.ts";

const NOW_MS = 1_750_000_000_000;
const EPOCH_LAST = 32_766;

function transaction(change: Partial<Transaction> = {}): Transaction {
  const fresh = newTransaction("writer", { producerId: 7n, timeoutMs: 1_000, nowMs: NOW_MS });
  return { ...fresh, producerEpoch: 5, lastProducerEpoch: 4, ...change };
}

function verdict(state: Transaction, request: Partial<EndRequest>): string {
  const end = { producerId: 7n, producerEpoch: 5, committed: true, version: 2, ...request } as const;
  const judged = judgeEnd(state, end);
  return judged.kind === "refuse" ? errorName(judged.errorCode) : judged.kind;
}

test("an end that raises the epoch tells a repeated request from the next one by its epoch", () => {
  const table = TRANSACTION_STATES.map((state) => [
    state,
    ...[false, true].flatMap((committed) =>
      [4, 5].map((producerEpoch) => verdict(transaction({ state }), { committed, producerEpoch })),
    ),
  ]);
  assert.deepEqual(table, [
    ["Empty", "PRODUCER_FENCED", "end", "PRODUCER_FENCED", "INVALID_TXN_STATE"],
    ["Ongoing", "PRODUCER_FENCED", "end", "PRODUCER_FENCED", "end"],
    ["PrepareCommit", "INVALID_TXN_STATE", "PRODUCER_FENCED", "CONCURRENT_TRANSACTIONS", "PRODUCER_FENCED"],
    ["PrepareAbort", "CONCURRENT_TRANSACTIONS", "PRODUCER_FENCED", "INVALID_TXN_STATE", "PRODUCER_FENCED"],
    ["CompleteCommit", "INVALID_TXN_STATE", "end", "done", "INVALID_TXN_STATE"],
    ["CompleteAbort", "done", "end", "INVALID_TXN_STATE", "INVALID_TXN_STATE"],
  ]);
});

test("an end that keeps the epoch repeats as itself, and needs the current epoch", () => {
  const table = TRANSACTION_STATES.map((state) => [
    state,
    ...[false, true].map((committed) => verdict(transaction({ state }), { committed, version: 0 })),
  ]);
  assert.deepEqual(table, [
    ["Empty", "INVALID_TXN_STATE", "INVALID_TXN_STATE"],
    ["Ongoing", "end", "end"],
    ["PrepareCommit", "INVALID_TXN_STATE", "CONCURRENT_TRANSACTIONS"],
    ["PrepareAbort", "CONCURRENT_TRANSACTIONS", "INVALID_TXN_STATE"],
    ["CompleteCommit", "INVALID_TXN_STATE", "done"],
    ["CompleteAbort", "done", "INVALID_TXN_STATE"],
  ]);
  for (const producerEpoch of [4, 6])
    assert.equal(verdict(transaction({ state: "Ongoing" }), { version: 0, producerEpoch }), "PRODUCER_FENCED");
  assert.equal(verdict(transaction(), { version: 0, producerId: 8n }), "INVALID_PRODUCER_ID_MAPPING");
});

test("the last epoch is never given to a writer: the end before it changes the producer id, and is known when repeated", () => {
  const open = transaction({ state: "Ongoing", producerEpoch: EPOCH_LAST });
  const decision = { committed: true, version: 2, nextProducerId: 9n, nowMs: NOW_MS } as const;
  const decided = withDecision(open, decision);
  assert.deepEqual([decided.producerId, decided.producerEpoch], [7n, EPOCH_LAST + 1], "the markers' epoch");
  const ended = withEnd(decided, NOW_MS);
  assert.deepEqual([ended.producerId, ended.previousProducerId, ended.producerEpoch], [9n, 7n, 0]);
  assert.equal(verdict(ended, { producerEpoch: EPOCH_LAST }), "done");
  assert.equal(verdict(ended, { producerEpoch: EPOCH_LAST - 1 }), "INVALID_PRODUCER_ID_MAPPING");
});

test("a fence never passes the last epoch, and the next writer then gets another producer id", () => {
  let fenced = transaction({ state: "Ongoing", producerEpoch: EPOCH_LAST });
  for (let turn = 0; turn < 3; turn++)
    fenced = withDecision(fenced, { committed: false, version: 2, nextProducerId: -1n, nowMs: NOW_MS });
  assert.equal(fenced.producerEpoch, EPOCH_LAST + 1);
  const next = withNextProducer(withEnd(fenced, NOW_MS), {
    producerId: 9n,
    timeoutMs: 1,
    keepsLast: true,
    nowMs: NOW_MS,
  });
  assert.deepEqual([next.producerId, next.producerEpoch, next.lastProducerEpoch], [9n, 0, EPOCH_LAST + 1]);
  assert.ok(isKnownProducer(next, { producerId: 7n, epoch: EPOCH_LAST }));
  assert.ok(!isKnownProducer(next, { producerId: 7n, epoch: 3 }));
});

test("a writer goes on with its own epoch, repeats a request whose answer was lost, and is refused with any other", () => {
  const now = transaction();
  const epochs = (expectedEpoch: number | undefined) => {
    const next = withNextEpoch(now, { timeoutMs: 1, expectedEpoch, nowMs: NOW_MS });
    return typeof next === "number" ? errorName(next) : [next.producerEpoch, next.lastProducerEpoch];
  };
  assert.deepEqual(epochs(undefined), [6, -1]);
  assert.deepEqual(epochs(5), [6, 5]);
  assert.deepEqual(epochs(4), [5, 4]);
  assert.equal(epochs(3), "PRODUCER_FENCED");
  assert.equal(epochs(6), "PRODUCER_FENCED");
});

test("a transaction reads back from its journal entry, and the record from its snapshot", () => {
  const partitions = [
    { topic: "orders", index: 0 },
    { topic: "bills", index: 2 },
    { topic: "orders", index: 1 },
  ];
  const one = withPartitions(transaction(), { partitions, version: 2, nowMs: NOW_MS + 5 });
  assert.deepEqual([one.state, one.startMs, one.partitions.length], ["Ongoing", NOW_MS + 5, 3]);
  const again = withPartitions(one, { partitions, version: 2, nowMs: NOW_MS + 9 });
  assert.deepEqual([again.startMs, again.updateMs, again.partitions.length], [NOW_MS + 5, NOW_MS + 9, 3]);
  const record = new TransactionRecord();
  record.apply({ t: "term", term: 3 });
  record.apply(JSON.parse(JSON.stringify(entryOf(again))));
  const copy = new TransactionRecord();
  for (const entry of record.snapshot()) copy.apply(JSON.parse(JSON.stringify(entry)));
  assert.equal(copy.term, 3);
  const read = copy.transactions.get("writer");
  assert.deepEqual(
    { ...read, partitions: new Set(read?.partitions.map(({ topic, index }) => `${topic}/${index}`)) },
    { ...again, partitions: new Set(["orders/0", "bills/2", "orders/1"]) },
  );
  record.apply({ t: "expired", id: "writer" });
  assert.equal(record.transactions.size, 0);
});
