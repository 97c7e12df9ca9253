/** Segments that are cut here have the indexes that a broker would have written. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { markerBatch } from "../../../../src/broker/log/txn-marker.ts";
import { bodyOf } from "../../../../src/tier/object-body.ts";
import type { EarlierTransaction } from "../../../../src/tier/segment-cutting/segment-indexer.ts";
import { SegmentIndexer } from "../../../../src/tier/segment-cutting/segment-indexer.ts";
import { walkSegment } from "../../../../src/tier/segment-walk.ts";
import { batchOf, NOW_MS, openWorld } from "../../broker/log/log-fixture.ts";

const INDEX_INTERVAL_BYTES = 500;

/** A log with three epochs, times out of order, and transactions of two producers that reach over segments. */
function writtenLog() {
  const world = openWorld({ segmentBytes: 10_000, indexIntervalBytes: INDEX_INTERVAL_BYTES });
  const { log } = world;
  const sequences = new Map<bigint, number>();
  const write = (producerId: bigint, leaderEpoch: number, timestampMs: number): void => {
    const baseSequence = sequences.get(producerId) ?? 0;
    log.append(batchOf({ producerId, producerEpoch: 0, baseSequence, timestampMs, isTransactional: true }), {
      leaderEpoch,
    });
    sequences.set(producerId, baseSequence + 1);
  };
  for (let i = 0; i < 300; i++) {
    const leaderEpoch = Math.floor(i / 120);
    const times = { timestampMs: NOW_MS + ((i * 37) % 211) + i, stepMs: (i % 3) - 1 };
    log.append(batchOf({ count: 1 + (i % 5), valueBytes: 100, ...times }), { leaderEpoch });
    if (i % 7 === 0) write(5n, leaderEpoch, NOW_MS + i);
    if (i % 50 === 10) write(6n, leaderEpoch, NOW_MS + i);
    const end = (producerId: bigint, committed: boolean): void => {
      const marker = { producerId, producerEpoch: 0, committed, coordinatorEpoch: 0 };
      log.append(markerBatch(marker, { nowMs: NOW_MS, isAppendTime: false }), { leaderEpoch });
    };
    if (i % 28 === 27) end(5n, i % 56 === 55);
    if (i % 100 === 95) end(6n, false);
  }
  return log;
}

test("segment indexer writes the same index files as the log that the batches come from", async () => {
  const log = writtenLog();
  const closed = log.closedSegments();
  assert.ok(closed.length >= 4);
  let [earlierTransactions, aborted, epochs]: [readonly EarlierTransaction[], number, number] = [[], 0, 0];
  for (const { baseOffset, nextOffset, epochs: expectedEpochs } of closed) {
    const files = log.readSegmentFiles(baseOffset);
    const indexer = new SegmentIndexer(
      { baseOffset, earlierTransactions },
      { indexIntervalBytes: INDEX_INTERVAL_BYTES },
    );
    await walkSegment(bodyOf(files.readLog(0, files.sizeBytes)), (batch) => indexer.add(batch));
    const made = indexer.files();
    assert.deepEqual(made.index, files.index);
    assert.deepEqual(made.timeindex, files.timeindex);
    assert.deepEqual(made.txnindex, files.txnindex);
    assert.equal(indexer.nextOffset, nextOffset);
    assert.deepEqual(
      indexer.leaderEpochs,
      // The log tells where an epoch began in it, which may be before the segment.
      expectedEpochs.map(({ epoch, startOffset }) => ({
        epoch,
        startOffset: BigInt(Math.max(Number(startOffset), Number(baseOffset))),
      })),
    );
    aborted += files.txnindex?.length ?? 0;
    epochs += expectedEpochs.length;
    earlierTransactions = indexer.openTransactions;
  }
  assert.ok(aborted > 34 && epochs > closed.length, "transactions were aborted and epochs changed");
});
