/** Lanes that would go on by other rules than those stored with them. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import type { LaneStateRecord } from "../../../src/mirror/offset-ports.ts";
import { type RuledRegion, ruleChangesOf } from "../../../src/runtime/rule-changes.ts";
import { parseTopology } from "../../../src/topology/parse.ts";

const TOPOLOGY = parseTopology({
  file: "t.yaml",
  text: `version: 1
name: t
regions: {a: {local: {}}, b: {local: {}}}
mirrors:
  - {name: m, from: a, to: b, topics: [orders], rename: "{source}.{topic}", filter: {keys: {include: "eu*"}}}
`,
});

function state(sourceTopic: string, plan: string, partition = 0): LaneStateRecord {
  const topicId = "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid;
  return {
    lane: {
      sourceClusterId: "A",
      sourceTopicId: topicId,
      sourcePartition: partition,
      targetClusterId: "B",
      targetTopicId: topicId,
      targetPartition: partition,
    },
    sourceTopic,
    targetTopic: `a.${sourceTopic}`,
    progress: { sourceNext: 1n, targetNext: 1n, count: 1n },
    mode: "live",
    era: { epoch: 0, base: 0n },
    plan,
    targetEpoch: -1,
    sourceEpoch: -1,
    repeats: 0n,
    gaps: [],
    gapCount: 0,
    updatedMs: 0,
  };
}

function changes(...states: LaneStateRecord[]) {
  return changesIn({ states });
}

function changesIn(target: Pick<RuledRegion, "states" | "takesFence">) {
  const regions = new Map<string, RuledRegion>([
    ["a", { clusterId: "A", states: [] }],
    ["b", { clusterId: "B", ...target }],
  ]);
  return ruleChangesOf(TOPOLOGY, regions);
}

test("plan tells which lanes will choose records by other rules, and which those are", () => {
  const old = "provenance=all";
  assert.deepEqual(changes(state("orders", old, 0), state("orders", old, 1), state("other", old)), [
    {
      mirror: "m",
      source: "a",
      target: "b",
      lanes: 2,
      from: "provenance all, all records",
      to: "provenance all, only keys eu*",
    },
  ]);
});

test("plan tells nothing about lanes whose rules stay", () => {
  const same = 'v1 provenance=all filter={"keys":{"include":["eu*"],"exclude":[]}}';
  assert.deepEqual(changes(state("orders", same)), []);
});

test("plan warns of workers with the former rules only where the target takes no fence", () => {
  const states = [state("orders", "provenance=all")];
  const cautions = [true, false, undefined].map((takesFence) => changesIn({ states, takesFence })[0]?.caution);
  assert.deepEqual([cautions[0], cautions[2]], [undefined, undefined]);
  assert.match(cautions[1] ?? "", /end every worker with the former rules .* ClusterAction/);
});
