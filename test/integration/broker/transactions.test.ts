/** Transactions by a stock client: consume, transform and produce; brokers that stop and processes that are killed meanwhile. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Consumer, Kafka, Producer } from "kafkajs";
import { kafkaAt, openRegion, spawnRegion, temporaryDirectory } from "./region-on-disk.ts";

const TOPICS = ["orders", "bills"] as const;

async function createTopics(kafka: Kafka): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: TOPICS.map((topic) => ({ topic, numPartitions: 2, replicationFactor: 3 })) });
  await admin.disconnect();
}

async function transactional(kafka: Kafka, transactionalId: string): Promise<Producer> {
  const producer = kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  return producer;
}

/** Reads committed messages, or all, of both topics until the one that says so; values by topic. */
async function readUntil(kafka: Kafka, last: string, options: { readonly readUncommitted?: boolean } = {}) {
  const groupId = options.readUncommitted === true ? "reader of all" : "reader";
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 50, ...options });
  await consumer.connect();
  await consumer.subscribe({ topics: [...TOPICS], fromBeginning: true });
  const values: Record<string, string[]> = { orders: [], bills: [] };
  await new Promise<void>((resolve, reject) => {
    const awaited = new Set(PLACES.map(({ topic, partition }) => `${topic}/${partition}`));
    consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
    void consumer.run({
      eachMessage: async ({ topic, partition, message }) => {
        const value = message.value?.toString() ?? "";
        if (value === last) awaited.delete(`${topic}/${partition}`);
        else values[topic]?.push(value);
        if (awaited.size === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
  return { orders: values["orders"]?.toSorted(), bills: values["bills"]?.toSorted() };
}

/** All partitions. */
const PLACES = TOPICS.flatMap((topic) => [0, 1].map((partition) => ({ topic, partition })));

/** Both topics get the message in one transaction, in one partition for order. */
async function both(producer: Producer, value: string, how: "commit" | "abort" = "commit"): Promise<void> {
  const transaction = await producer.transaction();
  for (const topic of TOPICS) await transaction.send({ topic, messages: [{ value, partition: 0 }] });
  await transaction[how]();
}

/** The last message of every partition. */
async function end(producer: Producer): Promise<void> {
  const transaction = await producer.transaction();
  for (const { topic, partition } of PLACES) await transaction.send({ topic, messages: [{ value: "end", partition }] });
  await transaction.commit();
}

test("kafkajs sees committed transactions of several partitions and none that was aborted", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  await createTopics(kafka);
  const producer = await transactional(kafka, "writer");
  for (let i = 0; i < 6; i++) await both(producer, `v${i}`, i % 2 === 0 ? "commit" : "abort");
  await end(producer);
  await producer.disconnect();
  const committed = ["v0", "v2", "v4"];
  assert.deepEqual(await readUntil(kafka, "end"), { orders: committed, bills: committed });
  const all = ["v0", "v1", "v2", "v3", "v4", "v5"];
  assert.deepEqual(await readUntil(kafka, "end", { readUncommitted: true }), { orders: all, bills: all });
});

test("kafkajs copies each message once although its transactions abort, with offsets that commit with the copies", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  await createTopics(kafka);
  const source = kafka.producer();
  await source.connect();
  const sent = Array.from({ length: 40 }, (_, i) => `v${String(i).padStart(2, "0")}`);
  await source.send({ topic: "orders", messages: sent.map((value, i) => ({ value, partition: i % 2 })) });
  await source.disconnect();
  const producer = await transactional(kafka, "copier");
  const attempts = { count: 0 };
  // Every third transaction aborts, after which a new consumer goes on from the committed offsets.
  while (!(await copied(kafka, producer, attempts, sent.length))) assert.ok(attempts.count < 200);
  await end(producer);
  await producer.disconnect();
  assert.deepEqual((await readUntil(kafka, "end")).bills, sent);
});

/** Copies until a transaction aborts or all offsets are committed; true for the latter. */
async function copied(kafka: Kafka, producer: Producer, attempts: { count: number }, total: number): Promise<boolean> {
  const consumer = kafka.consumer({ groupId: "copier", maxWaitTimeInMs: 50, maxBytesPerPartition: 300 });
  await consumer.connect();
  await consumer.subscribe({ topic: "orders", fromBeginning: true });
  const outcome = await new Promise<"aborted" | "done">((resolve, reject) => {
    consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
    const timer = setInterval(() => {
      void committedOf(kafka).then((committed) => {
        if (committed < total) return;
        clearInterval(timer);
        resolve("done");
      }, reject);
    }, 50);
    void consumer.run({
      autoCommit: false,
      eachMessage: async ({ topic, partition, message }) => {
        if (!(await copiedOne(producer, { topic, partition, message }, attempts))) {
          clearInterval(timer);
          resolve("aborted");
          consumer.pause([{ topic }]);
        }
      },
    });
  });
  await consumer.disconnect();
  return outcome === "done";
}

type Each = Parameters<NonNullable<NonNullable<Parameters<Consumer["run"]>[0]>["eachMessage"]>>[0];

async function copiedOne(
  producer: Producer,
  { topic, partition, message }: Pick<Each, "topic" | "partition" | "message">,
  attempts: { count: number },
): Promise<boolean> {
  attempts.count += 1;
  const isLost = attempts.count % 7 === 0;
  const transaction = await producer.transaction();
  await transaction.send({ topic: "bills", messages: [{ value: message.value, partition }] });
  const offset = String(BigInt(message.offset) + 1n);
  await transaction.sendOffsets({
    consumerGroupId: "copier",
    topics: [{ topic, partitions: [{ partition, offset }] }],
  });
  await (isLost ? transaction.abort() : transaction.commit());
  return !isLost;
}

async function committedOf(kafka: Kafka): Promise<number> {
  const admin = kafka.admin();
  await admin.connect();
  const [offsets] = await admin.fetchOffsets({ groupId: "copier", topics: ["orders"] });
  await admin.disconnect();
  return offsets?.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0) ?? 0;
}

test("transactions lose and repeat nothing while brokers stop and start", async () => {
  using directory = temporaryDirectory();
  await using region = await openRegion(directory.path);
  const kafka = kafkaAt(region.endpoints);
  await createTopics(kafka);
  const producer = await transactional(kafka, "writer");
  const sent: string[] = [];
  for (const brokerId of [1, 2, 3]) {
    const bounce = region.stopBroker(brokerId).then(() => region.startBroker(brokerId));
    for (let i = 0; i < 5; i++) {
      const value = `b${brokerId}-${i}`;
      await both(producer, value);
      sent.push(value);
    }
    await bounce;
  }
  await end(producer);
  await producer.disconnect();
  assert.deepEqual(await readUntil(kafka, "end"), { orders: sent, bills: sent });
});

test("a killed region goes on with the transaction that was open, and keeps what was committed whole", async () => {
  using directory = temporaryDirectory();
  const first = await spawnRegion(directory.path);
  const kafka = kafkaAt(first.endpoints);
  await createTopics(kafka);
  const producer = await transactional(kafka, "writer");
  await both(producer, "before");
  const open = await producer.transaction();
  for (const topic of TOPICS) await open.send({ topic, messages: [{ value: "across", partition: 0 }] });
  await first.kill();
  await using _second = await spawnRegion(
    directory.path,
    first.endpoints.map(({ port }) => port),
  );
  for (const topic of TOPICS) await open.send({ topic, messages: [{ value: "after", partition: 0 }] });
  await open.commit();
  const successor = await transactional(kafka, "writer");
  await end(successor);
  await successor.disconnect();
  await producer.disconnect();
  const expected = ["across", "after", "before"];
  assert.deepEqual(await readUntil(kafka, "end"), { orders: expected, bills: expected });
});
