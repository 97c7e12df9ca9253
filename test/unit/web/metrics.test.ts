/** What Prometheus reads of a worker. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import type { LaneSnapshot, WorkerStatus } from "../../../src/runtime/worker-status.ts";
import { mirrorState } from "../../../src/web/flow-metrics.ts";
import { processMetrics } from "../../../src/web/process-metrics.ts";
import { prometheusText } from "../../../src/web/prometheus-text.ts";
import { type WorkerMetricsOptions, workerMetricsOf } from "../../../src/web/worker-metrics.ts";
import { flowOf, laneOf, workerOf } from "./snapshots.ts";

/** Series with their values, as `name{labels}` without the labels that all share. */
async function seriesOf(
  status: WorkerStatus,
  options: WorkerMetricsOptions = {},
): Promise<ReadonlyMap<string, number>> {
  return parse(await prometheusText(workerMetricsOf(options)(status)));
}

function parse(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      const series = line.slice(0, at).replace('mirror="in",source="west",target="hub"', "").replace("{,", "{");
      return [series.replace("{}", ""), Number(line.slice(at + 1))] as const;
    }),
  );
}

/** A worker in which everything that can be told is told. */
function busyWorker(): WorkerStatus {
  const held: Partial<LaneSnapshot> = {
    state: "stopped",
    reason: "gone",
    reasonCode: "SOURCE_GAP",
    lagRecords: 40,
    lagBytes: 4_000,
    behindMs: 2_500,
    skippedBatches: { control: 3, aborted: 0 },
    skippedRecords: { aborted: 0, loop: 7 },
    filteredRecords: { key: 4, sample: 0 },
    rewrittenBatches: { "offset-gaps": 2 },
    takeovers: { unchanged: 1, walked: 1 },
    faults: { SOURCE_GAP: 1, TARGET_DOUBT: 2 },
    repeatsAvoided: 5,
    repeats: 1,
    lostOffsets: 6,
    gaps: 1,
    aligned: false,
  };
  const translations = { exact: 4, clamped: 1, failed: 0 };
  const groups = {
    synced: 2,
    written: 5,
    writtenBack: 0,
    clamped: 1,
    refused: 0,
    translations,
    atMs: 1_700_000_000_000,
  };
  const latency = { boundsMs: [5, 250], batches: [3, 2, 1], sumMs: 1_500 };
  const troubles = [{ sourceTopic: "x", targetTopic: "west.x", why: "no" }];
  return workerOf([
    flowOf([laneOf("orders", 0), laneOf("orders", 1, held), laneOf("users", 0)], { groups, latency, troubles }),
  ]);
}

test("metrics sum lanes up by topic, and take the largest time", async () => {
  const series = await seriesOf(busyWorker());
  assert.equal(series.get('tributary_mirror_lag_records{topic="orders"}'), 40);
  assert.equal(series.get('tributary_mirror_lag_seconds{topic="orders"}'), 2.5);
  assert.equal(series.get('tributary_mirror_lag_bytes{topic="orders"}'), 4_000);
  assert.equal(series.get('tributary_mirror_records_total{topic="orders",stage="written"}'), 20);
  assert.equal(series.get('tributary_mirror_bytes_total{topic="users",stage="written"}'), 1_000);
  assert.equal(series.get('tributary_mirror_records_lost_total{topic="orders"}'), 6);
  assert.equal(series.get('tributary_mirror_batches_skipped_total{topic="orders",reason="control"}'), 3);
  assert.equal(series.get('tributary_mirror_records_skipped_total{topic="orders",reason="loop"}'), 7);
  assert.equal(series.get('tributary_mirror_records_skipped_total{topic="orders",reason="filter"}'), 4);
  assert.equal(series.get('tributary_mirror_records_skipped_total{topic="orders",reason="aborted"}'), undefined);
  assert.equal(series.get('tributary_mirror_records_filtered_total{topic="orders",rule="key"}'), 4);
  assert.equal(series.get('tributary_mirror_lanes{topic="orders",state="copying"}'), 1);
  assert.equal(series.get('tributary_mirror_lanes{topic="orders",state="stopped"}'), 1);
  assert.equal(series.get('tributary_mirror_lanes_held{topic="orders",reason="source-gap"}'), 1);
  assert.equal(
    [...series.keys()].some((name) => name.includes("partition=")),
    false,
  );
});

test("metrics tell flows and the worker in few series", async () => {
  const series = await seriesOf(busyWorker());
  assert.equal(series.get('tributary_mirror_state{state="faulted"}'), 1);
  assert.equal(series.get('tributary_mirror_state{state="active"}'), 0);
  assert.equal(series.get("tributary_mirror_last_progress_timestamp_seconds"), 1_700_000_000.5);
  assert.equal(series.get("tributary_mirror_batches_as_is_total"), 6);
  assert.equal(series.get('tributary_mirror_batches_rewritten_total{reason="offset-gaps"}'), 2);
  assert.equal(series.get('tributary_mirror_takeovers_total{outcome="walked"}'), 1);
  assert.equal(series.get('tributary_mirror_errors_total{side="target",code="target-doubt"}'), 2);
  assert.equal(series.get("tributary_mirror_repeats_avoided_total"), 5);
  assert.equal(series.get("tributary_mirror_repeats_total"), 1);
  assert.equal(series.get("tributary_mirror_gaps"), 1);
  assert.equal(series.get("tributary_mirror_aligned_lanes"), 2);
  assert.equal(series.get("tributary_mirror_unmatched_topics"), 1);
  assert.equal(series.get("tributary_offset_map_entries"), 3);
  assert.equal(series.get('tributary_group_translation_total{result="exact"}'), 4);
  assert.equal(series.get('tributary_mirror_inflight_bytes{region="hub"}'), 9);
  assert.equal(series.get('tributary_worker_assigned_partitions{mirror="in"}'), 3);
  assert.equal(series.get("tributary_worker_up"), 1);
  assert.equal(series.get(`tributary_build_info{version="0.1.0",node="${process.versions.node}"}`), 1);
});

test("latency is told in classes that hold all faster ones, too", async () => {
  const series = await seriesOf(busyWorker());
  const classes = ["0.005", "0.25", "+Inf"].map((le) =>
    series.get(`tributary_mirror_latency_seconds_bucket{le="${le}"}`),
  );
  assert.deepEqual(classes, [3, 5, 6]);
  assert.equal(series.get("tributary_mirror_latency_seconds_sum"), 1.5);
  assert.equal(series.get("tributary_mirror_latency_seconds_count"), 6);
});

test("metrics have a series for each partition when asked", async () => {
  const series = await seriesOf(busyWorker(), { granularity: "partition" });
  assert.equal(series.get('tributary_mirror_lag_records{topic="orders",partition="0"}'), 0);
  assert.equal(series.get('tributary_mirror_lag_records{topic="orders",partition="1"}'), 40);
  assert.equal(series.get('tributary_mirror_lanes{topic="orders",partition="1",state="stopped"}'), 1);
});

test("lag that nobody knows has no series", async () => {
  const unknown = { lagRecords: null, lagBytes: null, behindMs: null };
  const series = await seriesOf(workerOf([flowOf([laneOf("a", 0, unknown), laneOf("b", 0)])]));
  assert.equal(series.has('tributary_mirror_lag_records{topic="a"}'), false);
  assert.equal(series.get('tributary_mirror_lag_records{topic="b"}'), 0);
});

test("No stale series: what is no longer told leaves no trace", async () => {
  const familiesOf = workerMetricsOf({});
  const before = parse(await prometheusText(familiesOf(workerOf([flowOf([laneOf("a", 0), laneOf("b", 0)])]))));
  const after = parse(await prometheusText(familiesOf(workerOf([flowOf([laneOf("b", 0)])]))));
  assert.ok([...before.keys()].some((name) => name.includes('topic="a"')));
  assert.ok(![...after.keys()].some((name) => name.includes('topic="a"')));
});

test("flow is faulted when a lane stands, none can move or a region is away, and not for one lane that waits", () => {
  const waiting = laneOf("a", 0, { state: "waiting" });
  assert.equal(mirrorState(flowOf([laneOf("a", 0)])), "active");
  assert.equal(mirrorState(flowOf([])), "active");
  assert.equal(mirrorState(flowOf([waiting, laneOf("a", 1)])), "active");
  assert.equal(mirrorState(flowOf([waiting])), "faulted");
  const seeking = laneOf("a", 1, { state: "seeking" });
  assert.equal(mirrorState(flowOf([waiting, seeking])), "active");
  assert.equal(mirrorState(flowOf([waiting, { ...seeking, reasonCode: "TARGET_UNAVAILABLE" }])), "faulted");
  // One lane that tries again and again is trouble, too, when only a person can end it.
  assert.equal(mirrorState(flowOf([laneOf("orders", 0), { ...laneOf("orders", 1), needsHands: true }])), "faulted");
  assert.equal(mirrorState(flowOf([laneOf("a", 0, { state: "stopped" }), laneOf("a", 1)])), "faulted");
  assert.equal(mirrorState(flowOf([], { failure: "away" })), "faulted");
  assert.equal(mirrorState(flowOf([], { failure: "away", state: "waiting" })), "initializing");
  assert.equal(mirrorState(flowOf([], { state: "stopped" })), "paused");
});

const promtool = spawnSync("promtool", ["--version"]).status === 0;
const skip = promtool || process.env["CI"] === "true" ? false : "promtool is not installed (Debian: prometheus)";

test("metrics pass promtool's parser and its rules of naming", { skip }, async () => {
  for (const granularity of ["topic", "partition"] as const) {
    const families = [...workerMetricsOf({ granularity, seriesMax: 12 })(busyWorker()), ...processMetrics()];
    const input = await prometheusText(families);
    assert.match(input, /topic="_other"/);
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input, encoding: "utf8" });
    assert.deepEqual({ status, said: `${stdout}${stderr}` }, { status: 0, said: "" });
  }
});
