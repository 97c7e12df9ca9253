/** Topics that appear, grow, or are deleted and made again while a flow runs. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createPartitions, deleteTopics } from "../../src/client/admin.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { contents, eventually, type MirrorWorker, MirrorWorld, type Side } from "./mirror-world.ts";

async function sides(world: MirrorWorld): Promise<readonly [Side, Side]> {
  return [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
}

/** The reasons of all lanes, "" for none. */
function reasons({ flow }: MirrorWorker): readonly string[] {
  return flow.status.lanes.map(({ reason }) => reason?.code ?? "");
}

async function isCopied(world: MirrorWorld, west: Side, central: Side, index = 0): Promise<boolean> {
  const read = await world.read(west, "orders", index);
  return read.length > 0 && contents(read).join() === contents(await world.read(central, "west.orders", index)).join();
}

/** The source topic is copied, deleted and made again with three other records. */
async function madeAgain(world: MirrorWorld, onRecreate: "stop" | "restart") {
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central, { onRecreate });
  await eventually(() => isCopied(world, west, central), "it is copied");
  await deleteTopics(west.client, ["orders"]);
  await eventually(() => reasons(worker).join() === "SOURCE_TOPIC_DELETED", "the lane stops");
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 3);
  return { west, central, worker };
}

test("flow tells of one lane when its topic was made again, and begins anew when told to restart", async () => {
  await using world = new MirrorWorld();
  const { west, central, worker } = await madeAgain(world, "stop");
  await eventually(() => reasons(worker).join() === "SOURCE_TOPIC_RECREATED", "the new topic is noticed");
  await worker.stop();
  const second = await world.worker(west, central);
  await eventually(() => reasons(second).join() === "SOURCE_TOPIC_RECREATED", "the next worker stops, too");
  await second.stop();
  const third = await world.worker(west, central, { onRecreate: "restart" });
  await eventually(async () => (await world.read(central, "west.orders", 0)).length === 8, "the new records follow");
  assert.deepEqual(
    third.flow.status.lanes.map(({ state }) => state),
    ["copying"],
  );
});

test("flow goes on by itself with a topic that was made again where it may", async () => {
  await using world = new MirrorWorld();
  const { central, worker } = await madeAgain(world, "restart");
  await eventually(async () => (await world.read(central, "west.orders", 0)).length === 8, "the new records follow");
  assert.deepEqual(reasons(worker), [""]);
});

test("flow copies everything again into a target topic that was deleted, and tells of no other lane", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central);
  for (const ending of ["in silence", "while records come"]) {
    await eventually(() => isCopied(world, west, central), "it is copied");
    await deleteTopics(central.client, ["west.orders"]);
    if (ending !== "in silence") await world.produce(west, "orders", 0, 5);
    await eventually(() => isCopied(world, west, central), `it is copied again, deleted ${ending}`);
    assert.deepEqual(reasons(worker), [""], ending);
  }
  await world.produce(west, "orders", 0, 5);
  await eventually(() => isCopied(world, west, central), "it goes on");
});

test("flow that starts at the end loses nothing of partitions and topics that appear later", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await world.worker(west, central, { start: "latest", discoverEveryMs: 500 });
  await eventually(() => worker.flow.status.lanes[0]?.sourceNext === 5n, "the lane begins at the end");
  await createPartitions(west.client, [{ name: "orders", count: 2 }]);
  await world.produce(west, "orders", 1, 3);
  await world.topic(west, "new", 1);
  await world.produce(west, "new", 0, 4);
  await eventually(() => isCopied(world, west, central, 1), "the new partition is copied from its beginning");
  await eventually(async () => (await world.read(central, "west.new", 0)).length === 4, "and the new topic");
  await worker.stop();
  await createPartitions(west.client, [{ name: "orders", count: 3 }]);
  await world.produce(west, "orders", 2, 2);
  await world.worker(west, central, { start: "latest" });
  await eventually(() => isCopied(world, west, central, 2), "what came while no worker ran is copied, too");
  assert.deepEqual(await world.read(central, "west.orders", 0), []);
});

test("plan tells of a source topic that was made again before a worker stops there", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  const regions = { west: west.region.endpoints, central: central.region.endpoints };
  const mirror = 'name: in, from: west, to: central, topics: orders, rename: "{source}.{topic}"';
  await using topology = new TopologyWorld({ regions, mirrors: [mirror] });
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const worker = await topology.worker();
  await comesTo(() => worker.status.flows[0]?.lanes[0]?.sourceNext, 5);
  await worker.close();
  const told = async () => /the copy is of an earlier orders/.test((await topology.command("topology", "plan")).text);
  assert.equal(await told(), false);
  await deleteTopics(west.client, ["orders"]);
  await world.topic(west, "orders", 1);
  assert.equal(await told(), true);
});
