/** What the client has to do on every cluster of three brokers, embedded or Apache Kafka. */

import assert from "node:assert/strict";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createPartitions, createTopics, deleteRecords, deleteTopics, listTopics } from "../../src/client/admin.ts";
import { alterConfigs, describeCluster, describeConfigs } from "../../src/client/configs.ts";
import { type FetchedPartition, type FetchPartition, type FetchRequest, fetchFrom } from "../../src/client/fetch.ts";
import { commitOffsets, deleteGroups, describeGroups, fetchOffsets, listGroups } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { AT_END, listOffsets, logBounds } from "../../src/client/list-offsets.ts";
import { produceTo } from "../../src/client/produce.ts";
import { describeProducers, initProducerId, type ProducerIdentity } from "../../src/client/producers.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { randomUuid } from "../../src/core/random.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { type BatchView, batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { markerFences, successorFences } from "./transaction-cases.ts";

/** A cluster of three brokers with ids 1 to 3. */
export interface ClientWorld {
  readonly bootstrap: readonly Endpoint[];
  stopBroker(id: number): Promise<void>;
  startBroker(id: number): Promise<void>;
}

/** One case; leaves the cluster as it found it, but for topics of its own. */
export interface ClientCase {
  readonly name: string;
  readonly run: (world: ClientWorld) => Promise<void>;
}

const clock = nodeClock();
const random = nodeRandom();
const FETCH: Omit<FetchRequest, "partitions"> = {
  maxWaitMs: 5_000,
  minBytes: 1,
  maxBytes: 1024 * 1024,
  isolation: "read_committed",
};

/** All cases. */
export const CLIENT_CASES: readonly ClientCase[] = [
  { name: "knows cluster, brokers and topics", run: knowsCluster },
  { name: "produces batches that come back with the same records, and repeats without a second copy", run: roundTrip },
  { name: "is woken from a long poll by new records", run: longPoll },
  { name: "reads many partitions of a leader in one request", run: manyPartitions },
  { name: "tells a recreated topic by its id", run: recreated },
  { name: "tells offsets outside the log, before and after records are deleted", run: outOfRange },
  { name: "stores, reads, lists, describes and deletes groups", run: groups },
  { name: "reads and changes settings", run: configs },
  { name: "follows a partition to its new leader when a broker stops", run: leaderStops },
  { name: "writes transactions until a successor fences it", run: onTopic(successorFences) },
  { name: "keeps a producer out of a partition by a marker of its own", run: onTopic(markerFences) },
];

function onTopic(run: (client: KafkaClient, topic: string) => Promise<void>): ClientCase["run"] {
  return async (world) => {
    await using client = await openClient(world);
    await run(client, await makeTopic(client));
  };
}

async function openClient({ bootstrap }: ClientWorld): Promise<KafkaClient> {
  return KafkaClient.open(
    { bootstrap, clientId: "client-cases" },
    { network: nodeNetwork(), clock, random, logger: silentLogger },
  );
}

/** A topic of its own, on all brokers. */
async function makeTopic(client: KafkaClient, partitions = 1): Promise<string> {
  const name = `client-${randomUuid(random)}`;
  const [created] = await createTopics(client, [{ name, partitions, replicationFactor: 3 }]);
  assert.equal(created?.errorCode, ErrorCode.NONE, created?.errorMessage ?? "");
  return name;
}

function leaderOf(client: KafkaClient, topic: string, index = 0): number {
  const leaderId = client.metadata.leaderOf(topic, index)?.leaderId;
  assert.ok(leaderId !== undefined, `${topic}-${index} has no leader`);
  return leaderId;
}

function batchOf(values: readonly string[], producer: ProducerIdentity & { readonly baseSequence: number }): BatchView {
  const timestampMs = BigInt(clock.nowMs());
  const records = values.map((value) => ({ timestampMs, key: Buffer.from("k"), value: Buffer.from(value) }));
  return encodeBatch(records, producer);
}

/** Appends to one partition, also while a leader is being elected or has just been. */
async function append(
  client: KafkaClient,
  topic: string,
  { index = 0, batch }: { readonly index?: number; readonly batch: BatchView },
): Promise<bigint> {
  const topicId = client.metadata.topic(topic)?.topicId;
  assert.ok(topicId !== undefined);
  const partitions = [{ topic, topicId, index, records: batch.bytes }];
  return client.retry(
    {},
    () => true,
    async () => {
      const [outcome] = await produceTo(client, leaderOf(client, topic, index), {
        acks: -1,
        partitions,
        timeoutMs: 10_000,
      });
      if (outcome?.errorCode === ErrorCode.NONE) return outcome.baseOffset;
      await client.metadata.refresh("append failed");
      throw new Error(`append: ${outcome?.errorCode} ${outcome?.errorMessage}`);
    },
  );
}

function from(client: KafkaClient, topic: string, change: Partial<FetchPartition> = {}): FetchPartition {
  const topicId = client.metadata.topic(topic)?.topicId;
  assert.ok(topicId !== undefined);
  const start = { fetchOffset: 0n, lastFetchedEpoch: -1, currentLeaderEpoch: -1, maxBytes: 1024 * 1024 };
  return { topic, topicId, index: 0, ...start, ...change };
}

async function fetchOne(client: KafkaClient, partition: FetchPartition, options = {}): Promise<FetchedPartition> {
  const nodeId = leaderOf(client, partition.topic, partition.index);
  const [fetched] = await fetchFrom(client, nodeId, { ...FETCH, ...options, partitions: [partition] });
  assert.ok(fetched !== undefined);
  return fetched;
}

function valuesIn(records: Buffer): readonly string[] {
  return [...batchesIn(records)].flatMap((batch) => decodeRecords(batch).map(({ value }) => String(value)));
}

async function knowsCluster(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client, 3);
  const { clusterId, brokers } = await describeCluster(client);
  assert.equal(clusterId, client.metadata.clusterId);
  assert.deepEqual(brokers.map(({ nodeId }) => nodeId).sort(), [1, 2, 3]);
  assert.ok((await listTopics(client)).some(({ name, partitions }) => name === topic && partitions.length === 3));
  const [again] = await createTopics(client, [{ name: topic, partitions: 1 }]);
  assert.equal(again?.errorCode, ErrorCode.TOPIC_ALREADY_EXISTS);
  await createPartitions(client, [{ name: topic, count: 5 }]);
  assert.equal(client.metadata.topic(topic)?.partitions.length, 5);
  await deleteTopics(client, [topic]);
  const isGone = async (): Promise<void> => assert.ok((await listTopics(client)).every(({ name }) => name !== topic));
  await client.retry({}, () => true, isGone);
}

async function roundTrip(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const producer = await initProducerId(client);
  assert.ok(producer.producerId >= 0n);
  const batches = [["a", "b"], ["c"], ["d", "e", "f"]].map((values, i) =>
    batchOf(values, { ...producer, baseSequence: [0, 2, 3][i] ?? 0 }),
  );
  const sent = batches.map((batch) => Buffer.from(batch.bytes));
  const offsets: bigint[] = [];
  for (const batch of batches) offsets.push(await append(client, topic, { batch }));
  assert.deepEqual(offsets, [0n, 2n, 3n]);
  const [last] = batches.slice(-1);
  assert.ok(last !== undefined);
  assert.equal(await append(client, topic, { batch: last }), 3n, "a repeat answers the first offset");
  const fetched = await fetchOne(client, from(client, topic));
  assert.deepEqual([fetched.errorCode, fetched.highWatermark, fetched.logStartOffset], [0, 6n, 0n]);
  assert.deepEqual(valuesIn(fetched.records), ["a", "b", "c", "d", "e", "f"]);
  for (const [i, batch] of [...batchesIn(fetched.records)].entries())
    assert.deepEqual(batch.bytes.subarray(21), sent[i]?.subarray(21), "all that the checksum covers is as it was sent");
  const [described] = await describeProducers(client, [{ topic, index: 0 }]);
  const [known] = described?.producers ?? [];
  assert.deepEqual([known?.producerId, known?.producerEpoch, known?.lastSequence], [producer.producerId, 0, 5]);
}

async function longPoll(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const producer = await initProducerId(client);
  const polling = fetchOne(client, from(client, topic), { maxWaitMs: 30_000 });
  await append(client, topic, { batch: batchOf(["x"], { ...producer, baseSequence: 0 }) });
  assert.deepEqual(valuesIn((await polling).records), ["x"]);
  const startMs = clock.monotonicMs();
  const empty = await fetchOne(client, from(client, topic, { fetchOffset: 1n }), { maxWaitMs: 200 });
  assert.equal(empty.records.length, 0);
  assert.ok(clock.monotonicMs() - startMs >= 150);
}

async function manyPartitions(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client, 9);
  const producer = await initProducerId(client);
  const indexes = Array.from({ length: 9 }, (_, index) => index);
  await Promise.all(
    indexes.map((index) =>
      append(client, topic, { index, batch: batchOf([`p${index}`], { ...producer, baseSequence: 0 }) }),
    ),
  );
  const byLeader = Map.groupBy(indexes, (index) => leaderOf(client, topic, index));
  assert.equal(byLeader.size, 3);
  const read = await Promise.all(
    [...byLeader].map(([nodeId, mine]) =>
      fetchFrom(client, nodeId, {
        ...FETCH,
        minBytes: 1,
        partitions: mine.map((index) => from(client, topic, { index })),
      }),
    ),
  );
  const values = read.flat().flatMap(({ records }) => valuesIn(records));
  assert.deepEqual(
    values.toSorted(),
    indexes.map((index) => `p${index}`),
  );
  const bounds = await logBounds(
    client,
    indexes.map((index) => ({ topic, index })),
  );
  assert.ok(bounds.every(({ startOffset, endOffset }) => startOffset === 0n && endOffset === 1n));
}

async function recreated(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const old = from(client, topic);
  const nodeId = leaderOf(client, topic);
  await deleteTopics(client, [topic]);
  await client.retry(
    {},
    () => true,
    async () => {
      const [created] = await createTopics(client, [{ name: topic, partitions: 1, replicationFactor: 3 }]);
      if (created?.errorCode !== ErrorCode.NONE) throw new Error(`not yet gone: ${created?.errorCode}`);
    },
  );
  assert.notEqual(client.metadata.topic(topic)?.topicId, old.topicId);
  assert.equal(client.metadata.topicById(old.topicId), undefined);
  const [byOldId] = await fetchFrom(client, nodeId, { ...FETCH, maxWaitMs: 0, partitions: [old] });
  assert.equal(byOldId?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID);
}

async function outOfRange(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const producer = await initProducerId(client);
  for (const baseSequence of [0, 1, 2])
    await append(client, topic, { batch: batchOf(["v"], { ...producer, baseSequence }) });
  const beyond = await fetchOne(client, from(client, topic, { fetchOffset: 99n }));
  assert.equal(beyond.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  const [deleted] = await deleteRecords(client, [{ topic, index: 0, offset: 2n }]);
  assert.deepEqual([deleted?.errorCode, deleted?.lowWatermark], [0, 2n]);
  const below = await fetchOne(client, from(client, topic, { fetchOffset: 1n }));
  assert.equal(below.errorCode, ErrorCode.OFFSET_OUT_OF_RANGE);
  const [bounds] = await logBounds(client, [{ topic, index: 0 }]);
  assert.deepEqual([bounds?.startOffset, bounds?.endOffset], [2n, 3n]);
  const [future] = await listOffsets(client, [{ topic, index: 0, timestampMs: BigInt(clock.nowMs() + 3_600_000) }]);
  assert.deepEqual([future?.errorCode, future?.offset], [0, -1n]);
}

async function groups(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client, 2);
  const ids = [0, 1, 2, 3].map((i) => `group-${i}-${randomUuid(random)}`);
  for (const [i, groupId] of ids.slice(0, 3).entries()) {
    const offsets = [0, 1].map((index) => ({
      topic,
      index,
      committedOffset: BigInt(10 * i + index),
      committedMetadata: "m",
    }));
    const outcomes = await commitOffsets(client, groupId, { offsets });
    assert.ok(outcomes.every(({ errorCode }) => errorCode === ErrorCode.NONE));
  }
  const found = await fetchOffsets(
    client,
    ids.map((groupId) => ({ groupId })),
  );
  assert.deepEqual(
    found.map(({ offsets }) => offsets.map(({ committedOffset }) => committedOffset).toSorted()),
    [[0n, 1n], [10n, 11n], [20n, 21n], []],
  );
  const listed = new Set((await listGroups(client)).map(({ groupId }) => groupId));
  assert.deepEqual(
    ids.map((groupId) => listed.has(groupId)),
    [true, true, true, false],
  );
  const described = await describeGroups(client, ids);
  assert.deepEqual(
    described.map(({ state }) => state),
    ["Empty", "Empty", "Empty", "Dead"],
  );
  const removed = await deleteGroups(client, ids);
  assert.deepEqual(
    removed.map(({ errorCode }) => errorCode),
    [0, 0, 0, ErrorCode.GROUP_ID_NOT_FOUND],
  );
}

async function configs(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const resource = { type: "topic", name: topic } as const;
  const retention = async () => {
    const [described] = await describeConfigs(client, [resource], { keys: ["retention.ms"] });
    const entry = described?.entries.get("retention.ms");
    return [entry?.value, entry?.source];
  };
  assert.equal((await retention())[1], "default");
  await alterConfigs(client, resource, { changes: [{ name: "retention.ms", value: "1234567" }] });
  await client.retry(
    {},
    () => true,
    async () => assert.deepEqual(await retention(), ["1234567", "topic"]),
  );
  const [broker] = await describeConfigs(client, [{ type: "broker", name: "2" }], {
    keys: ["transactional.id.expiration.ms"],
  });
  assert.equal(broker?.errorCode, ErrorCode.NONE);
}

async function leaderStops(world: ClientWorld): Promise<void> {
  await using client = await openClient(world);
  const topic = await makeTopic(client);
  const producer = await initProducerId(client);
  await append(client, topic, { batch: batchOf(["before"], { ...producer, baseSequence: 0 }) });
  const before = leaderOf(client, topic);
  const polling = fetchOne(client, from(client, topic, { fetchOffset: 1n }), { maxWaitMs: 20_000 }).catch(
    (error: unknown) => error,
  );
  await world.stopBroker(before);
  try {
    // Cut off, or answered by a broker that hands over in good order: never left hanging.
    assert.ok((await polling) !== undefined);
    assert.equal(await append(client, topic, { batch: batchOf(["after"], { ...producer, baseSequence: 1 }) }), 1n);
    const after = leaderOf(client, topic);
    assert.notEqual(after, before);
    const fetched = await fetchOne(client, from(client, topic, { lastFetchedEpoch: 0 }));
    assert.deepEqual(valuesIn(fetched.records), ["before", "after"]);
    const [end] = await listOffsets(client, [{ topic, index: 0, timestampMs: AT_END }]);
    assert.equal(end?.offset, 2n);
  } finally {
    await world.startBroker(before);
  }
  await client.metadata.waitFor((view) => (view.brokers.has(before) ? true : undefined));
  await client.retry(
    {},
    () => true,
    () => describeConfigs(client, [{ type: "broker", name: String(before) }]),
  );
}
