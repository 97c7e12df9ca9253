/** Heartbeats travel with a flow. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { withHeartbeats } from "../../../../src/mirror/mm2/heartbeat-topics.ts";
import { namingOf } from "../../../../src/mirror/naming.ts";
import { compilePattern, type Pattern, selects } from "../../../../src/topology/patterns.ts";
import { checkpointsTopic, offsetSyncsTopic, policyOf } from "../../../../src/topology/replication-policy.ts";

const EAST_TO_HUB = { source: "east", target: "hub" };

function patternOf(text: string): Pattern {
  const pattern = compilePattern(text);
  assert.ok(!("problem" in pattern));
  return pattern;
}

/** The flow from east to hub that copies what `glob` says. */
function flowOf(glob: string, rename: string) {
  const policy = policyOf(rename) ?? assert.fail("no policy");
  const names = {
    topics: { include: [patternOf(glob)], exclude: [] },
    naming: namingOf(rename, { ...EAST_TO_HUB, mirror: "m" }),
  };
  return withHeartbeats(names, policy, EAST_TO_HUB);
}

test("a naming template amounts to a replication policy, or to none", () => {
  assert.deepEqual(policyOf("{source}.{topic}"), { kind: "default", separator: "." });
  assert.deepEqual(policyOf("{source}-{topic}"), { kind: "default", separator: "-" });
  assert.deepEqual(policyOf("{topic}"), { kind: "identity", separator: "." });
  for (const other of ["standby.{topic}", "{mirror}.{topic}", "{source}{topic}", "{topic}.{source}"])
    assert.equal(policyOf(other), undefined);
});

test("internal topics are called as MirrorMaker 2 calls them", () => {
  const dash = { kind: "default", separator: "-" } as const;
  assert.equal(checkpointsTopic({ kind: "identity", separator: "." }, "east"), "east.checkpoints.internal");
  assert.equal(checkpointsTopic(dash, "east"), "east-checkpoints-internal");
  assert.equal(offsetSyncsTopic(dash, "hub"), "mm2-offset-syncs-hub-internal");
});

test("heartbeats travel under their source's name whatever the flow copies", () => {
  for (const rename of ["{source}.{topic}", "{topic}"]) {
    const { topics, naming } = flowOf("orders", rename);
    const copied = ["orders", "heartbeats", "asia.heartbeats", "payments"].filter((topic) => selects(topics, topic));
    assert.deepEqual(copied, ["orders", "heartbeats", "asia.heartbeats"]);
    assert.equal(naming.targetOf("asia.heartbeats"), "east.asia.heartbeats");
    assert.equal(naming.sourceOf("east.heartbeats"), "heartbeats");
    assert.equal(naming.sourceOf("heartbeats"), undefined);
    assert.equal(naming.sourceOf(naming.targetOf("orders")), "orders");
  }
});

test("a heartbeat never returns to a cluster that it came through", () => {
  const { topics } = flowOf("*", "{topic}");
  const copied = ["hub.heartbeats", "asia.hub.heartbeats", "east.heartbeats"].filter((topic) => selects(topics, topic));
  assert.deepEqual(copied, []);
  assert.ok(selects(topics, "my-heartbeats"));
});
