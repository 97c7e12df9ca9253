/** Fetches the committed batches of one partition for an archive, and says what is wrong with the place asked for. */

import { brokerError } from "../client/errors.ts";
import { type FetchedPartition, fetchFrom } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { isLeaderCode } from "../client/leaders.ts";
import type { ArchivedPartition } from "../tier/ports.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** The broker answers at once when there is anything; there is, or nobody would ask. */
const WAIT_MS = 250;
/** Looks for the leader before the partition is left for the next pass. */
const ATTEMPTS_MAX = 5;

/** What to ask for. */
export interface SegmentFetch {
  readonly partition: ArchivedPartition;
  readonly offset: bigint;
  /** Epoch of the batch before it, by which the broker tells that it has been cut off since; -1 when nobody knows. */
  readonly lastEpoch: number;
  readonly maxBytes: number;
}

/** Batches, or why there are none. */
export type SegmentAnswer =
  | { readonly kind: "batches"; readonly fetched: FetchedPartition }
  /** The cluster agrees with what was read before up to here at most. */
  | { readonly kind: "diverged"; readonly endOffset: bigint }
  /** The cluster has nothing at the offset: it is below the start, beyond the end, or its epoch is not known any more. */
  | { readonly kind: "out-of-range" };

/** Asks the leader, whoever it is by now. @throws {ClientError} */
export async function fetchSegment(client: KafkaClient, request: SegmentFetch): Promise<SegmentAnswer> {
  const { topic, topicId, partition: index } = request.partition;
  let errorCode: number = ErrorCode.LEADER_NOT_AVAILABLE;
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (attempt > 1) await client.metadata.refresh("a partition to be archived has moved");
    const leader = client.metadata.leaderOf(topic, index);
    if (leader === undefined) continue;
    const [fetched] = await fetchFrom(client, leader.leaderId, {
      partitions: [
        {
          ...{ topic, topicId, index, fetchOffset: request.offset, maxBytes: request.maxBytes },
          ...{ lastFetchedEpoch: request.lastEpoch, currentLeaderEpoch: -1 },
        },
      ],
      ...{ maxWaitMs: WAIT_MS, minBytes: 1, maxBytes: request.maxBytes, isolation: "read_committed" },
    });
    errorCode = fetched?.errorCode ?? ErrorCode.UNKNOWN;
    if (fetched !== undefined && errorCode === ErrorCode.NONE) {
      const { divergingEpoch } = fetched;
      if (divergingEpoch === undefined) return { kind: "batches", fetched };
      return { kind: "diverged", endOffset: divergingEpoch.endOffset };
    }
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) return { kind: "out-of-range" };
    if (!isLeaderCode(errorCode)) break;
  }
  throw brokerError("Fetch", errorCode, { subject: `${topic}-${index}` });
}
