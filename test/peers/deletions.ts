/** Deletions of topics follow on Apache Kafka, and what may not be seen is not taken for deleted. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { type Acl, addAcls, removeAcls } from "../../src/client/acls.ts";
import { createTopics, deleteTopics, listTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { produceTo } from "../../src/client/produce.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { ErrorCode } from "../../src/wire/error-codes.ts";
import { encodeBatch } from "../../src/wire/records.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 180_000;
/** Everybody may do everything, until a rule says otherwise; rules themselves are for the broker's own user alone. */
const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "allow.everyone.if.no.acl.found": "true",
};
const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

test("copies go with their sources on Apache Kafka, but not because a source is hidden", {
  skip,
  timeout,
}, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  const endpoints = [...kafka.endpoints.values()];
  await using client = await KafkaClient.open({ bootstrap: endpoints, clientId: "test" }, deps);
  // One cluster under two names: its own topics are the source, the renamed ones the target.
  const mirror = 'name: in, from: west, to: east, topics: ["own*", "hidden"], rename: "{source}.{topic}"';
  await using world = new TopologyWorld({
    regions: { west: endpoints, east: endpoints },
    mirrors: [`${mirror}, onDelete: delete, deleteAfter: 1s`],
  });
  const topics = ["own", "own-shared", "hidden"];
  await createTopics(
    client,
    topics.map((name) => ({ name, partitions: 1, replicationFactor: 1 })),
  );
  const produce = async (topic: string): Promise<void> => {
    const records = encodeBatch([{ timestampMs: BigInt(Date.now()), key: null, value: Buffer.from("x") }]).bytes;
    const partitions = [{ topic, topicId: ZERO_UUID, index: 0, records }];
    // A topic that was made a moment ago may not be led yet.
    await comesTo(async () => (await produceTo(client, 1, { partitions, acks: -1 }))[0]?.errorCode, ErrorCode.NONE);
  };
  for (const topic of topics) await produce(topic);
  const worker = await world.worker();
  const lanes = () => worker.status.flows[0]?.lanes ?? [];
  await comesTo(() => lanes().filter(({ records }) => records === 1).length, 3);
  await client.metadata.refresh("copies are there", { all: true });
  await produce("west.own-shared");

  const denial: Acl = {
    resource: "topic",
    name: "hidden",
    pattern: "literal",
    principal: "User:ANONYMOUS",
    host: "*",
    operation: 8,
    permission: "deny",
  };
  await addAcls(client, [denial]);
  await deleteTopics(client, ["own", "own-shared"]);
  const metadata = () => worker.status.flows[0]?.metadata;
  const copies = async (): Promise<readonly string[]> =>
    (await listTopics(client))
      .map(({ name }) => name)
      .filter((name) => name.startsWith("west."))
      .toSorted();
  await comesTo(copies, ["west.hidden", "west.own-shared"]);
  assert.equal(metadata()?.topicsDeleted, 1);
  await comesTo(
    () => metadata()?.orphans.map(({ targetTopic, dueMs }) => ({ targetTopic, dueMs })),
    [{ targetTopic: "west.own-shared", dueMs: null }],
  );
  const troubles = () => worker.status.flows[0]?.troubles.filter(({ about }) => about === "deletions") ?? [];
  assert.match(troubles()[0]?.why ?? "", /whether hidden is gone is not known: .*TOPIC_AUTHORIZATION_FAILED/);
  await removeAcls(client, [denial]);
  await comesTo(troubles, []);
  assert.deepEqual(await copies(), ["west.hidden", "west.own-shared"]);
});
