/** Metrics of flows and of the worker itself: few series, whatever the number of topics. */

import type { FlowSnapshot, LaneSnapshot, WorkerStatus } from "../runtime/worker-status.ts";
import { addUp, slug } from "./lane-metrics.ts";
import type { HistogramFamily, Labels, MetricFamily, Sample } from "./metric.ts";

/** States of a mirror, as monitoring knows them; failover will use the last three. */
const MIRROR_STATES = ["initializing", "active", "paused", "faulted", "failing_over", "failed_over", "fenced"] as const;

/** One of them. */
export type MirrorState = (typeof MIRROR_STATES)[number];

/** `faulted`: a lane stands for good or until somebody does something, no lane can move, or the regions are no longer reached. */
export function mirrorState({ state, failure, lanes }: FlowSnapshot): MirrorState {
  if (state === "stopped") return "paused";
  if (state === "waiting") return "initializing";
  if (failure !== null || lanes.some((lane) => lane.state === "stopped" || lane.needsHands)) return "faulted";
  return lanes.length > 0 && lanes.every(isHeld) ? "faulted" : "active";
}

/** It waits, or has been looking for its place since a trouble. To stand by while another worker copies it is none. */
function isHeld({ state, reasonCode }: LaneSnapshot): boolean {
  if (reasonCode === "TARGET_FENCED") return false;
  return state === "waiting" || (state === "seeking" && reasonCode !== null);
}

type Values = number | undefined | readonly Sample[];

interface Definition {
  readonly name: string;
  readonly type: MetricFamily["type"];
  readonly help: string;
  readonly value: (flow: FlowSnapshot) => Values;
}

const DEFINITIONS: readonly Definition[] = [
  {
    name: "tributary_mirror_state",
    type: "gauge",
    help: "1 for the state that the flow is in, 0 for the others.",
    value: (flow) => {
      const now = mirrorState(flow);
      return MIRROR_STATES.map((state) => ({ labels: { state }, value: state === now ? 1 : 0 }));
    },
  },
  {
    name: "tributary_mirror_last_progress_timestamp_seconds",
    type: "gauge",
    help: "When progress of any lane moved last.",
    value: ({ lanes }) => {
      const last = lanes.reduce((latest, lane) => Math.max(latest, lane.lastProgressMs ?? 0), 0);
      return last === 0 ? undefined : last / 1_000;
    },
  },
  {
    name: "tributary_mirror_batches_as_is_total",
    type: "counter",
    help: "Source batches sent on as they were, with a patched header.",
    value: sumOf((lane) => lane.asIsBatches),
  },
  {
    name: "tributary_mirror_batches_merged_total",
    type: "counter",
    help: "Small source batches whose records were sent together with those of others in one batch.",
    value: sumOf((lane) => lane.mergedBatches),
  },
  {
    name: "tributary_mirror_batches_rewritten_total",
    type: "counter",
    help: "Source batches that had to be decoded and built anew, by reason.",
    value: ({ lanes }) => byLabel("reason", addUp(lanes.map((lane) => lane.rewrittenBatches))),
  },
  {
    name: "tributary_mirror_lanes_in_history",
    type: "gauge",
    help: "Lanes that copy records too old for the target's memory of producers, in transactions.",
    value: ({ lanes }) => lanes.filter((lane) => lane.mode === "history").length,
  },
  {
    name: "tributary_mirror_history_total",
    type: "counter",
    help: "What lanes did about old records: entries into history mode, returns to live mode, transactions committed.",
    value: ({ lanes }) => byLabel("event", addUp(lanes.map((lane) => lane.modes))),
  },
  {
    name: "tributary_mirror_takeovers_total",
    type: "counter",
    help: "How often lanes asked the target how far they are, by what they found.",
    value: ({ lanes }) => byLabel("outcome", addUp(lanes.map((lane) => lane.takeovers))),
  },
  {
    name: "tributary_mirror_errors_total",
    type: "counter",
    help: "Troubles of lanes, by the side where they arose and their code.",
    value: ({ lanes }) =>
      Object.entries(addUp(lanes.map((lane) => lane.faults))).map(([code, value]) => ({
        labels: { side: sideOf(code), code: slug(code) },
        value,
      })),
  },
  {
    name: "tributary_mirror_repeats_avoided_total",
    type: "counter",
    help: "Records that were found on the target and therefore not sent again.",
    value: sumOf((lane) => lane.repeatsAvoided),
  },
  {
    name: "tributary_mirror_repeats_total",
    type: "counter",
    help: "Records known to be, or possibly, on the target twice.",
    value: sumOf((lane) => lane.repeats),
  },
  {
    name: "tributary_mirror_gaps",
    type: "gauge",
    help: "Ranges of source offsets that were passed over because they were gone, over the life of the lanes.",
    value: sumOf((lane) => lane.gaps),
  },
  {
    name: "tributary_mirror_held_records",
    type: "gauge",
    help: "Offsets on the source that nobody may read yet, because a transaction is open.",
    value: sumOf((lane) => lane.heldOffsets),
  },
  {
    name: "tributary_mirror_aligned_lanes",
    type: "gauge",
    help: "Lanes whose records have the same offsets on both sides.",
    value: sumOf((lane) => (lane.aligned === true ? 1 : 0)),
  },
  {
    name: "tributary_mirror_unmatched_topics",
    type: "gauge",
    help: "Topics that match but are not copied; mirror status tells why.",
    value: ({ troubles }) => troubles.filter(({ about }) => about === undefined).length,
  },
  {
    name: "tributary_mirror_rules",
    type: "gauge",
    help: "Rules about topics that the target should have for those of the source.",
    value: ({ metadata }) => metadata.rules?.wanted ?? undefined,
  },
  {
    name: "tributary_mirror_rule_changes_total",
    type: "counter",
    help: "Rules about topics that were added to the target and removed from it.",
    value: ({ metadata: { rules } }) =>
      rules === null ? undefined : byLabel("change", { added: rules.added, removed: rules.removed }),
  },
  {
    name: "tributary_mirror_topics_deleted_total",
    type: "counter",
    help: "Copies deleted because their source topic was.",
    value: ({ metadata }) => metadata.topicsDeleted,
  },
  {
    name: "tributary_mirror_orphaned_topics",
    type: "gauge",
    help: "Copies whose source topic is gone: to be deleted after the grace, or kept; mirror status tells why.",
    value: ({ metadata: { orphans } }) => {
      const pending = orphans.filter(({ dueMs }) => dueMs !== null).length;
      return byLabel("fate", { pending, kept: orphans.length - pending });
    },
  },
  {
    name: "tributary_mirror_metadata_troubles",
    type: "gauge",
    help: "Settings, rules about topics and deletions that do not follow the source; mirror status tells why.",
    value: ({ troubles }) => troubles.filter(({ about }) => about !== undefined).length,
  },
  {
    name: "tributary_offset_map_entries",
    type: "gauge",
    help: "Runs in the offset maps; a contiguous copy is one, however long.",
    value: sumOf((lane) => lane.mapRuns),
  },
  {
    name: "tributary_offset_map_bytes",
    type: "gauge",
    help: "Memory of the offset maps.",
    value: sumOf((lane) => lane.mapBytes),
  },
  {
    name: "tributary_group_synced",
    type: "gauge",
    help: "Consumer groups in the last round of group sync.",
    value: ({ groups }) => (groups.atMs === null ? undefined : groups.synced),
  },
  {
    name: "tributary_group_back_total",
    type: "counter",
    help: "Group positions carried back to the source, where a mirror does that.",
    value: ({ groups }) => groups.writtenBack,
  },
  {
    name: "tributary_group_translation_total",
    type: "counter",
    help: "Group positions written to the target, exactly or at its end until the lane has advanced, and those that failed.",
    value: ({ groups }) => byLabel("result", groups.translations),
  },
  {
    name: "tributary_group_last_sync_timestamp_seconds",
    type: "gauge",
    help: "When the last round of group sync ended.",
    value: ({ groups }) => (groups.atMs === null ? undefined : groups.atMs / 1_000),
  },
];

/** The families of all flows. */
export function flowMetrics(flows: readonly FlowSnapshot[]): readonly MetricFamily[] {
  return DEFINITIONS.map(({ name, type, help, value }) => ({
    name,
    type,
    help,
    samples: flows.flatMap((flow) => samplesOf(flow, value(flow))),
  }));
}

/** From producer to target, for each flow. */
export function latencyMetric(flows: readonly FlowSnapshot[]): HistogramFamily {
  return {
    name: "tributary_mirror_latency_seconds",
    type: "histogram",
    help: "Time from the timestamp of a batch's newest record to the target's acknowledgement, counted by batches.",
    samples: flows.map(({ mirror, source, target, latency }) => ({
      labels: { mirror, source, target },
      bounds: latency.boundsMs.map((boundMs) => boundMs / 1_000),
      counts: latency.batches,
      sum: latency.sumMs / 1_000,
    })),
  };
}

function samplesOf({ mirror, source, target }: FlowSnapshot, values: Values): readonly Sample[] {
  const labels = { mirror, source, target };
  if (values === undefined) return [];
  if (typeof values === "number") return [{ labels, value: values }];
  return values.map((sample) => ({ labels: { ...labels, ...sample.labels }, value: sample.value }));
}

/** The families of the worker. `folded`: units without series of their own. */
export function workerMetrics(status: WorkerStatus, folded: number): readonly MetricFamily[] {
  const gauge = (name: string, help: string, samples: readonly Sample[]): MetricFamily => ({
    name,
    help,
    type: "gauge",
    samples,
  });
  const mirrors = Map.groupBy(status.flows, (flow) => flow.mirror);
  return [
    gauge("tributary_build_info", "Always 1; the labels tell what runs.", [
      one({ version: status.version, node: process.versions.node }),
    ]),
    gauge("tributary_worker_up", "1 while the worker copies, 0 while it ends.", [
      one({}, status.state === "running" ? 1 : 0),
    ]),
    gauge(
      "tributary_worker_assigned_partitions",
      "Lanes that this worker has.",
      [...mirrors].map(([mirror, flows]) =>
        one(
          { mirror },
          flows.reduce((sum, flow) => sum + flow.lanes.length, 0),
        ),
      ),
    ),
    gauge(
      "tributary_mirror_inflight_bytes",
      "Bytes handed over to a region and not yet acknowledged.",
      status.links.map((link) => one({ region: link.region }, link.inFlightBytes)),
    ),
    gauge(
      "tributary_mirror_fetched_bytes",
      "Bytes fetched from a region and not yet taken by a lane.",
      status.links.map((link) => one({ region: link.region }, link.fetchedBytes)),
    ),
    {
      name: "tributary_mirror_throttled_seconds_total",
      help: "Time during which batches of a mirror waited for its own limit of bytes per second.",
      type: "counter",
      samples: status.limits.flatMap(({ mirror, throttledMs, backfill }) => [
        one({ mirror, by: "limit" }, throttledMs / 1_000),
        ...(backfill === null ? [] : [one({ mirror, by: "backfill" }, backfill.throttledMs / 1_000)]),
      ]),
    },
    {
      name: "tributary_region_throttled_seconds_total",
      help: "Time for which brokers of a region made the worker wait because a quota was used up.",
      type: "counter",
      samples: status.links.flatMap(({ region, throttledMs }) =>
        Object.entries(throttledMs).map(([request, forMs]) => one({ region, request }, forMs / 1_000)),
      ),
    },
    gauge("tributary_metrics_folded", "Topics or partitions that are told together as _other, to bound the series.", [
      one({}, folded),
    ]),
  ];
}

function one(labels: Labels, value = 1): Sample {
  return { labels, value };
}

function byLabel(label: string, counts: Readonly<Record<string, number>>): readonly Sample[] {
  return Object.entries(counts).map(([key, value]) => ({ labels: { [label]: key }, value }));
}

function sumOf(value: (lane: LaneSnapshot) => number): (flow: FlowSnapshot) => number {
  return ({ lanes }) => lanes.reduce((sum, lane) => sum + value(lane), 0);
}

function sideOf(code: string): string {
  if (code.startsWith("SOURCE_")) return "source";
  return code.startsWith("TARGET_") ? "target" : "lane";
}
