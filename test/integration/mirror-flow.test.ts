/** A flow between two embedded regions, over real sockets. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { openKafkaProgress } from "../../src/adapters/kafka-progress.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { deleteRecords, deleteTopics } from "../../src/client/admin.ts";
import { logBounds } from "../../src/client/list-offsets.ts";
import { TransactionalWriter } from "../../src/client/transactions.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { HISTORY_TOPIC } from "../../src/mirror/history/record.ts";
import { namingOf } from "../../src/mirror/naming.ts";
import type { TopicPartition } from "../../src/mirror/ports.ts";
import type { RequestOutput } from "../../src/wire/api.ts";
import { initProducerId } from "../../src/wire/apis/22-init-producer-id.ts";
import { writeTxnMarkers } from "../../src/wire/apis/27-write-txn-markers.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { contents, eventually, type MirrorWorker, MirrorWorld, type Side } from "./mirror-world.ts";

const SAME_NAMES = namingOf("{topic}", { source: "west", target: "central", mirror: "test" });

/** The answer to a worker without ClusterAction. */
function denied(body: unknown) {
  const { markers } = body as RequestOutput<typeof writeTxnMarkers>;
  return {
    markers: markers.map(({ producerId, topics }) => ({
      producerId,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((index) => ({ index, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED })),
      })),
    })),
  };
}

/** Two small regions. */
async function sides(world: MirrorWorld): Promise<[Side, Side]> {
  return [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
}

function laneOf({ flow }: MirrorWorker, partition = 0) {
  return flow.status.lanes.find((lane) => lane.partition === partition);
}

function reasonOf(worker: MirrorWorker): string | undefined {
  const lane = worker.flow.status.lanes.find(({ state }) => state === "stopped");
  return lane?.reason?.code;
}

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

test("flow stops a lane at a gap, and goes on behind it when told to skip", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const first = await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 1), "it is copied");
  await first.stop();
  await world.produce(west, "orders", 0, 5);
  await world.produce(west, "orders", 0, 5);
  await deleteRecords(west.client, [{ topic: "orders", index: 0, offset: 10n }]);
  const second = await world.worker(west, central);
  await eventually(() => reasonOf(second) === "SOURCE_GAP", "the lane stops");
  await second.stop();
  const third = await world.worker(west, central, { onGap: "skip" });
  await eventually(() => laneOf(third)?.count === 10n, "the rest is copied");
  const gaps = laneOf(third)?.gaps.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]);
  assert.deepEqual(gaps, [[5n, 10n]]);
});

test("flow begins no lane that is barred, but one whose topic it copied before", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  const barred = async ({ sourcePartition: { topic, partition } }: { readonly sourcePartition: TopicPartition }) => {
    return { code: "ADOPTION_NEEDED", topic, partition, copiedOffset: 3n } as const;
  };
  const first = await world.worker(west, central, {}, { barred });
  await eventually(() => reasonOf(first) === "ADOPTION_NEEDED", "the lane is barred");
  assert.deepEqual(await world.read(central, "west.orders", 0), []);
  await first.stop();
  const second = await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 1), "it is copied");
  await second.stop();
  await deleteTopics(west.client, ["orders"]);
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 3);
  await world.worker(west, central, { onRecreate: "restart" }, { barred });
  await eventually(async () => (await world.read(central, "west.orders", 0)).length === 8, "the new records follow");
});

for (const [age, ageMs] of [
  ["young", 0],
  ["old", 20 * 3_600_000],
] as const) {
  test(`flows both ways between the same names carry each ${age} record over once`, async () => {
    await using world = new MirrorWorld();
    const [west, central] = await sides(world);
    const produce = (side: Side, count: number) => world.produce(side, "orders", 0, count, {}, Date.now() - ageMs);
    for (const side of [west, central]) {
      await world.topic(side, "orders", 1);
      await produce(side, 5);
    }
    const options = { naming: SAME_NAMES, provenance: "local" } as const;
    const there = await world.worker(west, central, options);
    const back = await world.worker(central, west, options);
    const all = async (): Promise<boolean> => {
      const lengths = [west, central].map(async (side) => (await world.read(side, "orders", 0)).length);
      return (await Promise.all(lengths)).every((length) => length === 10);
    };
    await eventually(all, "both sides have all");
    await produce(west, 1);
    await eventually(() => laneOf(there)?.count === 6n && laneOf(back)?.count === 5n, "each record is carried once");
    await eventually(() => there.flow.status.lagRecords + back.flow.status.lagRecords === 0n, "no lag");
    const seen = await Promise.all([west, central].map((side) => world.read(side, "orders", 0)));
    for (const records of seen) assert.equal(new Set(records.map(({ value }) => value)).size, records.length);
    assert.deepEqual([laneOf(there)?.count, laneOf(back)?.count], [6n, 5n]);
    assert.equal(laneOf(there)?.mode, age === "old" ? "history" : "live");
  });
}

test("flow copies records that are too old for live mode in transactions, each once under kills", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  const yesterdayMs = Date.now() - 20 * 3_600_000;
  await world.produce(west, "orders", 0, 5, {}, yesterdayMs);
  const first = await world.worker(west, central);
  await eventually(() => laneOf(first)?.count === 5n, "it is copied");
  assert.equal(laneOf(first)?.mode, "history");
  await first.kill();
  for (let i = 0; i < 5; i++) await world.produce(west, "orders", 0, 3, {}, yesterdayMs);
  const second = await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 1), "all is copied");
  await eventually(() => laneOf(second)?.count === 20n, "it counts them");
});

/** Begins a transaction of somebody else, with one record in it; the result ends it. */
async function foreignTransaction({ client }: Side, topic: string): Promise<() => Promise<void>> {
  const options = { transactionalId: "somebody-else", transactionTimeoutMs: 60_000 };
  const writer = await TransactionalWriter.open(client, options);
  await writer.announce([{ topic, index: 0 }]);
  const record = { timestampMs: BigInt(Date.now()), key: null, value: Buffer.from("foreign") };
  const { bytes } = encodeBatch([record], { ...writer.identity, baseSequence: 0, isTransactional: true });
  const leader = client.metadata.leaderOf(topic, 0) ?? assert.fail("no leader");
  await writer.produce(leader.leaderId, { topic, topicId: ZERO_UUID, index: 0, records: bytes });
  return () => writer.end("commit");
}

async function hasHistoryRecord(world: MirrorWorld, side: Side): Promise<boolean> {
  const partitions = side.client.metadata.topic(HISTORY_TOPIC)?.partitions.length ?? 1;
  for (let index = 0; index < partitions; index++)
    if ((await world.read(side, HISTORY_TOPIC, index)).length > 0) return true;
  return false;
}

test("flow stores its maps up to the last transaction when it is asked to end while that is not seen by readers yet", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  for (const [side, topic] of [
    [west, "orders"],
    [central, "west.orders"],
  ] as const)
    await world.topic(side, topic, 1);
  await central.client.metadata.require(["west.orders"]);
  const endForeign = await foreignTransaction(central, "west.orders");
  await world.produce(west, "orders", 0, 5, {}, Date.now() - 20 * 3_600_000);
  const worker = await world.worker(west, central);
  await eventually(() => hasHistoryRecord(world, central), "it is committed");
  assert.equal(laneOf(worker)?.count, 0n, "readers do not see it");
  const stopped = worker.stop();
  await endForeign();
  await stopped;
  const deps = { client: central.client, clock: nodeClock(), random: nodeRandom(), logger: silentLogger };
  await using progress = await openKafkaProgress({ readOnly: true }, deps);
  const [state] = await progress.list();
  assert.ok(state?.progress.count === 5n);
  assert.equal((await progress.load(state.lane)).map?.progress.count, 5n);
});

test("flow does not pass over records that are too old where the target takes no fence, unless the mirror is at-least-once", async () => {
  await using world = new MirrorWorld();
  const west = await world.side("west");
  const central = await world.side("central");
  central.region.faults.control(writeTxnMarkers.key, ({ body }) => ({ kind: "answer", response: denied(body) }), {
    stays: true,
  });
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5, {}, Date.now() - 20 * 3_600_000);
  const first = await world.worker(west, central);
  await eventually(() => reasonOf(first) === "HISTORY_NEEDED", "the lane stops");
  await first.stop();
  const second = await world.worker(west, central, { delivery: "at-least-once" });
  await eventually(() => copied(world, west, central, "orders", 1), "it is copied");
  assert.equal(laneOf(second)?.delivery, "at-least-once");
});

test("flow keeps no live writer out of a target that lets it open no transactions", async () => {
  await using world = new MirrorWorld();
  const [west, central] = [await world.side("west", { brokers: 1 }), await world.side("central", { brokers: 1 })];
  const errorCode = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
  const response = { errorCode, producerId: -1n, producerEpoch: -1 };
  central.region.faults.control(initProducerId.key, () => ({ kind: "answer", response }), { stays: true });
  await world.topic(west, "orders", 1);
  await world.produce(west, "orders", 0, 5);
  await world.produce(west, "orders", 0, 5, {}, Date.now() - 20 * 3_600_000);
  const worker = await world.worker(west, central);
  await eventually(() => reasonOf(worker) === "HISTORY_NEEDED", "the lane stops");
  const [bounds] = await logBounds(central.client, [{ topic: "west.orders", index: 0 }]);
  assert.equal(bounds?.endOffset, 5n, "no marker, so that others may go on in live mode");
});

test("flow stops within a second although new records keep coming", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  await world.topic(west, "orders", 1);
  const worker = await world.worker(west, central);
  for (let i = 0; i < 20; i++) await world.produce(west, "orders", 0, 2);
  await eventually(() => (laneOf(worker)?.count ?? 0n) > 0n, "it copies");
  const producing = (async () => {
    for (let i = 0; i < 50; i++) await world.produce(west, "orders", 0, 2);
  })();
  const startMs = performance.now();
  await worker.stop();
  assert.ok(performance.now() - startMs < 5_000);
  await producing;
  await world.worker(west, central);
  await eventually(() => copied(world, west, central, "orders", 1), "everything is copied");
});

test("flow refuses to lose its guard against loops", async () => {
  await using world = new MirrorWorld();
  const [west, central] = await sides(world);
  const options = { naming: SAME_NAMES, provenance: "local", delivery: "at-least-once" } as const;
  await assert.rejects(world.worker(west, central, options), { name: "MirrorError" });
});
