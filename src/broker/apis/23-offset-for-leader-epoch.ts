/** OffsetForLeaderEpoch v2-4: where a leader epoch ended; the leader of the partition answers. */

import { offsetForLeaderEpoch } from "../../wire/apis/23-offset-for-leader-epoch.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler } from "../handler.ts";
import { checkLeaderEpoch, checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";

export const offsetForLeaderEpochHandler = defineHandler(offsetForLeaderEpoch, (request, { cluster, brokerId }) => ({
  throttleMs: 0,
  topics: request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ index, currentLeaderEpoch, leaderEpoch }) => {
      try {
        const partition = requestedPartition(requestedTopic(cluster, { name }), index);
        checkLeads(partition, brokerId);
        checkLeaderEpoch(partition, currentLeaderEpoch);
        const end = partition.log.epochEnd(leaderEpoch);
        return { errorCode: ErrorCode.NONE, index, leaderEpoch: end.epoch, endOffset: end.endOffset };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { errorCode: error.errorCode, index, leaderEpoch: -1, endOffset: -1n };
      }
    }),
  })),
}));
