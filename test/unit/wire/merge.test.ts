/** Merged batches hold the same records, densely numbered, and never a good CRC over damaged bytes. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasFaultCode } from "../../../src/core/errors.ts";
import type { CodecId } from "../../../src/wire/compression/codec.ts";
import { mergeBatches, mergedBytesMax } from "../../../src/wire/merge.ts";
import type { BatchView } from "../../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../../src/wire/records.ts";

const bytes = fc.option(
  fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value)),
  { nil: null },
);
const record = fc.record({
  timestampMs: fc.oneof(
    fc.bigInt({ min: -1n, max: 4_000_000_000_000n }),
    fc.bigInt({ min: 1_750_000_000_000n, max: 1_750_000_100_000n }),
  ),
  key: bytes,
  value: bytes,
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 8 }), value: bytes }), { maxLength: 2 }),
});
const batches = (codec: CodecId) =>
  fc.array(
    fc
      .array(record, { minLength: 1, maxLength: 20 })
      .map((records) => encodeBatch(records, { codec, baseOffset: 70n })),
    { minLength: 1, maxLength: 8 },
  );

/** What a consumer sees, without offsets. */
function contents(list: readonly BatchView[]): readonly unknown[] {
  return list.flatMap((batch) =>
    decodeRecords(batch).map(({ timestampMs, key, value, headers }) => ({ timestampMs, key, value, headers })),
  );
}

for (const codec of [0, 1, 2, 3, 4] as const) {
  test(`merged batches of codec ${codec} hold the same records, numbered from 0 on`, () => {
    fc.assert(
      fc.property(batches(codec), (list) => {
        const merged = mergeBatches(list);
        merged.verifyCrc();
        assert.deepEqual(contents([merged]), contents(list));
        const deltas = decodeRecords(merged).map(({ offsetDelta }) => offsetDelta);
        assert.deepEqual(
          deltas,
          deltas.map((_, i) => i),
        );
        assert.deepEqual([merged.baseOffset, merged.codec, merged.isDense], [0n, codec, true]);
        assert.equal(
          merged.maxTimestamp,
          list
            .map((batch) => batch.maxTimestamp)
            .toSorted((a, b) => Number(a - b))
            .at(-1),
        );
        if (codec === 0) assert.ok(merged.sizeBytes <= list.reduce((sum, one) => sum + mergedBytesMax(one), 0));
      }),
      { numRuns: 60 },
    );
  });
}

test("damage never gets a good CRC: a flipped bit anywhere in a batch is refused", () => {
  const list = [1, 2, 3].map((n) => encodeBatch([{ timestampMs: 5n, key: null, value: Buffer.alloc(20, n) }]));
  const second = list[1];
  assert.ok(second !== undefined);
  for (let at = 21; at < second.sizeBytes; at++) {
    second.buffer[at] = (second.buffer[at] ?? 0) ^ 0x10;
    let refused: unknown;
    try {
      mergeBatches(list);
    } catch (error) {
      refused = error;
    }
    // Attributes and counts make it no candidate at all; everything else is a wrong CRC.
    const isCandidate = at >= 27 && (at < 57 || at >= 61);
    assert.ok(hasFaultCode(refused, "WIRE_BAD_CRC") || (!isCandidate && refused instanceof Error), `byte ${at}`);
    second.buffer[at] = (second.buffer[at] ?? 0) ^ 0x10;
  }
});

test("offset deltas that do not run from 0 to n-1 are refused", () => {
  const wrong = encodeBatch(
    [
      { timestampMs: 1n, key: null, value: null, offsetDelta: 0 },
      { timestampMs: 1n, key: null, value: null, offsetDelta: 5 },
    ],
    { lastOffsetDelta: 1 },
  );
  assert.throws(
    () => mergeBatches([wrong, wrong]),
    (error) => hasFaultCode(error, "WIRE_BAD_BATCH"),
  );
});
