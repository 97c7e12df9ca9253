/** Who is asked for what by many readers of one source: idle ones, those behind, and those whose leader moves. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { SourceWorld } from "./source-world.ts";

test("source names no partition again while a thousand of them are idle", async () => {
  const lanes = 1_000;
  await using world = await SourceWorld.open(lanes);
  for (let partition = 0; partition < lanes; partition++) world.follow(partition);
  await world.pass(3_000);
  const before = world.asked.length;
  await world.pass(10_000);
  const idle = world.asked.slice(before);
  assert.equal(
    idle.reduce((sum, { partitions }) => sum + partitions.length, 0),
    0,
  );
  assert.ok(idle.length <= 22, `${idle.length} fetches in 10 s`);
  assert.ok(idle.every(({ sessionEpoch }) => sessionEpoch > 0));
});

test("source hears at once of a record in one of a thousand idle partitions", async () => {
  const lanes = 1_000;
  await using world = await SourceWorld.open(lanes);
  const seen: number[] = [];
  for (let partition = 0; partition < lanes; partition++) world.follow(partition, () => seen.push(partition));
  await world.pass(3_000);
  const startMs = world.clock.monotonicMs();
  await world.write(700, 1);
  await world.until(() => seen.length === 1);
  assert.deepEqual(seen, [700]);
  assert.ok(world.clock.monotonicMs() - startMs < 5, `${world.clock.monotonicMs() - startMs} ms`);
});

test("An answer reaches only the reader that asked", async () => {
  await using world = await SourceWorld.open(1);
  await world.write(0, 4);
  world.fate = () => ({ kind: "delay-reply", delayMs: 50 });
  for (const isLive of [false, true]) {
    const before = world.follow(0, undefined, isLive ? 4n : 0n);
    await world.pass(isLive ? 300 : 10);
    if (isLive) await world.write(0, 4);
    before.close();
    const offsets: bigint[] = [];
    const after = world.follow(0, (offset) => offsets.push(offset), 2n);
    await world.until(() => offsets.length >= 2);
    assert.deepEqual(offsets.slice(0, 2), [2n, 3n]);
    after.close();
  }
});

test("No reader starves: each of 600 is served within three rounds beside one with an endless backlog", async () => {
  const lanes = 600;
  await using world = await SourceWorld.open(lanes + 1);
  await world.write(lanes, 64, 500_000);
  for (let partition = 0; partition < lanes; partition++) await world.write(partition, 1);
  const served = new Set<number>();
  world.follow(lanes);
  await world.pass(1);
  const before = world.asked.length;
  for (let partition = 0; partition < lanes; partition++) world.follow(partition, () => served.add(partition));
  await world.until(() => served.size === lanes);
  const rounds = (world.asked.length - before) / Math.ceil((lanes + 1) / 256);
  assert.ok(rounds <= 3, `${rounds} rounds`);
});

test("A lane far behind does not delay lanes at their end", async () => {
  await using world = await SourceWorld.open(2);
  let seen = 0;
  world.follow(0, () => seen++);
  await world.pass(2_000);
  await world.write(1, 8, 900_000);
  // Whatever is asked for the backlog takes ten seconds, as on a link that it fills.
  world.fate = ({ partitions }) => (partitions.includes(1) ? { kind: "delay", delayMs: 10_000 } : undefined);
  world.follow(1);
  await world.pass(600);
  for (let i = 1; i <= 20; i++) {
    const startMs = world.clock.monotonicMs();
    await world.write(0, 1);
    await world.until(() => seen === i);
    assert.ok(world.clock.monotonicMs() - startMs < 50, `record ${i}: ${world.clock.monotonicMs() - startMs} ms`);
  }
});

test("source reads every batch once when readers move between the poll and the backlog", async () => {
  const lanes = 20;
  await using world = await SourceWorld.open(lanes);
  const offsets = Array.from({ length: lanes }, (): bigint[] => []);
  for (const [partition, seen] of offsets.entries()) world.follow(partition, (offset) => seen.push(offset));
  let written = 0;
  for (let round = 0; round < 30; round++) {
    for (let partition = 0; partition < lanes; partition++) {
      // Every third burst is larger than the poll takes at once.
      if ((round + partition) % 4 === 0) await world.write(partition, 3, (round + partition) % 3 === 0 ? 100_000 : 10);
    }
    await world.pass(round % 5 === 0 ? 700 : 7);
  }
  await world.pass(2_000);
  for (const [partition, seen] of offsets.entries()) {
    const end = world.region.partition("orders", partition)?.highWatermark ?? -1n;
    assert.deepEqual(
      seen,
      Array.from({ length: Number(end) }, (_, offset) => BigInt(offset)),
      `partition ${partition}`,
    );
    written += Number(end);
  }
  assert.ok(written > 400);
});

/** A leader that sends readers of rack b to another replica, as Kafka's rack-aware selector does. */
async function openRackAware() {
  const world = await SourceWorld.open(1, 3);
  const leader = world.leaderOf(0);
  const nearby = leader === 2 ? 3 : 2;
  world.fate = ({ brokerId, rackId, partitions }) => {
    if (brokerId !== leader || rackId !== "b" || partitions.length === 0) return undefined;
    const { topicId } = world.at(0);
    const ends = { highWatermark: 0n, lastStableOffset: 0n, logStartOffset: 0n };
    const partition = {
      index: 0,
      errorCode: 0,
      ...ends,
      abortedTransactions: [],
      preferredReadReplica: nearby,
      records: null,
    };
    return {
      kind: "answer",
      response: { throttleMs: 0, errorCode: 0, topics: [{ topicId, partitions: [partition] }] },
    };
  };
  return { world, leader, nearby };
}

test("source reads from the replica that the leader names, every batch once", async () => {
  const { world, leader, nearby } = await openRackAware();
  await using _ = world;
  const offsets: bigint[] = [];
  world.follow(0, (offset) => offsets.push(offset));
  await world.pass(1_000);
  const before = world.asked.length;
  await world.write(0, 20);
  await world.until(() => offsets.length === 20);
  assert.deepEqual(
    offsets,
    Array.from({ length: 20 }, (_none, offset) => BigInt(offset)),
  );
  const later = world.asked.slice(before).map(({ brokerId }) => brokerId);
  assert.ok(later.includes(nearby) && !later.includes(leader), later.join());
});

test("source goes back to the leader when the replica nearby is gone", async () => {
  const { world, leader, nearby } = await openRackAware();
  await using _ = world;
  const offsets: bigint[] = [];
  world.follow(0, (offset) => offsets.push(offset));
  await world.write(0, 5);
  await world.until(() => offsets.length === 5);
  world.fate = () => undefined;
  await world.settled(world.region.stopBroker(nearby));
  const before = world.asked.length;
  await world.write(0, 5);
  await world.until(() => offsets.length === 10);
  assert.deepEqual(
    offsets,
    Array.from({ length: 10 }, (_none, offset) => BigInt(offset)),
  );
  assert.ok(world.asked.slice(before).some(({ brokerId }) => brokerId === leader));
});
