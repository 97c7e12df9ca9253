/** Generated records and batches. */

import fc from "fast-check";
import type { CodecId } from "../../../src/wire/compression/codec.ts";
import { encodeBatch } from "../../../src/wire/records.ts";

const maybeBytes = fc.option(
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  { nil: null },
);

/** A record as `decodeRecords` yields it, but for its offset delta. Timestamps lie close together or anywhere. */
export const arbitraryRecord = fc.record(
  {
    timestampMs: fc.oneof(
      fc.nat(100_000).map((ms) => 1_700_000_000_000n + BigInt(ms)),
      fc.bigInt({ min: -1n, max: 2n ** 62n }),
    ),
    key: maybeBytes,
    value: maybeBytes,
    headers: fc.array(
      fc.record({ key: fc.string({ unit: "binary", maxLength: 8 }), value: maybeBytes }, { noNullPrototype: true }),
      { maxLength: 3 },
    ),
  },
  { noNullPrototype: true },
);

export const arbitraryRecords = fc
  .array(arbitraryRecord, { minLength: 1, maxLength: 12 })
  .map((records) => records.map((record, offsetDelta) => ({ offsetDelta, ...record })));

export const arbitraryCodec: fc.Arbitrary<CodecId> = fc.constantFrom(0, 1, 2, 3, 4);

/** A batch with the records that are in it. */
export const arbitraryBatch = fc
  .record({
    records: arbitraryRecords,
    codec: arbitraryCodec,
    baseOffset: fc.bigInt({ min: 0n, max: 2n ** 60n }),
    leaderEpoch: fc.nat(1000),
    producerId: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
    producerEpoch: fc.nat(0x7fff),
    baseSequence: fc.nat(0x7fffffff),
    isTransactional: fc.boolean(),
    appendTimeMs: fc.option(fc.bigInt({ min: 0n, max: 2n ** 50n }), { nil: undefined }),
  })
  .map(({ records, appendTimeMs, ...options }) => ({
    records,
    appendTimeMs,
    batch: encodeBatch(records, { ...options, ...(appendTimeMs === undefined ? {} : { appendTimeMs }) }),
  }));

/** The largest of at least one timestamp. */
export function latest(records: readonly { readonly timestampMs: bigint }[]): bigint | undefined {
  return records
    .map(({ timestampMs }) => timestampMs)
    .sort((a, b) => (a < b ? -1 : 1))
    .at(-1);
}
