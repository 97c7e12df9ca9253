/** Every lookup in a log answers as a scan of all its batches would. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { PartitionLog } from "../../../../src/broker/log/partition-log.ts";
import type { CodecId } from "../../../../src/wire/compression/codec.ts";
import { type BatchView, batchesIn } from "../../../../src/wire/record-batch.ts";
import { decodeRecords } from "../../../../src/wire/records.ts";
import { OffsetIndex } from "../../../../src/wire/segment/offset-index.ts";
import { TimeIndex } from "../../../../src/wire/segment/time-index.ts";
import { appendAll, batchOf, NOW_MS, openWorld } from "./log-fixture.ts";

const batchArbitrary = fc.record({
  count: fc.integer({ min: 1, max: 5 }),
  valueBytes: fc.integer({ min: 0, max: 120 }),
  timestampMs: fc.integer({ min: NOW_MS, max: NOW_MS + 60 }),
  stepMs: fc.integer({ min: -3, max: 5 }),
  codec: fc.constantFrom<CodecId>(0, 1, 2, 3, 4),
});
const logArbitrary = fc.record({
  batches: fc.array(batchArbitrary, { minLength: 1, maxLength: 30 }),
  indexIntervalBytes: fc.constantFrom(0, 100, 400, 4096),
  segmentBytes: fc.constantFrom(500, 1_500, 1_000_000),
  reopened: fc.boolean(),
});

type LogSpec = typeof logArbitrary extends fc.Arbitrary<infer T> ? T : never;

/** A log with these batches, closed and opened again when asked, and copies of what was put in. */
async function filled(spec: LogSpec): Promise<{ readonly log: PartitionLog; readonly batches: readonly BatchView[] }> {
  const world = openWorld({ indexIntervalBytes: spec.indexIntervalBytes, segmentBytes: spec.segmentBytes });
  const batches: BatchView[] = [];
  for (const each of spec.batches) {
    const batch = batchOf(each);
    world.log.append(batch, { leaderEpoch: 0 });
    batches.push(batch);
  }
  if (spec.reopened) await world.log.close();
  return { log: spec.reopened ? world.reopen() : world.log, batches };
}

test("log reads the same batches as a scan of all when asked for any offset and size", async () => {
  await fc.assert(
    fc.asyncProperty(
      logArbitrary,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 2_000 }),
      async (spec, a, b, maxBytes) => {
        const { log, batches } = await filled(spec);
        const fromOffset = BigInt(a) % (log.endOffset + 1n);
        const endOffset = BigInt(b) % (log.endOffset + 1n);
        const bases = log.closedSegments().map((segment) => segment.nextOffset);
        const expected: bigint[] = [];
        let bytes = 0;
        for (const batch of batches) {
          if (batch.lastOffset < fromOffset || fromOffset >= endOffset) continue;
          const isNextSegment = expected.length > 0 && bases.includes(batch.baseOffset);
          bytes += batch.sizeBytes;
          if (isNextSegment || batch.lastOffset >= endOffset || (expected.length > 0 && bytes > maxBytes)) break;
          expected.push(batch.baseOffset);
        }
        const read = log.read({ fromOffset, maxBytes, endOffset });
        assert.deepEqual(
          [...batchesIn(read)].map((batch) => batch.baseOffset),
          expected,
        );
        // The same read again, now from a remembered place, and from where this one ended.
        assert.deepEqual(log.read({ fromOffset, maxBytes, endOffset }), read);
      },
    ),
    { numRuns: 300 },
  );
});

test("log finds the same record as a scan of all when asked for any time", async () => {
  await fc.assert(
    fc.asyncProperty(logArbitrary, fc.integer({ min: -10, max: 90 }), async (spec, after) => {
      const { log, batches } = await filled(spec);
      const timestampMs = BigInt(NOW_MS + after);
      const records = batches.flatMap((batch) =>
        decodeRecords(batch).map((record) => ({
          offset: batch.baseOffset + BigInt(record.offsetDelta),
          timestampMs: record.timestampMs,
        })),
      );
      const expected = records.find((record) => record.timestampMs >= timestampMs);
      const found = log.offsetForTimestamp(timestampMs);
      assert.equal(found?.offset, expected?.offset);
      assert.equal(found?.timestampMs, expected?.timestampMs);
      const latestMs = BigInt(Math.max(...records.map((record) => Number(record.timestampMs))));
      const latest = log.maxTimestampOffset();
      assert.equal(latest?.timestampMs, latestMs);
      assert.equal(latest?.offset, records.find((record) => record.timestampMs === latestMs)?.offset);
    }),
    { numRuns: 300 },
  );
});

test("offset index answers like a list of entries when entries are added and cut", () => {
  const entries = fc
    .uniqueArray(fc.integer({ min: 0, max: 500 }), { maxLength: 60 })
    .map((list) => list.sort((a, b) => a - b));
  fc.assert(
    fc.property(
      entries,
      fc.integer({ min: 0, max: 520 }),
      fc.option(fc.integer({ min: 0, max: 520 })),
      (offsets, wanted, cut) => {
        const index = new OffsetIndex();
        for (const offset of offsets) index.append(offset, offset * 10 + 10);
        if (cut !== null) index.truncateTo(cut);
        const kept = offsets.filter((offset) => cut === null || offset < cut);
        const floor = kept.findLast((offset) => offset <= wanted);
        const ceiling = kept.find((offset) => offset >= wanted);
        assert.equal(index.floorPosition(wanted), floor === undefined ? 0 : floor * 10 + 10);
        assert.equal(index.ceilingPosition(wanted), ceiling === undefined ? undefined : ceiling * 10 + 10);
        assert.deepEqual(OffsetIndex.parse(index.toBytes())?.toBytes(), index.toBytes());
        assert.equal(index.sizeBytes, kept.length * 8);
      },
    ),
  );
});

test("indexes refuse bytes that are cut or do not rise", () => {
  const index = new OffsetIndex();
  index.append(3, 100);
  index.append(5, 200);
  const bytes = Buffer.from(index.toBytes());
  assert.equal(OffsetIndex.parse(bytes.subarray(0, 9)), undefined);
  bytes.writeInt32BE(3, 8);
  assert.equal(OffsetIndex.parse(bytes), undefined);
  const times = new TimeIndex();
  times.appendIfLater({ timestampMs: 5n, relativeOffset: 1 });
  times.appendIfLater({ timestampMs: 5n, relativeOffset: 2 });
  times.appendIfLater({ timestampMs: 9n, relativeOffset: 3 });
  assert.equal(times.sizeBytes, 24);
  assert.equal(times.offsetBefore(9n), 1);
  assert.equal(times.offsetBefore(5n), 0);
  assert.equal(times.offsetBefore(10n), 3);
  const timeBytes = Buffer.from(times.toBytes());
  assert.notEqual(TimeIndex.parse(timeBytes), undefined);
  timeBytes.writeBigInt64BE(4n, 12);
  assert.equal(TimeIndex.parse(timeBytes), undefined);
});

test("log answers a time of a log-append-time batch with its first record", async () => {
  const { log } = openWorld();
  appendAll(log, [batchOf({ count: 3, timestampMs: 5, appendTimeMs: BigInt(NOW_MS) })]);
  assert.deepEqual(log.offsetForTimestamp(BigInt(NOW_MS)), { offset: 0n, timestampMs: BigInt(NOW_MS), leaderEpoch: 0 });
});
