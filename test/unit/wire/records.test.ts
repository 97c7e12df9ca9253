/** Records in batches of every codec, written and read, also against kafkajs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "../../../src/wire/errors.ts";
import { assembleBatch, batchAt, batchesIn } from "../../../src/wire/record-batch.ts";
import { type DecodedRecord, decodeRecords, encodeBatch, encodeSection } from "../../../src/wire/records.ts";
import { arbitraryBatch, arbitraryRecords, latest } from "./batch-arbitrary.ts";
import { type KafkajsRecord, kafkajsDecodeBatch, kafkajsEncodeBatch } from "./kafkajs.ts";
import { arbitraryDamage } from "./message-arbitrary.ts";

test("Records of a batch in any codec read back as they were written", () => {
  const property = fc.property(arbitraryBatch, ({ batch, records, appendTimeMs }) => {
    batch.verifyCrc();
    assert.equal(batch.isDense, true);
    const expected = records.map((r) => ({ ...r, timestampMs: appendTimeMs ?? r.timestampMs }));
    assert.deepEqual(decodeRecords(batch), expected);
  });
  fc.assert(property, { numRuns: 300 });
});

test("A batch's header agrees with its records", () => {
  const property = fc.property(arbitraryRecords, (records) => {
    const batch = encodeBatch(records);
    assert.equal(batch.baseTimestamp, records[0]?.timestampMs);
    assert.equal(batch.maxTimestamp, latest(records));
    assert.deepEqual([batch.recordCount, batch.lastOffsetDelta], [records.length, records.length - 1]);
  });
  fc.assert(property);
});

test("Records with gaps between their offsets keep them", () => {
  const records = [2, 5, 9].map((offsetDelta) => ({
    offsetDelta,
    timestampMs: 1n,
    key: null,
    value: null,
    headers: [],
  }));
  const batch = encodeBatch(records, { baseOffset: 100n, lastOffsetDelta: 12 });
  assert.deepEqual(decodeRecords(batch), records);
  assert.deepEqual([batch.isDense, batch.lastOffset], [false, 112n]);
});

test("kafkajs reads the records that we write, and we read those that it writes", async () => {
  const records: DecodedRecord[] = [
    { offsetDelta: 0, timestampMs: 1_700_000_000_000n, key: Buffer.from("k"), value: Buffer.from("v"), headers: [] },
    {
      offsetDelta: 1,
      timestampMs: 1_700_000_000_777n,
      key: null,
      value: null,
      headers: [
        { key: "a", value: Buffer.from("1") },
        { key: "a", value: Buffer.from("2") },
        { key: "ü", value: Buffer.from("3") },
      ],
    },
    {
      offsetDelta: 2,
      timestampMs: 1_600_000_000_000n,
      key: Buffer.alloc(0),
      value: Buffer.alloc(70_000, 1),
      headers: [],
    },
  ];
  for (const codec of [0, 1] as const) {
    const batch = encodeBatch(records, { codec, baseOffset: 5n });
    assert.deepEqual(await kafkajsDecodeBatch(batch.bytes.subarray(0)), records.map(asKafkajs), `codec ${codec}`);
    const theirs = await kafkajsEncodeBatch(
      records.map((r) => ({
        offsetDelta: r.offsetDelta,
        timestampDelta: Number(r.timestampMs - 1_700_000_000_000n),
        key: r.key,
        value: r.value,
        headers: { a: r.headers.filter((h) => h.key === "a").map((h) => h.value), ...umlautOf(r) },
      })),
      { compression: codec, firstTimestamp: 1_700_000_000_000, maxTimestamp: 1_700_000_000_777, lastOffsetDelta: 2 },
    );
    const view = batchAt(theirs, 0);
    assert.ok(view !== undefined);
    view.verifyCrc();
    assert.deepEqual(decodeRecords(view), records);
  }
});

test("Damaged batches give records or a WireError, and nothing else", () => {
  const damaged = arbitraryBatch.chain(({ batch }) => arbitraryDamage(Buffer.from(batch.bytes)));
  const property = fc.property(damaged, (bytes) => {
    try {
      for (const batch of batchesIn(bytes)) decodeRecords(batch, 1 << 20);
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  });
  fc.assert(property, { numRuns: 2000 });
});

test("Damaged records sections give records or a WireError, and nothing else", () => {
  const damaged = arbitraryRecords.chain((records) =>
    arbitraryDamage(encodeSection(records, 0n)).map((section) => ({ section, count: records.length })),
  );
  const property = fc.property(damaged, fc.nat(3), ({ section, count }, extra) => {
    try {
      decodeRecords(sectionBatch(section, count + extra));
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  });
  fc.assert(property, { numRuns: 3000 });
});

test("A batch that claims more records than its bytes can hold is refused before they are read", () => {
  assert.throws(() => decodeRecords(sectionBatch(Buffer.alloc(700), 0x7fffffff)), {
    fault: { code: "WIRE_BAD_BATCH", what: "2147483647 records in 700 bytes" },
  });
});

test("A record with a wrong length, a null header key or bytes behind the last is refused", () => {
  const section = encodeSection(
    [{ timestampMs: 0n, key: null, value: null, headers: [{ key: "h", value: null }] }],
    0n,
  );
  assert.doesNotThrow(() => decodeRecords(sectionBatch(section, 1)));
  const what = (bytes: Buffer, count = 1): void => {
    assert.throws(() => decodeRecords(sectionBatch(bytes, count)), WireError);
  };
  what(Buffer.concat([section, Buffer.alloc(1)]));
  what(section, 2);
  what(section, 0);
  const wrongLength = Buffer.from(section);
  wrongLength[0] = (wrongLength[0] ?? 0) - 2;
  what(wrongLength);
  // The header key's length is the last but two: -1 in place of 1.
  const nullKey = Buffer.from([...section.subarray(0, -3), 1, 1]);
  nullKey[0] = (nullKey[0] ?? 0) - 2;
  what(nullKey);
});

function sectionBatch(section: Buffer, recordCount: number): ReturnType<typeof assembleBatch> {
  const times = { baseTimestamp: 0n, maxTimestamp: 0n };
  return assembleBatch(
    { attributes: 0, lastOffsetDelta: Math.max(recordCount - 1, 0), ...times, recordCount },
    section,
  );
}

function umlautOf(record: DecodedRecord): Record<string, Buffer | null> {
  return Object.fromEntries(record.headers.filter((h) => h.key === "ü").map((h) => [h.key, h.value]));
}

function asKafkajs(record: DecodedRecord): Partial<KafkajsRecord> {
  const headers: Record<string, Buffer | Buffer[]> = {};
  for (const { key, value } of record.headers) {
    const known = headers[key];
    if (value === null) continue;
    headers[key] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value];
  }
  return {
    offset: String(5 + record.offsetDelta),
    timestamp: String(record.timestampMs),
    key: record.key,
    value: record.value,
    headers,
  };
}
