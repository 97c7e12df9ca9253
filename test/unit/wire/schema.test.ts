/** Tagged fields, versions and what a schema refuses to drop. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Reader, Writer } from "../../../src/wire/buffers.ts";
import {
  array,
  type Codec,
  int8,
  int16,
  int32,
  nullable,
  nullableArray,
  nullableBytes,
  nullableString,
  string,
  struct,
  tagged,
} from "../../../src/wire/schema.ts";

const leader = { leaderId: -1, leaderEpoch: -1 };
const message = struct({
  code: int16,
  second: tagged(1, 2, array(int8), []),
  first: tagged(0, 2, struct({ leaderId: int32, leaderEpoch: int32 }), leader),
});

test("A tagged field that says no more than its default is not sent", () => {
  for (const value of [{ code: 7 }, { code: 7, first: { ...leader }, second: [] }]) {
    assert.deepEqual(written(message, value, 2), Buffer.from([0, 7, 0]));
  }
});

test("Tagged fields go out in ascending order with their sizes", () => {
  const bytes = written(message, { code: 7, second: [5], first: { leaderId: 1, leaderEpoch: 2 } }, 2);
  assert.deepEqual(bytes, Buffer.from([0, 7, 2, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 2, 2, 5]));
  assert.deepEqual(read(message, bytes, 2), { code: 7, second: [5], first: { leaderId: 1, leaderEpoch: 2 } });
});

test("A tag that is unknown, or too new for the version, is skipped", () => {
  const bytes = Buffer.from([0, 7, 2, 1, 2, 2, 5, 99, 3, 1, 2, 3]);
  assert.deepEqual(read(message, bytes, 2), { code: 7, first: leader, second: [5] });
  assert.deepEqual(read(message, bytes, 1), { code: 7, first: leader, second: [] });
});

test("A tag whose content is longer or shorter than its size is refused", () => {
  assert.throws(() => read(message, Buffer.from([0, 7, 1, 1, 3, 2, 5, 6]), 2), {
    fault: { code: "WIRE_LEFTOVER", leftBytes: 1 },
  });
  assert.throws(() => read(message, Buffer.from([0, 7, 1, 1, 1, 2, 5]), 2), {
    fault: { code: "WIRE_BAD_LENGTH", what: "array", length: 1, limit: 0 },
  });
  assert.throws(() => read(message, Buffer.from([0, 7, 1, 1, 200, 1]), 2), {
    fault: { code: "WIRE_SHORT_READ", wantedBytes: 200, leftBytes: 0 },
  });
});

test("A length below -1 is refused rather than taken for null", () => {
  const minusTwo = Buffer.from([0xff, 0xff, 0xff, 0xfe]);
  for (const [codec, what] of [
    [nullableBytes, "bytes"],
    [nullableArray(int8), "array"],
  ] as const) {
    const fault = { code: "WIRE_BAD_LENGTH", what, length: -2, limit: 0x7fffffff };
    assert.throws(() => codec.read(new Reader(minusTwo)), { fault });
  }
  assert.throws(() => nullableString.read(new Reader(minusTwo.subarray(2))), {
    fault: { code: "WIRE_BAD_LENGTH", what: "string", length: -2, limit: 0x7fffffff },
  });
});

test("A null is refused where the field may not be null, in plain and compact form", () => {
  const fault = { code: "WIRE_NULL", what: "string" };
  assert.throws(() => read(string, Buffer.from([0xff, 0xff]), 0, false), { fault });
  assert.throws(() => read(string, Buffer.from([0]), 0, true), { fault });
});

test("A nullable struct is one byte when null and reads back otherwise", () => {
  const codec = nullable(struct({ code: int16 }));
  assert.deepEqual(written(codec, null, 0), Buffer.from([0xff]));
  const bytes = written(codec, { code: 3 }, 0);
  assert.deepEqual(bytes, Buffer.from([1, 0, 3, 0]));
  assert.deepEqual(read(codec, bytes, 0), { code: 3 });
});

test("A text longer than its length field is refused when written", () => {
  const writer = new Writer(0, false);
  assert.throws(() => string.write(writer, "x".repeat(0x8000)), {
    fault: { code: "WIRE_BAD_LENGTH", what: "string", length: 0x8000, limit: 0x7fff },
  });
  assert.doesNotThrow(() => string.write(new Writer(0, true), "x".repeat(0x8000)));
});

function written<In>(codec: Codec<unknown, In>, value: In, version: number): Buffer {
  const writer = new Writer(version, true);
  codec.write(writer, value);
  return writer.bytes();
}

function read<Out>(codec: Codec<Out, never>, bytes: Buffer, version: number, flexible = true): Out {
  return codec.read(new Reader(bytes, version, flexible));
}
