/** Deletions of topics follow between embedded regions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createTopics, deleteTopics, listTopics } from "../../src/client/admin.ts";
import type { MirrorWorker } from "../../src/runtime/worker.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { MirrorWorld, type Side } from "./mirror-world.ts";

const MIRROR = 'name: in, from: west, to: hub, topics: "*", rename: "{source}.{topic}"';

async function names({ client }: Side): Promise<readonly string[]> {
  return (await listTopics(client)).map(({ name }) => name).filter((name) => !name.startsWith("tributary."));
}

/** What the worker says of copies without a source. */
function orphans(worker: MirrorWorker) {
  return worker.status.flows.flatMap(({ metadata }) =>
    metadata.orphans.map(({ targetTopic, dueMs, why }) => `${targetTopic} ${dueMs === null ? "kept" : "due"}: ${why}`),
  );
}

function lag(worker: MirrorWorker): number {
  return worker.status.flows.flatMap(({ lanes }) => lanes).filter(({ lagRecords }) => lagRecords !== 0).length;
}

test("copies of deleted topics go after the grace, but not those that others wrote to or made", async () => {
  await using world = new MirrorWorld();
  const [west, hub] = [await world.side("west", { brokers: 1 }), await world.side("hub", { brokers: 1 })];
  await using topology = new TopologyWorld({
    regions: { west: west.region.endpoints, hub: hub.region.endpoints },
    mirrors: [`${MIRROR}, onDelete: delete, deleteAfter: 2s`],
  });
  for (const name of ["own", "empty", "shared", "theirs", "stays"]) await world.topic(west, name, 2);
  await world.topic(hub, "west.theirs", 2);
  for (const name of ["own", "shared", "theirs", "stays"]) await world.produce(west, name, 0, 5);
  const first = await topology.worker();
  await comesTo(async () => (await names(hub)).length, 5);
  await comesTo(() => first.status.flows[0]?.lanes.length, 10);
  await comesTo(() => lag(first), 0);
  await world.produce(hub, "west.shared", 1, 1);
  await deleteTopics(west.client, ["own", "empty", "shared", "theirs"]);
  await comesTo(() => orphans(first).length, 4);
  const planned = await topology.command("topology", "plan");
  assert.match(planned.text, /- hub west\.own {3}own of west is gone; deleted by the worker after 20/);
  await first.close();
  const second = await topology.worker();
  await comesTo(async () => (await names(hub)).toSorted(), ["west.shared", "west.stays", "west.theirs"]);
  await comesTo(
    () => orphans(second).toSorted(),
    [
      "west.shared kept: partition 1 holds records that the mirror did not write, at offset 0",
      "west.theirs kept: the mirror did not make it",
    ],
  );
  assert.equal(second.status.flows[0]?.metadata.topicsDeleted, 2);
  await comesTo(() => new Set(second.status.flows[0]?.lanes.map(({ sourceTopic }) => sourceTopic)), new Set(["stays"]));
  await createTopics(west.client, [{ name: "own", partitions: 2, replicationFactor: 1 }]);
  await comesTo(async () => (await names(hub)).includes("west.own"), true);
});

test("copies of deleted topics are kept unless the mirror says otherwise", async () => {
  await using world = new MirrorWorld();
  const [west, hub] = [await world.side("west", { brokers: 1 }), await world.side("hub", { brokers: 1 })];
  const regions = { west: west.region.endpoints, hub: hub.region.endpoints };
  await using topology = new TopologyWorld({ regions, mirrors: [MIRROR] });
  for (const name of ["gone", "stays"]) await world.topic(west, name, 1);
  const worker = await topology.worker();
  await comesTo(async () => (await names(hub)).length, 2);
  await deleteTopics(west.client, ["gone"]);
  await comesTo(() => orphans(worker), ["west.gone kept: onDelete is keep"]);
  assert.deepEqual((await names(hub)).toSorted(), ["west.gone", "west.stays"]);
  assert.match((await topology.command("topology", "plan")).text, /gone of west is gone; kept \(onDelete: keep\)/);
  const status = await topology.command("mirror", "status");
  assert.match(status.text, /gone is gone since .*; its copy west\.gone is kept: onDelete is keep/);
});
