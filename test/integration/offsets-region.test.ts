/** Offset maps, lanes' state and groups on embedded regions: what is stored survives, what is translated is exact. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { KafkaGroups } from "../../src/adapters/kafka-groups.ts";
import { type KafkaProgressStore, openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { nodeStorage } from "../../src/adapters/node-storage.ts";
import { EmbeddedRegion } from "../../src/broker/embedded-region.ts";
import { createTopics } from "../../src/client/admin.ts";
import { fetchFrom } from "../../src/client/fetch.ts";
import { commitOffsets, fetchOffsets } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { syncGroups } from "../../src/mirror/groups.ts";
import { OffsetMap } from "../../src/mirror/offset-map.ts";
import type { LaneDirectory } from "../../src/mirror/offset-ports.ts";
import { LANES_TOPIC, OFFSETS_TOPIC } from "../../src/mirror/state-record-keys.ts";
import { joinGroup } from "../../src/wire/apis/11-join-group.ts";
import { batchesIn } from "../../src/wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../../src/wire/records.ts";
import { lane, stateOf } from "../support/sample-lane.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

/** A region with a client, in a directory that goes with it. */
class World implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "offsets-"));
  readonly #open: AsyncDisposable[] = [];

  async region(name: string, brokers: number): Promise<EmbeddedRegion> {
    const directory = join(this.directory, name);
    const region = await EmbeddedRegion.open({ brokers, directory }, { ...deps, storage: nodeStorage() });
    this.#open.push({ [Symbol.asyncDispose]: () => region.close() });
    return region;
  }

  async client(region: EmbeddedRegion): Promise<KafkaClient> {
    const bootstrap = [...region.endpoints.values()];
    const client = await KafkaClient.open({ bootstrap, clientId: "offsets-test" }, deps);
    this.#open.push(client);
    return client;
  }

  async store(client: KafkaClient): Promise<KafkaProgressStore> {
    const store = await openKafkaProgress({}, { ...deps, client });
    this.#open.push(store);
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#open.reverse()) await each[Symbol.asyncDispose]();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function leaderOf(client: KafkaClient, topic: string): number {
  return client.metadata.leaderOf(topic, 0)?.leaderId ?? -1;
}

async function produceValues(client: KafkaClient, topic: string, values: readonly string[]): Promise<bigint> {
  const records = values.map((value) => ({ timestampMs: 0n, key: null, value: Buffer.from(value) }));
  const partition = { topic, topicId: ZERO_UUID, index: 0, records: encodeBatch(records, {}).bytes };
  const [outcome] = await produceTo(client, leaderOf(client, topic), { partitions: [partition], acks: -1 });
  assert.equal(outcome?.errorCode, 0);
  return outcome?.baseOffset ?? -1n;
}

/** All values from an offset on. */
async function valuesFrom(client: KafkaClient, topic: string, fetchOffset: bigint): Promise<readonly string[]> {
  const at = { topic, topicId: ZERO_UUID, index: 0, fetchOffset, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
  const [fetched] = await fetchFrom(client, leaderOf(client, topic), {
    partitions: [{ ...at, maxBytes: 1 << 20 }],
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: 1 << 20,
    isolation: "read_uncommitted",
  });
  return [...batchesIn(fetched?.records ?? Buffer.alloc(0))].flatMap((batch) =>
    decodeRecords(batch)
      .filter((record) => batch.baseOffset + BigInt(record.offsetDelta) >= fetchOffset)
      .map((record) => String(record.value)),
  );
}

/** Copies `values` of the source in batches of 7, leaves out every value that ends in 3, and lets others write between. */
async function mirror(hub: KafkaClient, values: readonly string[]): Promise<OffsetMap> {
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  for (let from = 0; from < values.length; from += 7) {
    const end = Math.min(values.length, from + 7);
    const wanted = [...values.keys()].slice(from, end).filter((offset) => !values[offset]?.endsWith("3"));
    const base = await produceValues(
      hub,
      "east.orders",
      wanted.map((offset) => values[offset] ?? ""),
    );
    for (const [index, offset] of wanted.entries()) {
      map.append({ sourceStart: BigInt(offset), targetStart: base + BigInt(index), length: 1 });
    }
    map.advanceTo(BigInt(end));
    if (from % 21 === 0) await produceValues(hub, "east.orders", [`foreign ${from}`]);
  }
  return map;
}

/** 200 values of `orders`, mirrored from east to hub. */
async function openMirrored(world: World) {
  const eastRegion = await world.region("east", 1);
  const hubRegion = await world.region("hub", 3);
  const east = await world.client(eastRegion);
  const hub = await world.client(hubRegion);
  await createTopics(east, [{ name: "orders", partitions: 1 }]);
  await createTopics(hub, [{ name: "east.orders", partitions: 1 }]);
  const values = Array.from({ length: 200 }, (_, offset) => `order ${offset}`);
  await produceValues(east, "orders", values);
  const map = await mirror(hub, values);
  return { east, hub, hubRegion, values, map };
}

function assertSame(read: OffsetMap | undefined, written: OffsetMap): void {
  assert.deepEqual(read?.progress, written.progress);
  for (let offset = 0n; offset <= 205n; offset++) {
    assert.deepEqual(read?.translate(offset), written.translate(offset));
    assert.deepEqual(read?.reverse(offset), written.reverse(offset));
  }
}

test("Progress store makes compacted topics and gives another worker state and map as they were", async () => {
  await using world = new World();
  const { hub, map } = await openMirrored(world);
  const store = await world.store(hub);
  store.save(stateOf(map), map);
  await store.flush();
  const second = await world.store(hub);
  const loaded = await second.load(lane);
  assert.deepEqual(loaded.state, stateOf(map));
  assertSame(loaded.map, map);
  for (const name of [LANES_TOPIC, OFFSETS_TOPIC]) {
    assert.equal(hub.metadata.topic(name)?.partitions[0]?.replicas.length, 3);
  }
});

test("Progress store survives the stop of a broker and a restart of the region", async () => {
  await using world = new World();
  const { hub, hubRegion, map } = await openMirrored(world);
  const store = await world.store(hub);
  store.save(stateOf(map), map);
  await store.flush();
  await hubRegion.stopBroker(leaderOf(hub, OFFSETS_TOPIC));
  map.append({ sourceStart: 200n, targetStart: map.progress.targetNext, length: 1 });
  store.save(stateOf(map), map);
  await store.flush();
  assertSame((await store.load(lane)).map, map);
  await store.close();
  await hubRegion.close();
  const again = await world.store(await world.client(await world.region("hub", 3)));
  assertSame((await again.load(lane)).map, map);
});

test("A group that moved reads exactly the values that it has not read", async () => {
  await using world = new World();
  const { east, hub, values, map } = await openMirrored(world);
  const company = { kind: "alone" } as const;
  const lanes: LaneDirectory = {
    find: (topic, partition) =>
      topic === "orders" && partition === 0
        ? { targetTopic: "east.orders", targetPartition: 0, map, company }
        : undefined,
  };
  const committed = [0, 3, 4, 7, 100, 133, 199, 200];
  for (const offset of committed) {
    const commit = {
      topic: "orders",
      index: 0,
      committedOffset: BigInt(offset),
      committedMetadata: `at ${offset}`,
    };
    await commitOffsets(east, `group-${offset}`, { offsets: [commit] });
  }
  const source = new KafkaGroups({ client: east, logger: silentLogger });
  const target = new KafkaGroups({ client: hub, logger: silentLogger });
  const report = await syncGroups({ matches: () => true }, { source, target, targetLogs: target, lanes });
  assert.deepEqual(
    report.entries.filter((entry) => !entry.written),
    [],
  );
  for (const offset of committed) {
    const [there] = await fetchOffsets(hub, [{ groupId: `group-${offset}` }]);
    const position = there?.offsets.find((each) => each.topic === "east.orders");
    assert.equal(position?.committedMetadata, `at ${offset}`);
    const unread = values.slice(offset).filter((value) => !value.endsWith("3"));
    const read = await valuesFrom(hub, "east.orders", position?.committedOffset ?? -1n);
    assert.deepEqual(
      read.filter((value) => !value.startsWith("foreign")),
      unread,
      `group-${offset}`,
    );
  }
  const again = await syncGroups({ matches: () => true }, { source, target, targetLogs: target, lanes });
  assert.deepEqual(new Set(again.entries.map((entry) => entry.reason)), new Set(["unchanged"]));
});

test("Progress store writes and reads a map that is larger than a record batch", async () => {
  await using world = new World();
  const client = await world.client(await world.region("hub", 1));
  const map = OffsetMap.startingAt({ sourceNext: 0n, targetNext: 0n, count: 0n });
  for (let i = 0n; i < 250_000n; i++) map.append({ sourceStart: i * 7n, targetStart: i * 5n, length: 5 });
  const store = await world.store(client);
  store.save(stateOf(map), map);
  await store.flush();
  const loaded = await (await world.store(client)).load(lane);
  assert.equal(loaded.map?.runCount, 250_000);
  assert.deepEqual(loaded.map?.progress, map.progress);
  assert.deepEqual(loaded.map?.translate(1_234_567n), map.translate(1_234_567n));
});

test("A store that only reads finds nothing in a new region and leaves nothing behind", async () => {
  await using world = new World();
  const region = await world.region("hub", 1);
  await using store = await openKafkaProgress({ readOnly: true }, { ...deps, client: await world.client(region) });
  assert.deepEqual(await store.load(lane), { state: undefined, map: undefined });
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(region.topics(), []);
});

test("Group sync leaves a group alone that has a member on the target, even when it joined a moment ago", async () => {
  await using world = new World();
  const { hub } = await openMirrored(world);
  const groups = new KafkaGroups({ client: hub, logger: silentLogger });
  const commit = { topic: "east.orders", partition: 0, offset: 5n, metadata: "" };
  assert.deepEqual(await groups.occupancy(["billing"]), new Map([["billing", "absent"]]));
  assert.deepEqual(await groups.commit("billing", [commit]), [undefined]);
  assert.deepEqual(await groups.occupancy(["billing"]), new Map([["billing", "empty"]]));
  assert.deepEqual(await groups.committed(["billing"]), new Map([["billing", [commit]]]));
  await enterGroup(hub, "billing");
  assert.deepEqual(await groups.occupancy(["billing"]), new Map([["billing", "active"]]));
  assert.deepEqual(await groups.commit("billing", [{ ...commit, offset: 9n }]), ["UNKNOWN_MEMBER_ID"]);
  assert.deepEqual(await groups.committed(["billing"]), new Map([["billing", [commit]]]));
});

/** Becomes the group's only member. */
async function enterGroup(client: KafkaClient, groupId: string): Promise<void> {
  const [place] = await client.coordinators.locate("group", [groupId], { isRetry: false });
  const nodeId = place !== undefined && "nodeId" in place ? place.nodeId : -1;
  const protocols = [{ name: "range", metadata: Buffer.alloc(0) }];
  const body = { groupId, sessionTimeoutMs: 30_000, rebalanceTimeoutMs: 1_000, protocolType: "consumer", protocols };
  const { memberId } = await client.request(nodeId, joinGroup, { ...body, memberId: "" });
  const answer = await client.request(nodeId, joinGroup, { ...body, memberId });
  assert.equal(answer.errorCode, 0);
}
