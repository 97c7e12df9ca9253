/** Whether a copy holds nobody's records but the mirror's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryProgressStore } from "../../../../src/adapters/memory-progress.ts";
import { producerIdOf } from "../../../../src/mirror/lane-id.ts";
import { othersRecords } from "../../../../src/mirror/metadata/sole-writer.ts";
import { OffsetMap } from "../../../../src/mirror/offset-map.ts";
import type { Target } from "../../../../src/mirror/ports.ts";
import { type EncodeOptions, encodeBatch } from "../../../../src/wire/records.ts";
import { lane, stateOf } from "../../../support/sample-lane.ts";

const TOPIC = { ...lane, topic: "copy", topicId: lane.targetTopicId, partitions: 1 };
const OWN = { producerId: producerIdOf(lane), producerEpoch: 0, baseSequence: 0 };

/** A batch of one record. */
function batch(baseOffset: bigint, options: EncodeOptions): Buffer {
  return encodeBatch([{ timestampMs: 0n, key: null, value: null }], { baseOffset, ...options }).bytes;
}

/** A log with these bounds, of which only what is asked for can be read. */
function targetWith(startOffset: bigint, endOffset: bigint, batches: readonly Buffer[]) {
  const scanned: string[] = [];
  const target = {
    clusterId: lane.targetClusterId,
    bounds: async () => ({ startOffset, endOffset }),
    scan: async function* (_: unknown, from: bigint, to: bigint) {
      scanned.push(`${from}-${to}`);
      yield Buffer.concat(batches);
    },
  };
  return { target: target as unknown as Target, scanned };
}

/** A store that holds runs at the target offsets 10 to 19 and 30 to 39. */
async function progressWithRuns(): Promise<MemoryProgressStore> {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  map.append({ sourceStart: 0n, targetStart: 10n, length: 10 });
  map.append({ sourceStart: 10n, targetStart: 30n, length: 10 });
  const progress = new MemoryProgressStore();
  progress.save(stateOf(map), map);
  await progress.flush();
  return progress;
}

test("a copy is the mirror's alone where the map covers it, without reading it", async () => {
  const progress = await progressWithRuns();
  for (const [start, end] of [
    [10n, 20n],
    [15n, 15n],
    [33n, 40n],
  ] as const) {
    const { target, scanned } = targetWith(start, end, []);
    assert.equal(await othersRecords(TOPIC, { target, progress }), undefined);
    assert.deepEqual(scanned, []);
  }
});

test("a copy is the mirror's alone when gaps of the map hold markers and its own records", async () => {
  const progress = await progressWithRuns();
  const marker = batch(20n, { producerId: 7n, producerEpoch: 0, isControl: true, isTransactional: true });
  const { target, scanned } = targetWith(12n, 42n, [batch(11n, {}), marker, batch(29n, OWN), batch(42n, {})]);
  assert.equal(await othersRecords(TOPIC, { target, progress }), undefined);
  assert.deepEqual(scanned, ["20-30", "40-42"]);
});

test("a copy is shared when a gap, or a partition without a map, holds another's record", async () => {
  const progress = await progressWithRuns();
  for (const foreign of [{}, { ...OWN, producerId: OWN.producerId + 1n }]) {
    const { target } = targetWith(10n, 40n, [batch(25n, foreign)]);
    assert.equal(
      await othersRecords(TOPIC, { target, progress }),
      "partition 0 holds records that the mirror did not write, at offset 25",
    );
  }
  const { target } = targetWith(0n, 1n, [batch(0n, {})]);
  assert.match((await othersRecords(TOPIC, { target, progress: new MemoryProgressStore() })) ?? "", /offset 0/);
});
