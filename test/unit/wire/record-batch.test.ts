/** Headers of batches: read, assembled and stamped without a look at the records. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { crc32c } from "../../../src/wire/crc32c.ts";
import { WireError } from "../../../src/wire/errors.ts";
import {
  assembleBatch,
  BatchView,
  batchAt,
  batchesIn,
  DELETE_HORIZON_BIT,
  LOG_APPEND_TIME_BIT,
  sequenceAfter,
  stampBatch,
  TRANSACTIONAL_BIT,
  withTimestamps,
} from "../../../src/wire/record-batch.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { arbitraryBatch } from "./batch-arbitrary.ts";
import { arbitraryDamage } from "./message-arbitrary.ts";

const stamps = fc.record({
  producerId: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
  producerEpoch: fc.nat(0x7fff),
  baseSequence: fc.nat(0x7fffffff),
});

test("A header that is assembled reads back as it was given", () => {
  const header = {
    baseOffset: 2n ** 60n,
    leaderEpoch: 7,
    attributes: 0x7b,
    lastOffsetDelta: 9,
    baseTimestamp: 123n,
    maxTimestamp: 456n,
    producerId: 2n ** 62n,
    producerEpoch: 3,
    baseSequence: 0x7fffffff,
    recordCount: 4,
  };
  const batch = assembleBatch(header, Buffer.from("records"));
  batch.verifyCrc();
  for (const [name, value] of Object.entries(header)) assert.equal(batch[name as keyof typeof header], value, name);
  assert.deepEqual(
    [batch.codec, batch.isLogAppendTime, batch.isTransactional, batch.isControl, batch.hasDeleteHorizon],
    [3, true, true, true, true],
  );
  assert.deepEqual([batch.magic, batch.lastOffset, batch.nextOffset], [2, 2n ** 60n + 9n, 2n ** 60n + 10n]);
  assert.equal(batch.isDense, false);
  assert.equal(batch.recordBytes.toString(), "records");
});

test("A stamped batch has the stamp, offset 0, no source bits, unchanged records, and the CRC that a fresh count gives", () => {
  const property = fc.property(arbitraryBatch, stamps, fc.nat(100), ({ batch }, stamp, paddingBytes) => {
    // Inside a larger buffer, as in a fetch response.
    const buffer = Buffer.concat([Buffer.alloc(paddingBytes), batch.bytes, Buffer.alloc(paddingBytes)]);
    const view = new BatchView(buffer, paddingBytes, batch.sizeBytes);
    stampBatch(view, stamp);
    assert.equal(view.crc, crc32c(view.bytes.subarray(21)));
    assert.deepEqual(
      [view.producerId, view.producerEpoch, view.baseSequence, view.baseOffset, view.leaderEpoch],
      [stamp.producerId, stamp.producerEpoch, stamp.baseSequence, 0n, -1],
    );
    assert.deepEqual([view.isTransactional, view.isLogAppendTime, view.hasDeleteHorizon], [false, false, false]);
    assert.deepEqual([view.codec, view.recordCount], [batch.codec, batch.recordCount]);
    assert.deepEqual([view.baseTimestamp, view.maxTimestamp], [batch.baseTimestamp, batch.maxTimestamp]);
    assert.deepEqual(view.recordBytes, batch.recordBytes);
    assert.ok(buffer.subarray(0, paddingBytes).every((byte) => byte === 0));
    assert.ok(buffer.subarray(paddingBytes + batch.sizeBytes).every((byte) => byte === 0));
  });
  fc.assert(property, { numRuns: 300 });
});

test("A stamped batch no longer claims a delete horizon", () => {
  const times = { baseTimestamp: 7n, maxTimestamp: 9n };
  const attributes = DELETE_HORIZON_BIT | LOG_APPEND_TIME_BIT | TRANSACTIONAL_BIT | 2;
  const batch = assembleBatch({ attributes, lastOffsetDelta: 0, ...times, recordCount: 1 }, Buffer.alloc(200));
  stampBatch(batch, { producerId: 1n, producerEpoch: 0, baseSequence: 0 });
  assert.equal(batch.attributes, 2);
  batch.verifyCrc();
});

test("A batch damaged at its source is still refused after it was stamped", () => {
  const property = fc.property(
    arbitraryBatch,
    stamps,
    fc.nat(),
    fc.integer({ min: 1, max: 255 }),
    (b, stamp, at, flip) => {
      const { buffer, sizeBytes } = b.batch;
      const records = sizeBytes - 61;
      const place = 61 + (at % records);
      buffer[place] = (buffer[place] ?? 0) ^ flip;
      stampBatch(b.batch, stamp);
      assert.throws(() => b.batch.verifyCrc(), WireError);
    },
  );
  fc.assert(property);
});

test("Batches in a buffer are those put there, and a cut tail is left out", () => {
  const property = fc.property(fc.array(arbitraryBatch, { maxLength: 4 }), fc.nat(), (given, cut) => {
    const whole = Buffer.concat(given.map(({ batch }) => batch.bytes));
    assert.deepEqual(
      [...batchesIn(whole)].map(({ bytes }) => bytes),
      given.map(({ batch }) => batch.bytes),
    );
    const last = given.at(-1)?.batch.sizeBytes;
    if (last === undefined) return;
    const tailBytes = 1 + (cut % (last - 1));
    assert.equal([...batchesIn(whole.subarray(0, whole.length - tailBytes))].length, given.length - 1);
  });
  fc.assert(property);
});

test("A batch of another magic, an impossible length, or a negative count is refused", () => {
  const batch = encodeBatch([{ timestampMs: 1n, key: null, value: null }]);
  const changed = (change: (bytes: Buffer) => void): Buffer => {
    const bytes = Buffer.from(batch.bytes);
    change(bytes);
    return bytes;
  };
  const oldMagic = changed((bytes) => bytes.writeInt8(1, 16));
  assert.throws(() => batchAt(oldMagic, 0), { fault: { code: "WIRE_BAD_MAGIC", magic: 1 } });
  for (const length of [48, 0, -1, -0x80000000]) {
    const bytes = changed((copy) => copy.writeInt32BE(length, 8));
    assert.throws(() => batchAt(bytes, 0), { fault: { code: "WIRE_BAD_BATCH", what: `length ${length}` } });
  }
  for (const at of [23, 57]) {
    const bytes = changed((copy) => copy.writeInt32BE(-1, at));
    assert.throws(() => batchAt(bytes, 0), WireError);
  }
});

test("Walking damaged batches ends with a WireError or with batches inside the buffer", () => {
  const damaged = fc
    .array(arbitraryBatch, { minLength: 1, maxLength: 3 })
    .chain((given) => arbitraryDamage(Buffer.concat(given.map(({ batch }) => batch.bytes))));
  const property = fc.property(damaged, (bytes) => {
    try {
      for (const batch of batchesIn(bytes)) {
        assert.ok(batch.start + batch.sizeBytes <= bytes.length);
        assert.ok(batch.nextOffset > batch.baseOffset);
      }
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  });
  fc.assert(property, { numRuns: 500 });
});

test("A batch with other timestamps is a copy with a right CRC", () => {
  const batch = encodeBatch([{ timestampMs: 1n, key: null, value: null }], { codec: 1 });
  const original = Buffer.from(batch.bytes);
  const stamped = withTimestamps(batch, { maxTimestamp: 99n, logAppendTime: true });
  stamped.verifyCrc();
  assert.deepEqual([stamped.maxTimestamp, stamped.isLogAppendTime, stamped.codec], [99n, true, 1]);
  assert.equal(withTimestamps(stamped, { maxTimestamp: 5n, logAppendTime: false }).isLogAppendTime, false);
  assert.deepEqual(batch.bytes, original);
});

test("Sequence numbers wrap from 2^31 - 1 to 0", () => {
  assert.equal(sequenceAfter(0x7fffffff, 1), 0);
  assert.equal(sequenceAfter(0x7ffffffd, 5), 2);
});
