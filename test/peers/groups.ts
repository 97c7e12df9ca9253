/** Groups of real Java consumers, of both protocols, move between two Apache Kafka clusters. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaGroups } from "../../src/adapters/kafka-groups.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { listGroups } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { runJava, startJava } from "./java.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 300_000;
const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
const MIRROR = 'name: in, from: west, to: east, topics: orders, rename: "{source}.{topic}"';
/** Records of the source's partition. */
const RECORDS = 20;
/** Records that others wrote into the copy before the mirror. */
const OTHERS = 3;

/** A cluster with a client of its own. */
class Side implements AsyncDisposable {
  readonly kafka: ApacheKafka;
  readonly client: KafkaClient;
  readonly groups: KafkaGroups;

  private constructor(kafka: ApacheKafka, client: KafkaClient) {
    this.kafka = kafka;
    this.client = client;
    this.groups = new KafkaGroups({ client, logger: silentLogger });
  }

  static async start(): Promise<Side> {
    const kafka = await ApacheKafka.start();
    return new Side(
      kafka,
      await KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "test" }, deps),
    );
  }

  async produce(topic: string, prefix: string, count: number): Promise<void> {
    await createTopics(this.client, [{ name: topic, partitions: 1, replicationFactor: 1 }]);
    const timestampMs = BigInt(Date.now());
    const values = Array.from({ length: count }, (_, i) => ({
      timestampMs,
      key: null,
      value: Buffer.from(`${prefix}${i}`),
    }));
    const item = { topic, topicId: ZERO_UUID, index: 0, records: encodeBatch(values).bytes };
    const produced = () => produceTo(this.client, 1, { partitions: [item], acks: -1 });
    // A topic that was made a moment ago may not be led yet.
    await comesTo(async () => (await produced())[0]?.errorCode, ErrorCode.NONE);
  }

  /** Values that a member of the group reads; then it commits and leaves. */
  async read(group: string, protocol: Protocol, topic: string, count: number): Promise<readonly string[]> {
    const lines = await runJava("GroupReader", [this.kafka.bootstrap[0] ?? "", group, protocol, topic, String(count)]);
    return lines.map((line) => line.split("\t")[2] ?? "");
  }

  async position(group: string): Promise<number> {
    const commits = (await this.groups.committed([group])).get(group) ?? [];
    return Number(commits[0]?.offset ?? -1n);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.close();
    await this.kafka.close();
  }
}

type Protocol = "classic" | "consumer";

function valuesFrom(first: number, count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => `v${first + i}`);
}

test("groups of both protocols move, live there, and return without a record lost or read twice", {
  skip,
  timeout,
}, async () => {
  await using west = await Side.start();
  await using east = await Side.start();
  await west.produce("orders", "v", RECORDS);
  await east.produce("west.orders", "other", OTHERS);
  const regions = { west: [...west.kafka.endpoints.values()], east: [...east.kafka.endpoints.values()] };
  const groups = 'groups: {include: "billing-*", exclude: "billing-private", every: 200ms, direction: both}';
  await using world = new TopologyWorld({ regions, mirrors: [`${MIRROR}, ${groups}`] });
  const kinds = [
    ["billing-kip", "consumer", "consumer"],
    ["billing-old", "classic", "classic"],
    ["billing-up", "classic", "consumer"],
    ["billing-down", "consumer", "classic"],
  ] as const;
  for (const [group, protocol] of kinds)
    assert.deepEqual(await west.read(group, protocol, "orders", 6), valuesFrom(0, 6));
  await west.read("billing-private", "consumer", "orders", 6);
  await world.worker();
  for (const [group] of kinds) await comesTo(() => east.position(group), 6 + OTHERS);
  // Over there they read on, whatever their protocol there.
  for (const [group, , protocol] of kinds)
    assert.deepEqual(await east.read(group, protocol, "west.orders", 4), valuesFrom(6, 4));
  for (const [group] of kinds) await comesTo(() => west.position(group), 10);
  // And back again, with the protocols they had.
  for (const [group, protocol] of kinds)
    assert.deepEqual(await west.read(group, protocol, "orders", 2), valuesFrom(10, 2));
  for (const [group] of kinds) await comesTo(() => east.position(group), 12 + OTHERS);
  assert.equal(await east.position("billing-private"), -1);
  const types = new Map((await listGroups(east.client)).map(({ groupId, type }) => [groupId, type]));
  assert.deepEqual(
    kinds.map(([group]) => types.get(group)),
    ["consumer", "classic", "consumer", "classic"],
  );

  // Members on the target are never moved, nor told anything new, until they have left.
  const [group, topic] = ["billing-kip", "west.orders"];
  await using member = await startJava("GroupReader", [east.kafka.bootstrap[0] ?? "", group, "consumer", topic, "0"]);
  assert.equal(await member.firstLine, "joined");
  const commit = { topic, partition: 0, offset: 1n, metadata: "" };
  assert.deepEqual(await east.groups.commit(group, [commit]), ["UNKNOWN_MEMBER_ID"]);
  assert.deepEqual(await west.read(group, "consumer", "orders", 3), valuesFrom(12, 3));
  assert.deepEqual(await west.read("billing-old", "classic", "orders", 3), valuesFrom(12, 3));
  await comesTo(() => east.position("billing-old"), 15 + OTHERS);
  assert.equal(await east.position(group), 12 + OTHERS);
  await member.end();
  await comesTo(() => east.position(group), 15 + OTHERS);
});
