/** How `produce` reads records and `consume` prints them. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import fc from "fast-check";
import { murmur2 } from "../../../src/cli/partitioner.ts";
import { parseLine } from "../../../src/cli/record-input.ts";
import { compileFormat, parsePosition, printJson, type ReadRecord } from "../../../src/cli/record-output.ts";

const RECORD: ReadRecord = {
  topic: "t",
  partition: 2,
  offset: 7n,
  timestampMs: 1_700_000_000_000n,
  key: Buffer.from("k"),
  value: Buffer.from([0xff, 0x00]),
  headers: [
    { key: "h", value: Buffer.from("x") },
    { key: "n", value: null },
  ],
};

test("murmur2 agrees with kafkajs for any key", () => {
  const reference = createRequire(import.meta.url)("kafkajs/src/producer/partitioners/default/murmur2.js") as (
    key: Buffer,
  ) => number;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (key) => assert.equal(murmur2(key), reference(Buffer.from(key)))),
  );
});

test("format prints every field and escape", () => {
  assert.equal(compileFormat("%t[%p]@%o %k=%S %T %h%%\\n")(RECORD), "t[2]@7 k=2 1700000000000 h=x,n=%\n");
  assert.throws(() => compileFormat("%x"), /unknown field "%x"/);
});

test("json line keeps bytes that are no text as base64", () => {
  assert.deepEqual(JSON.parse(printJson(RECORD)), {
    topic: "t",
    partition: 2,
    offset: 7,
    timestamp_ms: 1_700_000_000_000,
    key: "k",
    value_base64: "/wA=",
    headers: [
      { key: "h", value: "x" },
      { key: "n", value: null },
    ],
  });
});

test("line becomes a record in each form", () => {
  const now = { lineNumber: 1, nowMs: 5 };
  assert.deepEqual(parseLine("a b", { json: false, keySeparator: undefined }, now), {
    record: { timestampMs: 5n, key: null, value: Buffer.from("a b") },
    partition: undefined,
  });
  assert.deepEqual(parseLine("k:v:w", { json: false, keySeparator: ":" }, now).record, {
    timestampMs: 5n,
    key: Buffer.from("k"),
    value: Buffer.from("v:w"),
  });
  const line = '{"key":"k","value":{"a":1},"headers":{"h":"x","n":null},"partition":3,"timestamp_ms":9}';
  assert.deepEqual(parseLine(line, { json: true, keySeparator: undefined }, now), {
    record: {
      timestampMs: 9n,
      key: Buffer.from("k"),
      value: Buffer.from('{"a":1}'),
      headers: [
        { key: "h", value: Buffer.from("x") },
        { key: "n", value: null },
      ],
    },
    partition: 3,
  });
});

test("line of another form is refused with its number", () => {
  const now = { lineNumber: 4, nowMs: 5 };
  for (const line of ["x", "[]", '{"kye":1}', '{"partition":-1}', '{"timestamp_ms":"x"}', '{"headers":3}']) {
    assert.throws(() => parseLine(line, { json: true, keySeparator: undefined }, now), /^CommandError: line 4 /, line);
  }
  assert.throws(() => parseLine("x", { json: false, keySeparator: ":" }, now), /^CommandError: line 4 /);
});

test("position is read in every form", () => {
  const nowMs = 1_000_000;
  assert.deepEqual(parsePosition("start", nowMs), { kind: "start" });
  assert.deepEqual(parsePosition("12", nowMs), { kind: "offset", offset: 12n });
  assert.deepEqual(parsePosition("-12", nowMs), { kind: "before-end", records: 12n });
  assert.deepEqual(parsePosition("@-10s", nowMs), { kind: "time", timeMs: 990_000 });
  assert.deepEqual(parsePosition("@1970-01-01T00:00:01Z", nowMs), { kind: "time", timeMs: 1_000 });
  assert.throws(() => parsePosition("soon", nowMs), /is no position/);
});
