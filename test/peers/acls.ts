/** Rules about topics on Apache Kafka with its standard authorizer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopicAcls, deleteTopicAcls, listTopicAcls, type TopicAcl } from "../../src/client/acls.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;
const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
};

test("rules about topics are added, listed and removed on Apache Kafka", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "acls" }, deps);
  const rule = { principal: "User:billing", host: "*", operation: 3, permission: "allow" } as const;
  const literal: TopicAcl = { topic: "orders", pattern: "literal", ...rule };
  const prefixed: TopicAcl = { topic: "orders", pattern: "prefixed", ...rule };
  const denied: TopicAcl = { ...literal, host: "10.0.0.1", operation: 8, permission: "deny" };
  const all = [literal, prefixed, denied];
  const sorted = (acls: readonly TopicAcl[]) =>
    acls.map((acl) => JSON.stringify(Object.entries(acl).toSorted())).toSorted();
  assert.deepEqual(await listTopicAcls(client), []);
  await createTopicAcls(client, all);
  await createTopicAcls(client, [literal]);
  assert.deepEqual(sorted(await listTopicAcls(client)), sorted(all));
  await deleteTopicAcls(client, [literal]);
  await deleteTopicAcls(client, [literal]);
  assert.deepEqual(sorted(await listTopicAcls(client)), sorted([prefixed, denied]));
});
