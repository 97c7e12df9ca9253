/** Which batches a broker takes from producers, and how it names what it refuses. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  DEFAULT_PRODUCE_RULES,
  type ProduceRules,
  type ProduceVerdict,
  validateProduce,
} from "../../../../src/broker/log/validate.ts";
import type { CodecId } from "../../../../src/wire/compression/codec.ts";
import { crc32c } from "../../../../src/wire/crc32c.ts";
import { errorName } from "../../../../src/wire/error-codes.ts";
import { assembleBatch, type BatchHeader, type BatchView, withTimestamps } from "../../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch, encodeSection } from "../../../../src/wire/records.ts";
import { type BatchSpec, batchOf, NOW_MS } from "./log-fixture.ts";

const CODECS: readonly CodecId[] = [0, 1, 2, 3, 4];

function judge(records: BatchView | Buffer | null, rules: Partial<ProduceRules> = {}): ProduceVerdict {
  const bytes = records === null || Buffer.isBuffer(records) ? records : records.bytes;
  return validateProduce(bytes, { ...DEFAULT_PRODUCE_RULES, ...rules }, NOW_MS);
}

/** `NONE` or the name of the error. */
function outcome(records: BatchView | Buffer | null, rules: Partial<ProduceRules> = {}): string {
  const verdict = judge(records, rules);
  return verdict.kind === "valid" ? "NONE" : errorName(verdict.errorCode);
}

/** The batch with some header fields replaced and a right CRC. */
function altered(spec: BatchSpec, change: Partial<BatchHeader>): BatchView {
  const batch = batchOf(spec);
  const {
    attributes,
    lastOffsetDelta,
    baseTimestamp,
    maxTimestamp,
    producerId,
    producerEpoch,
    baseSequence,
    recordCount,
  } = batch;
  return assembleBatch(
    {
      attributes,
      lastOffsetDelta,
      baseTimestamp,
      maxTimestamp,
      producerId,
      producerEpoch,
      baseSequence,
      recordCount,
      ...change,
    },
    batch.recordBytes,
  );
}

/** The batch with bytes written over it; the CRC is not mended. */
function scribbled(batch: BatchView, write: (buffer: Buffer) => void): BatchView {
  write(batch.buffer);
  return batch;
}

function isSameMemory(one: BatchView, other: BatchView): boolean {
  return one.bytes.buffer === other.bytes.buffer && one.bytes.byteOffset === other.bytes.byteOffset;
}

const REFUSALS: readonly (readonly [string, () => BatchView | Buffer | null, string, Partial<ProduceRules>?])[] = [
  ["no records", () => null, "INVALID_RECORD"],
  ["an empty record set", () => Buffer.alloc(0), "INVALID_RECORD"],
  ["two batches", () => Buffer.concat([batchOf().bytes, batchOf().bytes]), "INVALID_RECORD"],
  ["a cut batch", () => batchOf().bytes.subarray(0, -1), "INVALID_RECORD"],
  ["an impossible length", () => scribbled(batchOf(), (b) => void b.writeInt32BE(-5, 8)), "CORRUPT_MESSAGE"],
  ["an old format", () => scribbled(batchOf(), (b) => void b.writeInt8(1, 16)), "INVALID_RECORD"],
  ["a base offset", () => scribbled(batchOf(), (b) => void b.writeBigInt64BE(777n, 0)), "INVALID_RECORD"],
  ["a flipped byte", () => scribbled(batchOf(), (b) => void b.writeUInt8(b.readUInt8(70) ^ 4, 70)), "CORRUPT_MESSAGE"],
  ["more bytes than allowed", () => batchOf({ valueBytes: 500 }), "MESSAGE_TOO_LARGE", { maxMessageBytes: 500 }],
  ["more bytes than a segment has", () => batchOf({ valueBytes: 500 }), "RECORD_LIST_TOO_LARGE", { segmentBytes: 500 }],
  ["a count above the offsets", () => altered({ count: 3 }, { recordCount: 4 }), "INVALID_RECORD"],
  ["offsets above the count", () => altered({ count: 3 }, { lastOffsetDelta: 3 }), "INVALID_RECORD"],
  ["a count above the records", () => altered({ count: 3 }, { recordCount: 4, lastOffsetDelta: 3 }), "INVALID_RECORD"],
  ["a count below the records", () => altered({ count: 3 }, { recordCount: 2, lastOffsetDelta: 1 }), "INVALID_RECORD"],
  ["no record", () => altered({ count: 1 }, { recordCount: 0, lastOffsetDelta: -1 }), "INVALID_RECORD"],
  [
    "a producer without a sequence",
    () => batchOf({ producerId: 1n, producerEpoch: 0, baseSequence: -1 }),
    "INVALID_RECORD",
  ],
  ["a control batch", () => batchOf({ isControl: true }), "INVALID_RECORD"],
  ["a codec without a meaning", () => altered({ count: 1 }, { attributes: 6 }), "UNKNOWN"],
  ["bytes that are not compressed", () => altered({ count: 1 }, { attributes: 1 }), "UNKNOWN"],
  ["a record of the far future", () => batchOf({ timestampMs: NOW_MS + 3_600_001 }), "INVALID_TIMESTAMP"],
  [
    "a record of the far past",
    () => batchOf({ timestampMs: NOW_MS - 11 }),
    "INVALID_TIMESTAMP",
    { timestampBeforeMaxMs: 10 },
  ],
  ["an append time", () => batchOf({ appendTimeMs: 5n }), "INVALID_TIMESTAMP", { logAppendTime: true }],
];

for (const [name, make, error, rules] of REFUSALS) {
  test(`validation refuses with ${error} when it is given ${name}`, () => assert.equal(outcome(make(), rules), error));
}

test("validation accepts what Kafka accepts when it is odd but harmless", () => {
  for (const timestampMs of [0, -1, 1_000_000_000_000, NOW_MS + 3_600_000])
    assert.equal(outcome(batchOf({ timestampMs })), "NONE");
  assert.equal(outcome(batchOf({ timestampMs: -1 }), { timestampBeforeMaxMs: 10 }), "NONE");
  assert.equal(outcome(scribbled(batchOf(), (b) => void b.writeInt32BE(42, 12))), "NONE");
  assert.equal(outcome(Buffer.concat([batchOf().bytes, Buffer.alloc(9)])), "NONE");
  const epochless = batchOf({ producerId: 1n, producerEpoch: -1, baseSequence: 5 });
  assert.equal(outcome(epochless), "NONE");
});

test("validation accepts a batch of every codec as it is when nothing is wrong", () => {
  for (const codec of CODECS) {
    const batch = batchOf({ count: 20, codec, stepMs: 3 });
    const verdict = judge(batch);
    assert.ok(verdict.kind === "valid" && isSameMemory(verdict.batch, batch));
    assert.equal(verdict.appendTimeMs, -1n);
  }
});

test("validation looks into wrong inner offsets only when the batch is compressed", () => {
  const records = [5, 6].map((offsetDelta) => ({
    offsetDelta,
    timestampMs: BigInt(NOW_MS),
    key: Buffer.from("k"),
    value: null,
  }));
  for (const codec of CODECS) {
    const batch = encodeBatch(records, { codec, lastOffsetDelta: 1 });
    assert.equal(outcome(batch), codec === 0 ? "NONE" : "UNKNOWN");
  }
});

test("validation calls a cut gzip stream a bad record and other cut streams unknown, as brokers do", () => {
  for (const codec of CODECS.slice(1)) {
    const { recordBytes } = batchOf({ count: 5, codec });
    const header = { attributes: codec, lastOffsetDelta: 4, baseTimestamp: 5n, maxTimestamp: 5n, recordCount: 5 };
    const cut = assembleBatch(header, recordBytes.subarray(0, -6));
    assert.equal(outcome(cut), codec === 1 ? "INVALID_RECORD" : "UNKNOWN");
  }
});

test("validation corrects a greatest timestamp that is not the records' own, codec or not", () => {
  for (const codec of CODECS) {
    const batch = batchOf({ count: 5, codec, stepMs: 2 });
    const verdict = judge(withTimestamps(batch, { maxTimestamp: BigInt(NOW_MS + 999), logAppendTime: false }));
    assert.ok(verdict.kind === "valid");
    assert.equal(verdict.batch.maxTimestamp, BigInt(NOW_MS + 8));
    verdict.batch.verifyCrc();
    assert.deepEqual(verdict.batch.recordBytes, batch.recordBytes);
  }
});

test("validation takes over a claimed append time and clears its mark when the topic keeps create times", () => {
  const batch = batchOf({ count: 2, timestampMs: 5, appendTimeMs: BigInt(NOW_MS) });
  const verdict = judge(batch, { timestampBeforeMaxMs: 10 });
  assert.ok(verdict.kind === "valid");
  assert.deepEqual(
    [verdict.batch.maxTimestamp, verdict.batch.isLogAppendTime, verdict.batch.baseTimestamp],
    [BigInt(NOW_MS), false, 5n],
  );
  verdict.batch.verifyCrc();
});

test("validation stamps the append time when the topic asks for it", () => {
  const verdict = judge(batchOf({ count: 2, timestampMs: 5 }), { logAppendTime: true, timestampBeforeMaxMs: 10 });
  assert.ok(verdict.kind === "valid");
  assert.equal(verdict.appendTimeMs, BigInt(NOW_MS));
  assert.deepEqual(
    decodeRecords(verdict.batch).map((record) => record.timestampMs),
    [BigInt(NOW_MS), BigInt(NOW_MS)],
  );
  verdict.batch.verifyCrc();
});

test("validation names the records without a key when the topic is compacted", () => {
  const record = (key: string | null) => ({
    timestampMs: BigInt(NOW_MS),
    key: key === null ? null : Buffer.from(key),
    value: null,
  });
  const batch = encodeBatch([record("a"), record(null), record(""), record(null)]);
  assert.equal(outcome(batch), "NONE");
  const verdict = judge(batch, { compacted: true });
  assert.ok(verdict.kind === "refused");
  assert.equal(errorName(verdict.errorCode), "INVALID_RECORD");
  assert.deepEqual(
    verdict.recordErrors.map((error) => error.index),
    [1, 3],
  );
});

test("validation compresses anew when the topic names another codec", () => {
  for (const codec of CODECS) {
    const batch = batchOf({
      count: 9,
      codec,
      producerId: 4n,
      producerEpoch: 2,
      baseSequence: 8,
      isTransactional: true,
    });
    const verdict = judge(batch, { compression: "zstd" });
    assert.ok(verdict.kind === "valid");
    assert.deepEqual([verdict.batch.codec, verdict.batch.isTransactional, verdict.batch.baseSequence], [4, true, 8]);
    assert.equal(isSameMemory(verdict.batch, batch), codec === 4);
    assert.deepEqual(decodeRecords(verdict.batch), decodeRecords(batch));
    verdict.batch.verifyCrc();
  }
});

test("validation answers with an error and never throws when bytes are hostile", () => {
  const section = encodeSection([{ timestampMs: 5n, key: Buffer.from("k"), value: Buffer.alloc(9) }], 5n);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 120 }),
      fc.integer({ min: 0, max: 7 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.boolean(),
      (bytes, codec, base, isWhole) => {
        const header = {
          attributes: codec,
          lastOffsetDelta: 0,
          baseTimestamp: base,
          maxTimestamp: base,
          recordCount: 1,
        };
        const batch = assembleBatch(header, isWhole ? Buffer.concat([section, bytes]) : bytes);
        for (const timestampAfterMaxMs of [1_000, 2 ** 63]) judge(batch, { timestampAfterMaxMs });
        const raw = Buffer.from(batch.bytes);
        for (const [i, byte] of bytes.entries()) raw.writeUInt8(byte, i % 61);
        raw.writeUInt32BE(crc32c(raw.subarray(21)), 17);
        raw.writeInt8(2, 16);
        judge(raw);
      },
    ),
    { numRuns: 2_000 },
  );
});
