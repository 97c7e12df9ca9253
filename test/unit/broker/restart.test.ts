/** A region that was killed or closed comes back as it was. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MemoryStorage } from "../../../src/adapters/memory-storage.ts";
import { hasFaultCode } from "../../../src/core/errors.ts";
import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../../../src/wire/apis/09-offset-fetch.ts";
import { deleteTopics } from "../../../src/wire/apis/20-delete-topics.ts";
import { initProducerId } from "../../../src/wire/apis/22-init-producer-id.ts";
import { describeConfigs } from "../../../src/wire/apis/32-describe-configs.ts";
import { incrementalAlterConfigs } from "../../../src/wire/apis/44-incremental-alter-configs.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, fetched, openTestRegion, send, type TestRegion } from "./region-fixture.ts";

/** What a process leaves behind that is killed now: everything written, nothing closed. */
function killed(world: TestRegion): MemoryStorage {
  world.storage.crash(({ sizeBytes }) => sizeBytes);
  return world.storage;
}

const anyBroker = async (world: TestRegion) => world.connect(1);

async function commit(world: TestRegion, groupId: string, committedOffset: bigint): Promise<number | undefined> {
  const client = await world.connect(world.region.coordinatorOf(groupId));
  const answer = await client.ask(offsetCommit, 8, {
    groupId,
    generationId: -1,
    memberId: "",
    topics: [{ name: "orders", partitions: [{ index: 0, committedOffset, committedMetadata: "m" }] }],
  });
  return answer.topics[0]?.partitions[0]?.errorCode;
}

async function committed(world: TestRegion, groupId: string): Promise<bigint | undefined> {
  const client = await world.connect(world.region.coordinatorOf(groupId));
  const answer = await client.ask(offsetFetch, 7, { groupId, topics: [{ name: "orders", partitionIndexes: [0] }] });
  return answer.topics[0]?.partitions[0]?.committedOffset;
}

test("killed region comes back with topics, records, offsets, settings and identity", async () => {
  const first = await openTestRegion();
  await first.createTopic("orders", { assignment: [1, 2, 3], configs: { "retention.ms": "1000" } });
  await send(await first.leader("orders"), "orders", batchOf(["a", "b"]));
  assert.equal(await commit(first, "billing", 1n), ErrorCode.NONE);
  const before = first.region.topics()[0]?.topicId;
  await using second = await openTestRegion({}, { storage: killed(first) });
  assert.equal(second.region.clusterId, first.region.clusterId);
  assert.deepEqual(
    [second.region.topics()[0]?.topicId, second.region.topics()[0]?.configs],
    [before, { "retention.ms": "1000" }],
  );
  assert.equal((await fetched(await second.leader("orders"), "orders")).batches[0]?.recordCount, 2);
  assert.equal(await committed(second, "billing"), 1n);
});

test("every restart begins a new leader epoch, so that no two histories share one", async () => {
  const first = await openTestRegion();
  await first.createTopic("orders", { assignment: [1, 2, 3] });
  await send(await first.leader("orders"), "orders", batchOf(["a"]));
  await using second = await openTestRegion({}, { storage: killed(first) });
  const state = second.region.partition("orders", 0)?.state;
  assert.deepEqual([state?.leaderId, state?.isr], [1, [1, 2, 3]]);
  assert.ok((state?.leaderEpoch ?? 0) > 0);
});

test("replica that was out of sync before the restart catches up and is in sync again", async () => {
  const first = await openTestRegion();
  await first.createTopic("orders", { assignment: [1, 2, 3] });
  await first.region.stopBroker(2);
  await send(await first.leader("orders"), "orders", batchOf(["a"]));
  await using second = await openTestRegion({}, { storage: killed(first) });
  assert.deepEqual(second.region.partition("orders", 0)?.state.isr, [1, 2, 3]);
});

test("producer ids are never given out twice, not even over a restart", async () => {
  const next = async (world: TestRegion): Promise<bigint> =>
    (await (await anyBroker(world)).ask(initProducerId, 4, { transactionalId: null, transactionTimeoutMs: 0 }))
      .producerId;
  const first = await openTestRegion({ brokers: 1 });
  const ids = [await next(first), await next(first)];
  await using second = await openTestRegion({ brokers: 1 }, { storage: killed(first) });
  ids.push(await next(second), await next(second));
  assert.equal(new Set(ids).size, 4);
});

test("deleted topic takes its records and its groups' offsets with it, also over a restart", async () => {
  const first = await openTestRegion({ brokers: 1 });
  await first.createTopic("orders");
  await send(await first.leader("orders"), "orders", batchOf(["a"]));
  await commit(first, "billing", 1n);
  await (await anyBroker(first)).ask(deleteTopics, 5, { topicNames: ["orders"], timeoutMs: 1_000 });
  await using second = await openTestRegion({ brokers: 1 }, { storage: killed(first) });
  assert.deepEqual(second.region.topics(), []);
  await second.createTopic("orders");
  assert.deepEqual([second.region.partitionLog("orders", 0)?.endOffset, await committed(second, "billing")], [0n, -1n]);
});

test("cluster-wide producer.id.expiration.ms is kept and reaches the logs", async () => {
  const first = await openTestRegion({ brokers: 1 });
  await first.createTopic("orders");
  const answer = await (await anyBroker(first)).ask(incrementalAlterConfigs, 1, {
    resources: [
      {
        resourceType: 4,
        resourceName: "",
        configs: [{ name: "producer.id.expiration.ms", configOperation: 0, value: "2147483647" }],
      },
    ],
    validateOnly: false,
  });
  assert.equal(answer.resources[0]?.errorCode, ErrorCode.NONE);
  assert.equal(first.region.partitionLog("orders", 0)?.config.producerIdExpirationMs, 2_147_483_647);
  await using second = await openTestRegion({ brokers: 1 }, { storage: killed(first) });
  const described = await (await anyBroker(second)).ask(describeConfigs, 4, {
    resources: [{ resourceType: 4, resourceName: "1", configurationKeys: ["producer.id.expiration.ms"] }],
    includeSynonyms: false,
  });
  const [config] = described.results[0]?.configs ?? [];
  assert.deepEqual([config?.value, config?.configSource], ["2147483647", 3]);
});

test("directory of another cluster is refused", async () => {
  const first = await openTestRegion({ brokers: 1, clusterId: "east" });
  const storage = killed(first);
  await assert.rejects(openTestRegion({ brokers: 1, clusterId: "west" }, { storage }), (error) =>
    hasFaultCode(error, "REGION_CLUSTER_MISMATCH"),
  );
});

test("full disk refuses records and commits without losing what was there, and goes on when there is room", async () => {
  await using world = await openTestRegion({ brokers: 1 });
  await world.createTopic("orders");
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a"]));
  world.storage.fillDisk();
  assert.equal(await commit(world, "billing", 1n), ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE);
  assert.equal((await send(client, "orders", batchOf(["b"]))).errorCode, ErrorCode.KAFKA_STORAGE_ERROR);
  world.storage.freeDisk();
  assert.equal((await send(client, "orders", batchOf(["c"]))).baseOffset, 1n);
  assert.equal(await committed(world, "billing"), -1n);
  assert.equal(await commit(world, "billing", 1n), ErrorCode.NONE);
});

test("region opens although a power failure took the end of the journal that the log had gone past", async () => {
  const first = await openTestRegion();
  await first.createTopic("orders", { assignment: [1, 2, 3] });
  const journalBytes = first.storage.readFile("region/cluster.journal").length;
  for (const brokerId of [1, 1]) {
    await first.region.stopBroker(brokerId);
    await send(await first.leader("orders"), "orders", batchOf(["a"]));
    await first.region.startBroker(brokerId);
  }
  await send(await first.leader("orders"), "orders", batchOf(["b"]));
  const epoch = first.region.partition("orders", 0)?.leaderEpoch ?? 0;
  const storage = killed(first);
  const journal = storage.open("region/cluster.journal", { create: false });
  journal.truncate(journalBytes);
  journal.close();
  await using second = await openTestRegion({}, { storage });
  assert.ok((second.region.partition("orders", 0)?.leaderEpoch ?? 0) > epoch);
  const answer = await fetched(await second.leader("orders"), "orders");
  assert.equal(answer.highWatermark, 3n);
});

test("full disk keeps a stopped leader's partitions waiting, and the election follows when there is room", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [1, 2, 3] });
  world.storage.fillDisk();
  await world.region.stopBroker(1);
  assert.equal(world.region.partition("orders", 0)?.leaderId, 1);
  world.storage.freeDisk();
  world.region.maintenance.dropLaggards();
  assert.equal(world.region.partition("orders", 0)?.leaderId, 2);
});

test("topic that a full disk kept from being made does not exist, and can be made when there is room", async () => {
  await using world = await openTestRegion({ brokers: 1 });
  await world.createTopic("first");
  world.storage.fillDisk();
  await assert.rejects(world.createTopic("orders"));
  assert.deepEqual(
    world.region.topics().map(({ name }) => name),
    ["first"],
  );
  world.storage.freeDisk();
  await world.createTopic("orders");
  assert.equal((await send(await world.leader("orders"), "orders", batchOf(["a"]))).errorCode, ErrorCode.NONE);
});
