/** Settings follow a topic between two Apache Kafka clusters. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { surveyRegion } from "../../src/adapters/kafka-metadata-survey.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { settingsFollow } from "../integration/settings-cases.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;

test("settings of a topic follow it on Apache Kafka", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start();
  const endpoints = [...kafka.endpoints.values()];
  await settingsFollow(endpoints, endpoints);
  await survey(endpoints);
});

/** A plan knows the limits of the brokers and the age of the records. */
async function survey(endpoints: readonly Endpoint[]): Promise<void> {
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: endpoints, clientId: "survey" }, deps);
  await createTopics(client, [
    { name: "aged", partitions: 2, replicationFactor: 1, configs: { "retention.ms": "-1" } },
  ]);
  const records = [1_000_000_000_000n, 999_999_999_000n].map((timestampMs) => ({
    timestampMs,
    key: null,
    value: null,
  }));
  const item = { topic: "aged", topicId: ZERO_UUID, index: 1, records: encodeBatch(records).bytes };
  const leader = client.metadata.leaderOf("aged", 1)?.leaderId ?? -1;
  await produceTo(client, leader, { partitions: [item], acks: -1 });
  const { topics, limits, facts } = await surveyRegion({ client, ...deps }, { isAged: (topic) => topic === "aged" });
  const aged = topics.find(({ name }) => name === "aged");
  assert.deepEqual(
    [aged?.partitions, aged?.oldestMs, aged?.newestMs, aged?.settings?.get("retention.ms"), facts.brokers],
    [2, 1_000_000_000_000, 1_000_000_000_000, "-1", 1],
  );
  assert.equal(limits.producerIdExpirationMs, 86_400_000);
  assert.equal(limits.topicDefaults.get("retention.ms"), "604800000");
  assert.equal(limits.topicDefaults.get("message.timestamp.after.max.ms"), "3600000");
}
