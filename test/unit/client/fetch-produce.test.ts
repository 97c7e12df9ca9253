/** Fetch and produce as single requests: ids and names, memory of answers, outcomes of partitions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type FetchPartition, fetchFrom } from "../../../src/client/fetch.ts";
import { produceTo, produceUnacknowledged } from "../../../src/client/produce.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { FakeCluster, TOPIC_ID } from "./fake-cluster.ts";

const READ = { maxWaitMs: 500, minBytes: 1, maxBytes: 1_000, isolation: "read_committed" } as const;

function at(index: number, change: Partial<FetchPartition> = {}): FetchPartition {
  return {
    topic: "t",
    topicId: TOPIC_ID,
    index,
    fetchOffset: 10n,
    lastFetchedEpoch: 4,
    currentLeaderEpoch: 5,
    maxBytes: 100,
    ...change,
  };
}

/** A partition of a Fetch answer. */
function part(index: number, change: object = {}) {
  return {
    index,
    errorCode: 0,
    highWatermark: 20n,
    lastStableOffset: 18n,
    logStartOffset: 3n,
    abortedTransactions: null,
    records: null,
    ...change,
  };
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

test("fetch asks by topic id outside sessions and surfaces all that a partition tells", async () => {
  await using cluster = await FakeCluster.open();
  const records = Buffer.from("verbatim");
  cluster.broker(1).on(fetchApi, () => ({
    throttleMs: 0,
    sessionId: 0,
    topics: [
      {
        topicId: TOPIC_ID,
        partitions: [
          part(0, { records, abortedTransactions: [{ producerId: 7n, firstOffset: 11n }] }),
          part(1, { divergingEpoch: { epoch: 3, endOffset: 8n }, preferredReadReplica: 2 }),
        ],
      },
    ],
  }));
  await using client = await cluster.client();
  const fetched = await cluster.world.clock.until(fetchFrom(client, 1, { ...READ, partitions: [at(0), at(1)] }));
  const [request] = cluster.broker(1).received(fetchApi);
  assert.equal(request?.header.apiVersion, fetchApi.versions[1]);
  assert.deepEqual([request?.body.sessionId, request?.body.sessionEpoch, request?.body.isolationLevel], [0, -1, 1]);
  assert.equal(request?.body.topics[0].topicId, TOPIC_ID);
  assert.equal(request?.body.topics[0].partitions[1].lastFetchedEpoch, 4);
  const known = {
    topic: "t",
    topicId: TOPIC_ID,
    errorCode: 0,
    highWatermark: 20n,
    lastStableOffset: 18n,
    logStartOffset: 3n,
  };
  const told = fetched.map(({ release: _, ...rest }) => rest);
  assert.deepEqual(told, [
    {
      ...known,
      index: 0,
      divergingEpoch: undefined,
      abortedTransactions: [{ producerId: 7n, firstOffset: 11n }],
      records,
      preferredReadReplica: -1,
    },
    {
      ...known,
      index: 1,
      divergingEpoch: { epoch: 3, endOffset: 8n },
      abortedTransactions: [],
      records: Buffer.alloc(0),
      preferredReadReplica: 2,
    },
  ]);
});

test("fetch gives the memory of an answer back when all who hold records of it have released them", async () => {
  await using cluster = await FakeCluster.open();
  const records = Buffer.alloc(50_000, 7);
  cluster.broker(1).on(fetchApi, () => ({
    throttleMs: 0,
    sessionId: 0,
    topics: [{ topicId: TOPIC_ID, partitions: [part(0, { records }), part(1, { records }), part(2, {})] }],
  }));
  await using client = await cluster.client();
  const asked = { ...READ, partitions: [at(0), at(1), at(2)] };
  const [first, second, third] = await cluster.world.clock.until(fetchFrom(client, 1, { ...asked, purpose: "fetch" }));
  third?.release();
  first?.release();
  first?.release();
  assert.equal(client.fetchFrames.freeBytes, 0);
  second?.release();
  assert.equal(client.fetchFrames.freeBytes, 128 * 1024);
});

test("fetch goes by name when an id is unknown, and without the fetched epoch to brokers before 2.7", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(fetchApi, () => ({ throttleMs: 0, sessionId: 0, topics: [{ name: "t", partitions: [part(0)] }] }));
  for (const [max, expectedVersion, expectedEpoch] of [
    [18, 12, 4],
    [11, 11, -1],
  ] as const) {
    const broker = cluster.broker(1);
    broker.ranges = broker.ranges.map(([key, min, top]) => (key === 1 ? [key, min, max] : [key, min, top]));
    await using client = await cluster.client();
    const [fetched] = await cluster.world.clock.until(
      fetchFrom(client, 1, { ...READ, partitions: [at(0, { topicId: ZERO_UUID })] }),
    );
    assert.deepEqual([fetched?.topic, fetched?.topicId], ["t", ZERO_UUID]);
    const request = broker.received(fetchApi).at(-1);
    assert.equal(request?.header.apiVersion, expectedVersion);
    assert.equal(request?.body.topics[0].partitions[0].lastFetchedEpoch, expectedEpoch);
  }
});

test("fetch takes leaders that an answer names into the metadata without asking again", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(fetchApi, () => ({
    throttleMs: 0,
    sessionId: 0,
    topics: [
      {
        topicId: TOPIC_ID,
        partitions: [part(0, { errorCode: 6, currentLeader: { leaderId: 9, leaderEpoch: 6 } })],
      },
    ],
    nodeEndpoints: [{ nodeId: 9, host: "b9", port: 9092, rack: null }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  await clock.run(1_000);
  const before = cluster.received(metadata).length;
  const [fetched] = await clock.until(fetchFrom(client, 1, { ...READ, partitions: [at(0)] }));
  assert.equal(fetched?.errorCode, 6);
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 9);
  assert.equal(client.metadata.brokers.get(9)?.host, "b9");
  await clock.run(1_000);
  assert.equal(cluster.received(metadata).length, before);
});

test("fetch starts a metadata refresh on leader errors without a name", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(fetchApi, () => ({
    throttleMs: 0,
    sessionId: 0,
    topics: [{ topicId: TOPIC_ID, partitions: [part(0, { errorCode: 74 })] }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  cluster.topic("t").leaders[0] = { leaderId: 3, leaderEpoch: 6 };
  await clock.until(fetchFrom(client, 1, { ...READ, partitions: [at(0)] }));
  await clock.run(100);
  assert.equal(client.metadata.leaderOf("t", 0)?.leaderId, 3);
});

test("fetch throws when the broker refuses the request as a whole or answers for other topics", async () => {
  await using cluster = await FakeCluster.open();
  cluster.broker(1).on(fetchApi, () => ({ throttleMs: 0, errorCode: 42, sessionId: 0, topics: [] }));
  cluster.broker(2).on(fetchApi, () => ({
    throttleMs: 0,
    sessionId: 0,
    topics: [{ topicId: "ZZZZZZZZZZZZZZZZZZZZZQ", partitions: [part(0)] }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const refused = await clock.until(failureOf(fetchFrom(client, 1, { ...READ, partitions: [at(0)] })));
  assert.ok(hasFaultCode(refused, "CLIENT_BROKER_ERROR"));
  const wrong = await clock.until(failureOf(fetchFrom(client, 2, { ...READ, partitions: [at(0)] })));
  assert.ok(hasFaultCode(wrong, "CLIENT_BAD_RESPONSE"));
});

test("fetch offsets are never negative: such a request is refused before anything is sent", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const reading = fetchFrom(client, 1, { ...READ, partitions: [at(0, { fetchOffset: -1n })] });
  assert.match((await cluster.world.clock.until(failureOf(reading))).message, /fetch offsets are never negative/);
  assert.equal(cluster.received(fetchApi).length, 0);
});

test("fetch waits for the broker's own wait and then some", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const startMs = clock.monotonicMs();
  const error = await clock.until(failureOf(fetchFrom(client, 1, { ...READ, maxWaitMs: 7_000, partitions: [at(0)] })));
  assert.ok(hasFaultCode(error, "CLIENT_TIMEOUT"));
  assert.equal(clock.monotonicMs() - startMs, 37_000);
});

function outcome(index: number, change: object = {}) {
  return { index, errorCode: 0, baseOffset: 100n + BigInt(index), logAppendTimeMs: -1n, ...change };
}

test("produce sends batches untouched and gives outcomes in the order of the request", async () => {
  await using cluster = await FakeCluster.open();
  cluster.broker(1).on(produce, () => ({
    throttleMs: 0,
    topics: [
      {
        topicId: TOPIC_ID,
        partitions: [outcome(2), outcome(0, { errorCode: 45, baseOffset: -1n, errorMessage: "gap" })],
      },
    ],
  }));
  await using client = await cluster.client();
  const batches = [0, 1, 2].map((index) => Buffer.alloc(5_000 + index, index));
  const partitions = batches.map((records, index) => ({ topic: "t", topicId: TOPIC_ID, index, records }));
  const outcomes = await cluster.world.clock.until(produceTo(client, 1, { acks: -1, partitions }));
  assert.deepEqual(
    outcomes.map(({ index, errorCode, baseOffset, errorMessage }) => [index, errorCode, baseOffset, errorMessage]),
    [
      [0, 45, -1n, "gap"],
      [1, -1, -1n, "the broker's answer leaves the partition out"],
      [2, 0, 102n, null],
    ],
  );
  const [request] = cluster.broker(1).received(produce);
  assert.equal(request?.body.acks, -1);
  assert.deepEqual(
    request?.body.topics[0].partitions.map(({ records }: { records: Buffer }) => records),
    batches,
  );
});

test("produce is never repeated, whatever the error", async () => {
  await using cluster = await FakeCluster.open();
  const records = Buffer.alloc(61);
  const partitions = [{ topic: "t", topicId: TOPIC_ID, index: 0, records }];
  cluster.broker(1).on(produce, ({ connection }) => {
    connection.destroy();
    return undefined;
  });
  cluster.broker(2).on(produce, () => ({
    throttleMs: 0,
    topics: [{ topicId: TOPIC_ID, partitions: [outcome(0, { errorCode: 6, baseOffset: -1n })] }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const error = await clock.until(failureOf(produceTo(client, 1, { acks: -1, partitions })));
  assert.ok(hasFaultCode(error, "CLIENT_DISCONNECTED"));
  const [moved] = await clock.until(produceTo(client, 2, { acks: -1, partitions }));
  assert.equal(moved?.errorCode, 6);
  await clock.run(10_000);
  assert.equal(cluster.received(produce).length, 2);
});

test("a produce request holds one batch for each partition: else it is refused before anything is sent", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const partition = { topic: "t", topicId: TOPIC_ID, index: 0, records: Buffer.alloc(61) };
  const error = await cluster.world.clock.until(
    failureOf(produceTo(client, 1, { acks: -1, partitions: [partition, partition] })),
  );
  assert.match(error.message, /one batch for each partition/);
  assert.equal(cluster.received(produce).length, 0);
});

test("produce without acks resolves without an answer", async () => {
  await using cluster = await FakeCluster.open();
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const partitions = [{ topic: "t", topicId: ZERO_UUID, index: 0, records: Buffer.alloc(61) }];
  await clock.until(produceUnacknowledged(client, 1, { partitions }));
  await clock.run(0);
  const [request] = cluster.broker(1).received(produce);
  assert.deepEqual([request?.body.acks, request?.header.apiVersion], [0, 12]);
});
