/** Questions that are asked of each partition's leader, in order, while leaders move. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createPartitions, createTopics, deleteRecords, deleteTopics, listTopics } from "../../../src/client/admin.ts";
import { alterConfigs, describeCluster, describeConfigs } from "../../../src/client/configs.ts";
import { AT_END, AT_START, listOffsets, logBounds } from "../../../src/client/list-offsets.ts";
import { describeProducers, initProducerId } from "../../../src/client/producers.ts";
import type { Uuid } from "../../../src/core/brand.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { listOffsets as listOffsetsApi } from "../../../src/wire/apis/02-list-offsets.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { createTopics as createTopicsApi } from "../../../src/wire/apis/19-create-topics.ts";
import { deleteTopics as deleteTopicsApi } from "../../../src/wire/apis/20-delete-topics.ts";
import { deleteRecords as deleteRecordsApi } from "../../../src/wire/apis/21-delete-records.ts";
import { initProducerId as initProducerIdApi } from "../../../src/wire/apis/22-init-producer-id.ts";
import { describeConfigs as describeConfigsApi } from "../../../src/wire/apis/32-describe-configs.ts";
import { createPartitions as createPartitionsApi } from "../../../src/wire/apis/37-create-partitions.ts";
import { incrementalAlterConfigs } from "../../../src/wire/apis/44-incremental-alter-configs.ts";
import { describeProducers as describeProducersApi } from "../../../src/wire/apis/61-describe-producers.ts";
import type { Received } from "./fake-broker.ts";
import { FakeCluster } from "./fake-cluster.ts";

const ALL = [0, 1, 2].map((index) => ({ topic: "t", index }));

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  return promise.then(
    () => new Error("it succeeded"),
    (error: Error) => error,
  );
}

/** Answers ListOffsets: NOT_LEADER for partitions led elsewhere, else 1000 * node + partition. */
function offsets(cluster: FakeCluster) {
  return ({ body }: Received, nodeId: number) => ({
    throttleMs: 0,
    topics: body.topics.map(({ name, partitions }: { name: string; partitions: { index: number }[] }) => ({
      name,
      partitions: partitions.map(({ index }) => {
        const leads = cluster.topic(name).leaders[index]?.leaderId === nodeId;
        return {
          index,
          errorCode: leads ? 0 : 6,
          timestampMs: -1n,
          offset: leads ? BigInt(1000 * nodeId + index) : -1n,
        };
      }),
    })),
  });
}

test("offsets are asked of each partition's leader and come in the order of the questions", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const questions = [2, 0, 1].map((index) => ({ topic: "t", index, timestampMs: AT_END }));
  const answers = await cluster.world.clock.until(listOffsets(client, questions));
  assert.deepEqual(
    answers.map(({ offset }) => offset),
    [3002n, 1000n, 2001n],
  );
});

test("offsets are asked again of the new leader when leaders have moved", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  cluster.topic("t").leaders[0] = { leaderId: 3, leaderEpoch: 6 };
  const answers = await clock.until(
    listOffsets(
      client,
      ALL.map((ref) => ({ ...ref, timestampMs: AT_START })),
    ),
  );
  assert.deepEqual(
    answers.map(({ offset }) => offset),
    [3000n, 2001n, 3002n],
  );
  assert.equal(cluster.received(listOffsetsApi).length, 4, "partitions already answered are not asked again");
});

test("offsets are asked again when the leader went away, until the time is up", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  await cluster.broker(2).stop();
  const question = [{ topic: "t", index: 1, timestampMs: AT_END }];
  const failed = await clock.until(failureOf(listOffsets(client, question, { timeoutMs: 2_000 })));
  assert.ok(hasFaultCode(failed, "NETWORK_REFUSED"), failed.message);
  const waiting = listOffsets(client, question);
  await clock.run(3_000);
  cluster.topic("t").leaders[1] = { leaderId: 1, leaderEpoch: 6 };
  const [answer] = await clock.until(waiting);
  assert.equal(answer?.offset, 1001n);
});

test("offsets of unknown topics and partitions fail at once, without spoiling the others", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const startMs = clock.monotonicMs();
  const answers = await clock.until(
    listOffsets(client, [
      { topic: "nope", index: 0, timestampMs: AT_END },
      { topic: "t", index: 99, timestampMs: AT_END },
      { topic: "t", index: 0, timestampMs: AT_END },
    ]),
  );
  assert.deepEqual(
    answers.map(({ errorCode, offset }) => [errorCode, offset]),
    [
      [3, -1n],
      [3, -1n],
      [0, 1000n],
    ],
  );
  assert.ok(clock.monotonicMs() - startMs <= 100);
});

test("offsets asked twice for one partition go into two requests", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const questions = [AT_START, AT_END].map((timestampMs) => ({ topic: "t", index: 0, timestampMs }));
  const answers = await cluster.world.clock.until(listOffsets(client, questions));
  assert.equal(answers.length, 2);
  assert.deepEqual(
    cluster.received(listOffsetsApi).map(({ body }) => body.topics[0].partitions.length),
    [1, 1],
  );
});

test("log bounds fail for a partition that has an error", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(listOffsetsApi, offsets(cluster));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const [bounds] = await clock.until(logBounds(client, [{ topic: "t", index: 1 }]));
  assert.deepEqual(bounds, { topic: "t", index: 1, startOffset: 2001n, endOffset: 2001n });
  assert.ok(
    hasFaultCode(await clock.until(failureOf(logBounds(client, [{ topic: "x", index: 1 }]))), "CLIENT_BROKER_ERROR"),
  );
});

test("producers are described by the leader that the metadata names", async () => {
  await using cluster = await FakeCluster.open();
  const producer = {
    producerId: 5n,
    producerEpoch: 1,
    lastSequence: 9,
    lastTimestampMs: 1n,
    coordinatorEpoch: -1,
    currentTxnStartOffset: -1n,
  };
  cluster.onAll(describeProducersApi, ({ body }) => ({
    throttleMs: 0,
    topics: body.topics.map(({ name, partitionIndexes }: { name: string; partitionIndexes: number[] }) => ({
      name,
      partitions: partitionIndexes.map((index) => ({
        index,
        errorCode: 0,
        errorMessage: null,
        activeProducers: [producer],
      })),
    })),
  }));
  await using client = await cluster.client();
  const [described] = await cluster.world.clock.until(describeProducers(client, [{ topic: "t", index: 1 }]));
  assert.deepEqual(described?.producers, [producer]);
  assert.equal(cluster.broker(2).received(describeProducersApi).length, 1);
});

test("producers cannot be described by brokers that lack the API, which is told as such", async () => {
  await using cluster = await FakeCluster.open();
  for (const broker of cluster.brokers.values()) broker.ranges = broker.ranges.filter(([key]) => key !== 61);
  await using client = await cluster.client();
  const error = await cluster.world.clock.until(failureOf(describeProducers(client, [{ topic: "t", index: 1 }])));
  assert.ok(hasFaultCode(error, "CLIENT_NO_VERSION"));
});

test("producer ids are asked for again while the broker loads", async () => {
  await using cluster = await FakeCluster.open();
  let answers = 0;
  cluster.onAll(initProducerIdApi, () => {
    answers++;
    const isReady = answers === 3;
    return {
      throttleMs: 0,
      errorCode: isReady ? 0 : 14,
      producerId: isReady ? 4_000n : -1n,
      producerEpoch: isReady ? 0 : -1,
    };
  });
  await using client = await cluster.client();
  const { producerId, producerEpoch } = await cluster.world.clock.until(initProducerId(client));
  assert.deepEqual([producerId, producerEpoch], [4_000n, 0]);
});

test("a transactional producer id comes from its coordinator and waits for the abort of the former transaction", async () => {
  await using cluster = await FakeCluster.open();
  cluster.coordinatorId = 2;
  let answers = 0;
  cluster.broker(2).on(initProducerIdApi, () => {
    answers++;
    return { throttleMs: 0, errorCode: answers < 3 ? 51 : 0, producerId: 8n, producerEpoch: 2 };
  });
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const identity = await clock.until(initProducerId(client, { transactionalId: "lane" }));
  assert.deepEqual([identity.producerId, identity.producerEpoch], [8n, 2]);
  cluster.broker(2).on(initProducerIdApi, () => ({ throttleMs: 0, errorCode: 90, producerId: -1n, producerEpoch: -1 }));
  const error = await clock.until(failureOf(initProducerId(client, { transactionalId: "lane" })));
  assert.match(error.message, /PRODUCER_FENCED/);
});

test("topics are created at the controller and waited for", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(createTopicsApi, ({ body }, nodeId) => ({
    throttleMs: 0,
    topics: body.topics.map(({ name }: { name: string }) => {
      const errorCode = nodeId !== 2 ? 41 : name === "t" ? 36 : 0;
      return { name, errorCode, errorMessage: errorCode === 36 ? "exists" : null, topicId: "DDDDDDDDDDDDDDDDDDDDDA" };
    }),
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  cluster.controllerId = 2;
  const creating = createTopics(client, [
    { name: "new", partitions: 2, replicationFactor: 3, configs: { "retention.ms": "-1" } },
    { name: "t" },
  ]);
  await clock.run(300);
  cluster.topics.set("new", { topicId: "DDDDDDDDDDDDDDDDDDDDDA" as Uuid, leaders: [{ leaderId: -1, leaderEpoch: 0 }] });
  await clock.run(300);
  cluster.topic("new").leaders[0] = { leaderId: 1, leaderEpoch: 0 };
  const outcomes = await clock.until(creating);
  assert.deepEqual(
    outcomes.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage]),
    [
      ["new", 0, null],
      ["t", 36, "exists"],
    ],
  );
  assert.equal(client.metadata.leaderOf("new", 0)?.leaderId, 1);
  const request = cluster.broker(2).received(createTopicsApi)[0];
  assert.deepEqual(request?.body.topics[0].configs, [{ name: "retention.ms", value: "-1" }]);
});

test("a topic created again is waited for under its new id", async () => {
  await using cluster = await FakeCluster.open();
  const topicId = "DDDDDDDDDDDDDDDDDDDDDA" as Uuid;
  cluster.onAll(createTopicsApi, () => ({
    throttleMs: 0,
    topics: [{ name: "t", errorCode: 0, errorMessage: null, topicId }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(client.metadata.require(["t"]));
  const creating = createTopics(client, [{ name: "t" }]);
  await clock.run(500);
  cluster.topic("t").topicId = topicId;
  await clock.until(creating);
  assert.equal(client.metadata.topic("t")?.topicId, topicId);
});

test("topics grow and are waited for, are deleted and forgotten, are listed", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(createPartitionsApi, () => {
    cluster.topic("t").leaders.push({ leaderId: 1, leaderEpoch: 0 });
    return { throttleMs: 0, results: [{ name: "t", errorCode: 0, errorMessage: null }] };
  });
  cluster.onAll(deleteTopicsApi, () => ({
    throttleMs: 0,
    topics: [{ name: "t", topicId: "AAAAAAAAAAAAAAAAAAAAAQ", errorCode: 0, errorMessage: null }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  await clock.until(createPartitions(client, [{ name: "t", count: 4 }]));
  assert.equal(client.metadata.topic("t")?.partitions.length, 4);
  assert.deepEqual(
    (await clock.until(listTopics(client))).map(({ name }) => name),
    ["t"],
  );
  const [deleted, missing] = await clock.until(deleteTopics(client, ["t", "other"]));
  assert.deepEqual([deleted?.errorCode, missing?.errorCode], [0, -1]);
  assert.equal(client.metadata.topic("t"), undefined);
});

test("records are deleted at the leaders", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(deleteRecordsApi, () => ({
    throttleMs: 0,
    topics: [{ name: "t", partitions: [{ index: 1, lowWatermark: 5n, errorCode: 0 }] }],
  }));
  await using client = await cluster.client();
  const deleted = await cluster.world.clock.until(deleteRecords(client, [{ topic: "t", index: 1, offset: 5n }]));
  assert.deepEqual(deleted, [{ topic: "t", index: 1, lowWatermark: 5n, errorCode: 0 }]);
  assert.equal(cluster.broker(2).received(deleteRecordsApi).length, 1);
});

test("configs of a broker are asked of that broker, those of topics of any", async () => {
  await using cluster = await FakeCluster.open();
  cluster.onAll(describeConfigsApi, ({ body }, nodeId) => ({
    throttleMs: 0,
    results: body.resources.map(({ resourceType, resourceName }: { resourceType: number; resourceName: string }) => {
      const config = {
        name: "x",
        value: `${nodeId}`,
        readOnly: false,
        configSource: 5,
        isSensitive: false,
        synonyms: [],
      };
      return { errorCode: 0, errorMessage: null, resourceType, resourceName, configs: [config] };
    }),
  }));
  cluster.onAll(incrementalAlterConfigs, () => ({
    throttleMs: 0,
    resources: [{ errorCode: 40, errorMessage: "no such setting", resourceType: 2, resourceName: "t" }],
  }));
  await using client = await cluster.client();
  const { clock } = cluster.world;
  const resources = [
    { type: "broker", name: "3" },
    { type: "topic", name: "t" },
    { type: "broker", name: "2" },
  ] as const;
  const described = await clock.until(describeConfigs(client, resources, { keys: ["x"] }));
  assert.deepEqual(
    described.map(({ name }) => name),
    ["3", "t", "2"],
  );
  assert.deepEqual([described[0]?.entries.get("x")?.value, described[2]?.entries.get("x")?.value], ["3", "2"]);
  assert.equal(described[1]?.entries.get("x")?.source, "default");
  const change = alterConfigs(client, { type: "topic", name: "t" }, { changes: [{ name: "y", value: null }] });
  assert.match(
    (await clock.until(failureOf(change))).message,
    /topic t was refused with INVALID_CONFIG: no such setting/,
  );
});

test("the cluster is described by its metadata where brokers lack the API", async () => {
  await using cluster = await FakeCluster.open();
  for (const broker of cluster.brokers.values()) broker.ranges = broker.ranges.filter(([key]) => key !== 60);
  await using client = await cluster.client();
  const described = await cluster.world.clock.until(describeCluster(client));
  assert.equal(described.clusterId, "fake-cluster");
  assert.equal(described.brokers.length, 3);
  assert.ok(cluster.received(metadata).length >= 2);
});
