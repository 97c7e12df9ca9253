/** A log that was cut is as if the rest had never been written. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { batchAt } from "../../../../src/wire/record-batch.ts";
import { appendAll, batchOf, openWorld, readAll } from "./log-fixture.ts";

test("log forgets batches, epochs and sequences past the cut when it is truncated", () => {
  const { log } = openWorld();
  const producer = { producerId: 3n, producerEpoch: 0 };
  appendAll(log, [batchOf({ count: 4, ...producer, baseSequence: 0 })], 1);
  appendAll(log, [batchOf({ count: 4, ...producer, baseSequence: 4 })], 2);
  appendAll(log, [batchOf({ count: 4, ...producer, baseSequence: 8 })], 3);
  assert.equal(log.truncateTo(4n), 4n);
  assert.deepEqual([log.endOffset, log.latestEpoch], [4n, 1]);
  assert.deepEqual(log.epochEnd(2), { epoch: -1, endOffset: -1n });
  assert.equal(log.producers.check(batchOf({ count: 4, ...producer, baseSequence: 4 })).kind, "append");
  assert.equal(log.producers.check(batchOf({ count: 4, ...producer, baseSequence: 0 })).kind, "duplicate");
});

test("log cuts the whole batch when it is truncated inside of it", () => {
  const { log } = openWorld();
  appendAll(log, [batchOf({ count: 4 }), batchOf({ count: 4 })]);
  assert.equal(log.truncateTo(6n), 4n);
  assert.deepEqual(readAll(log), [0n]);
  assert.equal(log.truncateTo(9n), 4n);
});

test("log starts anew at the offset when it is truncated below its first segment", async () => {
  const world = openWorld({ segmentBytes: 150 });
  appendAll(world.log, [batchOf(), batchOf(), batchOf(), batchOf()]);
  world.log.deleteRecordsBefore(3n);
  assert.equal(world.log.truncateTo(1n), 1n);
  assert.deepEqual([world.log.startOffset, world.log.endOffset], [1n, 1n]);
  await world.log.close();
  assert.deepEqual([world.reopen().startOffset, world.log.endOffset], [1n, 1n]);
});

test("log is what a log without the cut batches would be when it is truncated anywhere and the process is killed", async () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant("append" as const), count: fc.integer({ min: 1, max: 4 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("truncate" as const), at: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constantFrom("kill" as const, "restart" as const, "sync" as const) }),
    },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), fc.boolean(), async (steps, tiny) => {
      const world = openWorld({ segmentBytes: tiny ? 300 : 800, indexIntervalBytes: 120 });
      let model: { readonly base: bigint; readonly next: bigint }[] = [];
      let sequence = 0;
      for (const each of steps) {
        if (each.kind === "append") {
          const next = BigInt(each.count) + (model.at(-1)?.next ?? 0n);
          const batch = batchOf({
            count: each.count,
            producerId: 1n,
            producerEpoch: 0,
            baseSequence: Number(model.at(-1)?.next ?? 0n),
          });
          assert.equal(world.log.producers.check(batch).kind, "append");
          const { baseOffset } = world.log.append(batch, { leaderEpoch: sequence++ });
          model.push({ base: baseOffset, next });
        } else if (each.kind === "truncate") {
          const at = BigInt(Math.floor(Number(world.log.endOffset) * each.at));
          model = model.filter((batch) => batch.next <= at);
          world.log.truncateTo(at);
        } else if (each.kind === "sync") {
          await world.log.sync();
        } else {
          if (each.kind === "restart") await world.log.close();
          else world.storage.crash((file) => file.sizeBytes);
          world.reopen();
        }
        assert.equal(world.log.endOffset, model.at(-1)?.next ?? 0n);
        assert.deepEqual(
          readAll(world.log),
          model.map((batch) => batch.base),
        );
        assert.equal(world.log.epochs.length, model.length);
      }
    }),
    { numRuns: 300 },
  );
});

test("log says where each epoch ended as Kafka does", () => {
  const { log } = openWorld();
  assert.deepEqual(log.epochEnd(0), { epoch: -1, endOffset: -1n });
  appendAll(log, [batchOf({ count: 2 })], 2);
  appendAll(log, [batchOf({ count: 3 })], 5);
  log.beginEpoch(7);
  const ends = [-1, 0, 2, 3, 5, 6, 7, 8].map((epoch) => log.epochEnd(epoch));
  assert.deepEqual(ends, [
    { epoch: -1, endOffset: -1n },
    { epoch: 0, endOffset: 0n },
    { epoch: 2, endOffset: 2n },
    { epoch: 2, endOffset: 2n },
    { epoch: 5, endOffset: 5n },
    { epoch: 5, endOffset: 5n },
    { epoch: 7, endOffset: 5n },
    { epoch: -1, endOffset: -1n },
  ]);
  log.deleteRecordsBefore(3n);
  assert.deepEqual(log.epochs, [
    { epoch: 5, startOffset: 3n },
    { epoch: 7, startOffset: 5n },
  ]);
});

test("log forgets where readers were when it is truncated", () => {
  const { log } = openWorld();
  appendAll(log, [batchOf(), batchOf(), batchOf()]);
  log.read({ fromOffset: 0n, maxBytes: 1 });
  log.truncateTo(0n);
  appendAll(log, [batchOf({ valueBytes: 500 }), batchOf()], 1);
  const batch = batchAt(log.read({ fromOffset: 1n, maxBytes: 1 }), 0);
  assert.equal(batch?.baseOffset, 1n);
});
