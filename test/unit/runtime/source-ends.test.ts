/** Lag in records and in seconds, from what lanes and a watch over the source have seen. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import { type LaneIdentity, laneKey } from "../../../src/mirror/offset-ports.ts";
import type { LaneStatus } from "../../../src/mirror/status.ts";
import { SourceEnds } from "../../../src/runtime/source-ends.ts";

const LANE: LaneIdentity = {
  sourceClusterId: "a",
  sourceTopicId: "s" as Uuid,
  sourcePartition: 0,
  targetClusterId: "b",
  targetTopicId: "t" as Uuid,
  targetPartition: 0,
};

/** What the lag depends on. */
function lane(sourceNext: bigint | undefined, sourceEnd?: bigint): LaneStatus {
  return { lane: LANE, sourceTopic: "t", partition: 0, sourceNext, sourceEnd } as unknown as LaneStatus;
}

test("lag counts from the moment when the oldest record that is not copied was first seen", () => {
  const ends = new SourceEnds();
  ends.note(laneKey(LANE), { end: 10n, atMs: 1_000 });
  ends.note(laneKey(LANE), { end: 10n, atMs: 2_000 });
  ends.note(laneKey(LANE), { end: 20n, atMs: 3_000 });
  assert.deepEqual(ends.lagOf(lane(5n), 5_000), { sourceEnd: 20n, records: 15n, behindMs: 4_000 });
  assert.deepEqual(ends.lagOf(lane(10n), 5_000), { sourceEnd: 20n, records: 10n, behindMs: 2_000 });
  assert.deepEqual(ends.lagOf(lane(20n), 5_000), { sourceEnd: 20n, records: 0n, behindMs: 0 });
});

test("lag takes the later of what the lane and the watch have seen", () => {
  const ends = new SourceEnds();
  ends.note(laneKey(LANE), { end: 10n, atMs: 1_000 });
  assert.deepEqual(ends.lagOf(lane(8n, 9n), 1_500), { sourceEnd: 10n, records: 2n, behindMs: 500 });
  assert.deepEqual(ends.lagOf(lane(12n, 15n), 1_500), { sourceEnd: 15n, records: 3n, behindMs: 0 });
});

test("lag is unknown before the lane or its source is known", () => {
  const ends = new SourceEnds();
  assert.equal(ends.lagOf(lane(5n), 0), undefined);
  ends.note(laneKey(LANE), { end: 10n, atMs: 0 });
  assert.equal(ends.lagOf(lane(undefined), 0), undefined);
});

test("lag of a lane that must not begin is all that it would copy", async () => {
  const ends = new SourceEnds();
  const stopped = (reason: object) => ({ ...lane(undefined), state: "stopped", reason }) as unknown as LaneStatus;
  const recreated = stopped({ code: "SOURCE_TOPIC_RECREATED" });
  assert.equal(ends.lagOf(recreated, 0), undefined);
  await ends.refresh([recreated], { bounds: async () => ({ startOffset: 3n, endOffset: 10n }) }, () => 1_000);
  assert.deepEqual(ends.lagOf(recreated, 2_000), { sourceEnd: 10n, records: 7n, behindMs: 1_000 });
  const unadopted = (copiedOffset: bigint) =>
    ends.lagOf(stopped({ code: "ADOPTION_NEEDED", copiedOffset }), 0)?.records;
  assert.deepEqual([unadopted(-1n), unadopted(8n), unadopted(9n)], [7n, 1n, 0n]);
});

test("lag remembers a bounded number of moments and then tells too little rather than too much", () => {
  const ends = new SourceEnds();
  for (let moment = 1; moment <= 1_000; moment++) ends.note(laneKey(LANE), { end: BigInt(moment), atMs: moment });
  const behindMs = ends.lagOf(lane(0n), 1_000)?.behindMs ?? -1;
  assert.ok(behindMs > 100 && behindMs < 1_000, String(behindMs));
});

test("lag keeps what is known when the source cannot be asked", async () => {
  const ends = new SourceEnds();
  const bounds = async () => ({ startOffset: 0n, endOffset: 7n });
  await ends.refresh([lane(0n)], { bounds }, () => 1);
  await ends.refresh([lane(0n)], { bounds: () => Promise.reject(new Error("gone")) }, () => 2);
  assert.equal(ends.lagOf(lane(0n), 3)?.records, 7n);
});
