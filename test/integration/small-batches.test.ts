/** What is written for people and for the mirror itself, where topics take small batches only. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaInternalTopic } from "../../src/adapters/kafka-internal-topic.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { TopicWriter } from "../../src/cli/topic-writer.ts";
import { describeConfigs } from "../../src/client/configs.ts";
import { MirrorWorld, type Side } from "./mirror-world.ts";

const NOTES = "tributary.notes.internal";

function notes(count: number, bytes: number) {
  return Array.from({ length: count }, (_, at) => ({
    route: "lane",
    key: `key-${at}`,
    value: Buffer.alloc(bytes, at),
  }));
}

async function readBack({ client }: Side): Promise<ReadonlyMap<string, number | undefined>> {
  const read = new Map<string, number | undefined>();
  const topic = await KafkaInternalTopic.open({ name: NOTES }, { client, clock: nodeClock() });
  await topic.readNew((key, value) => read.set(key, value?.length));
  return read;
}

test("internal topic takes batches of its own size whatever the cluster allows topics in general", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("central", { brokers: 1, topicDefaults: { "max.message.bytes": "400" } });
  const { client } = side;
  const topic = await KafkaInternalTopic.open({ name: NOTES }, { client, clock: nodeClock() });
  await topic.append(notes(10, 10_000));
  assert.equal((await readBack(side)).size, 10);
  const [settings] = await describeConfigs(client, [{ type: "topic", name: NOTES }]);
  assert.equal(settings?.entries.get("max.message.bytes")?.value, "1048588");
});

test("internal topic is written in smaller batches where somebody made it take small ones only", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("central", { brokers: 1 });
  const { client } = side;
  await world.topic(side, NOTES, 1, { "cleanup.policy": "compact", "max.message.bytes": "400" });
  const topic = await KafkaInternalTopic.open({ name: NOTES }, { client, clock: nodeClock() });
  await topic.append(notes(50, 100));
  await topic.append(notes(50, 101));
  assert.deepEqual([...(await readBack(side)).values()], Array(50).fill(101));
  await assert.rejects(
    topic.append(notes(1, 1_000)),
    /MESSAGE_TOO_LARGE: a single record .* kafka-configs .*max\.message\.bytes/,
  );
});

test("produce splits a batch that is larger than the topic or its segments allow, and keeps the order", async () => {
  await using world = new MirrorWorld();
  const side = await world.side("central", { brokers: 1 });
  const { client } = side;
  for (const [topic, limit] of [
    ["orders", "max.message.bytes"],
    ["payments", "segment.bytes"],
  ] as const) {
    await world.topic(side, topic, 1, { [limit]: "1000" });
    const deps = { client, random: nodeRandom(), onCreated: () => {} };
    const writer = await TopicWriter.open({ topic, codec: 0, partition: 0 }, deps);
    const record = (at: number) => ({ timestampMs: 1n, key: null, value: Buffer.from(`line ${at} ${"x".repeat(50)}`) });
    const lines = Array.from({ length: 100 }, (_, at) => ({ record: record(at), partition: undefined }));
    await writer.append(lines.slice(0, 99));
    await writer.append(lines.slice(99));
    const read = (await world.read(side, topic, 0)).map(({ value }) => value);
    assert.deepEqual(
      read,
      lines.map((line) => line.record.value.toString()),
    );
    const large = { record: { timestampMs: 1n, key: null, value: Buffer.alloc(2_000) }, partition: undefined };
    await assert.rejects(writer.append([large]), /TOO_LARGE/);
  }
});
