/** Varints of records. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RecordCursor, RecordSink, varintBytes, varlongBytes } from "../../../src/wire/record-cursor.ts";

const edges = [0, 1, -1, 63, 64, -64, -65, 8191, 8192, 0x7fffffff, -0x80000000];
const int32 = fc.oneof(fc.constantFrom(...edges), fc.integer({ min: -0x80000000, max: 0x7fffffff }));
const int64 = fc.oneof(int32.map(BigInt), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));

test("Varints of records take the bytes foretold and read back as they were written", () => {
  const property = fc.property(int32, int64, (short, long) => {
    const sink = new RecordSink(varintBytes(short) + varlongBytes(long));
    sink.varint(short);
    sink.varlong(long);
    assert.equal(sink.at, sink.bytes.length);
    const cursor = new RecordCursor(sink.bytes);
    assert.equal(cursor.varint(), short);
    assert.equal(BigInt(cursor.varlong()), long);
    assert.equal(cursor.at, sink.bytes.length);
  });
  fc.assert(property, { numRuns: 1000 });
});

test("A varint of a record longer than its type is refused", () => {
  const fault = { code: "WIRE_BAD_VARINT", maxBytes: 5 };
  assert.throws(() => new RecordCursor(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x10])).varint(), { fault });
  assert.throws(() => new RecordCursor(Buffer.alloc(20, 0x80)).varint(), { fault });
  assert.equal(new RecordCursor(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])).varint(), -0x80000000);
  for (const tail of [[0x02], [0x80, 0x00]]) {
    const bytes = Buffer.concat([Buffer.alloc(9, 0x80), Buffer.from(tail)]);
    assert.throws(() => new RecordCursor(bytes).varlong(), { fault: { code: "WIRE_BAD_VARINT", maxBytes: 10 } });
  }
});
