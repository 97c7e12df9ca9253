/** DeleteRecords v0-2: moves a partition's start forward, to the high watermark with -1. */

import { deleteRecords } from "../../wire/apis/21-delete-records.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";

const TO_HIGH_WATERMARK = -1n;

export const deleteRecordsHandler = defineHandler(deleteRecords, (request, context) => ({
  throttleMs: 0,
  topics: request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ index, offset }) => {
      try {
        return { index, lowWatermark: deleted(name, { index, offset }, context), errorCode: ErrorCode.NONE };
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        return { index, lowWatermark: -1n, errorCode: error.errorCode };
      }
    }),
  })),
}));

function deleted(
  name: string,
  { index, offset }: { readonly index: number; readonly offset: bigint },
  { cluster, brokerId }: RequestContext,
): bigint {
  const topic = requestedTopic(cluster, { name });
  const partition = requestedPartition(topic, index);
  checkLeads(partition, brokerId);
  if (!partition.settings.deletes) throw refusal(ErrorCode.POLICY_VIOLATION);
  const before = offset === TO_HIGH_WATERMARK ? partition.highWatermark : offset;
  if (before < 0n || before > partition.highWatermark) throw refusal(ErrorCode.OFFSET_OUT_OF_RANGE);
  partition.deleteRecordsBefore(before);
  return partition.log.startOffset;
}
