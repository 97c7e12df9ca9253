/** Segments cut from any Kafka cluster: an embedded region stands for it, reached through its listeners alone. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Kafka, logLevel } from "kafkajs";
import { MemoryStorage } from "../../src/adapters/memory-storage.ts";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { createPartitions, createTopics, deleteRecords, deleteTopics } from "../../src/client/admin.ts";
import { hasFaultCode } from "../../src/core/errors.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import type { ArchivedPartition } from "../../src/tier/ports.ts";
import { verifyPartition } from "../../src/tier/verify.ts";
import { TransactionIndex } from "../../src/wire/segment/transaction-index.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { type EmbeddedSide, MirrorWorld } from "./mirror-world.ts";
import { archivedBytes, clusterBytes, manifestOf, offloadAll, segmentsOf } from "./offload-world.ts";

const TOPIC = "orders";

function partitionOf({ region, client }: EmbeddedSide, partition = 0, topic = TOPIC): ArchivedPartition {
  const topicId = client.metadata.topic(topic)?.topicId;
  if (topicId === undefined) throw new Error("no such topic");
  return { clusterId: region.clusterId, topic, topicId, partition };
}

/** Records in several batches, with transactions of which every third is aborted. */
async function writeTransactions({ region }: EmbeddedSide, rounds: number): Promise<void> {
  const brokers = region.endpoints.map(({ host, port }) => `${host}:${port}`);
  const kafka = new Kafka({ brokers, clientId: "app", logLevel: logLevel.NOTHING });
  const producers = ["one", "two"].map((transactionalId) =>
    kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true }),
  );
  for (const producer of producers) await producer.connect();
  for (let round = 0; round < rounds; round++) {
    const open = await Promise.all(producers.map((producer) => producer.transaction()));
    for (const [i, transaction] of open.entries())
      await transaction.send({ topic: TOPIC, messages: [{ value: `r${round} w${i} ${"x".repeat(300)}` }] });
    for (const [i, transaction] of open.entries())
      await ((round + i) % 3 === 0 ? transaction.abort() : transaction.commit());
  }
  for (const producer of producers) await producer.disconnect();
}

async function assertWhole(store: ReturnType<typeof createMemoryStore>): Promise<void> {
  for (const entry of await readCatalog(store)) {
    const { findings } = await verifyPartition(
      entry,
      { share: 1, nowMs: Date.now() },
      { store, random: seededRandom(1) },
    );
    assert.deepEqual(findings, []);
  }
}

test("archive of a Kafka cluster holds its committed batches byte for byte, with the transactions that were aborted", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  const [store, storage] = [createMemoryStore(), new MemoryStorage()];
  const source = segmentsOf(side.client, storage, { segmentBytesMax: 4_000 });
  source.closeAll = true;
  for (let part = 0; part < 2; part++) {
    await writeTransactions(side, 20);
    for (let i = 0; i < 10; i++) await world.produce(side, TOPIC, 0, 20);
    await offloadAll(source, store);
  }
  const manifest = await manifestOf(store, partitionOf(side));
  const segments = manifest?.segments ?? [];
  assert.ok(segments.length >= 6);
  assert.deepEqual(await archivedBytes(store, manifest), await clusterBytes(side.client, TOPIC, 0));
  for (const [i, { baseOffset }] of segments.entries()) assert.equal(baseOffset, segments[i - 1]?.nextOffset ?? 0n);
  const aborted: unknown[] = [];
  for (const { key, baseOffset, txnindexBytes } of segments) {
    if (txnindexBytes === 0) continue;
    const index = TransactionIndex.parse(await store.get(`${key}.txnindex`), baseOffset);
    index?.collect({ fromOffset: 0n, endOffset: 1_000_000n }, aborted as never);
  }
  const told = side.region.partitionLog(TOPIC, 0)?.abortedTransactions({ fromOffset: 0n, endOffset: 1_000_000n });
  assert.ok(aborted.length >= 20);
  assert.deepEqual(aborted, told);
  await assertWhole(store);
  assert.equal(source.spoolBytes, 0);
});

test("offloader that is killed at any point goes on from its spool, and archives each batch once", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 2);
  const [store, storage] = [createMemoryStore(), new MemoryStorage()];
  for (let i = 0; i < 60; i++) await world.produce(side, TOPIC, i % 2, 10);
  let [operations, crashAt, crashes] = [0, 1, 0];
  store.before = () => {
    operations++;
    if (operations === crashAt) throw new Error("killed");
  };
  for (let isDone = false; !isDone; crashAt++) {
    operations = 0;
    // Another process each time, which finds the spool as the last one left it, torn at its end.
    const source = segmentsOf(side.client, storage, { segmentBytesMax: 3_000 });
    source.closeAll = true;
    await offloadAll(source, store, crashAt).then(
      () => {
        isDone = operations < crashAt;
      },
      () => {
        crashes++;
      },
    );
    for (const index of [0, 1]) {
      const { topicId } = partitionOf(side, index);
      const path = `spool/${side.region.clusterId}/${TOPIC}-${topicId}/${index}/segment.log`;
      if (!storage.exists(path)) continue;
      const file = storage.open(path, { create: false });
      file.truncate(Math.max(0, file.sizeBytes - (crashAt % 3) * 40));
    }
    if (crashAt % 5 === 0) storage.remove("spool");
  }
  store.before = () => {};
  assert.ok(crashes >= 10);
  for (const index of [0, 1])
    assert.deepEqual(
      await archivedBytes(store, await manifestOf(store, partitionOf(side, index))),
      await clusterBytes(side.client, TOPIC, index),
    );
  await assertWhole(store);
});

test("two offloaders of one cluster into one store harm nothing", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  const store = createMemoryStore();
  const sources = [3_000, 4_100].map((segmentBytesMax) =>
    segmentsOf(side.client, new MemoryStorage(), { segmentBytesMax }),
  );
  for (const source of sources) source.closeAll = true;
  for (let round = 0; round < 8; round++) {
    for (let i = 0; i < 12; i++) await world.produce(side, TOPIC, 0, 10);
    await Promise.all(sources.map((source, i) => offloadAll(source, store, round * 2 + i)));
  }
  const manifest = await manifestOf(store, partitionOf(side));
  assert.deepEqual(await archivedBytes(store, manifest), await clusterBytes(side.client, TOPIC, 0));
  await assertWhole(store);
  for (const source of sources) {
    await offloadAll(source, store);
    assert.equal(source.spoolBytes, 0, "what the other one archived is given up");
  }
});

test("offloader gives up what another one archived meanwhile, and goes on behind it", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  const store = createMemoryStore();
  const [slow, fast] = [segmentsOf(side.client, new MemoryStorage()), segmentsOf(side.client, new MemoryStorage())];
  fast.closeAll = true;
  for (let i = 0; i < 4; i++) await world.produce(side, TOPIC, 0, 10);
  await offloadAll(slow, store);
  assert.ok(slow.spoolBytes > 0 && store.objects.size === 0);
  for (let i = 0; i < 4; i++) await world.produce(side, TOPIC, 0, 10);
  await offloadAll(fast, store);
  for (let i = 0; i < 4; i++) await world.produce(side, TOPIC, 0, 10);
  slow.closeAll = true;
  await offloadAll(slow, store);
  assert.equal(slow.spoolBytes, 0);
  const manifest = await manifestOf(store, partitionOf(side));
  assert.deepEqual(
    manifest?.segments.map(({ baseOffset, nextOffset }) => [baseOffset, nextOffset]),
    [
      [0n, 80n],
      [80n, 120n],
    ],
  );
  assert.deepEqual(await archivedBytes(store, manifest), await clusterBytes(side.client, TOPIC, 0));
});

test("records that were deleted before they could be archived are a gap with its cause, or stop the partition", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  await world.topic(side, TOPIC, 1);
  const [store, storage] = [createMemoryStore(), new MemoryStorage()];
  const source = segmentsOf(side.client, storage);
  source.closeAll = true;
  for (let i = 0; i < 3; i++) await world.produce(side, TOPIC, 0, 10);
  await offloadAll(source, store);
  for (let i = 0; i < 3; i++) await world.produce(side, TOPIC, 0, 10);
  source.closeAll = false;
  await offloadAll(source, store);
  for (let i = 0; i < 3; i++) await world.produce(side, TOPIC, 0, 10);
  await deleteRecords(side.client, [{ topic: TOPIC, index: 0, offset: 75n }]);

  const strict = segmentsOf(side.client, new MemoryStorage(), { onGap: "stop" });
  strict.closeAll = true;
  await assert.rejects(offloadAll(strict, store), (error) => hasFaultCode(error, "ARCHIVE_GAP"));

  source.closeAll = true;
  await offloadAll(source, store);
  const { segments = [] } = (await manifestOf(store, partitionOf(side))) ?? {};
  const gaps = segments.flatMap((segment) => segment.gaps);
  // What was in the spool already is not lost: 30 to 60. The batch of 70 to 80 is archived as a whole.
  assert.deepEqual(gaps, [{ startOffset: 60n, nextOffset: 70n, cause: "retention" }]);
  assert.deepEqual([segments[0]?.baseOffset, segments.at(-1)?.nextOffset], [0n, 90n]);
  for (const [i, { baseOffset }] of segments.entries()) assert.equal(baseOffset, segments[i - 1]?.nextOffset ?? 0n);
  await assertWhole(store);
});

test("records that the cluster loses again leave the spool, and stop the partition once they are archived", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west", { brokers: 1 });
  await world.topic(side, TOPIC, 1);
  const log = side.region.partitionLog(TOPIC, 0);
  /** What an unclean election does: the log is shorter, and another leader writes on. */
  const lose = async (offset: bigint): Promise<void> => {
    await side.region.stopBroker(1);
    log?.truncateTo(offset);
    await side.region.startBroker(1);
    await world.produce(side, TOPIC, 0, 10);
  };
  const [store, storage] = [createMemoryStore(), new MemoryStorage()];
  const source = segmentsOf(side.client, storage);
  for (let i = 0; i < 4; i++) await world.produce(side, TOPIC, 0, 10);
  await offloadAll(source, store);
  await lose(20n);
  source.closeAll = true;
  await offloadAll(source, store);
  const archived = await archivedBytes(store, await manifestOf(store, partitionOf(side)));
  assert.deepEqual(archived, await clusterBytes(side.client, TOPIC, 0));
  await lose(10n);
  for (const again of [source, segmentsOf(side.client, new MemoryStorage())])
    await assert.rejects(offloadAll(again, store), (error) => hasFaultCode(error, "ARCHIVE_DIVERGED"));
  assert.deepEqual(await archivedBytes(store, await manifestOf(store, partitionOf(side))), archived);
});

test("topics that are made anew, grow or go are archived for what each of them was", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("west");
  const { client } = side;
  await world.topic(side, TOPIC, 1);
  const [store, storage] = [createMemoryStore(), new MemoryStorage()];
  const source = segmentsOf(client, storage);
  for (let i = 0; i < 3; i++) await world.produce(side, TOPIC, 0, 10);
  await offloadAll(source, store);
  assert.equal(store.objects.size, 0, "the segment is not full");
  const [first, bytes] = [partitionOf(side), await clusterBytes(client, TOPIC, 0)];
  await deleteTopics(client, [TOPIC]);
  await createTopics(client, [{ name: TOPIC, partitions: 1, replicationFactor: 1 }]);
  await world.produce(side, TOPIC, 0, 5);
  await createPartitions(client, [{ name: TOPIC, count: 2 }]);
  await world.produce(side, TOPIC, 1, 5);
  await offloadAll(source, store);
  source.closeAll = true;
  await offloadAll(source, store);
  assert.deepEqual(await archivedBytes(store, await manifestOf(store, first)), bytes);
  for (const index of [0, 1])
    assert.deepEqual(
      await archivedBytes(store, await manifestOf(store, partitionOf(side, index))),
      await clusterBytes(client, TOPIC, index),
    );
  assert.notEqual(first.topicId, partitionOf(side).topicId);
});
