/** What a broker is told of records in a store, however the archives lie. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { coldStoreOver } from "../../../src/adapters/cold-store.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { createFakeClock } from "../../support/fake-clock.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { abortedAcrossSegments, fakeSegmentSource, PARTITION } from "../../support/segments.ts";

const POLICY = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "never" } as const;

function openArchive() {
  const [store, clock] = [createMemoryStore(), createFakeClock(10_000)];
  const archive = async (segments: number): Promise<void> => {
    const source = fakeSegmentSource(abortedAcrossSegments().slice(0, segments));
    await offloadOnce(POLICY, () => true, { source, store, clock, random: seededRandom(segments) });
  };
  return { archive, reader: new ColdReader({ store, clock }) };
}

async function abortedAt(readers: readonly ColdReader[], offset: bigint, endOffset = 6n) {
  const { topic, topicId, partition } = PARTITION;
  const at = { topic, topicId, partition, offset, endOffset, maxBytes: 10_000, isCommittedOnly: true };
  const read = await coldStoreOver(readers, () => PARTITION.clusterId).read(at);
  return read?.abortedTransactions.map(({ producerId, firstOffset }) => [producerId, firstOffset]);
}

test("a cold store names an aborted transaction whose marker lies in a later segment", async () => {
  const { archive, reader } = openArchive();
  await archive(2);
  assert.deepEqual(await abortedAt([reader], 0n), [[7n, 0n]]);
  assert.deepEqual(await abortedAt([reader], 2n), [
    [8n, 3n],
    [7n, 0n],
  ]);
});

test("a cold store names an aborted transaction whose marker was archived since it looked", async () => {
  const { archive, reader } = openArchive();
  await archive(1);
  assert.deepEqual(await abortedAt([reader], 0n), []);
  await archive(2);
  assert.deepEqual(await abortedAt([reader], 0n), [[7n, 0n]]);
});

test("a cold store names an aborted transaction whose marker only another archive has", async () => {
  const [old, next] = [openArchive(), openArchive()];
  await old.archive(1);
  await next.archive(2);
  assert.deepEqual(await abortedAt([old.reader, next.reader], 0n), [[7n, 0n]]);
});
