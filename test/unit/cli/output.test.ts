/** How commands print: tables, JSON and errors. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { lagRows } from "../../../src/cli/commands/lag.ts";
import { usageError } from "../../../src/cli/errors.ts";
import { renderJson, renderTable } from "../../../src/cli/output.ts";
import { presentError } from "../../../src/cli/present-error.ts";
import { ChildError } from "../../../src/runtime/child-messages.ts";
import {
  type FlowSnapshot,
  type LaneSnapshot,
  NO_GROUPS,
  NO_LATENCY,
  NO_METADATA,
  NOTHING_COUNTED,
} from "../../../src/runtime/worker-status.ts";
import { topologyInvalid } from "../../../src/topology/errors.ts";

function lane(
  sourceTopic: string,
  partition: number,
  lagRecords: number | null,
  state: LaneSnapshot["state"] = "copying",
): LaneSnapshot {
  return {
    ...NOTHING_COUNTED,
    sourceTopic,
    targetTopic: `west.${sourceTopic}`,
    partition,
    state,
    reason: null,
    delivery: "exactly-once",
    sourceNext: 0,
    targetNext: 0,
    sourceEnd: 0,
    lagRecords,
    behindMs: lagRecords === null ? null : lagRecords * 10,
    records: 0,
    gaps: 0,
  };
}

const FLOW: FlowSnapshot = {
  mirror: "m",
  source: "west",
  target: "hub",
  state: "running",
  failure: null,
  troubles: [],
  metadata: NO_METADATA,
  discoveredMs: null,
  roundAgeMs: 0,
  groups: NO_GROUPS,
  latency: NO_LATENCY,
  lanes: [lane("a", 0, 1), lane("a", 1, 2, "stopped"), lane("b", 0, 9), lane("b", 1, null)],
};

test("lag is summed by the unit asked for, largest first", () => {
  const brief = (by: "partition" | "topic" | "flow") =>
    lagRows({ flows: [FLOW] }, by).map((row) => [
      row.topic,
      row.partition,
      row.lanes,
      row.lagRecords,
      row.behindMs,
      row.stopped,
    ]);
  assert.deepEqual(brief("flow"), [[null, null, 4, 12, 90, 1]]);
  assert.deepEqual(brief("topic"), [
    ["b", null, 2, 9, 90, 0],
    ["a", null, 2, 3, 20, 1],
  ]);
  assert.deepEqual(brief("partition")[0], ["b", 0, 1, 9, 90, 0]);
});

test("table aligns columns and ends lines without blanks", () => {
  const rows = [
    { name: "a", count: 10n },
    { name: "long", count: 2n },
  ];
  const table = renderTable(
    [
      { title: "N", value: (row) => row.name },
      { title: "COUNT", align: "right", value: (row) => row.count },
    ],
    rows,
  );
  assert.equal(table, "N     COUNT\na        10\nlong      2");
});

test("json carries the format version first and bigints that fit as numbers", () => {
  const text = renderJson({ small: 5n, large: 2n ** 60n });
  assert.equal(text, '{\n  "format_version": "1.0",\n  "small": 5,\n  "large": "1152921504606846976"\n}');
});

test("error becomes lines and an exit code", () => {
  const place = { file: "t.yaml", line: 2, column: 3 };
  const invalid = topologyInvalid("t.yaml", [
    { code: "unknown-key", place, fact: "b" },
    { code: "unknown-key", place: { ...place, line: 1 }, fact: "a", suggestion: "c" },
  ]);
  assert.deepEqual(presentError(invalid), {
    lines: ['t.yaml:1:3 a; did you mean "c"?', "t.yaml:2:3 b"],
    exitCode: 65,
    code: "TOPOLOGY_INVALID",
  });
  assert.deepEqual(presentError(usageError("no; do this")), {
    lines: ["tributary: no; do this"],
    exitCode: 64,
    code: "USAGE",
  });
  const taken = new ChildError({ code: "NETWORK_PORT_TAKEN" }, { message: "port 1 is taken" });
  assert.deepEqual(presentError(taken), {
    lines: ["tributary: port 1 is taken"],
    exitCode: 75,
    code: "NETWORK_PORT_TAKEN",
  });
  const held = new ChildError({ code: "STATE_LOCKED" }, { message: "held" });
  assert.equal(presentError(held).exitCode, 75);
});

test("error that nobody foresaw is one line too and never a stack", () => {
  for (const error of [new TypeError("x\ny"), "x", new ChildError({ code: "UNEXPECTED" }, { message: "x" })]) {
    const { lines, exitCode } = presentError(error);
    assert.equal(exitCode, 1);
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^tributary: unexpected: x; this is a mistake in tributary itself/);
  }
});
