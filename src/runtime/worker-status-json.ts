/** The status as JSON for other programs: the same from `mirror status -o json` and from a worker's `/api/status`. */

import type { FlowSnapshot, LaneSnapshot, WorkerStatus } from "./worker-status.ts";

/** Flows, and who told about them. */
export interface StatusSource {
  readonly topology: string;
  /** `worker`: live; `stored`: told from what is stored on the targets. */
  readonly origin: "worker" | "stored";
  readonly atMs: number;
  readonly flows: readonly FlowSnapshot[];
  /** The running worker; undefined when there is none. */
  readonly worker: WorkerStatus | undefined;
}

/** Plain data in snake case; `renderJson` adds the format version. */
export function statusJson(status: StatusSource): object {
  return {
    topology: status.topology,
    origin: status.origin,
    at_ms: status.atMs,
    worker: status.worker === undefined ? null : workerJson(status.worker),
    flows: status.flows.map(flowJson),
  };
}

function workerJson(worker: WorkerStatus): object {
  return {
    version: worker.version,
    pid: worker.pid,
    started_ms: worker.startedMs,
    state: worker.state,
    links: worker.links.map((link) => ({
      region: link.region,
      fetched_bytes: link.fetchedBytes,
      in_flight_bytes: link.inFlightBytes,
      throttled_ms: link.throttledMs,
    })),
    limits: worker.limits.map((limit) => ({
      mirror: limit.mirror,
      bytes_per_second: limit.bytesPerSecond,
      in_flight_bytes_max: limit.inFlightBytesMax,
      in_flight_bytes: limit.inFlightBytes,
      throttled_ms: Math.round(limit.throttledMs),
      backfill: limit.backfill && {
        bytes_per_second: limit.backfill.bytesPerSecond,
        older_than_ms: limit.backfill.olderThanMs,
        throttled_ms: Math.round(limit.backfill.throttledMs),
      },
    })),
  };
}

function flowJson(flow: FlowSnapshot): object {
  const total = (value: (lane: LaneSnapshot) => number | null): number =>
    flow.lanes.reduce((sum, lane) => sum + (value(lane) ?? 0), 0);
  return {
    mirror: flow.mirror,
    source: flow.source,
    target: flow.target,
    state: flow.state,
    failure: flow.failure,
    discovered_ms: flow.discoveredMs,
    records: total((lane) => lane.records),
    lag_records: total((lane) => lane.lagRecords),
    groups: {
      synced: flow.groups.synced,
      written: flow.groups.written,
      written_back: flow.groups.writtenBack,
      clamped: flow.groups.clamped,
      refused: flow.groups.refused,
      translations: flow.groups.translations,
      at_ms: flow.groups.atMs,
    },
    metadata: metadataJson(flow.metadata),
    latency: { bounds_ms: flow.latency.boundsMs, batches: flow.latency.batches, sum_ms: flow.latency.sumMs },
    troubles: flow.troubles.map(({ sourceTopic, targetTopic, about, why }) => ({
      source_topic: sourceTopic,
      target_topic: targetTopic,
      about: about ?? "records",
      why,
    })),
    lanes: flow.lanes.map(laneJson),
  };
}

function metadataJson({ rules, topicsDeleted, orphans }: FlowSnapshot["metadata"]): object {
  return {
    rules,
    topics_deleted: topicsDeleted,
    orphans: orphans.map((orphan) => ({
      source_topic: orphan.sourceTopic,
      target_topic: orphan.targetTopic,
      since_ms: orphan.sinceMs,
      due_ms: orphan.dueMs,
      why: orphan.why,
    })),
  };
}

function laneJson(lane: LaneSnapshot): object {
  return {
    source_topic: lane.sourceTopic,
    target_topic: lane.targetTopic,
    partition: lane.partition,
    state: lane.state,
    reason: lane.reason,
    reason_code: lane.reasonCode,
    needs_hands: lane.needsHands,
    delivery: lane.delivery,
    aligned: lane.aligned,
    source_next: lane.sourceNext,
    target_next: lane.targetNext,
    source_end: lane.sourceEnd,
    lag_records: lane.lagRecords,
    lag_bytes: lane.lagBytes,
    behind_ms: lane.behindMs === null ? null : Math.round(lane.behindMs),
    last_progress_ms: lane.lastProgressMs,
    records: lane.records,
    forwarded_records: lane.forwardedRecords,
    forwarded_bytes: lane.forwardedBytes,
    forwarded_batches: lane.forwardedBatches,
    as_is_batches: lane.asIsBatches,
    merged_batches: lane.mergedBatches,
    rewritten_batches: lane.rewrittenBatches,
    skipped_batches: lane.skippedBatches,
    skipped_records: lane.skippedRecords,
    mode: lane.mode,
    modes: lane.modes,
    filtered_records: lane.filteredRecords,
    takeovers: lane.takeovers,
    faults: lane.faults,
    repeats_avoided: lane.repeatsAvoided,
    repeats: lane.repeats,
    lost_offsets: lane.lostOffsets,
    gaps: lane.gaps,
    map_runs: lane.mapRuns,
    map_bytes: lane.mapBytes,
  };
}
