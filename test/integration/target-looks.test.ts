/** "No batch follows a look at another leader", on an embedded region whose brokers stop and come back. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaTarget } from "../../src/adapters/kafka-target.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { createTopics } from "../../src/client/admin.ts";
import type { AppendOutcome, TopicPartition } from "../../src/mirror/ports.ts";
import { produce } from "../../src/wire/apis/00-produce.ts";
import { stampBatch } from "../../src/wire/record-batch.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { type EmbeddedSide, eventually, MirrorWorld } from "./mirror-world.ts";

const LANE = 0x7e57_0001n;
const OTHER_LANE = 0x7e57_0002n;

interface Place {
  readonly side: EmbeddedSide;
  readonly target: KafkaTarget;
  readonly at: TopicPartition;
}

async function placeIn(world: MirrorWorld, brokers: number): Promise<Place> {
  const side = await world.side("central", { brokers });
  await createTopics(side.client, [{ name: "orders", partitions: 1, replicationFactor: brokers }]);
  const target = new KafkaTarget({ client: side.client, clock: nodeClock() });
  const [topic] = await side.client.metadata.require(["orders"]);
  return { side, target, at: { topic: "orders", topicId: topic?.topicId ?? assert.fail(), partition: 0 } };
}

/** One record of a lane at a position. */
function send({ target, at }: Place, producerId: bigint, position: number): Promise<AppendOutcome> {
  const record = { timestampMs: BigInt(Date.now()), key: null, value: Buffer.from(`position ${position}`) };
  const batch = encodeBatch([record]);
  stampBatch(batch, { producerId, producerEpoch: 0, baseSequence: position });
  return target.append(at, batch);
}

function doubtOf(outcome: AppendOutcome): string | undefined {
  return outcome.kind === "failed" && outcome.fault.code === "TARGET_DOUBT" ? outcome.fault.why : undefined;
}

/** The only broker goes and comes back, which the client has noticed. */
async function bounce({ side: { region, client } }: Place): Promise<void> {
  await region.stopBroker(1);
  await eventually(() => client.connectionNow(1, "produce") === undefined, "the connection is known to be gone");
  await region.startBroker(1);
}

test("target takes no batch of a lane over another connection than the one it was looked at over", async () => {
  await using world = new MirrorWorld();
  const place = await placeIn(world, 1);
  await place.target.producer(place.at, LANE);
  assert.equal((await send(place, LANE, 0)).kind, "appended");
  await bounce(place);
  assert.equal(doubtOf(await send(place, LANE, 1)), "the leader was connected anew");
  await place.target.producer(place.at, OTHER_LANE);
  assert.equal(doubtOf(await send(place, LANE, 1)), "the leader was connected anew", "each lane looks for itself");
  assert.equal((await send(place, OTHER_LANE, 0)).kind, "appended");
  await place.target.producer(place.at, LANE);
  assert.equal((await send(place, LANE, 1)).kind, "appended");
});

test("target takes no batch of a lane for another leader than the one that it looked at", async () => {
  await using world = new MirrorWorld();
  const place = await placeIn(world, 2);
  const { region, client } = place.side;
  await place.target.producer(place.at, LANE);
  const before = region.partition("orders", 0)?.leaderId ?? assert.fail();
  await region.stopBroker(before);
  await eventually(async () => {
    await client.metadata.refresh("test");
    const leader = client.metadata.leaderOf("orders", 0);
    return leader !== undefined && leader.leaderId !== before;
  }, "another leader is known");
  assert.equal(doubtOf(await send(place, LANE, 0)), "the partition has another leader");
  await place.target.producer(place.at, LANE);
  assert.equal((await send(place, LANE, 0)).kind, "appended");
});

test("target takes no batch that was handed over before a look when it comes to be sent after it", async () => {
  await using world = new MirrorWorld();
  const place = await placeIn(world, 1);
  await place.target.producer(place.at, LANE);
  await send(place, LANE, 0);
  // Keeps requests in flight, so that the lane's later batches wait.
  place.side.region.faults.control(produce.key, () => ({ kind: "delay", delayMs: 50 }), { stays: true });
  const waiting = [1, 2, 3, 4, 5, 6, 7, 8].map((position) => send(place, LANE, position));
  await place.target.producer(place.at, LANE);
  const outcomes = await Promise.all(waiting);
  assert.ok(outcomes.some((outcome) => doubtOf(outcome) === "the target was looked at again"));
});
