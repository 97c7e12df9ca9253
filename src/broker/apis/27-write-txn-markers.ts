/** WriteTxnMarkers v1-2: a coordinator's markers for partitions that this broker leads. There is no authorizer, so any client
 *  may send them: tools end hanging transactions so, and a mirror fences the writers before it. */

import { StorageError } from "../../core/storage.ts";
import type { RequestOutput } from "../../wire/api.ts";
import { writeTxnMarkers } from "../../wire/apis/27-write-txn-markers.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { Refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import type { Partition } from "../partition.ts";
import { checkLeads, requestedPartition, requestedTopic } from "../partition-lookup.ts";

type Marker = RequestOutput<typeof writeTxnMarkers>["markers"][number];

/** How long a marker may wait for the replicas in sync: a broker's own limit in Kafka, the request carries none. */
const REPLICATION_MS_MAX = 30_000;

export const writeTxnMarkersHandler = defineHandler(writeTxnMarkers, async (request, context) => {
  const markers = request.markers.map(async (marker) => ({
    producerId: marker.producerId,
    topics: await Promise.all(
      marker.topics.map(async ({ name, partitionIndexes }) => ({
        name,
        partitions: await Promise.all(
          partitionIndexes.map(async (index) => ({
            index,
            errorCode: await written(marker, { name, index }, context),
          })),
        ),
      })),
    ),
  }));
  return { markers: await Promise.all(markers) };
});

async function written(
  marker: Marker,
  { name, index }: { readonly name: string; readonly index: number },
  context: RequestContext,
): Promise<number> {
  const { producerId, producerEpoch, committed, coordinatorEpoch, transactionVersion } = marker;
  try {
    const partition = requestedPartition(requestedTopic(context.cluster, { name }), index);
    checkLeads(partition, context.brokerId);
    const { nextOffset } = partition.appendMarker(
      { producerId, producerEpoch, committed, coordinatorEpoch },
      transactionVersion,
    );
    return await replicated(partition, nextOffset, context);
  } catch (error) {
    if (error instanceof Refusal) return error.errorCode;
    if (!(error instanceof StorageError)) throw error;
    context.logger.error("could not write a marker", { topic: name, partition: index, error: error.message });
    return ErrorCode.KAFKA_STORAGE_ERROR;
  }
}

function replicated(partition: Partition, nextOffset: bigint, context: RequestContext): Promise<number> {
  if (partition.highWatermark >= nextOffset) return Promise.resolve(ErrorCode.NONE);
  return new Promise((resolve) => {
    const finish = (errorCode: number): void => {
      timer.cancel();
      cancel();
      resolve(errorCode);
    };
    const timer = context.clock.after(REPLICATION_MS_MAX, () => finish(ErrorCode.REQUEST_TIMED_OUT));
    const cancel = partition.whenCommitted(nextOffset, (outcome) =>
      finish(outcome === "committed" ? ErrorCode.NONE : ErrorCode.NOT_LEADER_FOR_PARTITION),
    );
  });
}
