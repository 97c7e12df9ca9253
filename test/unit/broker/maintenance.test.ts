/** What a region does by the clock: retention, expiry of producers, groups that move. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { offsetCommit } from "../../../src/wire/apis/08-offset-commit.ts";
import { findCoordinator } from "../../../src/wire/apis/10-find-coordinator.ts";
import { joinGroup } from "../../../src/wire/apis/11-join-group.ts";
import { heartbeat } from "../../../src/wire/apis/12-heartbeat.ts";
import { listGroups } from "../../../src/wire/apis/16-list-groups.ts";
import { describeProducers } from "../../../src/wire/apis/61-describe-producers.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, openTestRegion, send, type TestRegion } from "./region-fixture.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

async function commit(world: TestRegion, groupId: string): Promise<number | undefined> {
  const client = await world.connect(world.region.coordinatorOf(groupId));
  const answer = await client.ask(offsetCommit, 8, {
    ...{ groupId, generationId: -1, memberId: "" },
    topics: [{ name: "orders", partitions: [{ index: 0, committedOffset: 1n, committedMetadata: null }] }],
  });
  return answer.topics[0]?.partitions[0]?.errorCode;
}

test("retention deletes segments past their time at its check, never past the high watermark", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders", { assignment: [1, 2, 3], configs: { "retention.ms": "60000" } });
  const client = await world.leader("orders");
  await send(client, "orders", batchOf(["a"]));
  world.region.partitionLog("orders", 0)?.roll();
  world.region.setFollowing(2, { isHeld: true });
  await send(client, "orders", batchOf(["b"]), { acks: 1 });
  await world.clock.advance(10 * MINUTE_MS);
  const log = world.region.partitionLog("orders", 0);
  assert.ok((log?.startOffset ?? 0n) >= 1n);
  assert.ok((log?.startOffset ?? 0n) <= (world.region.partition("orders", 0)?.highWatermark ?? 0n));
});

test("producer is forgotten when its last record's time is older than the expiration, and any sequence is accepted", async () => {
  await using world = await openTestRegion({ brokers: 1 });
  await world.createTopic("orders", { configs: { "retention.ms": "-1" } });
  const client = await world.leader("orders");
  const producer = { producerId: 9n, producerEpoch: 0 };
  await send(client, "orders", batchOf(["a"], { ...producer, baseSequence: 0 }));
  const known = async (): Promise<number | undefined> => {
    const answer = await client.ask(describeProducers, 0, { topics: [{ name: "orders", partitionIndexes: [0] }] });
    return answer.topics[0]?.partitions[0]?.activeProducers.length;
  };
  await world.clock.advance(DAY_MS - 20 * MINUTE_MS);
  assert.equal(await known(), 1);
  const gap = await send(client, "orders", batchOf(["gap"], { ...producer, baseSequence: 700 }));
  assert.equal(gap.errorCode, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER);
  await world.clock.advance(40 * MINUTE_MS);
  assert.equal(await known(), 0);
  const anything = await send(client, "orders", batchOf(["b"], { ...producer, baseSequence: 700 }));
  assert.equal(anything.errorCode, ErrorCode.NONE);
});

test("group moves to another broker while its own is down, with its offsets, and refuses at the wrong one", async () => {
  await using world = await openTestRegion();
  await world.createTopic("orders");
  const home = world.region.coordinatorOf("billing");
  assert.equal(await commit(world, "billing"), ErrorCode.NONE);
  await world.region.stopBroker(home);
  const away = world.region.coordinatorOf("billing");
  assert.notEqual(away, home);
  const client = await world.connect(away);
  const found = await client.ask(findCoordinator, 4, { coordinatorKeys: ["billing"] });
  assert.equal(found.coordinators[0]?.nodeId, away);
  assert.deepEqual(
    (await client.ask(listGroups, 4, {})).groups.map(({ groupId }) => groupId),
    ["billing"],
  );
  await world.region.startBroker(home);
  const request = { groupId: "billing", generationId: 1, memberId: "m" };
  assert.equal((await client.ask(heartbeat, 3, request)).errorCode, ErrorCode.NOT_COORDINATOR_FOR_GROUP);
});

test("members of a group that moved have a whole session to find its new coordinator", async () => {
  await using world = await openTestRegion();
  const join = async (memberId: string) =>
    (await world.connect(world.region.coordinatorOf("billing"))).ask(joinGroup, 5, {
      ...{ groupId: "billing", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 60_000, memberId },
      protocolType: "consumer",
      protocols: [{ name: "range", metadata: Buffer.alloc(0) }],
    });
  const member = await join((await join("")).memberId);
  await world.clock.advance(9_000);
  await world.region.stopBroker(world.region.coordinatorOf("billing"));
  await world.clock.advance(9_000);
  const client = await world.connect(world.region.coordinatorOf("billing"));
  const beat = await client.ask(heartbeat, 3, { groupId: "billing", ...member });
  assert.equal(beat.errorCode, ErrorCode.NONE);
});

test("empty group is forgotten with its offsets after offsets.retention.minutes", async () => {
  await using world = await openTestRegion({ brokers: 1, brokerConfigs: { "offsets.retention.minutes": "60" } });
  await world.createTopic("orders");
  await commit(world, "billing");
  const groups = async () => (await (await world.connect(1)).ask(listGroups, 4, {})).groups.length;
  await world.clock.advance(50 * MINUTE_MS);
  assert.equal(await groups(), 1);
  await world.clock.advance(30 * MINUTE_MS);
  assert.equal(await groups(), 0);
});
