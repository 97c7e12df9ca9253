/** Rules about topics on Apache Kafka with its standard authorizer. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { KafkaAcls } from "../../src/adapters/kafka-acls.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { addAcls, listAcls, removeAcls, type Acl as WireAcl } from "../../src/client/acls.ts";
import { createTopics } from "../../src/client/admin.ts";
import { commitOffsets } from "../../src/client/groups.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { silentLogger } from "../../src/core/logger.ts";
import { type Acl, aclText } from "../../src/topology/acls.ts";
import { comesTo, TopologyWorld } from "../support/topology-world.ts";
import { apacheKafkaMissing } from "./kafka/jars.ts";
import { ApacheKafka } from "./kafka.ts";

const skip = apacheKafkaMissing() ?? false;
const timeout = 120_000;
const AUTHORIZER = {
  "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
  "super.users": "User:ANONYMOUS",
};

test("rules about topics and groups are added, listed and removed on Apache Kafka", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: [...kafka.endpoints.values()], clientId: "acls" }, deps);
  const rule = { principal: "User:billing", host: "*", operation: 3, permission: "allow" } as const;
  const literal: WireAcl = { resource: "topic", name: "orders", pattern: "literal", ...rule };
  const prefixed: WireAcl = { resource: "group", name: "orders", pattern: "prefixed", ...rule };
  const denied: WireAcl = { ...literal, host: "10.0.0.1", operation: 8, permission: "deny" };
  const all = [literal, prefixed, denied];
  const sorted = (acls: readonly WireAcl[]) =>
    acls.map((acl) => JSON.stringify(Object.entries(acl).toSorted())).toSorted();
  assert.deepEqual(await listAcls(client), []);
  await addAcls(client, all);
  await addAcls(client, [literal]);
  assert.deepEqual(sorted(await listAcls(client)), sorted(all));
  await removeAcls(client, [literal]);
  await removeAcls(client, [literal]);
  assert.deepEqual(sorted(await listAcls(client)), sorted([prefixed, denied]));
});

test("rules follow renamed topics between Apache Kafka regions, whichever worker runs", { skip, timeout }, async () => {
  await using kafka = await ApacheKafka.start({ properties: AUTHORIZER });
  const endpoints = [...kafka.endpoints.values()];
  const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };
  await using client = await KafkaClient.open({ bootstrap: endpoints, clientId: "acls" }, deps);
  // One cluster under two names: its own topics are the source, the renamed ones the target.
  const mirror =
    'name: in, from: west, to: east, topics: "orders*", rename: "{source}.{topic}", acls: read, groups: {include: "bill*"}';
  await using world = new TopologyWorld({ regions: { west: endpoints, east: endpoints }, mirrors: [mirror] });
  await createTopics(client, [{ name: "orders", partitions: 1, replicationFactor: 1 }]);
  const offsets = [{ topic: "orders", index: 0, committedOffset: 0n }];
  await commitOffsets(client, "billing", { offsets });
  const acls = new KafkaAcls({ client });
  const rule = { resource: "topic", host: "*", pattern: "literal", permission: "allow", operation: "read" } as const;
  const own: readonly Acl[] = [
    { ...rule, name: "orders", principal: "User:a" },
    { ...rule, name: "orders", principal: "User:writer", operation: "write" },
    { ...rule, name: "ord", principal: "User:b", pattern: "prefixed" },
    { ...rule, name: "orders", principal: "User:c", operation: "all", permission: "deny" },
    { ...rule, resource: "group", name: "bill", pattern: "prefixed", principal: "User:a" },
    { ...rule, name: "west.orders", principal: "User:local" },
  ];
  await acls.add(own);
  const copies = async (): Promise<readonly string[]> =>
    ((await acls.acls()) ?? [])
      .filter(({ resource, name }) => resource === "group" || name.startsWith("west."))
      .map(aclText)
      .toSorted();
  const local = "User:local may read west.orders";
  const groups = ["User:a may read group billing", "User:a may read group bill…"];
  const wanted = [
    ...groups,
    "User:a may read west.orders",
    "User:b may read west.ord…",
    "User:c may not describe west.orders",
    "User:c may not read west.orders",
    local,
  ];
  const planned = await world.command("topology", "plan", "--out", "plan.json");
  assert.match(
    planned.text,
    /access rules: west -> east\n {2}\+ User:a may read group billing\n {2}\+ User:a may read west\.orders\n/,
  );
  assert.match(planned.text, /groups: billing\n/);
  assert.match(planned.text, /5 rules to add or remove/);
  await acls.add([{ ...rule, name: "orders", principal: "User:late" }]);
  assert.match((await world.command("topology", "apply", "plan.json")).text, /nothing changed/);
  await acls.remove([{ ...rule, name: "orders", principal: "User:late" }]);
  const applied = await world.command("topology", "apply", "plan.json");
  assert.equal(applied.code, 0, applied.text);
  assert.deepEqual(await copies(), wanted);
  assert.equal((await world.command("topology", "plan", "-d")).code, 0);

  const first = await world.worker();
  await acls.add([{ ...rule, name: "orders", principal: "User:late" }]);
  await comesTo(copies, [...wanted, "User:late may read west.orders"].toSorted());
  await first.close();
  await acls.remove(own.slice(0, 4));
  await world.worker();
  await comesTo(copies, [...groups, "User:late may read west.orders", local]);
});
