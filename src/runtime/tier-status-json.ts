/** How the partitions of existing clusters stand in their archives, as JSON for commands and pages alike. */

import { REQUEST_BOUNDS_MS, type RequestFigures, STORE_OPS, type StoreOp } from "../tier/measured-store.ts";
import type { PartitionStatus, RuleStatus } from "./cluster-offload.ts";

/** A partition of one region. */
export interface TierRow extends PartitionStatus {
  readonly region: string;
}

/** A tiering rule of one region. */
export interface TierRuleRow extends RuleStatus {
  readonly region: string;
}

/** Everything that an offloader tells. */
export interface OffloaderStatus {
  readonly partitions: readonly TierRow[];
  readonly rules: readonly TierRuleRow[];
}

/** Offsets that are readable in the cluster and not archived; undefined when the cluster did not tell. */
export function tierLag({ archivedTo, clusterEnd, logStart }: PartitionStatus): bigint | undefined {
  return clusterEnd === undefined ? undefined : clusterEnd - (archivedTo ?? logStart ?? 0n);
}

/** Offsets are decimal strings, since they may pass 2^53. */
export function tierRowJson(row: TierRow): object {
  const text = (offset: bigint | undefined): string | null => (offset === undefined ? null : String(offset));
  const { region, partition, store, archivedTo, clusterEnd, logStart, bytesPerSecond, error } = row;
  const { archivedUntilMs, bytesOffloaded, segmentsOffloaded } = row;
  return {
    ...{ region, topic: partition.topic, topic_id: partition.topicId, partition: partition.partition, store },
    ...{
      archived_to: text(archivedTo),
      log_start: text(logStart),
      cluster_end: text(clusterEnd),
      lag: text(tierLag(row)),
    },
    archived_until_ms: archivedUntilMs ?? null,
    ...{ segments_offloaded: segmentsOffloaded, bytes_offloaded: bytesOffloaded, bytes_per_second: bytesPerSecond },
    error: error ?? null,
  };
}

/** What requests of one kind took; the bounds of their classes are in milliseconds. */
export interface OpFigures extends RequestFigures {
  readonly op: StoreOp;
  readonly boundsMs: readonly number[];
}

/** Requests of a rule by their kind, all kinds. */
export function requestsOf({ requests }: TierRuleRow): readonly OpFigures[] {
  return STORE_OPS.map((op) => ({ ...requests[op], op, boundsMs: REQUEST_BOUNDS_MS }));
}

/** Numbers are since the start of the process. */
export function tierRuleJson(rule: TierRuleRow): object {
  const { region, store, failure, upkeep, parquet } = rule;
  const { scrub } = upkeep;
  return {
    ...{ region, store, failure: failure ?? null },
    upkeep: {
      segments_removed: upkeep.segmentsRemoved,
      segments_of_deleted_topics: upkeep.segmentsOfDeletedTopics,
      objects_collected: upkeep.objectsCollected,
      unfinished_collected: upkeep.unfinishedCollected,
      failure: upkeep.failure ?? null,
    },
    scrub: {
      ...{ rounds: scrub.rounds, segments: scrub.segments, bytes: scrub.bytes, found: scrub.found },
      findings: scrub.findings.map(({ key, kind, what }) => ({ key, kind, what })),
    },
    parquet: parquet === undefined ? null : { ...parquet, failure: parquet.failure ?? null },
    requests: requestsOf(rule).map(({ op, counts, sumMs, failures }) => {
      return { op, count: counts.reduce((sum, count) => sum + count, 0), seconds: sumMs / 1_000, failures };
    }),
  };
}
