/** The archive's SegmentSource over the logs of an embedded region. */

import type { PartitionLog } from "../broker/log/partition-log.ts";
import type { Uuid } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import { freeMemory } from "../tier/object-body.ts";
import type { ArchivedPartition, ClosedSegment, SegmentFiles, SegmentSource } from "../tier/ports.ts";

/** What is needed of a partition. */
export interface SegmentPartition {
  readonly index: number;
  readonly settings: { readonly compacts: boolean };
  readonly lastStableOffset: bigint;
  readonly log: PartitionLog;
}

/** What is needed of a region. */
export interface SegmentRegion {
  readonly clusterId: string;
  topics(): readonly {
    readonly name: string;
    readonly topicId: Uuid;
    readonly partitions: readonly SegmentPartition[];
  }[];
}

/** Hands over closed segments below the last stable offset. Topics that are compacted have none, since compaction would change
 *  them after they were archived. */
export function embeddedSegments(region: SegmentRegion): SegmentSource {
  const find = ({ topicId, partition }: ArchivedPartition): SegmentPartition | undefined =>
    region.topics().find((topic) => topic.topicId === topicId)?.partitions[partition];
  return {
    partitions: async () =>
      region
        .topics()
        .flatMap(({ name, topicId, partitions }) =>
          partitions
            .filter(({ settings }) => !settings.compacts)
            .map(({ index }) => ({ clusterId: region.clusterId, topic: name, topicId, partition: index })),
        ),
    closedSegments: async (archived) => {
      const partition = find(archived);
      if (partition === undefined) return [];
      return partition.log
        .closedSegments()
        .filter((segment) => segment.nextOffset <= partition.lastStableOffset)
        .map(
          ({ baseOffset, nextOffset, sizeBytes, maxTimestampMs }): ClosedSegment => ({
            baseOffset,
            nextOffset,
            sizeBytes,
            maxTimestampMs: Number(maxTimestampMs),
          }),
        );
    },
    readSegment: async (archived, baseOffset) => {
      const partition = find(archived);
      assertInvariant(partition !== undefined, "a partition is archived only while its topic exists", {
        topic: archived.topic,
      });
      return readFiles(partition, baseOffset);
    },
    // A topic deleted meanwhile has nothing left to drop.
    dropLocal: async (archived, baseOffset) => find(archived)?.log.dropLocalSegment(baseOffset),
  };
}

function readFiles(partition: SegmentPartition, baseOffset: bigint): SegmentFiles {
  const files = partition.log.readSegmentFiles(baseOffset);
  const epochs = partition.log.closedSegments().find((segment) => segment.baseOffset === baseOffset)?.epochs ?? [];
  return {
    log: {
      sizeBytes: files.sizeBytes,
      read: (start, endExclusive) => files.readLog(start, endExclusive - start),
      release: freeMemory,
    },
    index: files.index,
    timeindex: files.timeindex,
    txnindex: files.txnindex,
    leaderEpochs: epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset })),
  };
}
