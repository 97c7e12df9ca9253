/** What a fetch returns, and how long it waits for it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ColdRead } from "../../../src/broker/ports.ts";
import { ZERO_UUID } from "../../../src/core/brand.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { listOffsets } from "../../../src/wire/apis/02-list-offsets.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, coldStoreReading, fetched, openTestRegion, send } from "./region-fixture.ts";

const ORDERS = { assignment: [1, 2, 3] };

test("fetch from the middle of a batch returns the whole batch, even above the limit", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a", "b", "c"]));
  await send(client, "orders", batchOf(["d"]));
  const answer = await fetched(client, "orders", { fetchOffset: 1n, partitionMaxBytes: 1 });
  assert.deepEqual(
    answer.batches.map((batch) => [batch.baseOffset, batch.recordCount]),
    [[0n, 3]],
  );
});

test("fetch waits for data and is woken by the append", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const waiting = fetched(await world.leader("orders"), "orders", { maxWaitMs: 30_000 });
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  assert.equal((await waiting).batches.length, 1);
});

test("fetch is woken by the high watermark, not by the append", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  world.region.setFollowing(2, { isHeld: true });
  let isAnswered = false;
  const waiting = fetched(await world.leader("orders"), "orders", { maxWaitMs: 30_000 }).finally(() => {
    isAnswered = true;
  });
  const producer = await world.leader("orders");
  await send(producer, "orders", batchOf(["a"]), { acks: 1 });
  await fetched(producer, "orders");
  assert.equal(isAnswered, false);
  world.region.setFollowing(2, { isHeld: false });
  assert.equal((await waiting).batches.length, 1);
});

test("fetch waits until the bytes asked for have come, or its time is up", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const producer = await world.leader("orders");
  let isAnswered = false;
  const waiting = fetched(await world.leader("orders"), "orders", { maxWaitMs: 400, minBytes: 1_000 }).finally(() => {
    isAnswered = true;
  });
  await send(producer, "orders", batchOf(["a"]));
  await fetched(producer, "orders");
  assert.equal(isAnswered, false);
  await world.clock.advance(400);
  assert.equal((await waiting).batches.length, 1);
});

test("fetch that waits is answered when the leader moves", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [2, 1, 3] });
  await world.region.stopBroker(2);
  const waiting = fetched(await world.connect(1), "orders", { maxWaitMs: 30_000, version: 10 });
  await fetched(await world.connect(1), "orders", { version: 10 });
  await world.region.startBroker(2);
  assert.equal((await waiting).errorCode, ErrorCode.NOT_LEADER_FOR_PARTITION);
});

test("fetch with the epoch of a truncated record answers where the logs part", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a"]));
  world.region.setFollowing(2, { isHeld: true });
  world.region.setFollowing(3, { isHeld: true });
  await send(client, "orders", batchOf(["lost", "lost"]), { acks: 1 });
  await world.region.stopBroker(1);
  const leader = await world.leader("orders");
  await send(leader, "orders", batchOf(["b", "c", "d"]), { acks: 1 });
  world.region.setFollowing(3, { isHeld: false });
  const answer = await fetched(leader, "orders", { fetchOffset: 3n, lastFetchedEpoch: 0 });
  assert.deepEqual(
    [answer.errorCode, answer.divergingEpoch, answer.batches.length],
    [0, { epoch: 0, endOffset: 1n }, 0],
  );
});

test("fetch refuses a leader epoch that is too old and names the leader from version 16 on", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  await world.region.stopBroker(1);
  const { topicId } = world.region.topics()[0] ?? assert.fail();
  const leader = await world.leader("orders");
  const answer = await fetched(leader, "orders", { currentLeaderEpoch: 0, version: 16, topicId });
  assert.deepEqual(
    [answer.errorCode, answer.currentLeader],
    [ErrorCode.FENCED_LEADER_EPOCH, { leaderId: 2, leaderEpoch: 1 }],
  );
  const older = await fetched(leader, "orders", { currentLeaderEpoch: 0, version: 12 });
  assert.deepEqual(
    [older.errorCode, older.currentLeader],
    [ErrorCode.FENCED_LEADER_EPOCH, { leaderId: -1, leaderEpoch: -1 }],
  );
});

test("followers serve consumers from version 11 on, up to what they have themselves", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  const follower = await world.connect(3);
  assert.equal((await fetched(follower, "orders", { version: 10 })).errorCode, ErrorCode.NOT_LEADER_FOR_PARTITION);
  assert.equal((await fetched(follower, "orders", { version: 11 })).batches.length, 1);
});

test("a follower that fell behind shows no more than it has", async () => {
  await using world = await openTestRegion({ brokerConfigs: { "replica.lag.time.max.ms": "1000" } });
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a"]));
  world.region.setFollowing(3, { isHeld: true });
  await send(client, "orders", batchOf(["b"]), { acks: 1 });
  await world.clock.advance(2_000);
  assert.equal((await fetched(client, "orders")).batches.length, 2);
  assert.equal((await fetched(await world.connect(3), "orders")).batches.length, 1);
});

test("fetch of a partition that the broker has no replica of is refused with the leader", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [1] });
  const { topicId } = world.region.topics()[0] ?? assert.fail();
  const answer = await fetched(await world.connect(2), "orders", { version: 16, topicId });
  assert.deepEqual(
    [answer.errorCode, answer.currentLeader],
    [ErrorCode.NOT_LEADER_FOR_PARTITION, { leaderId: 1, leaderEpoch: 0 }],
  );
});

test("fetch below the local start is answered by the cold store, and above it from the log", async () => {
  const asked: ColdRead[] = [];
  const cold = batchOf(["cold"]);
  const coldStore = coldStoreReading((request) => {
    asked.push(request);
    return request.offset === 0n ? cold.bytes : undefined;
  });
  await using world = await openTestRegion({}, { coldStore });
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["cold"]));
  await send(client, "orders", batchOf(["gone"]));
  const log = world.region.partitionLog("orders", 0);
  log?.roll();
  await send(client, "orders", batchOf(["hot"]));
  log?.dropLocalSegment(0n);
  const first = await fetched(client, "orders", { maxWaitMs: 1_000 });
  assert.deepEqual([first.errorCode, first.batches[0]?.bytes.equals(cold.bytes)], [0, true]);
  assert.deepEqual([asked[0]?.topic, asked[0]?.partition, asked[0]?.offset], ["orders", 0, 0n]);
  // Kafka says "out of range" here, and its clients go on elsewhere: of an archive that lost its end nobody would notice that.
  assert.equal((await fetched(client, "orders", { fetchOffset: 1n })).errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  assert.equal((await fetched(client, "orders", { fetchOffset: 2n })).batches[0]?.baseOffset, 2n);
  assert.equal(asked.length, 2);
  const start = await client.ask(listOffsets, 8, {
    replicaId: -1,
    topics: [{ name: "orders", partitions: [-2n, -4n].map((timestampMs) => ({ index: 0, timestampMs })) }],
  });
  assert.deepEqual(
    start.topics[0]?.partitions.map(({ offset }) => offset),
    [0n, 2n],
  );
});

test("fetch of several partitions stays within the bytes of the whole answer by at most one batch", async () => {
  await using world = await openTestRegion({ brokers: 1 });
  await world.createTopic("orders", { partitions: 2 });
  await world.createTopic("bills");
  const client = await world.connect(1);
  const batch = batchOf(["x".repeat(1_000)]);
  for (const topic of ["orders", "bills"]) await send(client, topic, batch);
  const response = await client.ask(fetchApi, 12, {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 100,
    isolationLevel: 0,
    topics: ["orders", "bills"].map((name) => ({
      name,
      topicId: ZERO_UUID,
      partitions: [{ index: 0, fetchOffset: 0n, partitionMaxBytes: 10_000 }],
    })),
  });
  const bytes = response.topics.map((topic) => topic.partitions[0]?.records?.length ?? 0);
  assert.deepEqual(bytes, [batch.sizeBytes, 0]);
});
