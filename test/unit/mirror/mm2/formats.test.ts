/** The records of MirrorMaker 2's internal topics. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hasFaultCode } from "../../../../src/core/errors.ts";
import {
  decodeCheckpoint,
  decodeHeartbeat,
  decodeOffsetSync,
  encodeCheckpoint,
  encodeHeartbeat,
  encodeOffsetSync,
  type Mm2Record,
} from "../../../../src/mirror/mm2/formats.ts";

const text = fc.string({ unit: "grapheme", maxLength: 100 });
const partition = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const offset = fc.bigInt({ min: -1n, max: 2n ** 63n - 1n });
const plain = { noNullPrototype: true };

function hex(record: Mm2Record): readonly [string, string] {
  return [record.key.toString("hex"), record.value.toString("hex")];
}

test("an offset sync has the bytes of MirrorMaker 2", () => {
  const sync = { topic: "t", partition: 3, upstreamOffset: 100n, downstreamOffset: 42n };
  assert.deepEqual(hex(encodeOffsetSync(sync)), ["00017400000003", "0000000000000064000000000000002a"]);
});

test("a checkpoint has the bytes of MirrorMaker 2", () => {
  const record = encodeCheckpoint({
    group: "g1",
    topic: "us-west.t",
    partition: 3,
    upstreamOffset: 100n,
    downstreamOffset: 42n,
    metadata: "",
  });
  const key = "00026731000975732d776573742e7400000003";
  assert.deepEqual(hex(record), [key, "00000000000000000064000000000000002a0000"]);
});

test("a heartbeat has the bytes of MirrorMaker 2", () => {
  const record = encodeHeartbeat({ sourceAlias: "A", targetAlias: "B", timestampMs: 1_700_000_000_000n });
  assert.deepEqual(hex(record), ["000141000142", "00000000018bcfe56800"]);
});

test("every record reads back as it was written", () => {
  const offsets = { upstreamOffset: offset, downstreamOffset: offset };
  const syncs = fc.record({ topic: text, partition, ...offsets }, plain);
  const checkpoints = fc.record({ group: text, topic: text, partition, ...offsets, metadata: text }, plain);
  const heartbeats = fc.record({ sourceAlias: text, targetAlias: text, timestampMs: offset }, plain);
  fc.assert(fc.property(syncs, (sync) => assert.deepEqual(decodeOffsetSync(encodeOffsetSync(sync)), sync)));
  fc.assert(fc.property(checkpoints, (point) => assert.deepEqual(decodeCheckpoint(encodeCheckpoint(point)), point)));
  fc.assert(fc.property(heartbeats, (beat) => assert.deepEqual(decodeHeartbeat(encodeHeartbeat(beat)), beat)));
});

test("a checkpoint of a later version is refused", () => {
  const record = encodeCheckpoint({
    group: "g",
    topic: "t",
    partition: 0,
    upstreamOffset: 1n,
    downstreamOffset: 1n,
    metadata: "",
  });
  record.value.writeInt16BE(1, 0);
  assert.throws(
    () => decodeCheckpoint(record),
    (error) => hasFaultCode(error, "WIRE_UNSUPPORTED_VERSION"),
  );
});

test("a record cut short is refused", () => {
  const { key, value } = encodeHeartbeat({ sourceAlias: "A", targetAlias: "B", timestampMs: 1n });
  assert.throws(
    () => decodeHeartbeat({ key, value: value.subarray(0, 9) }),
    (error) => hasFaultCode(error, "WIRE_SHORT_READ"),
  );
});

test("a text longer than its length can tell is refused", () => {
  assert.throws(
    () => encodeHeartbeat({ sourceAlias: "A".repeat(32_768), targetAlias: "B", timestampMs: 1n }),
    (error) => hasFaultCode(error, "WIRE_BAD_LENGTH"),
  );
});
