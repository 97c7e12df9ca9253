/** Unclean elections on either side of a lane, and transactions that nobody ends. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { alterConfigs } from "../../src/client/configs.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { StoredLane } from "../../src/mirror/offset-ports.ts";
import { failingStorage } from "./failing-storage.ts";
import { contents, type EmbeddedSide, eventually, type MirrorWorker, MirrorWorld, type Side } from "./mirror-world.ts";

function laneOf(worker: MirrorWorker) {
  return worker.flow.status.lanes[0];
}

function reasonOf(worker: MirrorWorker): string | undefined {
  return laneOf(worker)?.reason?.code;
}

async function isCopied(world: MirrorWorld, west: Side, central: Side): Promise<boolean> {
  const [read, copied] = [await world.read(west, "orders", 0), await world.read(central, "west.orders", 0)];
  return read.length > 0 && contents(read).join() === contents(copied).join();
}

/** Replicas on every broker, and the right to elect one that is behind. */
async function replicated(side: Side, name: string): Promise<void> {
  const configs = { "unclean.leader.election.enable": "true", "min.insync.replicas": "1" };
  await createTopics(side.client, [{ name, partitions: 1, replicationFactor: 3, configs }]);
}

/** Replicas that stand still leave the in-sync set soon. */
const STRICT = { brokerConfigs: { "replica.lag.time.max.ms": "500" } };

/** Followers stand still and leave the in-sync set; what is appended meanwhile is lost when one of them leads. */
async function loseWhat(append: () => Promise<void>, side: EmbeddedSide, topic: string): Promise<void> {
  const { region } = side;
  const leader = region.partition(topic, 0)?.leaderId ?? assert.fail("no leader");
  const followers = region.runningBrokers.filter((id) => id !== leader);
  for (const id of followers) region.setFollowing(id, { isHeld: true });
  await append();
  await region.stopBroker(leader);
  for (const id of followers) region.setFollowing(id, { isHeld: false });
}

async function copyThree(world: MirrorWorld, west: Side, central: Side): Promise<void> {
  await world.produce(west, "orders", 0, 3);
  await eventually(() => isCopied(world, west, central), "what will be lost is copied");
}

test("lane lists the target offsets of what the source lost in an unclean election", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", STRICT), await world.side("central", { brokers: 1 })];
  await replicated(west, "orders");
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central);
  await eventually(() => isCopied(world, west, central), "it is copied");
  await loseWhat(() => copyThree(world, west, central), west, "orders");
  await world.produce(west, "orders", 0, 1);
  await eventually(() => reasonOf(worker) === "SOURCE_DIVERGED", "the lane stops");
  const reason = laneOf(worker)?.reason;
  assert.ok(reason?.code === "SOURCE_DIVERGED");
  assert.equal(reason.endOffset, 5n);
  assert.deepEqual(reason.copies, [{ fromOffset: 5n, toOffset: 8n }]);
});

/** Records of `ageMs` are copied, lost by the source, and followed by others. */
async function passesLoss(ageMs: number): Promise<MirrorWorker> {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", STRICT), await world.side("central", { brokers: 1 })];
  const produce = (count: number) => world.produce(west, "orders", 0, count, {}, Date.now() - ageMs);
  await replicated(west, "orders");
  await produce(5);
  const worker = await world.worker(west, central, { onDivergence: "continue" });
  await eventually(() => isCopied(world, west, central), "it is copied");
  await loseWhat(
    async () => {
      await produce(3);
      await eventually(() => isCopied(world, west, central), "what will be lost is copied");
    },
    west,
    "orders",
  );
  const before = contents(await world.read(central, "west.orders", 0));
  await produce(2);
  const since = async () => contents(await world.read(west, "orders", 0)).slice(5);
  await eventually(async () => {
    const copied = contents(await world.read(central, "west.orders", 0));
    return copied.join() === [...before, ...(await since())].join();
  }, "what the source has now follows, once");
  assert.equal((await since()).length, 2);
  assert.deepEqual(
    laneOf(worker)?.gaps.map(({ fromOffset, toOffset, cause }) => [fromOffset, toOffset, cause]),
    [[5n, 8n, "diverged"]],
  );
  return worker;
}

test("lane goes on behind what the source lost where it is told to", async () => {
  assert.equal(laneOf(await passesLoss(0))?.reason, undefined);
});

test("lane goes on behind what the source lost where it is told to, in history mode too", async () => {
  const lane = laneOf(await passesLoss(20 * 3_600_000));
  assert.equal(lane?.mode, "history");
  assert.equal(lane?.reason, undefined);
});

/** What is stored of the only lane. */
async function storedOf({ client }: Side): Promise<StoredLane> {
  const deps = { client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger };
  await using progress = await openKafkaProgress({ readOnly: true }, deps);
  const [state] = await progress.list();
  return progress.load(state?.lane ?? assert.fail("nothing is stored"));
}

test("lane sends again what the target lost in an unclean election", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", STRICT)];
  await replicated(central, "west.orders");
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central, { checkEveryMs: 200 });
  await eventually(() => isCopied(world, west, central), "it is copied");
  await loseWhat(() => copyThree(world, west, central), central, "west.orders");
  await eventually(() => isCopied(world, west, central), "it is there again");
  await eventually(() => laneOf(worker)?.takeovers.truncated === 1, "the lane says so");
  const leaderEpoch = central.region.partition("west.orders", 0)?.leaderEpoch ?? assert.fail("no leader");
  for (const { brokerId } of central.region.endpoints) await central.region.startBroker(brokerId);
  await worker.stop();
  const stored = await storedOf(central);
  assert.ok(leaderEpoch > 0);
  assert.deepEqual([stored.state?.targetEpoch, stored.map?.targetEpoch], [leaderEpoch, leaderEpoch]);
});

test("lane counts what its filter leaves out once, however often the target refuses the rest", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  await world.topic(central, "west.orders", 1, { "max.message.bytes": "70" });
  await world.produce(west, "orders", 0, 50);
  const filter = { keys: { include: [], exclude: ["k1*"] } };
  const worker = await world.worker(west, central, { filter });
  await eventually(() => reasonOf(worker) === "TARGET_REFUSED", "the lane tells");
  const resource = { type: "topic", name: "west.orders" } as const;
  await alterConfigs(central.client, resource, { changes: [{ name: "max.message.bytes", value: "1000000" }] });
  await eventually(() => laneOf(worker)?.count === 39n, "the rest is copied");
  const counts = laneOf(worker)?.counts;
  assert.deepEqual([counts?.filteredRecords.key, counts?.rewrittenBatches.filter], [11, 1]);
});

test("lane waits while the target takes no batch of this size, and goes on when it does", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 1);
  const worker = await world.worker(west, central);
  await eventually(() => isCopied(world, west, central), "it is copied");
  const resource = { type: "topic", name: "west.orders" } as const;
  const set = (value: string) =>
    alterConfigs(central.client, resource, { changes: [{ name: "max.message.bytes", value }] });
  await set("100");
  await world.produce(west, "orders", 0, 50);
  await eventually(() => reasonOf(worker) === "TARGET_REFUSED", "the lane tells");
  assert.equal(laneOf(worker)?.state, "waiting");
  await set("1000000");
  await eventually(() => isCopied(world, west, central), "the lane goes on", 60_000);
  assert.equal(reasonOf(worker), undefined);
});

test("lane waits while the target's disk is full, and loses and repeats nothing", async () => {
  await using world = new MirrorWorld();
  const storage = failingStorage();
  const [west, central] = [
    await world.side("west", { brokers: 1 }),
    await world.side("central", { brokers: 1 }, storage),
  ];
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central);
  await eventually(() => isCopied(world, west, central), "it is copied");
  storage.isFull = true;
  await world.produce(west, "orders", 0, 5);
  await eventually(() => reasonOf(worker) !== undefined, "the lane tells");
  assert.notEqual(laneOf(worker)?.state, "stopped");
  storage.isFull = false;
  await eventually(() => isCopied(world, west, central), "the lane goes on");
  assert.equal(laneOf(worker)?.repeats, 0n);
});
