/** Migration of clusters that run with ZooKeeper to one that does not: records, offsets and groups, formats of before 0.11 included. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaGroups } from "../../src/adapters/kafka-groups.ts";
import { deleteTopics } from "../../src/client/admin.ts";
import { commitOffsets } from "../../src/client/groups.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { syncGroups } from "../../src/mirror/groups.ts";
import { isClusterId } from "../../src/wire/topic-ids.ts";
import { contents, eventually, type MirrorWorker, MirrorWorld, type Side } from "../integration/mirror-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import type { OldVersion } from "./kafka/old/jars.ts";
import { ApacheKafka } from "./kafka.ts";
import { ZooKeeperKafka } from "./zookeeper-kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 240_000;
const CODECS = [0, 1, 2, 3] as const;
/** By their names in `message.format.version`: magic 0 without times, and magic 1. */
const OLD_FORMATS = ["0.9.0", "0.10.2"];

interface Clusters {
  readonly world: MirrorWorld;
  readonly source: Side;
  readonly target: Side;
}

async function isCopied({ world, source, target }: Clusters, topic: string): Promise<boolean> {
  const [read, copied] = [await world.read(source, topic, 0), await world.read(target, `west.${topic}`, 0)];
  return read.length > 0 && contents(read).join() === contents(copied).join();
}

/** A group's position goes over to exactly the record that it would have read next. */
async function checkGroup({ world, source, target }: Clusters, worker: MirrorWorker, topic: string): Promise<void> {
  const offset = 17n;
  await commitOffsets(source.client, "billing", { offsets: [{ topic, index: 0, committedOffset: offset }] });
  const [from, to] = [source, target].map(({ client }) => new KafkaGroups({ client, logger: silentLogger }));
  assert.ok(from !== undefined && to !== undefined);
  const deps = { source: from, target: to, targetLogs: to, lanes: worker.flow.directory };
  const report = await syncGroups({ matches: (group) => group === "billing" }, deps);
  const entry = report.entries.find(({ sourceTopic }) => sourceTopic === topic);
  assert.ok(entry?.written, `${topic}: ${entry?.kind} ${entry?.reason}`);
  const stored = (await to.committed(["billing"])).get("billing")?.find((commit) => commit.topic === `west.${topic}`);
  const [read, copied] = [await world.read(source, topic, 0), await world.read(target, `west.${topic}`, 0)];
  const next = contents(read.filter((record) => record.offset >= offset))[0];
  assert.ok(next !== undefined && stored !== undefined);
  assert.equal(contents(copied.filter((record) => record.offset >= stored.offset))[0], next);
}

async function migrated(clusters: Clusters, topics: readonly string[]): Promise<MirrorWorker> {
  const { world, source, target } = clusters;
  const first = await world.worker(source, target);
  await eventually(() => isCopied(clusters, topics[0] ?? ""), "the first topic is copied", 60_000);
  await first.kill();
  for (const topic of topics) await world.produce(source, topic, 0, 5);
  const second = await world.worker(source, target);
  for (const topic of topics) await eventually(() => isCopied(clusters, topic), `${topic} is copied`, 60_000);
  return second;
}

async function produceAll({ world, source }: Clusters, topic: string): Promise<void> {
  for (const codec of CODECS) for (const count of [1, 5, 3]) await world.produce(source, topic, 0, count, { codec });
}

async function clustersOf(world: MirrorWorld, old: ZooKeeperKafka, kafka: ApacheKafka): Promise<Clusters> {
  return {
    world,
    source: await world.foreignSide(old.endpoints),
    target: await world.foreignSide([...kafka.endpoints.values()]),
  };
}

for (const version of ["3.9.2", "2.8.2"] satisfies OldVersion[]) {
  test(`topics of Apache Kafka ${version} with ZooKeeper move to one without, groups at exactly their next record`, {
    skip,
    timeout,
  }, async () => {
    await using old = await ZooKeeperKafka.start({ version });
    await using kafka = await ApacheKafka.start();
    await using world = new MirrorWorld();
    const clusters = await clustersOf(world, old, kafka);
    const { source } = clusters;
    const topics = ["orders"];
    await world.topic(source, "orders", 1);
    await produceAll(clusters, "orders");
    if (version === "2.8.2") {
      for (const format of OLD_FORMATS) {
        const topic = `format-${format}`;
        topics.push(topic);
        await world.topic(source, topic, 1, { "message.format.version": format });
        await produceAll(clusters, topic);
      }
      await world.topic(source, "append-time", 1, {
        "message.format.version": "0.10.2",
        "message.timestamp.type": "LogAppendTime",
      });
      topics.push("append-time");
      await produceAll(clusters, "append-time");
    }
    const worker = await migrated(clusters, topics);
    for (const lane of worker.flow.status.lanes) {
      if (lane.sourceTopic !== "orders") assert.ok(lane.counts.rewrittenBatches["old-format"] > 0, lane.sourceTopic);
    }
    for (const topic of topics) await checkGroup(clusters, worker, topic);
  });
}

test("records are copied once to an Apache Kafka 2.8 while workers die", { skip, timeout }, async () => {
  await using old = await ZooKeeperKafka.start({ version: "2.8.2" });
  await using world = new MirrorWorld();
  const source = await world.side("west", { brokers: 1 });
  const clusters = { world, source, target: await world.foreignSide(old.endpoints) };
  await world.topic(source, "orders", 1);
  const producing = (async () => {
    for (let i = 0; i < 600; i++) await world.produce(source, "orders", 0, 1 + (i % 4), { codec: CODECS[i % 4] ?? 0 });
  })();
  for (let kills = 0; kills < 4; kills++) {
    const worker = await world.worker(source, clusters.target);
    const known = (await world.read(clusters.target, "west.orders", 0)).length;
    const hasMoved = async () => (await world.read(clusters.target, "west.orders", 0)).length > known + 10;
    await eventually(hasMoved, "it copies", 60_000);
    await worker.kill();
  }
  await producing;
  const { flow } = await world.worker(source, clusters.target);
  const isAtEnd = () => flow.status.lanes[0]?.sourceNext === 1_500n;
  await eventually(isAtEnd, "all of it is copied", 60_000);
  assert.ok(await isCopied(clusters, "orders"));
});

test("topics of a cluster without topic ids are copied once, and a lane stops when one was made again", {
  skip,
  timeout,
}, async () => {
  await using old = await ZooKeeperKafka.start({
    version: "2.8.2",
    properties: { "inter.broker.protocol.version": "2.7" },
  });
  await using kafka = await ApacheKafka.start();
  await using world = new MirrorWorld();
  const clusters = await clustersOf(world, old, kafka);
  await world.topic(clusters.source, "orders", 1);
  await world.topic(clusters.source, "payments", 1);
  await produceAll(clusters, "orders");
  await produceAll(clusters, "payments");
  const worker = await migrated(clusters, ["orders", "payments"]);
  const [lane] = worker.flow.status.lanes;
  assert.ok(lane !== undefined && !isClusterId(lane.lane.sourceTopicId) && isClusterId(lane.lane.targetTopicId));
  await worker.stop();
  const before = contents(await world.read(clusters.target, "west.orders", 0));
  await deleteTopics(clusters.source.client, ["orders"]);
  const isMade = () =>
    world.topic(clusters.source, "orders", 1).then(
      () => true,
      () => false,
    );
  await eventually(isMade, "the old topic is gone");
  for (let i = 0; i < 3; i++) await produceAll(clusters, "orders");
  const next = await world.worker(clusters.source, clusters.target);
  const laneOf = (topic: string) => next.flow.status.lanes.find(({ sourceTopic }) => sourceTopic === topic);
  await eventually(() => laneOf("orders")?.reason?.code === "SOURCE_TOPIC_RECREATED", "the lane stops");
  assert.deepEqual(contents(await world.read(clusters.target, "west.orders", 0)), before);
  await world.produce(clusters.source, "payments", 0, 2);
  await eventually(() => isCopied(clusters, "payments"), "the other lane goes on");
});
