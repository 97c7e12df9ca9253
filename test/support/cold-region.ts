/** Segments of an embedded region that moved to an archive stay readable at their offsets through its brokers. */

import assert from "node:assert/strict";
import { coldStoreOver } from "../../src/adapters/cold-store.ts";
import { embeddedSegments } from "../../src/adapters/embedded-segments.ts";
import { MemoryNetwork } from "../../src/adapters/memory-network.ts";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { listOffsets } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { ColdReader } from "../../src/tier/cold-reader.ts";
import { collect } from "../../src/tier/gc.ts";
import { offloadOnce } from "../../src/tier/offload.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { storeNowMs } from "../../src/tier/store-clock.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { seededRandom } from "./seeded-random.ts";

const TOPIC = "flights";
const BATCHES = 60;
// Ten seconds ago, so that no record is from the future.
const START_MS = BigInt(Date.now()) - 10_000n;
const EVERYTHING_COLD = { olderThanMs: 0, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;

/** A region in memory over an archive. */
export async function openColdWorld(store: ObjectStore) {
  const clock = nodeClock();
  const random = seededRandom(7);
  const network = new MemoryNetwork({}, { clock, random });
  const storage = new MemoryStorage();
  const deps = { clock, random, network, logger: silentLogger };
  const open = async (): Promise<EmbeddedRegion> => {
    const region: EmbeddedRegion = await EmbeddedRegion.open(
      { directory: "/region", clusterId: "region-a", brokers: 3 },
      { ...deps, storage, coldStore: coldStoreOver([new ColdReader({ store, clock })], () => "region-a") },
    );
    return region;
  };
  return { ...deps, storage, store, open };
}

type World = Awaited<ReturnType<typeof openColdWorld>>;

/** A client that knows all topics. */
export async function connect(world: World, region: EmbeddedRegion): Promise<KafkaClient> {
  const client = await KafkaClient.open({ bootstrap: region.endpoints, clientId: "tier-test" }, world);
  await client.metadata.refresh("all topics", { all: true });
  return client;
}

/** Writes the topic `flights`, of many segments. */
export async function produceAll(client: KafkaClient): Promise<void> {
  const replicationFactor = Math.min(3, client.metadata.brokers.size);
  await createTopics(client, [
    { name: TOPIC, partitions: 1, replicationFactor, configs: { "segment.bytes": "16384" } },
  ]);
  await client.metadata.refresh("topic created", { all: true });
  await produceBatches(client, 0, BATCHES);
}

/** As many records again; answers the offset after them. */
export async function produceAgain(client: KafkaClient): Promise<bigint> {
  await produceBatches(client, BATCHES, 2 * BATCHES);
  return BigInt(2 * BATCHES * 10);
}

async function produceBatches(client: KafkaClient, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) {
    const records = Array.from({ length: 10 }, (_, r) => ({
      timestampMs: START_MS + BigInt(i * 10 + r),
      key: null,
      value: Buffer.alloc(150, `${i * 10 + r} `),
    }));
    const partition = { topic: TOPIC, topicId: ZERO_UUID, index: 0, records: encodeBatch(records).bytes };
    const [outcome] = await produceTo(client, leaderOf(client), { partitions: [partition], acks: -1 });
    assert.equal(outcome?.errorCode, 0);
  }
}

function leaderOf(client: KafkaClient): number {
  return client.metadata.leaderOf(TOPIC, 0)?.leaderId ?? -1;
}

/** Every record's offset and value, reading on from `start` until the end. */
export async function readAll(client: KafkaClient, start = 0n, end = BigInt(BATCHES * 10)): Promise<readonly string[]> {
  const seen: string[] = [];
  for (let next = start; next < end; ) {
    const at = {
      topic: TOPIC,
      topicId: ZERO_UUID,
      index: 0,
      fetchOffset: next,
      lastFetchedEpoch: -1,
      currentLeaderEpoch: -1,
    };
    const [fetched] = await fetchFrom(client, leaderOf(client), {
      partitions: [{ ...at, maxBytes: 20_000 }],
      maxWaitMs: 100,
      minBytes: 1,
      maxBytes: 20_000,
      isolation: "read_committed",
    });
    assert.equal(fetched?.errorCode, 0);
    const before = next;
    for (const batch of batchesIn(fetched?.records ?? Buffer.alloc(0))) {
      batch.verifyCrc();
      for (const record of decodeRecords(batch)) {
        const offset = batch.baseOffset + BigInt(record.offsetDelta);
        if (offset >= next) seen.push(`${offset}:${String(record.value)}`);
      }
      next = batch.nextOffset;
    }
    assert.ok(next > before, `no progress at ${before}`);
  }
  return seen;
}

/** The offset found for the time of every 7th record, of a time before all and of one after all. */
async function offsetsByTime(client: KafkaClient): Promise<readonly bigint[]> {
  const times = Array.from({ length: Math.ceil((BATCHES * 10) / 7) }, (_, i) => START_MS + BigInt(i * 7));
  const questions = [0n, ...times, START_MS + 5_000n].map((timestampMs) => ({ topic: TOPIC, index: 0, timestampMs }));
  return (await listOffsets(client, questions)).map(({ offset }) => offset);
}

/** Nothing is wrong with the archive, and nothing is left over. */
async function assertWhole(store: ObjectStore): Promise<void> {
  const [entry] = await readCatalog(store);
  assert.ok(entry !== undefined);
  const { findings, segmentsRead } = await verifyPartition(
    entry,
    { share: 1, nowMs: Date.now() },
    { store, random: seededRandom(1) },
  );
  assert.deepEqual(findings, []);
  assert.ok(segmentsRead >= 3);
  const { objects, waiting } = await collect(
    entry,
    { graceMs: 0, dryRun: false },
    { store, nowMs: await storeNowMs(store) },
  );
  assert.deepEqual([objects, waiting], [[], 0]);
}

/** Offloads to the store, drops the local copies and reads all of it back, by offset and by time, before and after a restart. */
export async function servesArchivedSegments(store: ObjectStore): Promise<void> {
  const world = await openColdWorld(store);
  const region = await world.open();
  const client = await connect(world, region);
  await produceAll(client);
  const expected = await readAll(client);
  assert.equal(expected.length, BATCHES * 10);
  const expectedByTime = await offsetsByTime(client);
  assert.deepEqual([expectedByTime[0], expectedByTime[4], expectedByTime.at(-1)], [0n, 21n, -1n]);
  const report = await offloadOnce(EVERYTHING_COLD, (topic) => topic === TOPIC, {
    ...world,
    source: embeddedSegments(region),
  });
  const log = region.partitionLog(TOPIC, 0);
  assert.ok(report.segmentsOffloaded >= 3 && report.segmentsDropped === report.segmentsOffloaded);
  assert.ok(log !== undefined && log.localStartOffset > 0n && log.startOffset === 0n);
  assert.deepEqual(await readAll(client), expected);
  assert.deepEqual(await readAll(client, 37n), expected.slice(37));
  assert.deepEqual(await offsetsByTime(client), expectedByTime);
  await assertWhole(store);
  await client.close();
  await region.close();

  await using again = await world.open();
  await using clientAgain = await connect(world, again);
  const logAgain = again.partitionLog(TOPIC, 0);
  assert.deepEqual([logAgain?.startOffset, logAgain?.localStartOffset], [0n, log.localStartOffset]);
  assert.deepEqual(await readAll(clientAgain), expected);
}
