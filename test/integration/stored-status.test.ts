/** What commands tell without a worker, from what is stored on the targets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { deleteTopics } from "../../src/client/admin.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { MirrorWorld } from "./mirror-world.ts";

async function lag(topology: TopologyWorld): Promise<readonly (readonly [string, number])[]> {
  const { text } = await topology.command("-q", "lag", "-o", "json");
  const { rows } = JSON.parse(text) as { readonly rows: readonly { target_topic: string; lag_records: number }[] };
  return rows.map((row) => [row.target_topic, row.lag_records] as const).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

async function translated(topology: TopologyWorld, source: string, offset: number): Promise<number> {
  const question = ["--topic", "orders", "--partition", "0", "--offset", String(offset), "--target", "hub"];
  const { text } = await topology.command("-q", "offsets", "translate", ...question, "--source", source, "-o", "json");
  return (JSON.parse(text) as { readonly translated: number }).translated;
}

test("lag without a worker tells lanes of one topic apart, and knows a copy that was made again", async () => {
  await using world = new MirrorWorld();
  const [west, hub] = [await world.side("west", { brokers: 1 }), await world.side("hub", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const regions = { west: west.region.endpoints, hub: hub.region.endpoints };
  const mirrors = ["a", "b"].map(
    (name) => `name: ${name}, from: west, to: hub, topics: orders, rename: "${name}.{topic}"`,
  );
  await using topology = new TopologyWorld({ regions, mirrors });
  const both = await topology.worker();
  await comesTo(() => both.status.flows.map(({ lanes }) => lanes[0]?.sourceNext), [5, 5]);
  await deleteTopics(hub.client, ["a.orders"]);
  await comesTo(async () => (await world.read(hub, "a.orders", 0)).length, 5);
  await both.close();
  await world.produce(west, "orders", 0, 2);
  const one = await topology.worker(["a"]);
  await comesTo(() => one.status.flows[0]?.lanes[0]?.sourceNext, 7);
  await one.close();
  assert.deepEqual(await lag(topology), [
    ["a.orders", 0],
    ["b.orders", 2],
  ]);
});

test("offsets of one topic are translated by the map of the source that is asked about", async () => {
  await using world = new MirrorWorld();
  const sides = { west: await world.side("west", { brokers: 1 }), east: await world.side("east", { brokers: 1 }) };
  const hub = await world.side("hub", { brokers: 1 });
  for (const side of Object.values(sides)) await world.topic(side, "orders", 1);
  await world.produce(sides.west, "orders", 0, 3);
  const regions = {
    west: sides.west.region.endpoints,
    east: sides.east.region.endpoints,
    hub: hub.region.endpoints,
  };
  const mesh = 'name: mesh, from: [west, east, hub], to: [west, east, hub], topics: orders, rename: "{topic}"';
  await using topology = new TopologyWorld({ regions, mirrors: [mesh] });
  const worker = await topology.worker();
  await comesTo(async () => (await world.read(hub, "orders", 0)).length, 3);
  await world.produce(sides.east, "orders", 0, 4);
  await comesTo(async () => (await world.read(hub, "orders", 0)).length, 7);
  await worker.close();
  assert.equal(await translated(topology, "west", 0), 0);
  // East's first own record lies behind those that the mirror brought there.
  assert.equal(await translated(topology, "east", 3), 3);
});
