/** Transactions of a region over kills, elections, full disks and time; what each request answers is the contract suite's. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { coldStoreOver } from "../../../src/adapters/cold-store.ts";
import { embeddedSegments } from "../../../src/adapters/embedded-segments.ts";
import { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { createMemoryStore } from "../../../src/adapters/memory-store.ts";
import { nodeClock } from "../../../src/adapters/node-clock.ts";
import { OffsetStore } from "../../../src/broker/groups/offset-store.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import { ColdReader } from "../../../src/tier/cold-reader.ts";
import { offloadOnce } from "../../../src/tier/offload.ts";
import { fetchApi } from "../../../src/wire/apis/01-fetch.ts";
import { deleteTopics } from "../../../src/wire/apis/20-delete-topics.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchesIn } from "../../../src/wire/record-batch.ts";
import { seededRandom } from "../../support/seeded-random.ts";
import { batchOf, coldStoreReading, openTestRegion, send, type TestRegion } from "./region-fixture.ts";
import { readCommitted, TransactionalWriter } from "./transactional-writer.ts";

const ORDERS = { assignment: [1, 2, 3] };
const { NONE, CONCURRENT_TRANSACTIONS } = ErrorCode;

/** What a process leaves behind that is killed now: everything written, nothing closed. */
function killed(world: TestRegion): MemoryStorage {
  world.storage.crash(({ sizeBytes }) => sizeBytes);
  return world.storage;
}

async function opened(world: TestRegion, ...topics: readonly string[]): Promise<TransactionalWriter> {
  const writer = new TransactionalWriter(world);
  assert.equal(await writer.open(), NONE);
  assert.equal(await writer.add(...topics), NONE);
  for (const topic of topics) assert.equal(await writer.write(topic, 0), NONE);
  return writer;
}

test("an open transaction outlives a killed region, and commits with what came before and after", async () => {
  const first = await openTestRegion();
  await first.createTopic("orders", ORDERS);
  const { producerId, epoch } = await opened(first, "orders");
  await using second = await openTestRegion({}, { storage: killed(first) });
  const writer = new TransactionalWriter(second);
  [writer.producerId, writer.epoch] = [producerId, epoch];
  assert.deepEqual(await readCommitted(second, "orders"), []);
  assert.equal(await writer.write("orders", 1), NONE);
  assert.equal(await writer.end(true), NONE);
  assert.deepEqual(await readCommitted(second, "orders"), [`${producerId}/0`, `${producerId}/1`]);
});

test("a decided transaction gets its markers after the region was killed", async () => {
  for (const committed of [true, false]) {
    const first = await openTestRegion();
    await first.createTopic("orders", ORDERS);
    await first.createTopic("bills", ORDERS);
    const writer = await opened(first, "orders", "bills");
    first.region.setFollowing(2, { isHeld: true });
    assert.equal(await writer.end(committed), NONE, "answered when it is decided");
    assert.equal(await writer.state(), committed ? "PrepareCommit" : "PrepareAbort");
    await using second = await openTestRegion({}, { storage: killed(first) });
    assert.equal(await new TransactionalWriter(second).state(), committed ? "CompleteCommit" : "CompleteAbort");
    const expected = committed ? [`${writer.producerId}/0`] : [];
    assert.deepEqual(await readCommitted(second, "orders"), expected);
    assert.deepEqual(await readCommitted(second, "bills"), expected);
  }
});

test("a transaction stays in its end until every marker is on the replicas in sync, and the next one waits for that", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  world.region.setFollowing(3, { isHeld: true });
  assert.equal(await writer.end(true), NONE);
  assert.equal(await writer.add("orders"), CONCURRENT_TRANSACTIONS);
  assert.equal(await writer.open(), CONCURRENT_TRANSACTIONS);
  assert.equal(world.region.partition("orders", 0)?.lastStableOffset, 0n, "the marker may still be lost");
  world.region.setFollowing(3, { isHeld: false });
  assert.equal(await writer.state(), "CompleteCommit");
  assert.equal(world.region.partition("orders", 0)?.lastStableOffset, 2n);
  assert.equal(await writer.add("orders"), NONE);
});

test("a write that begins the next transaction by itself waits for the end of the one before", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = new TransactionalWriter(world);
  await writer.open();
  assert.equal(await writer.write("orders", 0, 12), NONE);
  world.region.setFollowing(3, { isHeld: true });
  assert.equal(await writer.end(true, 5), NONE);
  const next = writer.write("orders", 0, 12);
  const answered = next.then((code) => code);
  for (let turn = 0; turn < 5; turn++) await world.clock.advance(20);
  assert.equal(world.region.partition("orders", 0)?.log.endOffset, 2n);
  world.region.setFollowing(3, { isHeld: false });
  for (let turn = 0; turn < 5; turn++) await world.clock.advance(20);
  assert.equal(await answered, NONE);
  assert.equal(world.region.partition("orders", 0)?.log.endOffset, 3n);
});

test("markers wait for a leader where there is none, and for enough replicas", async () => {
  await using world = await openTestRegion();
  await world.createTopic("alone", { assignment: [3] });
  await world.createTopic("strict", { assignment: [1, 2, 3], configs: { "min.insync.replicas": "3" } });
  const writer = await opened(world, "alone", "strict");
  await world.region.stopBroker(3);
  assert.equal(await writer.end(true), NONE);
  assert.equal(await writer.state(), "PrepareCommit");
  await world.clock.advance(1_000);
  assert.equal(await writer.state(), "PrepareCommit");
  await world.region.startBroker(3);
  await world.clock.advance(1_000);
  assert.equal(await writer.state(), "CompleteCommit");
  assert.deepEqual(await readCommitted(world, "alone"), [`${writer.producerId}/0`]);
  assert.deepEqual(await readCommitted(world, "strict"), [`${writer.producerId}/0`]);
});

test("a marker that an election took is written again", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  for (const broker of [2, 3]) world.region.setFollowing(broker, { isHeld: true });
  assert.equal(await writer.end(true), NONE);
  await world.region.stopBroker(1);
  const log = world.region.partitionLog("orders", 0);
  const [, marker] = [...batchesIn(log?.read({ fromOffset: 0n, maxBytes: 10_000 }) ?? Buffer.alloc(0))];
  assert.deepEqual([marker?.isControl, marker?.leaderEpoch], [true, 1], "the new leader's own");
  for (const broker of [2, 3]) world.region.setFollowing(broker, { isHeld: false });
  await world.clock.advance(1_000);
  assert.equal(await writer.state(), "CompleteCommit");
  assert.deepEqual(await readCommitted(world, "orders"), [`${writer.producerId}/0`]);
});

test("a transaction ends although a topic that it wrote is gone", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  await world.createTopic("bills", ORDERS);
  const writer = await opened(world, "orders", "bills");
  const client = await world.connect(1);
  await client.ask(deleteTopics, 4, { topicNames: ["bills"], timeoutMs: 1_000 });
  assert.equal(await writer.end(true), NONE);
  assert.equal(await writer.state(), "CompleteCommit");
});

test("a transaction that is open for too long is aborted by the clock, and its writer fenced", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = new TransactionalWriter(world);
  await writer.open(15_000);
  await writer.add("orders");
  await writer.write("orders", 0);
  await world.clock.advance(10_000);
  assert.equal(await writer.state(), "Ongoing");
  await world.clock.advance(10_000);
  assert.equal(await writer.state(), "CompleteAbort");
  assert.equal(await writer.write("orders", 1), ErrorCode.INVALID_PRODUCER_EPOCH);
  assert.equal(await writer.end(true), ErrorCode.PRODUCER_FENCED);
  assert.deepEqual(await readCommitted(world, "orders"), []);
});

test("a transactional id that nobody uses is forgotten, one with an open transaction never", async () => {
  const brokerConfigs = { "transactional.id.expiration.ms": "60000" };
  await using world = await openTestRegion({ brokerConfigs });
  await world.createTopic("orders", ORDERS);
  const writer = new TransactionalWriter(world, "idle");
  await writer.open();
  const { producerId } = writer;
  await world.clock.advance(3_000_000);
  const busy = new TransactionalWriter(world, "busy");
  await busy.open(900_000);
  await busy.add("orders");
  assert.equal(await writer.state(), "Empty", "the check comes once an hour");
  await world.clock.advance(650_000);
  assert.equal(await writer.state(), "", "forgotten");
  assert.equal(await busy.state(), "Ongoing");
  await writer.open();
  assert.notEqual(writer.producerId, producerId);
  assert.equal(writer.epoch, 0);
});

test("an open transaction keeps what a partition knows of its producer, however old the records are", async () => {
  const brokerConfigs = { "producer.id.expiration.ms": "1000", "producer.id.expiration.check.interval.ms": "100" };
  await using world = await openTestRegion({ brokerConfigs });
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  await world.clock.advance(5_000);
  assert.equal(await writer.write("orders", 2), ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  assert.equal(await writer.write("orders", 1), NONE);
  assert.equal(await writer.end(true), NONE);
  await world.clock.advance(900);
  assert.equal(world.region.partitionLog("orders", 0)?.producers.size, 1, "the marker's own time counts");
  await world.clock.advance(300);
  assert.equal(world.region.partitionLog("orders", 0)?.producers.size, 0);
});

test("a committed reader waits while a transaction is open, whatever others append, and is answered when it ends", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  const client = await world.leader("orders");
  const partition = { index: 0, fetchOffset: 0n, partitionMaxBytes: 1_000_000 };
  let isAnswered = false;
  // More than the marker alone: what it shows counts too.
  const limits = { maxWaitMs: 30_000, minBytes: 120, maxBytes: 1_000_000, isolationLevel: 1 };
  const waiting = client
    .ask(fetchApi, 11, { ...limits, topics: [{ name: "orders", partitions: [partition] }] })
    .finally(() => {
      isAnswered = true;
    });
  const other = await world.leader("orders");
  for (let i = 0; i < 5; i++) await send(other, "orders", batchOf(["plain"]));
  await world.clock.advance(100);
  assert.equal(isAnswered, false);
  await writer.end(true);
  const answer = (await waiting).topics[0]?.partitions[0];
  assert.equal(answer?.lastStableOffset, 7n);
  assert.equal([...batchesIn(answer.records ?? Buffer.alloc(0))].length, 7);
});

test("a committed reader of batches in a cold store is told which of them were aborted", async () => {
  const kept: Buffer[] = [];
  const coldStore = coldStoreReading(() => kept[0]);
  await using world = await openTestRegion({}, { coldStore });
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  await writer.end(false);
  await writer.add("orders");
  await writer.write("orders", 1);
  await writer.end(true);
  const log = world.region.partitionLog("orders", 0);
  log?.roll();
  kept.push(log?.read({ fromOffset: 0n, maxBytes: 10_000 }) ?? Buffer.alloc(0));
  log?.dropLocalSegment(0n);
  assert.deepEqual(await readCommitted(world, "orders"), [`${writer.producerId}/1`]);
});

test("a committed reader of a cold segment is told of the abort in a later one, while that is local and when it is cold too", async () => {
  const [store, clock] = [createMemoryStore(), nodeClock()];
  const reader = new ColdReader({ store, clock });
  const coldStore = coldStoreOver([reader], () => "cluster-a");
  const options = { clusterId: "cluster-a" };
  const first = await openTestRegion(options, { coldStore });
  await first.createTopic("orders", ORDERS);
  const writer = await opened(first, "orders");
  const log = first.region.partitionLog("orders", 0);
  const archive = () => {
    const policy = { olderThanMs: Number.NEGATIVE_INFINITY, keepLocalBytes: 0, deleteLocal: "after-verify" } as const;
    const source = embeddedSegments(first.region);
    return offloadOnce(policy, (topic) => topic === "orders", { source, store, clock, random: seededRandom(1) });
  };
  log?.roll();
  // Nothing is archived before the transaction ends.
  assert.equal((await archive()).segmentsOffloaded, 0);
  await writer.end(false);
  await writer.add("orders");
  await writer.write("orders", 1);
  await writer.end(true);
  const committed = [`${writer.producerId}/1`];
  const { segmentsDropped } = await archive();
  assert.deepEqual([segmentsDropped, log?.localStartOffset], [1, 1n]);
  assert.deepEqual(await readCommitted(first, "orders"), committed);
  log?.roll();
  await archive();
  assert.equal(log?.localStartOffset, 4n);
  assert.deepEqual(await readCommitted(first, "orders"), committed);

  const storage = killed(first);
  for (const name of storage.list(log?.directory ?? ""))
    if (name.endsWith(".txnindex")) storage.remove(`${log?.directory}/${name}`);
  await using second = await openTestRegion(options, { storage, coldStore });
  assert.deepEqual(await readCommitted(second, "orders"), committed);
});

test("a full disk refuses a decision with a code on which writers try again, and changes nothing", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", ORDERS);
  const writer = await opened(world, "orders");
  world.storage.fillDisk();
  assert.equal(await writer.end(true), ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE);
  assert.equal(await writer.state(), "Ongoing");
  world.storage.freeDisk();
  assert.equal(await writer.end(true), NONE);
  assert.deepEqual(await readCommitted(world, "orders"), [`${writer.producerId}/0`]);
});

test("offsets that wait for a transaction outlive a kill and a rewritten journal, and the later one from outside stays", () => {
  const storage = new MemoryStorage();
  const deps = { storage, logger: silentLogger };
  const open = () => OffsetStore.open("groups.journal", deps);
  const offset = (topic: string, at: bigint) => ({
    topic,
    partition: 0,
    offset: at,
    leaderEpoch: -1,
    metadata: "",
    commitMs: 1,
  });
  const first = open();
  first.commit("billing", [offset("orders", 1n)]);
  first.commitPending({ groupId: "billing", producerId: 5n }, [offset("orders", 7n), offset("bills", 8n)]);
  first.commitPending({ groupId: "billing", producerId: 6n }, [offset("orders", 9n)]);
  first.commitPending({ groupId: "audit", producerId: 5n }, [offset("orders", 3n)]);
  first.commit("billing", [offset("bills", 2n)]);
  storage.crash(({ sizeBytes }) => sizeBytes);
  const second = open();
  const metadata = "m".repeat(1_000);
  for (let i = 0; i < 5_000; i++) second.commit("filler", [{ ...offset("orders", BigInt(i)), metadata }]);
  assert.ok(storage.readFile("groups.journal").length < 4_000_000, "rewritten");
  storage.crash(({ sizeBytes }) => sizeBytes);
  const third = open();
  assert.deepEqual(third.groupIds().toSorted(), ["audit", "billing", "filler"]);
  assert.ok(third.isPending("billing", "bills", 0));
  assert.equal(third.offset("billing", "orders", 0)?.offset, 1n);
  third.endPending({ producerId: 5n, groupIds: ["billing"], committed: true });
  assert.deepEqual(
    ["orders", "bills"].map((topic) => third.offset("billing", topic, 0)?.offset),
    [7n, 2n],
  );
  assert.deepEqual([third.isPending("billing", "orders", 0), third.isPending("billing", "bills", 0)], [true, false]);
  assert.deepEqual(third.pendingGroups(5n), ["audit"]);
  third.endPending({ producerId: 6n, groupIds: ["billing"], committed: false });
  assert.equal(third.offset("billing", "orders", 0)?.offset, 7n);
  third.deleteTopic("orders");
  assert.deepEqual(third.pendingGroups(5n), []);
});
