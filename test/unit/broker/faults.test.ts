/** Each fault does to a request what its name says. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { produce } from "../../../src/wire/apis/00-produce.ts";
import { metadata } from "../../../src/wire/apis/03-metadata.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { batchOf, openTestRegion, send, type TestRegion } from "./region-fixture.ts";

async function openWorld(): Promise<TestRegion> {
  const world = await openTestRegion({ brokers: 1 });
  await world.createTopic("orders");
  return world;
}

const end = (world: TestRegion): bigint | undefined => world.region.partitionLog("orders", 0)?.endOffset;

test("dropped request is not served and its connection ends", async () => {
  await using world = await openWorld();
  world.region.faults.control(produce.key, () => ({ kind: "drop" }));
  const client = await world.connect(1);
  await assert.rejects(send(client, "orders", batchOf(["a"])));
  assert.equal(end(world), 0n);
});

test("lost acknowledgement: the batch is appended, the connection ends, the repeat is recognised", async () => {
  await using world = await openWorld();
  world.region.faults.control(produce.key, () => ({ kind: "cut-reply" }));
  const producer = { producerId: 1n, producerEpoch: 0, baseSequence: 0 };
  await assert.rejects(send(await world.connect(1), "orders", batchOf(["a"], producer)));
  assert.equal(end(world), 1n);
  const repeat = await send(await world.connect(1), "orders", batchOf(["a"], producer));
  assert.deepEqual([repeat.errorCode, repeat.baseOffset, end(world)], [0, 0n, 1n]);
});

test("swallowed reply leaves the connection open for what follows", async () => {
  await using world = await openWorld();
  world.region.faults.control(produce.key, () => ({ kind: "swallow-reply" }));
  const client = await world.connect(1);
  let isAnswered = false;
  void client
    .send(produce, 9, {
      transactionalId: null,
      acks: -1,
      timeoutMs: 0,
      topics: [{ name: "orders", partitions: [{ index: 0, records: batchOf(["a"]).bytes }] }],
    })
    .then(() => {
      isAnswered = true;
    });
  assert.equal((await client.ask(metadata, 12, { topics: [] })).brokers.length, 1);
  assert.deepEqual([isAnswered, end(world)], [false, 1n]);
});

test("delayed request is served after its delay, and delayed reply before it", async () => {
  await using world = await openWorld();
  const client = await world.connect(1);
  world.region.faults.control(produce.key, () => ({ kind: "delay", delayMs: 50 }));
  const delayed = send(client, "orders", batchOf(["a"]));
  await (await world.connect(1)).ask(metadata, 12, { topics: [] });
  assert.equal(end(world), 0n);
  await world.clock.advance(50);
  assert.equal((await delayed).baseOffset, 0n);
  world.region.faults.control(produce.key, () => ({ kind: "delay-reply", delayMs: 50 }));
  const late = send(client, "orders", batchOf(["b"]));
  await (await world.connect(1)).ask(metadata, 12, { topics: [] });
  assert.equal(end(world), 2n);
  await world.clock.advance(50);
  assert.equal((await late).baseOffset, 1n);
});

test("controls are asked in order, used once, and kept only when they stay", async () => {
  await using world = await openWorld();
  const seen: number[] = [];
  const answer = (errorCode: number) => ({
    kind: "answer" as const,
    response: {
      topics: [{ name: "orders", partitions: [{ index: 0, errorCode, baseOffset: -1n, logAppendTimeMs: -1n }] }],
      throttleMs: 0,
    },
  });
  world.region.faults.control(produce.key, ({ apiVersion }) => {
    seen.push(apiVersion);
    return undefined;
  });
  world.region.faults.control(produce.key, () => answer(ErrorCode.NOT_LEADER_FOR_PARTITION));
  const remove = world.region.faults.control(produce.key, () => answer(ErrorCode.KAFKA_STORAGE_ERROR), { stays: true });
  const client = await world.connect(1);
  const codes: number[] = [];
  for (let i = 0; i < 3; i++) codes.push((await send(client, "orders", batchOf(["a"]))).errorCode);
  remove();
  codes.push((await send(client, "orders", batchOf(["a"]))).errorCode);
  assert.deepEqual(codes, [6, 56, 56, 0]);
  assert.deepEqual(seen, [11, 11, 11, 11]);
});
