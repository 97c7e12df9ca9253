/** The archive's LocalLogs over the logs of an embedded region. */

import type { ArchivedPartition } from "../tier/ports.ts";
import type { LocalLogs } from "../tier/upkeep.ts";
import type { SegmentPartition, SegmentRegion } from "./embedded-segments.ts";

/** A region knows all its topics, so that one it does not know is gone. */
export function embeddedLogs(region: SegmentRegion): LocalLogs {
  const find = ({ topicId, partition }: ArchivedPartition): SegmentPartition | undefined =>
    region.topics().find((topic) => topic.topicId === topicId)?.partitions[partition];
  return {
    clusterId: region.clusterId,
    localStart: async (partition) => find(partition)?.log.localStartOffset ?? "gone",
    // Offsets below its start are answered as out of range, instead of being looked for in the archive.
    raiseStart: async (partition, offset) => find(partition)?.log.deleteRecordsBefore(offset),
  };
}
