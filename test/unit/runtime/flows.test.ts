/** What is made of a topology before anything runs: flows, specs of regions, and who shares a target partition. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Uuid } from "../../../src/core/brand.ts";
import type { LaneEntry, LaneIdentity } from "../../../src/mirror/offset-ports.ts";
import type { LaneStatus } from "../../../src/mirror/status.ts";
import { flowName, selectedFlows } from "../../../src/runtime/flow-selection.ts";
import { type CompanyFlow, companyOf, indexLanes } from "../../../src/runtime/lane-company.ts";
import { regionNamed, regionSpec, selectionOf } from "../../../src/runtime/region-spec.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { selects } from "../../../src/topology/patterns.ts";

const TOPOLOGY = parseTopology({
  file: "t.yaml",
  text: `version: 1
name: t
regions: {west: {local: {partitions: 6}}, hub: {local: {brokers: 1, topicDefaults: {retention.ms: 5}}}, far: {brokers: "far:9092"}}
mirrors:
  - {name: in, from: [west, far], to: hub, topics: "*", rename: "{source}.{topic}"}
  - {name: out, from: hub, to: far, topics: news, rename: "{topic}"}
tiering:
  - {region: hub, topics: ["a*", "b"], store: "file://cold", segment: {bytes: 2KiB, age: 5s}}
  - {region: hub, topics: {include: "c*", exclude: cc}, store: "file://cold", segment: {bytes: 1KiB}}
`,
});
const OPTIONS = { stateRoot: "/s", attached: true, logLevel: "warn" } as const;

test("flows are those of the mirrors named, and an unknown mirror gets the nearest", () => {
  assert.deepEqual(selectedFlows(TOPOLOGY, ["in"]).map(flowName), ["in: west -> hub", "in: far -> hub"]);
  assert.equal(selectedFlows(TOPOLOGY, []).length, 3);
  assert.throws(() => selectedFlows(TOPOLOGY, ["outt"]), /no mirror "outt" \(t\.yaml\); did you mean "out"\?/);
});

test("region spec carries everything its process needs, as plain data", () => {
  const spec = regionSpec(TOPOLOGY, regionNamed(TOPOLOGY, "hub"), OPTIONS);
  assert.deepEqual(JSON.parse(JSON.stringify(spec)), {
    ...OPTIONS,
    region: "hub",
    topology: "t",
    host: "127.0.0.1",
    brokers: 1,
    partitions: 1,
    replicationFactor: 1,
    topicDefaults: { "segment.bytes": "1024", "segment.ms": "5000", "retention.ms": "5" },
    tiering: [
      {
        topics: { include: ["a*", "b"], exclude: [] },
        olderThanMs: 0,
        keepLocalBytes: 0,
        store: "file://cold",
        deleteLocal: "never",
        everyMs: 2_000,
        limits: {},
        upkeep: { retention: {}, onTopicDeleted: "keep", graceMs: 86_400_000 },
      },
      {
        topics: { include: ["c*"], exclude: ["cc"] },
        olderThanMs: 0,
        keepLocalBytes: 0,
        store: "file://cold",
        deleteLocal: "never",
        everyMs: 2_000,
        limits: {},
        upkeep: { retention: {}, onTopicDeleted: "keep", graceMs: 86_400_000 },
      },
    ],
  });
  const selection = selectionOf({ include: ["c*"], exclude: ["cc"] });
  assert.deepEqual(
    ["ca", "cc", "d"].map((name) => selects(selection, name)),
    [true, false, false],
  );
});

test("region that is an existing cluster has no spec", () => {
  assert.throws(() => regionSpec(TOPOLOGY, regionNamed(TOPOLOGY, "far"), OPTIONS), {
    fault: { code: "REGION_NOT_EMBEDDED", region: "far" },
  });
  assert.throws(() => regionNamed(TOPOLOGY, "fra"), /did you mean "far"\?/);
});

function identity(source: string, target: string, partition = 0): LaneIdentity {
  return {
    sourceClusterId: source,
    sourceTopicId: `${source}-topic` as Uuid,
    sourcePartition: partition,
    targetClusterId: target,
    targetTopicId: `${target}-topic` as Uuid,
    targetPartition: partition,
  };
}

/** A flow whose lanes are the given ones. */
function flowWith(...lanes: readonly LaneIdentity[]): CompanyFlow {
  const map = { reverse: () => ({ kind: "exact", sourceOffset: 1n }) } as unknown as LaneEntry["map"];
  const entry: LaneEntry = { targetTopic: "t", targetPartition: 0, map, company: { kind: "alone" } };
  const statuses = lanes.map(
    (lane) => ({ lane, sourceTopic: "t", partition: lane.sourcePartition, state: "copying" }) as unknown as LaneStatus,
  );
  return {
    status: { lanes: statuses } as unknown as CompanyFlow["status"],
    directory: { find: () => entry },
  };
}

test("lane is alone unless its reverse or another lane writes into the same partition", () => {
  const ab = identity("a", "b");
  assert.equal(companyOf(ab, indexLanes([flowWith(ab)])).kind, "alone");
  assert.equal(companyOf(ab, indexLanes([flowWith(ab), flowWith(identity("b", "a"))])).kind, "reverse");
  assert.equal(companyOf(ab, indexLanes([flowWith(ab), flowWith(identity("b", "a", 1))])).kind, "alone");
  assert.equal(companyOf(ab, indexLanes([flowWith(ab), flowWith(identity("c", "b"))])).kind, "others");
});

test("lane may have company while the flow that goes the other way does not know its lanes yet", () => {
  const ab = identity("a", "b");
  const { directory } = flowWith();
  const status = { lanes: [], sourceClusterId: "b", targetClusterId: "a", discoveredMs: undefined };
  const starting: CompanyFlow = { status: status as unknown as CompanyFlow["status"], directory };
  assert.deepEqual(companyOf(ab, indexLanes([flowWith(ab), starting])), { kind: "reverse", map: undefined });
  assert.equal(companyOf(identity("c", "a"), indexLanes([flowWith(ab), starting])).kind, "alone");
});
