/** A flow between two embedded regions, over real sockets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { contents, eventually, MirrorWorld, type Side } from "./mirror-world.ts";

async function copied(world: MirrorWorld, west: Side, central: Side, topic: string, partitions: number) {
  for (let index = 0; index < partitions; index++) {
    const source = contents(await world.read(west, topic, index));
    const target = contents(await world.read(central, `west.${topic}`, index));
    if (source.length !== target.length) return false;
    assert.deepEqual(target, source);
  }
  return true;
}

test("flow copies every record of every codec into a renamed topic that it makes itself", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west"), await world.side("central")];
  await world.topic(west, "orders", 3);
  for (const codec of [0, 1, 2, 3, 4] as const)
    for (const index of [0, 1, 2]) await world.produce(west, "orders", index, 50, { codec });
  const worker = await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 3), "everything is copied");
  for (const index of [0, 1, 2]) await world.produce(west, "orders", index, 10);
  await eventually(() => copied(world, west, central, "orders", 3), "new records are copied");
  await eventually(() => worker.flow.status.lagRecords === 0n, "no lag");
  const { lanes } = worker.flow.status;
  assert.deepEqual(
    lanes.map(({ state, count }) => ({ state, count })),
    [0, 1, 2].map(() => ({ state: "copying", count: 260n })),
  );
});

test("flow repeats nothing when its worker is killed again and again while copying", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west"), await world.side("central")];
  await world.topic(west, "orders", 2);
  let producing = true;
  const produced = (async () => {
    for (let i = 0; producing && i < 400; i++) await world.produce(west, "orders", i % 2, 1 + (i % 7));
  })();
  for (let kill = 0; kill < 4; kill++) {
    const worker = await world.worker(west, central);
    const before = kill * 5;
    await eventually(async () => (await world.read(central, "west.orders", 0)).length > before, "it copies");
    await worker.kill();
  }
  await produced;
  producing = false;
  const worker = await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 2), "everything is copied");
  await worker.stop();
  assert.ok(await copied(world, west, central, "orders", 2));
});

test("flow repeats nothing when two workers copy the same lanes and a target broker stops", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west"), await world.side("central")];
  await world.topic(west, "orders", 4);
  const workers = [await world.worker(west, central), await world.worker(west, central)];
  for (let i = 0; i < 200; i++) {
    await world.produce(west, "orders", i % 4, 1 + (i % 5));
    if (i === 60) await central.region.stopBroker(2);
    if (i === 140) await central.region.startBroker(2);
  }
  await eventually(() => copied(world, west, central, "orders", 4), "everything is copied");
  for (const worker of workers) await worker.stop();
  assert.ok(await copied(world, west, central, "orders", 4));
});

test("flow copies new topics and partitions soon after they appear", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  await world.worker(west, central);
  await world.topic(west, "later", 1);
  await world.produce(west, "later", 0, 5);
  await eventually(() => copied(world, west, central, "later", 1), "the new topic is copied");
});
