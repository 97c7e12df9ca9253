/** Settings of topics and brokers: values, where they come from, and how they change. */

import { describeConfigs } from "../../../src/wire/apis/32-describe-configs.ts";
import { incrementalAlterConfigs } from "../../../src/wire/apis/44-incremental-alter-configs.ts";
import type { ContractCase, Probe } from "../probe.ts";

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;

/** The topic settings that a mirror reads or writes. */
const TOPIC_KEYS = [
  "cleanup.policy",
  "compression.type",
  "max.message.bytes",
  "message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms",
  "message.timestamp.type",
  "min.insync.replicas",
  "retention.bytes",
  "retention.ms",
  "segment.bytes",
  "segment.ms",
];

async function settings(probe: Probe, label: string, topic: string, keys: readonly string[] | null, version = 4) {
  const resources = [{ resourceType: TOPIC, resourceName: topic, configurationKeys: keys }];
  const answer = await probe.ask(describeConfigs, version, { resources, includeSynonyms: false });
  const results = answer.results.map((result) => ({
    ...result,
    configs: [...result.configs].sort((a, b) => a.name.localeCompare(b.name)),
  }));
  probe.tell(label, { ...answer, results });
}

interface Change {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

async function change(probe: Probe, label: string, topic: string, configs: readonly Change[], validateOnly = false) {
  const resources = [{ resourceType: TOPIC, resourceName: topic, configs }];
  await probe.check(label, incrementalAlterConfigs, 1, { resources, validateOnly });
}

export const configCases: readonly ContractCase[] = [
  {
    name: "settings of a topic tell value, type and source",
    run: async (probe) => {
      const configs = { "retention.ms": "86400000", "cleanup.policy": "compact,delete" };
      const { name } = await probe.topic("settings", { configs });
      for (const version of [1, 2, 3, 4]) await settings(probe, `v${version}`, name, TOPIC_KEYS, version);
      await settings(probe, "a key nobody knows", name, ["no.such.key"]);
    },
  },
  {
    name: "settings of unknown topics are refused",
    run: async (probe) => settings(probe, "unknown", probe.named("nowhere"), ["retention.ms"]),
  },
  {
    name: "expiration of producer ids is a setting of the broker",
    run: async (probe) => {
      const resources = [{ resourceType: BROKER, resourceName: "1", configurationKeys: ["producer.id.expiration.ms"] }];
      const answer = await probe.ask(describeConfigs, 4, { resources, includeSynonyms: false });
      probe.tell(
        "value",
        answer.results[0]?.configs.map(({ name, value, configType }) => ({ name, value, configType })),
      );
    },
  },
  {
    name: "settings change one by one, and go back to the default when deleted",
    run: async (probe) => {
      const { name } = await probe.topic("changed");
      await change(probe, "set", name, [{ name: "retention.ms", configOperation: SET, value: "1000" }]);
      await settings(probe, "after set", name, ["retention.ms", "segment.ms"]);
      await change(probe, "validate only", name, [{ name: "retention.ms", configOperation: SET, value: "7" }], true);
      await settings(probe, "after validate only", name, ["retention.ms"]);
      await change(probe, "delete", name, [{ name: "retention.ms", configOperation: DELETE, value: null }]);
      await settings(probe, "after delete", name, ["retention.ms"]);
    },
  },
  {
    name: "wrong settings are refused and change nothing",
    run: async (probe) => {
      const { name } = await probe.topic("kept");
      await change(probe, "bad value", name, [{ name: "retention.ms", configOperation: SET, value: "soon" }]);
      await change(probe, "unknown key", name, [{ name: "no.such.key", configOperation: SET, value: "1" }]);
      const both = [
        { name: "segment.ms", configOperation: SET, value: "100000" },
        { name: "retention.ms", configOperation: SET, value: "soon" },
      ];
      await change(probe, "one good, one bad", name, both);
      await change(
        probe,
        "unknown topic",
        probe.named("nowhere"),
        [both[0] ?? both[1]].flatMap((one) => one ?? []),
      );
      await settings(probe, "unchanged", name, ["retention.ms", "segment.ms"]);
    },
  },
];
