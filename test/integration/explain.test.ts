/** `offsets explain` on running regions names what lies in a hole. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { MirrorWorld } from "./mirror-world.ts";

const FILTER = "filter: {keys: {exclude: [secret]}, skipTombstones: true}";
const MIRROR = `name: in, from: west, to: hub, topics: orders, rename: "{source}.{topic}", ${FILTER}`;

test("offsets explain names the record that the filter left out, and the source that cannot be asked", async () => {
  await using world = new MirrorWorld();
  const [west, hub] = [await world.side("west", { brokers: 1 }), await world.side("hub", { brokers: 1 })];
  await world.topic(west, "orders", 1);
  const record = (key: string, value: string | null) => {
    return {
      timestampMs: BigInt(Date.now()),
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    };
  };
  const records = [record("a", "1"), record("secret", "2"), record("b", null), record("c", "3"), record("secret", "4")];
  const item = { topic: "orders", topicId: ZERO_UUID, index: 0, records: encodeBatch(records).bytes };
  const leader = west.client.metadata.leaderOf("orders", 0)?.leaderId ?? -1;
  await produceTo(west.client, leader, { partitions: [item], acks: -1 });
  const regions = { west: west.region.endpoints, hub: hub.region.endpoints };
  await using topology = new TopologyWorld({ regions, mirrors: [MIRROR] });
  const worker = await topology.worker();
  await comesTo(() => worker.status.flows[0]?.lanes[0]?.sourceNext, 5);
  await worker.close();
  const explain = async (offset: number): Promise<string> =>
    (await topology.command("offsets", "explain", "--topic", "orders", "--partition", "0", "--offset", String(offset)))
      .text;
  assert.match(await explain(0), /because {7}record 0 of the run/);
  assert.match(await explain(1), /source 1 {6}is left out by the filter \(key\)/);
  assert.match(await explain(2), /source 2 {6}is left out by the filter \(tombstone\)/);
  assert.match(await explain(4), /source 4 {6}is left out by the filter \(key\)/);
  await west.region.close();
  assert.match(await explain(1), /-> {2}hub west\.orders\/0 @ 1 {2}\(exact\)[\s\S]*source 1 {6}cannot be looked at: /);
});
