/** Which groups a plan says it would carry. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseTopology } from "../../../src/topology/parse.ts";
import { planGroups } from "../../../src/topology/plan-groups.ts";

const TOPOLOGY = parseTopology({
  file: "t.yaml",
  text: `version: 1
name: t
regions: {west: {local: {}}, far: {local: {}}, hub: {local: {}}}
mirrors:
  - {name: in, from: [west, far], to: hub, topics: "*", rename: "{source}.{topic}", groups: {include: ["billing-*", "shiping"], exclude: "*-test"}}
  - {name: bare, from: hub, to: far, topics: news, rename: "back.{topic}"}
`,
});

test("plan tells which groups each pattern matches, and near misses of those that match none", () => {
  const live = new Map([
    ["west", ["shipping", "billing-2", "billing-1", "billing-test"]],
    ["hub", ["any"]],
  ]);
  assert.deepEqual(planGroups(TOPOLOGY, live), [
    {
      mirror: "in",
      source: "west",
      target: "hub",
      groups: ["billing-1", "billing-2"],
      patterns: [
        { pattern: "billing-*", groups: ["billing-1", "billing-2"], nearMisses: [] },
        { pattern: "shiping", groups: [], nearMisses: ["shipping"] },
      ],
    },
  ]);
});
