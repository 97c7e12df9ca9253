/** The figures of the main job's check, and whether they say that all is well. */

import type { Anomaly, AnomalyKind } from "./records.ts";

/** What is printed, under the names that `-o json` uses. */
export interface Figures {
  /** Flights that the sources hold, each once and as it was sent. */
  readonly produced: number;
  /** Of these, how many are on the target at least once. */
  readonly mirrored: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly mutated: number;
  readonly workerKills: number;
  readonly brokerStops: number;
  /** Translations asked for, both directions. */
  readonly offsetsChecked: number;
  readonly offsetsWrong: number;
  readonly groupsChecked: number;
  /** Groups with any wrong commit, skipped or repeated record. */
  readonly groupsWrong: number;
  readonly segmentsOffloaded: number;
  readonly bytesOffloaded: number;
  readonly coldRecordsRead: number;
  readonly elapsedMs: number;
}

/** Anomalies of one kind. */
export function countOf(anomalies: readonly Anomaly[], kind: AnomalyKind): number {
  return anomalies.filter((one) => one.kind === kind).length;
}

/** The figures as an object with the documented names, in their documented order. */
export function figuresJson(figures: Figures): Readonly<Record<string, number>> {
  return {
    produced: figures.produced,
    mirrored: figures.mirrored,
    lost: figures.lost,
    duplicated: figures.duplicated,
    reordered: figures.reordered,
    mutated: figures.mutated,
    worker_kills: figures.workerKills,
    broker_stops: figures.brokerStops,
    offsets_checked: figures.offsetsChecked,
    offsets_wrong: figures.offsetsWrong,
    groups_checked: figures.groupsChecked,
    groups_wrong: figures.groupsWrong,
    segments_offloaded: figures.segmentsOffloaded,
    bytes_offloaded: figures.bytesOffloaded,
    cold_records_read: figures.coldRecordsRead,
    elapsed_ms: figures.elapsedMs,
  };
}
