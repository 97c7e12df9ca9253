/** Rules about topics on Apache Kafka with its standard authorizer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaAcls } from "../../src/adapters/kafka-acls.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopicAcls, deleteTopicAcls, listTopicAcls, type TopicAcl } from "../../src/client/acls.ts";
import { createTopics } from "../../src/client/admin.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { aclText, type TopicAcl as TopicRule } from "../../src/topology/topic-acls.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
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

test("rules follow renamed topics between Apache Kafka regions, whichever worker runs", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  const endpoints = [...kafka.endpoints.values()];
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: endpoints, clientId: "acls" }, deps);
  // One cluster under two names: its own topics are the source, the renamed ones the target.
  const mirror = 'name: in, from: west, to: east, topics: "orders*", rename: "{source}.{topic}", acls: read';
  await using world = new TopologyWorld({ regions: { west: endpoints, east: endpoints }, mirrors: [mirror] });
  await createTopics(client, [{ name: "orders", partitions: 1, replicationFactor: 1 }]);
  const acls = new KafkaAcls({ client });
  const rule = { host: "*", pattern: "literal", permission: "allow", operation: "read" } as const;
  const own: readonly TopicRule[] = [
    { ...rule, topic: "orders", principal: "User:a" },
    { ...rule, topic: "orders", principal: "User:writer", operation: "write" },
    { ...rule, topic: "ord", principal: "User:b", pattern: "prefixed" },
    { ...rule, topic: "orders", principal: "User:c", operation: "all", permission: "deny" },
    { ...rule, topic: "west.orders", principal: "User:local" },
  ];
  await acls.add(own);
  const copies = async (): Promise<readonly string[]> =>
    ((await acls.acls()) ?? [])
      .filter(({ topic }) => topic.startsWith("west."))
      .map(aclText)
      .toSorted();
  const local = "User:local may read west.orders";
  const wanted = [
    "User:a may read west.orders",
    "User:b may read west.ord…",
    "User:c may not describe west.orders",
    "User:c may not read west.orders",
    local,
  ];
  const planned = await world.command("topology", "plan", "--out", "plan.json");
  assert.match(planned.text, /rules about topics: west -> east\n {2}\+ User:a may read west\.orders\n/);
  assert.match(planned.text, /4 rules to add or remove/);
  await acls.add([{ ...rule, topic: "orders", principal: "User:late" }]);
  assert.match((await world.command("topology", "apply", "plan.json")).text, /nothing changed/);
  await acls.remove([{ ...rule, topic: "orders", principal: "User:late" }]);
  const applied = await world.command("topology", "apply", "plan.json");
  assert.equal(applied.code, 0, applied.text);
  assert.deepEqual(await copies(), wanted);
  assert.equal((await world.command("topology", "plan", "-d")).code, 0);

  const first = await world.worker();
  await acls.add([{ ...rule, topic: "orders", principal: "User:late" }]);
  await comesTo(copies, [...wanted, "User:late may read west.orders"].toSorted());
  await first.close();
  await acls.remove(own.slice(0, 4));
  await world.worker();
  await comesTo(copies, ["User:late may read west.orders", local]);
});
