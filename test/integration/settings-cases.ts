/** Settings follow the source's topics from one cluster to another, whatever runs them. */

import assert from "node:assert/strict";
import { openKafkaMade } from "../../src/adapters/kafka-made.ts";
import { KafkaSettings } from "../../src/adapters/kafka-metadata.ts";
import { nodeClock } from "../../src/adapters/node-clock.ts";
import { nodeNetwork } from "../../src/adapters/node-network.ts";
import { nodeRandom } from "../../src/adapters/node-random.ts";
import { createTopics, deleteTopics } from "../../src/client/admin.ts";
import { alterConfigs, describeConfigs } from "../../src/client/configs.ts";
import { KafkaClient } from "../../src/client/kafka-client.ts";
import { ZERO_UUID } from "../../src/core/brand.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Endpoint } from "../../src/core/network.ts";
import { SettingsSync } from "../../src/mirror/metadata/settings-sync.ts";
import { DEFAULT_SYNCED_SETTINGS } from "../../src/topology/topic-settings.ts";

const deps = { clock: nodeClock(), random: nodeRandom(), network: nodeNetwork(), logger: silentLogger };

/** Creates, changes and removes settings of a topic and looks at its copy after each round. */
export async function settingsFollow(from: readonly Endpoint[], to: readonly Endpoint[]): Promise<void> {
  await using source = await KafkaClient.open({ bootstrap: from, clientId: "settings" }, deps);
  await using target = await KafkaClient.open({ bootstrap: to, clientId: "settings" }, deps);
  const [topic, copy] = ["settings-source", "copy.settings-source"];
  const configs = { "cleanup.policy": "compact", "retention.ms": "86400000", "min.insync.replicas": "1" };
  await createTopics(source, [{ name: topic, partitions: 1, replicationFactor: 1, configs }]);
  await createTopics(target, [
    { name: copy, partitions: 1, replicationFactor: 1, configs: { "segment.ms": "7000000" } },
  ]);
  const targetTopicId = target.metadata.topic(copy)?.topicId ?? ZERO_UUID;
  const seen = async (): Promise<Record<string, string | null>> => {
    // Each round by another worker, who knows of the others only what is stored.
    const sync = new SettingsSync(
      { flow: "test", sync: DEFAULT_SYNCED_SETTINGS, sourceClusterId: "west" },
      {
        source: new KafkaSettings({ client: source }),
        target: new KafkaSettings({ client: target }),
        made: await openKafkaMade({}, { ...deps, client: target }),
        topics: () => [{ source: topic, target: copy, targetTopicId }],
        ...deps,
      },
    );
    await sync.round();
    assert.deepEqual(sync.troubles, []);
    const [described] = await describeConfigs(target, [{ type: "topic", name: copy }]);
    const own = [...(described?.entries.values() ?? [])].filter((entry) => entry.source === "topic");
    return Object.fromEntries(own.map(({ name, value }) => [name, value]).toSorted());
  };
  const kept = { "segment.ms": "7000000" };
  assert.deepEqual(await seen(), { "cleanup.policy": "compact", "retention.ms": "86400000", ...kept });
  const change = (name: string, value: string | null) =>
    alterConfigs(source, { type: "topic", name: topic }, { changes: [{ name, value }] });
  await change("retention.ms", "3600000");
  assert.deepEqual(await seen(), { "cleanup.policy": "compact", "retention.ms": "3600000", ...kept });
  await change("cleanup.policy", null);
  assert.deepEqual(await seen(), { "retention.ms": "3600000", ...kept });
  await deleteTopics(source, [topic]);
  assert.deepEqual(await seen(), { "retention.ms": "3600000", ...kept });
  await deleteTopics(target, [copy]);
}
