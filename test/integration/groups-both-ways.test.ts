/** Positions of groups where two embedded regions write one topic and mirror it both ways. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { commitOffsets, fetchOffsets } from "../../src/client/groups.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { MirrorWorld, type Side } from "./mirror-world.ts";

const GROUP = "billing";

function mirror(from: string, to: string): string {
  return `name: ${from}-${to}, from: ${from}, to: ${to}, topics: orders, rename: "{topic}", groups: {include: "*", every: 100ms}`;
}

async function end({ client }: Side): Promise<number> {
  const [bounds] = await logBounds(client, [{ topic: "orders", index: 0 }]);
  return Number(bounds?.endOffset ?? -1n);
}

async function position({ client }: Side): Promise<number> {
  const [answer] = await fetchOffsets(client, [{ groupId: GROUP }], { requireStable: false });
  return Number(answer?.offsets[0]?.committedOffset ?? -1n);
}

async function commitAt({ client }: Side, offset: number): Promise<void> {
  const offsets = [{ topic: "orders", index: 0, committedOffset: BigInt(offset) }];
  await commitOffsets(client, GROUP, { offsets });
}

test("a group that has read all has read all on the other side, however long one side was silent", async () => {
  await using world = new MirrorWorld();
  const [west, east] = [await world.side("west", { brokers: 1 }), await world.side("east", { brokers: 1 })];
  for (const side of [west, east]) await world.topic(side, "orders", 1);
  const regions = { west: west.region.endpoints, east: east.region.endpoints };
  await using topology = new TopologyWorld({ regions, mirrors: [mirror("west", "east"), mirror("east", "west")] });
  let worker = await topology.worker();
  const bothHold = async (count: number): Promise<void> => {
    for (const side of [west, east]) await comesTo(() => end(side), count);
  };
  await world.produce(west, "orders", 0, 5);
  await bothHold(5);
  for (let i = 0; i < 4; i++) await world.produce(east, "orders", 0, 10);
  await bothHold(45);
  await commitAt(west, 45);
  await comesTo(() => position(east), 45);
  await worker.close();
  worker = await topology.worker();
  await world.produce(east, "orders", 0, 10);
  await bothHold(55);
  await commitAt(west, 50);
  await comesTo(() => position(east), 50);
  await commitAt(east, 55);
  await comesTo(() => position(west), 55);
});

test("a group skips nothing on the other side when another worker, or none, runs the way back", async () => {
  await using world = new MirrorWorld();
  const [west, east] = [await world.side("west", { brokers: 1 }), await world.side("east", { brokers: 1 })];
  for (const side of [west, east]) await world.topic(side, "orders", 1);
  const regions = { west: west.region.endpoints, east: east.region.endpoints };
  const mirrors = [mirror("west", "east"), mirror("east", "west")];
  await using there = new TopologyWorld({ regions, mirrors });
  await using back = new TopologyWorld({ regions, mirrors });
  await world.produce(east, "orders", 0, 10);
  await world.produce(west, "orders", 0, 5);
  const worker = await there.worker(["west-east"]);
  await comesTo(() => end(east), 15);
  await commitAt(west, 5);
  await comesTo(() => (worker.status.flows[0]?.groups.synced ?? 0) > 0, true);
  await comesTo(() => (worker.status.flows[0]?.groups.translations.failed ?? 0) > 2, true);
  assert.equal(await position(east), -1, "what was written in east has not been read by the group");
  await back.worker(["east-west"]);
  await comesTo(() => end(west), 15);
  await commitAt(west, 8);
  await comesTo(() => position(east), 3);
  await commitAt(west, 15);
  await comesTo(() => position(east), 15);
});
