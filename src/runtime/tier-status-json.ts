/** How the partitions of existing clusters stand in their archives, as JSON for commands and pages alike. */

import type { PartitionStatus } from "./cluster-offload.ts";

/** A partition of one region. */
export interface TierRow extends PartitionStatus {
  readonly region: string;
}

/** Offsets that are readable in the cluster and not archived; undefined when the cluster did not tell. */
export function tierLag({ archivedTo, clusterEnd, logStart }: PartitionStatus): bigint | undefined {
  return clusterEnd === undefined ? undefined : clusterEnd - (archivedTo ?? logStart ?? 0n);
}

/** Offsets are decimal strings, since they may pass 2^53. */
export function tierRowJson(row: TierRow): object {
  const text = (offset: bigint | undefined): string | null => (offset === undefined ? null : String(offset));
  const { region, partition, store, archivedTo, clusterEnd, logStart, bytesOffloaded, bytesPerSecond, error } = row;
  return {
    ...{ region, topic: partition.topic, topic_id: partition.topicId, partition: partition.partition, store },
    ...{
      archived_to: text(archivedTo),
      log_start: text(logStart),
      cluster_end: text(clusterEnd),
      lag: text(tierLag(row)),
    },
    ...{ bytes_offloaded: bytesOffloaded, bytes_per_second: bytesPerSecond, error: error ?? null },
  };
}
