import assert from "node:assert/strict";
import { test } from "node:test";
import { createMemoryStore } from "../../src/adapters/memory-store.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { hasFaultCode } from "../../src/core/errors.ts";
import { storeFailure } from "../../src/tier/store-failure.ts";
import { captureTopics } from "../../src/tier/topic-record.ts";
import {
  inOrder,
  openArchiveSource,
  readInGroup,
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
