/** An embedded region through the eyes of stock kafkajs: producer, consumer group and admin. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CompressionTypes, type Kafka } from "kafkajs";
import { kafkaAt, openRegion, temporaryDirectory } from "./region-on-disk.ts";

interface Message {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | undefined;
  readonly value: string | undefined;
  readonly trace: string | undefined;
}

/** Reads with a group until `count` messages have come. */
async function consumed(kafka: Kafka, topic: string, groupId: string, count: number): Promise<readonly Message[]> {
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  const messages: Message[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
    void consumer.run({
      eachMessage: async ({ partition, message }) => {
        messages.push({
          partition,
          offset: message.offset,
          key: message.key?.toString(),
          value: message.value?.toString(),
          trace: message.headers?.["trace"]?.toString(),
        });
        if (messages.length === count) resolve();
      },
    });
  });
  await consumer.disconnect();
  return messages;
}

test("kafkajs produces with every acknowledgement and codec it has, and reads it back in order with keys and headers", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 3 }] });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const sent = Array.from({ length: 600 }, (_, i) => ({
    key: `k${i % 20}`,
    value: `v${i}`,
    headers: { trace: `t${i}` },
  }));
  await producer.send({ topic: "orders", messages: sent.slice(0, 300) });
  await producer.send({ topic: "orders", compression: CompressionTypes.GZIP, messages: sent.slice(300) });
  await producer.disconnect();
  const read = await consumed(kafka, "orders", "billing", sent.length);
  for (let key = 0; key < 20; key++) {
    const of = (list: readonly { readonly key?: string | undefined; readonly value?: string | undefined }[]) =>
      list.filter((message) => message.key === `k${key}`).map((message) => message.value);
    assert.deepEqual(of(read), of(sent));
  }
  assert.ok(read.every((message) => message.trace === message.value?.replace("v", "t")));
  const offsets = await admin.fetchOffsets({ groupId: "billing", topics: ["orders"] });
  const ends = await admin.fetchTopicOffsets("orders");
  const byPartition = (list: readonly { readonly partition: number; readonly offset: string }[]) =>
    Object.fromEntries(list.map(({ partition, offset }) => [partition, offset]));
  assert.deepEqual(byPartition(offsets[0]?.partitions ?? []), byPartition(ends));
  await admin.disconnect();
});

test("kafkajs creates a topic by producing to it, with acks 0 and 1 as well", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  const producer = kafka.producer({ allowAutoTopicCreation: true });
  await producer.connect();
  await producer.send({ topic: "made", acks: 1, messages: [{ value: "one" }] });
  await producer.send({ topic: "made", acks: 0, messages: [{ value: "zero" }] });
  await producer.send({ topic: "made", acks: -1, messages: [{ value: "all" }] });
  await producer.disconnect();
  const read = await consumed(kafka, "made", "reader", 3);
  assert.deepEqual(
    read.map(({ value }) => value),
    ["one", "zero", "all"],
  );
});

test("kafkajs shares partitions between two members and moves them when one leaves", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 4 }] });
  const open = async () => {
    const consumer = kafka.consumer({ groupId: "pair", maxWaitTimeInMs: 50, heartbeatInterval: 200 });
    await consumer.connect();
    await consumer.subscribe({ topic: "orders" });
    return consumer;
  };
  const assigned = (consumer: Awaited<ReturnType<typeof open>>, count: number): Promise<void> =>
    new Promise((resolve) => {
      const stop = consumer.on("consumer.group_join", ({ payload }) => {
        if ((payload.memberAssignment["orders"] ?? []).length !== count) return;
        stop();
        resolve();
      });
    });
  const [one, two] = [await open(), await open()];
  const alone = assigned(one, 4);
  await one.run({ eachMessage: async () => {} });
  await alone;
  const shared = [assigned(one, 2), assigned(two, 2)];
  await two.run({ eachMessage: async () => {} });
  await Promise.all(shared);
  const described = await admin.describeGroups(["pair"]);
  assert.deepEqual([described.groups[0]?.state, described.groups[0]?.members.length], ["Stable", 2]);
  const again = assigned(one, 4);
  await two.disconnect();
  await again;
  await one.disconnect();
  await admin.deleteGroups(["pair"]);
  assert.deepEqual((await admin.listGroups()).groups, []);
  await admin.disconnect();
});

test("kafkajs administers topics, settings, partitions, records and offsets", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  const admin = kafka.admin();
  await admin.connect();
  const configEntries = [{ name: "retention.ms", value: "1000" }];
  assert.equal(await admin.createTopics({ topics: [{ topic: "orders", numPartitions: 2, configEntries }] }), true);
  assert.equal(await admin.createTopics({ topics: [{ topic: "orders" }] }), false);
  await admin.createPartitions({ topicPartitions: [{ topic: "orders", count: 3 }] });
  const [topic] = (await admin.fetchTopicMetadata({ topics: ["orders"] })).topics;
  assert.deepEqual([topic?.partitions.length, topic?.partitions[0]?.isr.length], [3, 3]);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: true,
    resources: [{ type: 2, name: "orders", configNames: ["retention.ms"] }],
  });
  assert.equal(resources[0]?.configEntries[0]?.configValue, "1000");
  const producer = kafka.producer();
  await producer.connect();
  const messages = [{ value: "a" }, { value: "b" }, { value: "c" }];
  await producer.send({ topic: "orders", messages: messages.map((message) => ({ ...message, partition: 0 })) });
  await producer.disconnect();
  await admin.deleteTopicRecords({ topic: "orders", partitions: [{ partition: 0, offset: "2" }] });
  const offsets = (await admin.fetchTopicOffsets("orders")).find(({ partition }) => partition === 0);
  assert.deepEqual([offsets?.low, offsets?.high], ["2", "3"]);
  await admin.setOffsets({ groupId: "g", topic: "orders", partitions: [{ partition: 0, offset: "2" }] });
  const cluster = await admin.describeCluster();
  assert.deepEqual(
    cluster.brokers.map(({ nodeId }) => nodeId),
    [1, 2, 3],
  );
  await admin.deleteTopics({ topics: ["orders"] });
  assert.deepEqual(await admin.listTopics(), []);
  await admin.disconnect();
});
