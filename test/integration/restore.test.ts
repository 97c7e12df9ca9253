/** What was archived comes back: every record once, in order, as it was, and groups read on where they stood. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { Kafka, logLevel } from "kafkajs";
import { deleteRecords } from "../../src/client/admin.ts";
import { RestoreError } from "../../src/tier/restore/restore-error.ts";
import { eventually, type Seen } from "./mirror-world.ts";
import { RestoreWorld, withoutOffsets } from "./restore-world.ts";

const DAY_MS = 86_400_000;
/** Much older than any broker's memory of producers. */
const OLD_MS = Date.now() - 40 * DAY_MS;

/** Enough to know a record by in a message. */
function labelOf({ key, value }: { readonly key: string | undefined; readonly value: string | undefined }): string {
  return `${key} ${value?.slice(0, 8)}`;
}

/** Records below the end of what is archived. */
function archivedPart(all: readonly Seen[], end: bigint): readonly Seen[] {
  return all.filter(({ offset }) => offset < end);
}

test("restore brings old records back at their own offsets, and groups to theirs, after the topic was deleted", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 2);
  for (const index of [0, 1]) await world.fill(west, "orders", index, OLD_MS);
  await world.commit(west, "billing", "orders", [117n, 0n]);
  const before = [await world.read(west, "orders", 0), await world.read(west, "orders", 1)];
  await world.archive(west, ["orders"]);
  await world.deleteTopic(west, "orders");
  const central = await world.side("central");
  for (const side of [west, central]) {
    const report = await world.restore(side);
    assert.deepEqual(report.createdTopics, ["orders"]);
    for (const { partition, plan, result } of report.partitions) {
      assert.equal(result.offsets, "exact");
      const wanted = archivedPart(before[partition] ?? [], plan.range.endOffset);
      assert.ok(wanted.length > 200);
      assert.deepEqual(await world.read(side, "orders", partition), wanted);
    }
    assert.deepEqual(
      [...(await world.committed(side, "billing", "orders"))],
      [
        [0, [117n, "billing!"]],
        [1, [0n, "billing!"]],
      ],
    );
    const again = await world.restore(side);
    assert.ok(again.partitions.every(({ result }) => result.wasDone) && again.groups.every(({ written }) => written));
    assert.deepEqual(again.createdTopics, []);
  }
});

test("restore maps offsets where transactions left holes, exactly, and leaves aborted records out", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 1);
  const brokers = west.region.endpoints.map(({ host, port }) => `${host}:${port}`);
  const kafka = new Kafka({ brokers, clientId: "app", logLevel: logLevel.NOTHING });
  const producers = ["one", "two"].map((transactionalId) =>
    kafka.producer({ transactionalId, maxInFlightRequests: 1, idempotent: true }),
  );
  for (const producer of producers) await producer.connect();
  for (let round = 0; round < 20; round++) {
    const open = await Promise.all(producers.map((producer) => producer.transaction()));
    for (const [i, transaction] of open.entries()) {
      const messages = [0, 1, 2].map((n) => ({
        key: `k${n}`,
        value: `r${round} w${i} `.padEnd(900, "x"),
        timestamp: String(OLD_MS + round),
      }));
      await transaction.send({ topic: "orders", messages });
    }
    for (const [i, transaction] of open.entries())
      await ((round + i) % 3 === 0 ? transaction.abort() : transaction.commit());
  }
  for (const producer of producers) await producer.disconnect();
  const all = await world.read(west, "orders", 0);
  const positions = Array.from({ length: 100 }, (_, at) => BigInt(at));
  for (const at of positions) await world.commit(west, `group-${at}`, "orders", [at]);
  await world.archive(west, ["orders"]);
  const central = await world.side("central");
  const [done] = (await world.restore(central, { targetName: (topic) => `${topic}-restored` })).partitions;
  assert.ok(done !== undefined && done.result.offsets === "mapped");
  const wanted = archivedPart(all, done.plan.range.endOffset);
  const restored = await world.read(central, "orders-restored", 0);
  assert.ok(wanted.length > 40);
  assert.deepEqual(withoutOffsets(restored).map(labelOf), withoutOffsets(wanted).map(labelOf));
  assert.ok(isDeepStrictEqual(withoutOffsets(restored), withoutOffsets(wanted)));
  for (const at of positions) {
    const index = wanted.findIndex(({ offset }) => offset >= at);
    const committed = (await world.committed(central, `group-${at}`, "orders-restored")).get(0)?.[0];
    assert.ok(committed !== undefined, `group at ${at}`);
    if (index < 0) {
      assert.equal(restored.filter(({ offset }) => offset >= committed).length, 0, `group at ${at}`);
      continue;
    }
    const unread = restored.filter(({ offset }) => offset >= committed);
    assert.ok(isDeepStrictEqual(withoutOffsets(unread), withoutOffsets(wanted.slice(index))), `group at ${at}`);
  }
});

test("restore takes a range by offset and by time, with its own offsets behind a beginning that is not there", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 1);
  await world.fill(west, "orders", 0, OLD_MS);
  const all = await world.read(west, "orders", 0);
  await world.archive(west, ["orders"]);
  const central = await world.side("central");
  const ranges = [
    { from: { offset: 33n }, until: { offset: 187n } },
    { from: { timeMs: OLD_MS + 33 }, until: { timeMs: OLD_MS + 187 } },
  ];
  for (const [at, range] of ranges.entries()) {
    const report = await world.restore(central, { ...range, targetName: () => `part-${at}` });
    assert.equal(report.partitions[0]?.result.offsets, "exact");
    assert.deepEqual(await world.read(central, `part-${at}`, 0), all.slice(33, 187));
  }
});

test("restore does not take a topic for restored whose beginning is gone", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 1);
  await world.fill(west, "orders", 0, OLD_MS);
  await world.archive(west, ["orders"]);
  const central = await world.side("central");
  const { partitions } = await world.restore(central);
  const endOffset = partitions[0]?.plan.range.endOffset ?? 0n;
  assert.equal((await world.restore(central)).partitions[0]?.result.wasDone, true);
  const [deleted] = await deleteRecords(central.client, [{ topic: "orders", index: 0, offset: 50n }]);
  assert.equal(deleted?.errorCode, 0);
  const cut = { code: "RESTORE_TARGET_CUT", topic: "orders", partition: 0, fromOffset: 0n, startOffset: 50n };
  await assert.rejects(world.restore(central), { fault: cut });
  // What is there from its first record on is there.
  const rest = await world.restore(central, { from: { offset: 50n } });
  assert.deepEqual([rest.partitions[0]?.result.wasDone, rest.partitions[0]?.plan.range.endOffset], [true, endOffset]);
});

test("restore to a point in time brings all topics and groups to where they were then", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  const startMs = Date.now() - 3_000;
  for (const topic of ["orders", "bills"]) await world.archivedTopic(west, topic, 1);
  for (const topic of ["orders", "bills"]) await world.fill(west, topic, 0, startMs);
  for (const topic of ["orders", "bills"]) await world.commit(west, "billing", topic, [50n]);
  await world.capture(west);
  const capturedMs = Date.now();
  await eventually(() => Date.now() > capturedMs, "another millisecond");
  for (const topic of ["orders", "bills"]) await world.commit(west, "billing", topic, [250n]);
  for (const topic of ["orders", "bills"]) await world.fill(west, topic, 0, Date.now(), 20);
  const all = { orders: await world.read(west, "orders", 0), bills: await world.read(west, "bills", 0) };
  await world.archive(west, ["orders", "bills"]);
  const central = await world.side("central");
  await world.restore(central, { until: { timeMs: capturedMs + 1 }, groupsAtMs: capturedMs });
  for (const topic of ["orders", "bills"] as const) {
    const wanted = all[topic].filter(({ timestampMs }) => timestampMs <= BigInt(capturedMs));
    assert.equal(wanted.length, 300);
    assert.deepEqual(await world.read(central, topic, 0), wanted);
    assert.equal((await world.committed(central, "billing", topic)).get(0)?.[0], 50n);
  }
});

test("restore refuses while a group has members on the target, and a topic that holds something else", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 1);
  await world.fill(west, "orders", 0, OLD_MS);
  await world.commit(west, "billing", "orders", [10n]);
  await world.archive(west, ["orders"]);
  const central = await world.side("central");
  await world.topic(central, "other", 1);
  const brokers = central.region.endpoints.map(({ host, port }) => `${host}:${port}`);
  const consumer = new Kafka({ brokers, clientId: "app", logLevel: logLevel.NOTHING }).consumer({ groupId: "billing" });
  await consumer.connect();
  await consumer.subscribe({ topic: "other" });
  const joined = new Promise((resolve) => consumer.on("consumer.group_join", resolve));
  await consumer.run({ eachMessage: async () => undefined });
  await joined;
  await assert.rejects(world.restore(central), (error) => {
    assert.ok(error instanceof RestoreError);
    assert.deepEqual(error.fault, { code: "RESTORE_GROUPS_ACTIVE", groups: ["billing"] });
    return error.message.includes("UNKNOWN_MEMBER_ID") && error.message.includes("billing");
  });
  assert.deepEqual(await world.read(central, "orders", 0), []);
  await consumer.disconnect();
  await world.topic(central, "full", 1);
  await world.produce(central, "full", 0, 3);
  await assert.rejects(world.restore(central, { targetName: () => "full" }), {
    fault: { code: "RESTORE_TARGET_NOT_EMPTY", topic: "full", partition: 0, records: 3n },
  });
  assert.equal((await world.read(central, "full", 0)).length, 3);
  await assert.rejects(world.restore(central, { topics: () => false }), {
    fault: { code: "RESTORE_NOTHING", location: "memory:" },
  });
});

test("restore with own offsets ends and says what to do when somebody else writes into the topic meanwhile", async () => {
  await using world = new RestoreWorld();
  const west = await world.side("west");
  await world.archivedTopic(west, "orders", 1);
  await world.fill(west, "orders", 0, OLD_MS);
  await world.archive(west, ["orders"]);
  const central = await world.side("central");
  let intruder: Promise<unknown> = Promise.resolve();
  // As if another restore had found the same place a moment before.
  central.region.faults.control(0, () => {
    intruder = world.produce(central, "orders", 0, 1);
    return { kind: "delay", delayMs: 1_000 };
  });
  await assert.rejects(world.restore(central), (error) => {
    assert.ok(error instanceof RestoreError && error.fault.code === "RESTORE_OFFSET_MOVED");
    assert.equal(error.fault.actual, error.fault.expected + 1n);
    return /the same restore on another machine; see that only one runs, delete the topic/.test(error.message);
  });
  await intruder;
});
