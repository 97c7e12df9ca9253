/** Brokers and whole regions that go under load, and what kafkajs was promised by then. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kafka } from "kafkajs";
import { kafkaAt, openRegion, spawnRegion, temporaryDirectory } from "./region-on-disk.ts";

const PARTITIONS = 3;

/** Sends numbered messages one after the other until told to stop; what is returned was acknowledged. One partition per
 *  send: when a leader moves between the tries of one send, kafkajs forgets the partitions that moved to a broker which
 *  has answered already. */
async function produceWhile(kafka: Kafka, isRunning: () => boolean): Promise<readonly string[]> {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const acked: string[] = [];
  for (let i = 0; isRunning(); i++) {
    const values = Array.from({ length: 5 }, (_, j) => `v${i * 5 + j}`);
    const partition = i % PARTITIONS;
    await producer.send({ topic: "orders", messages: values.map((value) => ({ value, partition })) });
    acked.push(...values);
  }
  await producer.disconnect();
  return acked;
}

async function readAll(kafka: Kafka, groupId: string): Promise<readonly string[]> {
  const admin = kafka.admin();
  await admin.connect();
  const ends = await admin.fetchTopicOffsets("orders");
  await admin.disconnect();
  const missing = new Map(
    ends.filter(({ offset }) => offset !== "0").map((end) => [end.partition, BigInt(end.offset)]),
  );
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50 });
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve) => {
    void consumer.run({
      eachMessage: async ({ partition, message }) => {
        values.push(message.value?.toString() ?? "");
        if (BigInt(message.offset) + 1n === missing.get(partition)) missing.delete(partition);
        if (missing.size === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
  return values;
}

async function createOrders(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: "orders", numPartitions: PARTITIONS }] });
  await admin.disconnect();
}

test("brokers stopped and started under load lose and repeat nothing that was acknowledged", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  await createOrders(kafka);
  let isRunning = true;
  const producing = produceWhile(kafka, () => isRunning);
  const grown = async (): Promise<void> => {
    const ends = () => region.topics()[0]?.partitions.reduce((sum, { log }) => sum + log.endOffset, 0n) ?? 0n;
    const before = ends();
    while (ends() < before + 50n) await new Promise((resolve) => setImmediate(resolve));
  };
  for (const brokerId of [1, 2, 3, 1]) {
    await grown();
    await region.stopBroker(brokerId);
    await grown();
    await region.startBroker(brokerId);
  }
  isRunning = false;
  const acked = await producing;
  const read = await readAll(kafka, "reader");
  assert.deepEqual([...read].sort(), [...acked].sort());
});

test("killed region comes back with every acknowledged record and committed offset", async () => {
  using directory = temporaryDirectory();
  const first = await spawnRegion(directory.path);
  const kafka = kafkaAt(first.endpoints);
  await createOrders(kafka);
  let isRunning = true;
  const producing = produceWhile(kafka, () => isRunning);
  const read = await readAll(kafka, "reader");
  assert.ok(read.length > 0);
  await first.kill();
  await using second = await spawnRegion(
    directory.path,
    first.endpoints.map(({ port }) => port),
  );
  assert.deepEqual(second.endpoints, first.endpoints);
  // Goes on with the same client, whose producer has to find the region again.
  await createOrders(kafka);
  isRunning = false;
  const acked = await producing;
  const all = await readAll(kafka, "late reader");
  assert.deepEqual([...all].sort(), [...acked].sort());
  const admin = kafka.admin();
  await admin.connect();
  const offsets = await admin.fetchOffsets({ groupId: "reader", topics: ["orders"] });
  await admin.disconnect();
  const committed = offsets[0]?.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
  assert.ok((committed ?? 0) >= read.length);
});
