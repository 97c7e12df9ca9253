/** Settings of topics and brokers: defaults, where a value comes from, and what is refused. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BROKER_CONFIGS } from "../../../src/broker/configs/broker-configs.ts";
import { checkTopicConfig, resolveTopic } from "../../../src/broker/configs/resolver.ts";
import { TOPIC_CONFIGS } from "../../../src/broker/configs/topic-configs.ts";
import { topicSettings } from "../../../src/broker/configs/topic-settings.ts";
import { Refusal } from "../../../src/broker/errors.ts";
import { ErrorCode } from "../../../src/wire/error-codes.ts";
import { openTestRegion } from "./region-fixture.ts";

const NOTHING = { dynamic: {}, fixed: {} };

test("every default passes its own check and every name is known once", () => {
  for (const configs of [TOPIC_CONFIGS, BROKER_CONFIGS]) {
    for (const { name, defaultValue, check } of configs) assert.equal(check(defaultValue), undefined, name);
    const names = configs.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  }
});

test("value comes from the topic, else from the running cluster, else from its start, else from the default", () => {
  const named = (own: Record<string, string>, layers: typeof NOTHING) => {
    const entry = resolveTopic(own, layers).find(({ definition }) => definition.name === "retention.ms");
    return [entry?.value, entry?.source, entry?.synonyms.length];
  };
  const fixed = { "log.retention.ms": "3" };
  const dynamic = { "log.retention.ms": "2" };
  assert.deepEqual(named({ "retention.ms": "1" }, { dynamic, fixed }), ["1", 1, 4]);
  assert.deepEqual(named({}, { dynamic, fixed }), ["2", 3, 3]);
  assert.deepEqual(named({}, { dynamic: {}, fixed }), ["3", 4, 2]);
  assert.deepEqual(named({}, NOTHING), ["604800000", 5, 1]);
});

for (const [name, value] of [
  ["retention.ms", "-2"],
  ["retention.ms", "1.5"],
  ["retention.ms", null],
  ["cleanup.policy", "delete,burn"],
  ["compression.type", "brotli"],
  ["min.insync.replicas", "0"],
  ["segment.bytes", "13"],
  ["min.cleanable.dirty.ratio", "2"],
  ["unclean.leader.election.enable", "maybe"],
  ["no.such.entry", "1"],
] as const) {
  test(`${name}=${value} is refused as an invalid setting`, () => {
    assert.throws(
      () => checkTopicConfig(name, value),
      (error) => error instanceof Refusal && error.errorCode === ErrorCode.INVALID_CONFIG,
    );
  });
}

test("typed settings follow the entries", () => {
  const settings = topicSettings(
    {
      "cleanup.policy": "compact, delete",
      "compression.type": "uncompressed",
      "message.timestamp.type": "LogAppendTime",
    },
    NOTHING,
  );
  assert.deepEqual([settings.deletes, settings.compacts], [true, true]);
  assert.deepEqual([settings.produceRules.compression, settings.produceRules.logAppendTime], ["none", true]);
  assert.equal(topicSettings({}, NOTHING).produceRules.maxMessageBytes, 1_048_588);
});

test("defaults of a region reach its topics, and a topic's own entry goes before them", async () => {
  await using world = await openTestRegion({
    brokers: 1,
    topicDefaults: { "segment.bytes": "4096", "retention.ms": "5" },
  });
  await world.createTopic("orders", { configs: { "retention.ms": "7" } });
  const config = world.region.partitionLog("orders", 0)?.config;
  assert.deepEqual([config?.segmentBytes, config?.retentionMs], [4096, 7]);
});

test("region refuses defaults that do not exist", async () => {
  await assert.rejects(openTestRegion({ topicDefaults: { "segment.byte": "1" } }), Refusal);
});
