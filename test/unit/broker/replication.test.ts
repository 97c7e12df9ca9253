/** Acknowledgements and the high watermark while followers are slow, out of sync or away. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, fetched, openTestRegion, send, type TestRegion } from "./region-fixture.ts";

const ORDERS = { assignment: [1, 2, 3] };

function state(world: TestRegion, topic = "orders") {
  const partition = world.region.partition(topic, 0);
  assert.ok(partition !== undefined);
  const { leaderId, leaderEpoch, isr } = partition.state;
  return { leaderId, leaderEpoch, isr, end: partition.log.endOffset, highWatermark: partition.highWatermark };
}

test("high watermark reaches the end at once when followers have no delay", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const answer = await send(await world.leader("orders"), "orders", batchOf(["a", "b"]));
  assert.deepEqual([answer.errorCode, answer.baseOffset], [0, 0n]);
  assert.deepEqual(state(world), { leaderId: 1, leaderEpoch: 0, isr: [1, 2, 3], end: 2n, highWatermark: 2n });
});

test("acks=all waits for every replica in sync, acks=1 does not", async () => {
  await using world = await openTestRegion({ followDelayMs: 10 });
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  assert.equal((await send(client, "orders", batchOf(["a"]), { acks: 1 })).errorCode, ErrorCode.NONE);
  assert.deepEqual([state(world).end, state(world).highWatermark], [1n, 0n]);
  const acked = send(client, "orders", batchOf(["b"]));
  await untilEnd(world, 2n);
  assert.equal(state(world).highWatermark, 0n);
  await world.clock.advance(25);
  assert.equal((await acked).baseOffset, 1n);
  assert.equal(state(world).highWatermark, 2n);
});

test("consumers see nothing past the high watermark", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a"]));
  world.region.setFollowing(2, { isHeld: true });
  await send(client, "orders", batchOf(["b"]), { acks: 1 });
  const answer = await fetched(client, "orders");
  assert.deepEqual([answer.highWatermark, answer.batches.length], [1n, 1]);
});

test("acks=all ends in REQUEST_TIMED_OUT with the base offset when a follower hangs, and the batch stays", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  world.region.setFollowing(2, { isHeld: true });
  const acked = send(client, "orders", batchOf(["a"]), { timeoutMs: 500 });
  await untilEnd(world, 1n);
  await world.clock.advance(500);
  const answer = await acked;
  assert.deepEqual([answer.errorCode, answer.baseOffset], [ErrorCode.REQUEST_TIMED_OUT, 0n]);
  assert.equal(state(world).end, 1n);
});

test("a repeat of an uncommitted batch waits for the high watermark like the first one", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  world.region.setFollowing(2, { isHeld: true });
  const producer = { producerId: 7n, producerEpoch: 0, baseSequence: 0 };
  await send(client, "orders", batchOf(["a"], producer), { acks: 1 });
  const repeat = send(client, "orders", batchOf(["a"], producer));
  let isAnswered = false;
  void repeat.then(() => {
    isAnswered = true;
  });
  await (await world.connect(1)).ask(metadata, 12, { topics: [] });
  assert.equal(isAnswered, false);
  world.region.setFollowing(2, { isHeld: false });
  assert.deepEqual([(await repeat).errorCode, (await repeat).baseOffset], [ErrorCode.NONE, 0n]);
});

test("a follower that hangs longer than replica.lag.time.max.ms leaves the in-sync set, and comes back when it caught up", async () => {
  await using world = await openTestRegion({ brokerConfigs: { "replica.lag.time.max.ms": "1000" } });
  await world.createTopic("orders", ORDERS);
  world.region.setFollowing(2, { isHeld: true });
  const acked = send(await world.leader("orders"), "orders", batchOf(["a"]), { timeoutMs: 60_000 });
  await untilEnd(world, 1n);
  await world.clock.advance(2_000);
  assert.equal((await acked).errorCode, ErrorCode.NONE);
  assert.deepEqual(state(world).isr, [1, 3]);
  world.region.setFollowing(2, { isHeld: false });
  assert.deepEqual(state(world).isr, [1, 2, 3]);
});

test("acks=all is refused before appending when fewer than min.insync.replicas are in sync", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { ...ORDERS, configs: { "min.insync.replicas": "2" } });
  await world.region.stopBroker(2);
  await world.region.stopBroker(3);
  const client = await world.leader("orders");
  assert.equal((await send(client, "orders", batchOf(["a"]))).errorCode, ErrorCode.NOT_ENOUGH_REPLICAS);
  assert.equal(state(world).end, 0n);
  assert.equal((await send(client, "orders", batchOf(["a"]), { acks: 1 })).errorCode, ErrorCode.NONE);
});

test("what fewer than min.insync.replicas hold stays uncommitted until there are enough again", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { ...ORDERS, configs: { "min.insync.replicas": "3" } });
  world.region.setFollowing(3, { isHeld: true });
  const acked = send(await world.leader("orders"), "orders", batchOf(["a"]), { timeoutMs: 60_000 });
  await untilEnd(world, 1n);
  await world.region.stopBroker(3);
  assert.deepEqual([state(world).isr, state(world).highWatermark], [[1, 2], 0n]);
  world.region.setFollowing(3, { isHeld: false });
  await world.region.startBroker(3);
  assert.equal((await acked).errorCode, ErrorCode.NONE);
  assert.equal(state(world).highWatermark, 1n);
});

test("acknowledged records survive the stop of their leader, which gets its leadership back when it returns", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  await world.region.stopBroker(1);
  assert.deepEqual(state(world), { leaderId: 2, leaderEpoch: 1, isr: [2, 3], end: 1n, highWatermark: 1n });
  assert.equal((await send(await world.leader("orders"), "orders", batchOf(["b"]))).baseOffset, 1n);
  await world.region.startBroker(1);
  assert.deepEqual(state(world), { leaderId: 1, leaderEpoch: 2, isr: [1, 2, 3], end: 2n, highWatermark: 2n });
  const epochs = (await fetched(await world.leader("orders"), "orders")).batches.map((batch) => batch.leaderEpoch);
  assert.deepEqual(epochs, [0, 1]);
});

test("a new leader's position is where the log goes on: what only the old leader had is cut off", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const client = await world.leader("orders");
  const producer = { producerId: 7n, producerEpoch: 0 };
  await send(client, "orders", batchOf(["a"], { ...producer, baseSequence: 0 }));
  world.region.setFollowing(2, { isHeld: true });
  world.region.setFollowing(3, { isHeld: true });
  await send(client, "orders", batchOf(["lost"], { ...producer, baseSequence: 1 }), { acks: 1 });
  assert.equal(state(world).end, 2n);
  await world.region.stopBroker(1);
  assert.deepEqual([state(world).end, state(world).highWatermark], [1n, 1n]);
  // The producer's memory was cut together with the log, so the sequence may be sent again.
  const again = await send(await world.leader("orders"), "orders", batchOf(["b"], { ...producer, baseSequence: 1 }), {
    acks: 1,
  });
  assert.deepEqual([again.errorCode, again.baseOffset], [0, 1n]);
});

test("a producer that waits for acks hears NOT_LEADER when the leader changes", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [2, 1, 3] });
  await world.region.stopBroker(2);
  world.region.setFollowing(3, { isHeld: true });
  const acked = send(await world.leader("orders"), "orders", batchOf(["a"]), { timeoutMs: 60_000 });
  await untilEnd(world, 1n);
  // The preferred leader returns, catches up and takes over.
  await world.region.startBroker(2);
  assert.equal(state(world).leaderId, 2);
  assert.equal((await acked).errorCode, ErrorCode.NOT_LEADER_FOR_PARTITION);
});

test("a partition without replicas in sync has no leader until one returns", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  await world.region.stopBroker(2);
  await world.region.stopBroker(3);
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  await world.region.stopBroker(1);
  await world.region.startBroker(2);
  assert.equal(state(world).leaderId, -1);
  const client = await world.connect(2);
  const answer = await client.ask(metadata, 12, { topics: [{ name: "orders" }] });
  assert.equal(answer.topics[0]?.partitions[0]?.errorCode, ErrorCode.LEADER_NOT_AVAILABLE);
  await world.region.startBroker(1);
  assert.deepEqual([state(world).leaderId, state(world).end], [1, 1n]);
});

test("unclean election loses what the new leader lacks, when the topic allows it", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { ...ORDERS, configs: { "unclean.leader.election.enable": "true" } });
  await send(await world.leader("orders"), "orders", batchOf(["a"]));
  await world.region.stopBroker(2);
  await world.region.stopBroker(3);
  await send(await world.leader("orders"), "orders", batchOf(["b", "c"]));
  await world.region.stopBroker(1);
  assert.equal(state(world).leaderId, -1);
  await world.region.startBroker(3);
  assert.deepEqual([state(world).leaderId, state(world).isr, state(world).end], [3, [3], 1n]);
});

/** Lets the network carry a request until the log has grown to `end`. */
async function untilEnd(world: TestRegion, end: bigint): Promise<void> {
  const client = await world.connect(world.region.runningBrokers[0] ?? -1);
  for (let i = 0; i < 100 && state(world).end < end; i++) await client.ask(metadata, 12, { topics: [] });
  assert.equal(state(world).end, end);
}
