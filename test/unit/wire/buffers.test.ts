/** Reading and writing of the protocol's primitives, at their limits. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Reader, Writer } from "../../../src/wire/buffers.ts";
import { WireError } from "../../../src/wire/errors.ts";

const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

test("A varint of every width reads back as it was written", () => {
  const property = fc.property(fc.nat(0xffffffff), int32, int64, (unsigned, signed, long) => {
    const writer = new Writer();
    writer.uvarint(unsigned);
    writer.varint(signed);
    writer.varlong(long);
    const reader = new Reader(writer.bytes());
    assert.deepEqual([reader.uvarint(), reader.varint(), reader.varlong()], [unsigned, signed, long]);
    assert.equal(reader.leftBytes, 0);
  });
  fc.assert(property);
});

test("A varint longer than its type is refused", () => {
  const tooLong = { fault: { code: "WIRE_BAD_VARINT", maxBytes: 5 } };
  assert.throws(() => new Reader(Buffer.alloc(6, 0x80)).uvarint(), tooLong);
  assert.throws(() => new Reader(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x10])).uvarint(), tooLong);
  assert.equal(new Reader(Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f])).uvarint(), 0xffffffff);
  assert.throws(() => new Reader(Buffer.alloc(11, 0xff)).varlong(), {
    fault: { code: "WIRE_BAD_VARINT", maxBytes: 10 },
  });
});

test("A reader refuses to pass its end and stays where it is", () => {
  const reader = new Reader(Buffer.alloc(3));
  for (const read of [() => reader.int32(), () => reader.int64(), () => reader.raw(4), () => reader.utf8(4)]) {
    assert.throws(read, WireError);
    assert.equal(reader.position, 0);
  }
  assert.throws(() => reader.raw(-1), WireError);
});

test("A reader confined to a part sees neither less nor more of it", () => {
  const bytes = Buffer.from([1, 2, 3, 4]);
  const whole = new Reader(bytes);
  assert.equal(
    whole.within(2, (part) => part.int16()),
    0x0102,
  );
  assert.equal(whole.int8(), 3);
  assert.throws(() => new Reader(bytes).within(2, (part) => part.int8()), {
    fault: { code: "WIRE_LEFTOVER", leftBytes: 1 },
  });
  assert.throws(() => new Reader(bytes).within(2, (part) => part.int32()), WireError);
  assert.throws(() => new Reader(bytes).within(5, (part) => part.raw(5)), WireError);
});

test("A writer's parts join to what was written, large bytes handed on without a copy", () => {
  const chunks = fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(0xff).map((b) => new Uint8Array(4096).fill(b)),
    ),
  );
  const property = fc.property(chunks, (parts) => {
    const writer = new Writer();
    for (const part of parts) {
      writer.int16(part.byteLength);
      writer.raw(part);
    }
    const written = writer.parts();
    const expected = parts.flatMap((part) => [Buffer.from([part.byteLength >> 8, part.byteLength & 0xff]), part]);
    assert.deepEqual(Buffer.concat(written), Buffer.concat(expected));
    assert.equal(writer.sizeBytes, Buffer.concat(expected).length);
    for (const part of parts) if (part.byteLength === 4096) assert.ok(written.includes(part));
  });
  fc.assert(property);
});

test("Text of any characters reads back as it was written", () => {
  const property = fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    const writer = new Writer();
    const lengthBytes = Buffer.byteLength(text);
    writer.utf8(text, lengthBytes);
    assert.equal(new Reader(writer.bytes()).utf8(lengthBytes), text);
  });
  fc.assert(property);
});
