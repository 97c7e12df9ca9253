/** What a flow takes, what it names it, and what the target lacks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import { KnownLanes, lackingOn, wantedLanes, wantedTopics } from "../../../src/mirror/discovery.ts";
import { namingOf } from "../../../src/mirror/naming.ts";
import type { TopicInfo } from "../../../src/mirror/ports.ts";
import { compilePattern, type Selection } from "../../../src/topology/patterns.ts";

const CONTEXT = { source: "west", target: "central", mirror: "m" };
const NAMING = namingOf("{source}.{topic}", CONTEXT);
const CLUSTERS = { sourceClusterId: "w", targetClusterId: "c" };

function select(include: readonly string[], exclude: readonly string[] = []): Selection {
  const compile = (text: string) => {
    const pattern = compilePattern(text);
    if ("problem" in pattern) throw new Error(pattern.problem);
    return pattern;
  };
  return { include: include.map(compile), exclude: exclude.map(compile) };
}

function topic(name: string, more: Partial<TopicInfo> = {}): TopicInfo {
  const topicId = Buffer.from(name.padEnd(16).slice(0, 16)).toString("base64url") as Uuid;
  return { topic: name, topicId, partitions: 2, replicationFactor: 3, internal: false, ...more };
}

test("naming leads to the target's name and back", () => {
  for (const template of ["{source}.{topic}", "{topic}", "{topic}.copy", "{mirror}-{source}-{topic}-{target}"]) {
    const naming = namingOf(template, CONTEXT);
    assert.equal(naming.sourceOf(naming.targetOf("a.b-c")), "a.b-c");
  }
  assert.equal(NAMING.sourceOf("east.orders"), undefined);
  assert.equal(NAMING.sourceOf("west."), undefined);
  assert.equal(namingOf("{topic}", CONTEXT).keepsNames, true);
});

test("naming is refused when names would not stay distinct", () => {
  for (const template of ["all", "{source}", "{topic}{topic}"])
    assert.throws(() => namingOf(template, CONTEXT), { name: "MirrorError" });
});

test("discovery takes what the patterns say and never internal topics or its own", () => {
  const sources = ["orders", "scratch.a", "__consumer_offsets", "tributary.lanes.internal", "x.internal"].map((name) =>
    topic(name, { internal: name.startsWith("__") }),
  );
  const selection = select(["*", "tributary.lanes.internal"], ["scratch.*"]);
  const { topics, troubles } = wantedTopics(sources, selection, NAMING);
  assert.deepEqual(
    topics.map(({ targetTopic }) => targetTopic),
    ["west.orders"],
  );
  assert.deepEqual(troubles, []);
});

test("discovery tells of a name that is too long instead of copying under another", () => {
  const { topics, troubles } = wantedTopics([topic("a".repeat(249))], select(["*"]), NAMING);
  assert.equal(topics.length, 0);
  assert.equal(troubles.length, 1);
});

test("discovery creates what is missing and grows what is too small, and shrinks nothing", () => {
  const sources = [topic("new"), topic("small", { partitions: 5 }), topic("large", { partitions: 1 })];
  const { topics } = wantedTopics(sources, select(["*"]), NAMING);
  const targets = [topic("west.small"), topic("west.large")];
  assert.deepEqual(lackingOn(targets, topics), {
    create: [{ topic: "west.new", partitions: 2, replicationFactor: 3 }],
    grow: [{ topic: "west.small", partitions: 5 }],
  });
  const lanes = wantedLanes(targets, topics, CLUSTERS);
  assert.deepEqual(
    lanes.map(({ targetPartition }) => `${targetPartition.topic}/${targetPartition.partition}`),
    ["west.large/0", "west.small/0", "west.small/1"],
  );
});

test("discovery recognises a topic that was deleted and made again", () => {
  const targets = [topic("west.orders")];
  const lanesOf = (id: string) => {
    const source = topic("orders", { topicId: id as Uuid });
    return wantedLanes(targets, [{ source, targetTopic: "west.orders" }], CLUSTERS);
  };
  const [before] = lanesOf("AAAAAAAAAAAAAAAAAAAAAQ");
  const [after] = lanesOf("AAAAAAAAAAAAAAAAAAAAAg");
  assert.ok(before !== undefined && after !== undefined);
  const known = new KnownLanes([{ lane: before.lane, sourceTopic: "orders", targetTopic: "west.orders" }]);
  assert.equal(known.predecessorOf(after), before.lane);
  assert.equal(known.predecessorOf(before), undefined);
  assert.deepEqual([known.has(before.lane), known.has(after.lane)], [true, false]);
});
