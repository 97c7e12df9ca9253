/** Identities and the producer ids derived from them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Uuid } from "../../../src/core/brand.ts";
import {
  isTributaryProducerId,
  laneIdentity,
  PRODUCER_ID_PREFIX,
  producerIdOf,
  reverseLane,
} from "../../../src/mirror/lane-id.ts";
import type { LaneIdentity } from "../../../src/mirror/offset-ports.ts";

const LANE: LaneIdentity = {
  sourceClusterId: "west",
  sourceTopicId: "AAECAwQFBgcICQoLDA0ODw" as Uuid,
  sourcePartition: 3,
  targetClusterId: "central",
  targetTopicId: "EBESExQVFhcYGRobHB0eHw" as Uuid,
  targetPartition: 4,
};

test("identity has fixed bytes", () => {
  assert.equal(
    laneIdentity(LANE).toString("hex"),
    "01" +
      "000477657374" +
      "000102030405060708090a0b0c0d0e0f" +
      "00000003" +
      "000763656e7472616c" +
      "101112131415161718191a1b1c1d1e1f" +
      "00000004",
  );
});

test("producer id of a lane is the same for ever", () => {
  assert.equal(producerIdOf(LANE).toString(16), "2a294a2b5c74b36c");
});

const lanes = fc.record({
  sourceClusterId: fc.string(),
  sourceTopicId: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((id) => Buffer.from(id).toString("base64url") as Uuid),
  sourcePartition: fc.nat(),
  targetClusterId: fc.string(),
  targetTopicId: fc
    .uint8Array({ minLength: 16, maxLength: 16 })
    .map((id) => Buffer.from(id).toString("base64url") as Uuid),
  targetPartition: fc.nat(),
});

test("producer ids are never negative and carry the prefix", () => {
  fc.assert(
    fc.property(lanes, (lane) => {
      const id = producerIdOf(lane);
      assert.ok(id >= 0n && id < 2n ** 63n && isTributaryProducerId(id));
      assert.equal(Number(id >> 47n), PRODUCER_ID_PREFIX);
    }),
  );
});

test("identities of different lanes never have the same bytes", () => {
  fc.assert(
    fc.property(lanes, lanes, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      assert.equal(laneIdentity(a).equals(laneIdentity(b)), isSame);
    }),
  );
});

test("reverse of a lane's reverse is the lane", () => {
  assert.deepEqual(reverseLane(reverseLane(LANE)), LANE);
  assert.notEqual(producerIdOf(reverseLane(LANE)), producerIdOf(LANE));
});

test("producer ids that brokers allocate do not carry the prefix", () => {
  for (const id of [-1n, 0n, 1_000n, 2n ** 40n, 2n ** 63n - 1n]) assert.equal(isTributaryProducerId(id), false);
});
