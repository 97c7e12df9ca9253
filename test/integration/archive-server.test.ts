/** A served archive as stock clients see it: read-only, at original offsets and times, growing with its store. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { hasFaultCode } from "../../src/core/errors.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { publish, readHead } from "../../src/tier/archive.ts";
import { readCatalog } from "../../src/tier/catalog.ts";
import { captureGroups } from "../../src/tier/groups.ts";
import type { ObjectStore } from "../../src/tier/ports.ts";
import { planRestore } from "../../src/tier/restore/restore-plan.ts";
import { storeFailure } from "../../src/tier/store-failure.ts";
import { captureTopics } from "../../src/tier/topic-record.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import {
  type ArchiveSource,
  inOrder,
  openArchiveSource,
  readInGroup,
  type ServedArchive,
  START_MS,
  serveArchive,
  TOPIC,
  writeFlights,
} from "../support/archive-world.ts";

const COMMITTED = 400;
const ALL = 600;

test("kafkajs lists an archive, reads it with original offsets and times, and sees no aborted record unless it asks", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  const written = inOrder(await readInGroup(source.kafka, { groupId: "before", records: COMMITTED }));
  const everything = inOrder(
    await readInGroup(source.kafka, { groupId: "before-all", records: ALL, readsUncommitted: true }),
  );
  await source.archive();
  await source.region.close();

  await using served = await serveArchive(store);
  assert.equal(served.server.clusterId, "cluster-a");
  const admin = served.kafka.admin();
  await admin.connect();
  assert.deepEqual(await admin.listTopics(), [TOPIC]);
  const [first] = (await admin.fetchTopicOffsets(TOPIC)).toSorted((a, b) => a.partition - b.partition);
  assert.deepEqual([first?.low, first?.high], ["0", "320"]);
  await admin.disconnect();
  assert.deepEqual(inOrder(await readInGroup(served.kafka, { groupId: "after", records: COMMITTED })), written);
  assert.deepEqual(
    inOrder(await readInGroup(served.kafka, { groupId: "after-all", records: ALL, readsUncommitted: true })),
    everything,
  );
  assert.ok(written.every(({ value }) => !value.startsWith("aborted")));
  assert.equal(written[0]?.timestampMs, START_MS);
});

test("a reader of an archive seeks by time, and a group goes on after the server was started again", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  await source.archive();
  await using served = await serveArchive(store);
  const admin = served.kafka.admin();
  await admin.connect();
  const at = await admin.fetchTopicOffsetsByTimestamp(TOPIC, START_MS + 155_000);
  const from = at.map(({ partition, offset }) => ({ partition, offset }));
  await admin.disconnect();
  const [found] = await readInGroup(served.kafka, { groupId: "seeker", records: 1, from });
  assert.equal(found?.timestampMs, START_MS + 155_000);

  const half = await readInGroup(served.kafka, { groupId: "stepwise", records: COMMITTED / 2 });
  await using again = await served.restart();
  const rest = await readInGroup(again.kafka, { groupId: "stepwise", records: COMMITTED / 2 });
  const offsets = [...half, ...rest].map(({ partition, offset }) => `${partition}/${offset}`);
  assert.equal(new Set(offsets).size, COMMITTED);
});

test("an archive that is served refuses every change, and stays as it was", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source, 0, 30);
  await source.archive();
  const before = [...store.objects.keys()];
  store.before = ({ kind }) => assert.ok(["get", "list", "stat"].includes(kind), kind);
  await using served = await serveArchive(store);
  const admin = served.kafka.admin();
  await admin.connect();
  const refused = (work: Promise<unknown>) =>
    assert.rejects(work, (error: Error & { type?: string; errors?: readonly { type?: string }[] }) =>
      [error.type, error.errors?.[0]?.type].includes("POLICY_VIOLATION"),
    );
  await refused(admin.createTopics({ topics: [{ topic: "new" }] }));
  await refused(admin.deleteTopics({ topics: [TOPIC] }));
  await refused(admin.createPartitions({ topicPartitions: [{ topic: TOPIC, count: 9 }] }));
  await assert.rejects(admin.deleteTopicRecords({ topic: TOPIC, partitions: [{ partition: 0, offset: "5" }] }));
  const producer = served.kafka.producer({ allowAutoTopicCreation: true, retry: { retries: 0 } });
  await producer.connect();
  await refused(producer.send({ topic: TOPIC, messages: [{ value: "no" }] }));
  await assert.rejects(producer.send({ topic: "made-by-asking", messages: [{ value: "no" }] }));
  await producer.disconnect();
  assert.deepEqual(await admin.listTopics(), [TOPIC]);
  await admin.disconnect();
  assert.deepEqual([...store.objects.keys()], before);
});

test("segments that are archived while an archive is served reach a reader who waits at its end", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source, 0, 30);
  await source.archive();
  await using served = await serveArchive(store);
  await readInGroup(served.kafka, { groupId: "tail", records: 40 });
  const waiting = readInGroup(served.kafka, { groupId: "tail", records: 40 });
  await writeFlights(source, 30, 60);
  await source.archive();
  await served.server.refresh();
  const values = (await waiting).map(({ value }) => Number(value.split(" ")[1]));
  assert.ok(values.every((number) => number >= 30 && number < 60));
});

test("a topic of two clusters is served once one of them is chosen", async () => {
  const store = createMemoryStore();
  for (const clusterId of ["cluster-a", "cluster-b"]) {
    await using source = await openArchiveSource(store, clusterId);
    await writeFlights(source, 0, clusterId === "cluster-a" ? 30 : 60);
    await source.archive();
  }
  await assert.rejects(serveArchive(store), (error) => hasFaultCode(error, "ARCHIVE_AMBIGUOUS"));
  await using served = await serveArchive(store, { clusterId: "cluster-b" });
  assert.equal(served.server.clusterId, "cluster-b");
  assert.equal((await readInGroup(served.kafka, { groupId: "b", records: 80 })).length, 80);
  await using none = await serveArchive(store, { wants: () => false });
  assert.deepEqual(none.server.topics, []);
});

test("a served topic has as many partitions as it had, those without an archive being empty", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source, 0, 30);
  await source.archive();
  const [topic] = source.region.topics();
  assert.ok(topic !== undefined);
  const shape = { topic: TOPIC, topicId: topic.topicId, partitions: 5, replicationFactor: 1, configs: new Map() };
  await captureTopics("cluster-a", [TOPIC], async () => [shape], { store, clock: nodeClock() });
  await using served = await serveArchive(store);
  const admin = served.kafka.admin();
  await admin.connect();
  const ends = (await admin.fetchTopicOffsets(TOPIC)).map(({ partition, high }) => [partition, Number(high) > 0]);
  await admin.disconnect();
  assert.deepEqual(ends.toSorted(), [
    [0, true],
    [1, true],
    [2, false],
    [3, false],
    [4, false],
  ]);
});

test("a store that is away for a while only delays readers", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  await source.archive();
  await using served = await serveArchive(store);
  let failures = 20;
  store.before = ({ kind, key }) => {
    if (kind !== "get" || !key.endsWith(".log") || failures <= 0) return;
    failures--;
    throw storeFailure({ code: "STORE_UNAVAILABLE", location: store.location, key, reason: "it is away" });
  };
  assert.equal((await readInGroup(served.kafka, { groupId: "patient", records: COMMITTED })).length, COMMITTED);
  assert.equal(failures, 0);
});

test("a read of the store ends when the client that wanted it disconnects", { timeout: 30_000 }, async () => {
  const inner = createMemoryStore();
  await using source = await openArchiveSource(inner);
  await writeFlights(source, 0, 30);
  await source.archive();
  const [asked, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const store: ObjectStore = {
    ...inner,
    get: (key, range, signal) => {
      if (!key.endsWith(".log")) return inner.get(key, range, signal);
      asked.resolve();
      return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          ended.resolve();
          reject(signal.reason);
        });
      });
    },
  };
  await using served = await serveArchive(store);
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  const client = await KafkaClient.open({ bootstrap: [served.server.endpoint], clientId: "reader" }, deps);
  await client.metadata.refresh("all topics", { all: true });
  const at = { topic: TOPIC, topicId: ZERO_UUID, index: 0, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
  const reading = fetchFrom(client, client.metadata.leaderOf(TOPIC, 0)?.leaderId ?? -1, {
    ...{ partitions: [{ ...at, fetchOffset: 0n, maxBytes: 100_000 }], maxBytes: 100_000 },
    ...{ maxWaitMs: 100, minBytes: 1, isolation: "read_uncommitted" },
  }).catch(() => undefined);
  await asked.promise;
  await client.close();
  await ended.promise;
  await reading;
});

test("an archive served as of a time ends every partition where a restore to that time would, for offsets, fetches and groups alike", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source);
  const deps = { store, clock: nodeClock(), random: nodeRandom() };
  const [topic] = source.region.topics();
  assert.ok(topic !== undefined);
  const { topicId } = topic;
  const commit = { topic: TOPIC, topicId, leaderEpoch: -1, metadata: "" };
  const view = async () => [
    {
      group: "captured",
      state: "Empty",
      commits: [
        { ...commit, partition: 0, offset: 30n },
        { ...commit, partition: 1, offset: 310n },
      ],
    },
  ];
  await captureGroups("cluster-a", view, { ...deps, clock: { ...deps.clock, nowMs: () => START_MS } });
  await source.archive();
  // In the middle of a batch of ten.
  const atMs = START_MS + 154_000;
  const plan = await planRestore({ topics: () => true, until: { timeMs: atMs + 1 } }, deps);
  const ends = new Map(
    plan.topics.flatMap(({ partitions }) => partitions.map((each) => [each.partition.partition, each.range.endOffset])),
  );
  await using served = await serveArchive(store, { atMs });
  const admin = served.kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(TOPIC);
  assert.deepEqual(new Map(offsets.map(({ partition, high }) => [partition, BigInt(high)])), ends);
  const later = await admin.fetchTopicOffsetsByTimestamp(TOPIC, atMs + 1);
  assert.deepEqual(new Map(later.map(({ partition, offset }) => [partition, BigInt(offset)])), ends);
  const [captured] = await admin.fetchOffsets({ groupId: "captured", topics: [TOPIC] });
  assert.deepEqual(
    captured?.partitions.toSorted((a, b) => a.partition - b.partition).map(({ offset }) => offset),
    ["30", String(ends.get(1))],
  );
  await admin.disconnect();
  // 155 of each partition, of which every third batch of ten is aborted.
  const records = inOrder(await readInGroup(served.kafka, { groupId: "all", records: 210 }));
  assert.deepEqual(Math.max(...records.map(({ timestampMs }) => timestampMs)), atMs);
  const [last] = await readInGroup(served.kafka, { groupId: "captured", records: 1 });
  // Its position was the last record of an aborted transaction, whose marker follows.
  assert.deepEqual([last?.partition, last?.offset], [0, "32"]);
  await using again = await served.restart();
  const readOn = again.kafka.admin();
  await readOn.connect();
  const [kept] = await readOn.fetchOffsets({ groupId: "captured", topics: [TOPIC] });
  await readOn.disconnect();
  assert.ok(Number(kept?.partitions.find(({ partition }) => partition === 0)?.offset) > 32);
});

test("an archive served as of a time to come grows up to that time and no further", async () => {
  const store = createMemoryStore();
  await using source = await openArchiveSource(store);
  await writeFlights(source, 0, 30);
  await source.archive();
  const atMs = START_MS + 44_000;
  await using served = await serveArchive(store, { atMs });
  await readInGroup(served.kafka, { groupId: "tail", records: 40 });
  const waiting = readInGroup(served.kafka, { groupId: "tail", records: 2 * 15 });
  for (const [from, to] of [
    [30, 60],
    [60, 90],
  ] as const) {
    await writeFlights(source, from, to);
    await source.archive();
    await served.server.refresh();
  }
  assert.deepEqual(Math.max(...(await waiting).map(({ timestampMs }) => timestampMs)), atMs);
  const admin = served.kafka.admin();
  await admin.connect();
  const highs = (await admin.fetchTopicOffsets(TOPIC)).map(({ high }) => high);
  const later = (await admin.fetchTopicOffsetsByTimestamp(TOPIC, atMs + 1)).map(({ offset }) => offset);
  await admin.disconnect();
  assert.deepEqual(later, highs);
});

/** Writes ten records, a transaction of one record, another record behind it, and the transaction's end into the next segment. */
async function writeAcrossSegments(source: ArchiveSource): Promise<void> {
  const admin = source.kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] });
  await admin.disconnect();
  const writer = source.kafka.producer({ transactionalId: "across", maxInFlightRequests: 1, idempotent: true });
  const plain = source.kafka.producer();
  await Promise.all([writer.connect(), plain.connect()]);
  for (let i = 0; i < 10; i++) await plain.send({ topic: TOPIC, messages: [{ value: `plain ${i}` }] });
  const transaction = await writer.transaction();
  await transaction.send({ topic: TOPIC, messages: [{ value: "aborted 10" }] });
  await plain.send({ topic: TOPIC, messages: [{ value: "plain 11" }] });
  source.region.partitionLog(TOPIC, 0)?.roll();
  await transaction.abort();
  await Promise.all([writer.disconnect(), plain.disconnect()]);
}

/** As an earlier version wrote it, which did not note what was open. */
async function forgetOpenTransactions(store: ObjectStore): Promise<void> {
  for (const { partition } of await readCatalog(store)) {
    const head = await readHead(store, partition);
    const segments = head?.manifest.segments.map((segment) => ({ ...segment, openTransactions: undefined }));
    if (head !== undefined && segments !== undefined) await publish(store, head, { ...head.manifest, segments });
  }
}

/** What one fetch from the start of the topic shows. */
async function fetchedFrom({ server }: ServedArchive, isolation: "read_committed" | "read_uncommitted") {
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: [server.endpoint], clientId: "reader" }, deps);
  await client.metadata.refresh("all topics", { all: true });
  const at = { topic: TOPIC, topicId: ZERO_UUID, index: 0, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
  const [fetched] = await fetchFrom(client, client.metadata.leaderOf(TOPIC, 0)?.leaderId ?? -1, {
    ...{ partitions: [{ ...at, fetchOffset: 0n, maxBytes: 100_000 }], maxBytes: 100_000 },
    ...{ maxWaitMs: 100, minBytes: 1, isolation },
  });
  const offsets = [...batchesIn(fetched?.records ?? Buffer.alloc(0))].map(({ baseOffset }) => baseOffset);
  return {
    errorCode: fetched?.errorCode,
    ends: [fetched?.lastStableOffset, fetched?.highWatermark],
    last: offsets.at(-1),
    aborted: (fetched?.abortedTransactions ?? []).map(({ firstOffset }) => firstOffset),
  };
}

for (const told of ["tells", "does not tell"] as const) {
  test(`No reader of an archive takes an aborted record for a committed one, whose manifest ${told} what is open`, async () => {
    const store = createMemoryStore();
    await using source = await openArchiveSource(store);
    await writeAcrossSegments(source);
    await source.archiveClosed();
    if (told === "does not tell") await forgetOpenTransactions(store);

    await using served = await serveArchive(store);
    const undecided = { errorCode: 0, ends: [10n, 12n], aborted: [] };
    assert.deepEqual(await fetchedFrom(served, "read_committed"), { ...undecided, last: 9n });
    assert.deepEqual(await fetchedFrom(served, "read_uncommitted"), { ...undecided, last: 11n });
    await source.archive();
    if (told === "does not tell") await forgetOpenTransactions(store);
    await served.server.refresh();
    const decided = { errorCode: 0, ends: [13n, 13n], last: 11n };
    assert.deepEqual(await fetchedFrom(served, "read_committed"), { ...decided, aborted: [10n] });
    assert.deepEqual(await fetchedFrom(served, "read_uncommitted"), { ...decided, aborted: [] });
    const values = (await readInGroup(served.kafka, { groupId: "g", records: 11 })).map(({ value }) => value);
    assert.deepEqual(values, [...Array.from({ length: 10 }, (_, i) => `plain ${i}`), "plain 11"]);
  });
}
