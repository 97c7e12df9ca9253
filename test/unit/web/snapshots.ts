/** Snapshots of workers as tests need them. */

import {
  type FlowSnapshot,
  type LaneSnapshot,
  NO_GROUPS,
  NO_LATENCY,
  NO_METADATA,
  NOTHING_COUNTED,
  type WorkerStatus,
} from "../../../src/runtime/worker-status.ts";

/** A lane that copied 10 records of 100 bytes each and is caught up. */
export function laneOf(sourceTopic: string, partition: number, changes: Partial<LaneSnapshot> = {}): LaneSnapshot {
  return {
    ...NOTHING_COUNTED,
    sourceTopic,
    targetTopic: `west.${sourceTopic}`,
    partition,
    state: "copying",
    reason: null,
    delivery: "exactly-once",
    sourceNext: 10,
    targetNext: 10,
    sourceEnd: 10,
    lagRecords: 0,
    lagBytes: 0,
    behindMs: 0,
    records: 10,
    forwardedRecords: 10,
    forwardedBytes: 1_000,
    forwardedBatches: 2,
    asIsBatches: 2,
    lastProgressMs: 1_700_000_000_500,
    aligned: true,
    gaps: 0,
    mapRuns: 1,
    mapBytes: 24,
    ...changes,
  };
}

/** A flow that runs. */
export function flowOf(lanes: readonly LaneSnapshot[], changes: Partial<FlowSnapshot> = {}): FlowSnapshot {
  return {
    mirror: "in",
    source: "west",
    target: "hub",
    state: "running",
    failure: null,
    discoveredMs: 1_700_000_000_000,
    roundAgeMs: 100,
    lanes,
    troubles: [],
    metadata: NO_METADATA,
    groups: NO_GROUPS,
    latency: NO_LATENCY,
    ...changes,
  };
}

/** A worker that runs. */
export function workerOf(flows: readonly FlowSnapshot[], changes: Partial<WorkerStatus> = {}): WorkerStatus {
  return {
    version: "0.1.0",
    topology: "pair",
    pid: 1,
    startedMs: 1_700_000_000_000,
    atMs: 1_700_000_001_000,
    state: "running",
    roundAgeMs: 20,
    flows,
    links: [
      { region: "west", fetchedBytes: 7, inFlightBytes: 0, throttledMs: { fetch: 1_500, produce: 0 } },
      { region: "hub", fetchedBytes: 0, inFlightBytes: 9, throttledMs: { fetch: 0, produce: 0 } },
    ],
    limits: [
      {
        mirror: "in",
        bytesPerSecond: null,
        inFlightBytesMax: 64,
        inFlightBytes: 9,
        throttledMs: 250,
        backfill: { bytesPerSecond: 1_000, olderThanMs: 60_000, throttledMs: 1_250 },
      },
    ],
    ...changes,
  };
}
