/** DescribeProducers v0: what a replica remembers of producers. Any replica answers, as in Kafka; ask the leader. */

import { describeProducers } from "../../wire/apis/61-describe-producers.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler } from "../handler.ts";
import { requestedPartition, requestedTopic, wrongLeader } from "../partition-lookup.ts";

export const describeProducersHandler = defineHandler(describeProducers, (request, { cluster, brokerId }) => ({
  throttleMs: 0,
  topics: request.topics.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((index) => {
      try {
        const partition = requestedPartition(requestedTopic(cluster, { name }), index);
        if (partition.replicaNext(brokerId) === undefined || partition.isClosed)
          throw wrongLeader(partition, ErrorCode.NOT_LEADER_FOR_PARTITION);
        const activeProducers = partition.log.producers.describe().map((state) => ({
          producerId: state.producerId,
          producerEpoch: state.producerEpoch,
          lastSequence: state.lastSequence,
          lastTimestampMs: state.lastTimestampMs,
          coordinatorEpoch: state.coordinatorEpoch,
          currentTxnStartOffset: state.currentTxnFirstOffset,
        }));
        return { index, errorCode: ErrorCode.NONE, errorMessage: null, activeProducers };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { index, errorCode: error.errorCode, errorMessage: error.reason, activeProducers: [] };
      }
    }),
  })),
}));
