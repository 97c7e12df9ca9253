/** Settings that follow their topics, over refusals and several workers. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../../src/core/brand.ts";
import type { Clock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import { SettingsSync } from "../../../../src/mirror/metadata/settings-sync.ts";
import type { SettingChange, TopicSettings } from "../../../../src/topology/topic-settings.ts";
import { MemoryMade } from "./memory-made.ts";

const clock: Clock = { nowMs: () => 0, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) };

/** A cluster with settings of topics. */
class Cluster {
  readonly topics = new Map<string, Map<string, string> | Error>();
  refusal: Error | undefined;
  changes = 0;

  async settings(topics: readonly string[]): Promise<ReadonlyMap<string, TopicSettings | Error>> {
    return new Map(
      [...this.topics]
        .filter(([name]) => topics.includes(name))
        .map(([name, own]) => [name, own instanceof Error ? own : new Map(own)]),
    );
  }

  async change(topic: string, changes: readonly SettingChange[]): Promise<void> {
    this.changes++;
    if (this.refusal !== undefined) throw this.refusal;
    const own = this.topics.get(topic);
    assert.ok(own instanceof Map);
    for (const { name, to } of changes) {
      if (to === null) own.delete(name);
      else own.set(name, to);
    }
  }
}

function world(topics: readonly string[] = ["a"]) {
  const [source, target] = [new Cluster(), new Cluster()];
  const copied = topics.map((topic) => ({ source: topic, target: `w.${topic}`, targetTopicId: topic as Uuid }));
  const made = new MemoryMade();
  const deps = { source, target, made, topics: () => copied, clock, logger: silentLogger };
  const worker = () => new SettingsSync({ flow: "f", sync: ["retention.ms"], sourceClusterId: "c" }, deps);
  return { source, target, made, worker, sync: worker() };
}

test("settings sync sets what the source sets, takes back what it made, and leaves the target's own alone", async () => {
  const { source, target, sync } = world(["a", "b"]);
  source.topics.set("a", new Map([["retention.ms", "5"]])).set("b", new Map());
  target.topics.set("w.a", new Map()).set("w.b", new Map([["retention.ms", "9"]]));
  await sync.round();
  assert.deepEqual(target.topics.get("w.a"), new Map([["retention.ms", "5"]]));
  source.topics.set("a", new Map());
  await sync.round();
  assert.deepEqual(target.topics.get("w.a"), new Map());
  assert.deepEqual(target.topics.get("w.b"), new Map([["retention.ms", "9"]]));
  assert.deepEqual(sync.troubles, []);
});

test("settings sync tells a refusal with its reason, tries again ever less often, and stops telling once it works", async () => {
  const { source, target, sync } = world();
  source.topics.set("a", new Map([["retention.ms", "5"]]));
  target.topics.set("w.a", new Map());
  target.refusal = new Error("POLICY_VIOLATION");
  for (let i = 0; i < 200; i++) await sync.round();
  assert.ok(target.changes > 3 && target.changes < 12, `${target.changes} attempts`);
  assert.match(sync.troubles[0]?.why ?? "", /retention.ms default -> 5.*POLICY_VIOLATION/);
  target.refusal = undefined;
  for (let i = 0; i < 61; i++) await sync.round();
  assert.deepEqual(sync.troubles, []);
  assert.deepEqual(target.topics.get("w.a"), new Map([["retention.ms", "5"]]));
});

test("settings sync carries the others over when one topic may not be read, or is gone", async () => {
  const { source, target, sync } = world(["a", "b", "c"]);
  source.topics.set("a", new Error("TOPIC_AUTHORIZATION_FAILED")).set("c", new Map([["retention.ms", "1"]]));
  for (const topic of ["w.a", "w.b", "w.c"]) target.topics.set(topic, new Map());
  await sync.round();
  assert.deepEqual(target.topics.get("w.c"), new Map([["retention.ms", "1"]]));
  assert.deepEqual(
    sync.troubles.map(({ sourceTopic, about }) => ({ sourceTopic, about })),
    [{ sourceTopic: "a", about: "settings" }],
  );
});

test("settings sync takes back what another worker made, and nothing when that was never recorded", async () => {
  const { source, target, made, worker } = world();
  source.topics.set("a", new Map([["retention.ms", "5"]]));
  target.topics.set("w.a", new Map());
  made.failure = new Error("no answer");
  await worker().round();
  assert.deepEqual(target.topics.get("w.a"), new Map(), "never a setting that nobody would take back");
  made.failure = undefined;
  await worker().round();
  assert.deepEqual(target.topics.get("w.a"), new Map([["retention.ms", "5"]]));
  source.topics.set("a", new Map());
  await worker().round();
  assert.deepEqual(target.topics.get("w.a"), new Map());
  assert.deepEqual(await made.list(), [
    { kind: "settings", sourceClusterId: "c", targetTopic: "w.a", targetTopicId: "a", settings: {} },
  ]);
});
