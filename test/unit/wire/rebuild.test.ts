/** Batches that are built anew from some of their records. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WireError } from "../../../src/wire/errors.ts";
import { type RebuildOptions, rebuildBatch } from "../../../src/wire/rebuild.ts";
import { assembleBatch, BatchView } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch, encodeSection } from "../../../src/wire/records.ts";
import { arbitraryBatch, latest } from "./batch-arbitrary.ts";
import { arbitraryDamage } from "./message-arbitrary.ts";

const stamp = { producerId: 77n, producerEpoch: 2, baseSequence: 1234 };

test("A rebuilt batch holds the kept records under dense offsets, in the same codec, producible", () => {
  const property = fc.property(arbitraryBatch, fc.nat(0xfff), fc.boolean(), (given, mask, appendTime) => {
    const { batch, records, appendTimeMs } = given;
    const isKept = (offsetDelta: number): boolean => ((mask >> (offsetDelta % 12)) & 1) === 1;
    const rebuilt = rebuildBatch(batch, {
      keep: ({ offsetDelta }) => isKept(offsetDelta),
      timestamps: appendTime ? "append-time" : "keep",
      stamp,
    });
    const kept = records
      .filter(({ offsetDelta }) => isKept(offsetDelta))
      .map((record, offsetDelta) => ({
        ...record,
        offsetDelta,
        timestampMs: appendTime ? (appendTimeMs ?? record.timestampMs) : record.timestampMs,
      }));
    if (rebuilt === undefined) {
      assert.equal(kept.length, 0);
      return;
    }
    rebuilt.verifyCrc();
    assert.deepEqual(decodeRecords(rebuilt), kept);
    assert.equal(rebuilt.maxTimestamp, latest(kept));
    assert.deepEqual(
      [rebuilt.attributes, rebuilt.baseOffset, rebuilt.leaderEpoch, rebuilt.isDense],
      [batch.codec, 0n, -1, true],
    );
    assert.deepEqual(
      { producerId: rebuilt.producerId, producerEpoch: rebuilt.producerEpoch, baseSequence: rebuilt.baseSequence },
      stamp,
    );
  });
  fc.assert(property, { numRuns: 500 });
});

test("A rebuilt batch closes the gaps that compaction left", () => {
  const records = [1, 4, 6].map((offsetDelta) => ({
    offsetDelta,
    timestampMs: 5n,
    key: Buffer.from("k"),
    value: null,
  }));
  const rebuilt = rebuildBatch(encodeBatch(records, { lastOffsetDelta: 9, codec: 3 }), { timestamps: "keep", stamp });
  assert.ok(rebuilt !== undefined);
  assert.deepEqual(
    decodeRecords(rebuilt).map(({ offsetDelta }) => offsetDelta),
    [0, 1, 2],
  );
  assert.deepEqual([rebuilt.lastOffsetDelta, rebuilt.recordCount, rebuilt.codec], [2, 3, 3]);
});

test("A rebuilt record keeps bytes that no text can show, and its attributes", () => {
  // Attributes 0x55, deltas 0, null key, empty value, one header whose key is not UTF-8.
  const record = Buffer.from([0x55, 0, 0, 1, 0, 2, 4, 0xff, 0xfe, 1]);
  const section = Buffer.concat([Buffer.from([record.length * 2]), record]);
  const times = { baseTimestamp: 9n, maxTimestamp: 9n };
  const batch = assembleBatch({ attributes: 0, lastOffsetDelta: 0, ...times, recordCount: 1 }, section);
  const rebuilt = rebuildBatch(batch, { timestamps: "keep", stamp });
  assert.deepEqual(rebuilt?.recordBytes, section);
});

test("A control batch is never rebuilt", () => {
  const marker = encodeBatch([{ timestampMs: 1n, key: Buffer.alloc(4), value: Buffer.alloc(6) }], {
    isControl: true,
    isTransactional: true,
  });
  assert.throws(() => rebuildBatch(marker, { timestamps: "keep", stamp }), /control batches are never rebuilt/);
});

test("Rebuilding a damaged batch gives a sound batch or a WireError, and nothing else", () => {
  const damaged = arbitraryBatch.chain(({ batch, records }) =>
    arbitraryDamage(encodeSection(records, 0n)).map((section) => ({ section, count: records.length, batch })),
  );
  const options: RebuildOptions = { timestamps: "keep", stamp };
  const property = fc.property(damaged, ({ section, count }) => {
    const times = { baseTimestamp: 0n, maxTimestamp: 0n };
    const batch = assembleBatch({ attributes: 0, lastOffsetDelta: 50, ...times, recordCount: count }, section);
    try {
      const rebuilt = rebuildBatch(batch, options);
      if (rebuilt !== undefined) assert.equal(decodeRecords(rebuilt).length, count);
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  });
  fc.assert(property, { numRuns: 1000 });
});

test("A batch inside a larger buffer is rebuilt without touching it", () => {
  const inner = encodeBatch([{ timestampMs: 1n, key: null, value: Buffer.from("v") }], { codec: 2 });
  const buffer = Buffer.concat([Buffer.alloc(10, 7), inner.bytes, Buffer.alloc(10, 7)]);
  const before = Buffer.from(buffer);
  const rebuilt = rebuildBatch(new BatchView(buffer, 10, inner.sizeBytes), { timestamps: "keep", stamp });
  assert.deepEqual(rebuilt === undefined ? [] : decodeRecords(rebuilt), decodeRecords(inner));
  assert.deepEqual(buffer, before);
});
