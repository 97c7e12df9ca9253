/** TxnOffsetCommit v0-5: a group's offsets that count once the transaction commits. v5 adds the group to the transaction by
 *  itself; before, AddOffsetsToTxn must have done so. */

import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { txnOffsetCommit } from "../../wire/apis/28-txn-offset-commit.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { OFFSETS_TOPIC } from "../transactions/transaction.ts";
import { type TransactionSupport, verified } from "../transactions/verification.ts";

type Request = RequestOutput<typeof txnOffsetCommit>;

const FIRST_ABORTABLE_VERSION = 4;
const FIRST_IMPLICIT_VERSION = 5;
/** The request names no limit; a coordinator waits this long for the replicas of offsets in Kafka. */
const WAIT_MS_MAX = 5_000;

export const txnOffsetCommitHandler = defineHandler(txnOffsetCommit, (request, context) => {
  const { groups, brokerId } = context;
  const isKnown = request.topics.some(({ name, partitions }) =>
    partitions.some(({ index }) => context.cluster.partition(name, index) !== undefined),
  );
  // Partitions that do not exist are answered as such, whatever else is wrong.
  if (!isKnown) return answered(request, context, ErrorCode.NONE);
  const refused = request.groupId === "" ? ErrorCode.INVALID_GROUP_ID : groups.check(request.groupId, brokerId);
  if (refused !== ErrorCode.NONE) return answered(request, context, refused);
  const checked = verified(
    {
      writer: request,
      partitions: [{ topic: OFFSETS_TOPIC, index: groups.slotOf(request.groupId) }],
      support: supportOf(context.apiVersion),
      timeoutMs: WAIT_MS_MAX,
    },
    context,
  );
  return checked instanceof Promise
    ? checked.then(([code]) => answered(request, context, code))
    : answered(request, context, checked[0]);
});

/** Stores the offsets unless `refused` is a code. */
function answered(
  request: Request,
  context: RequestContext,
  refused = ErrorCode.UNKNOWN as number,
): ResponseInput<typeof txnOffsetCommit> {
  const { cluster, groups } = context;
  const items = request.topics.flatMap(({ name, partitions }) =>
    partitions.map((partition) => ({
      topic: name,
      partition: partition.index,
      offset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata: partition.committedMetadata,
      isKnown: cluster.partition(name, partition.index) !== undefined,
    })),
  );
  const known = items.filter(({ isKnown }) => isKnown);
  const codes =
    refused === ErrorCode.NONE && known.length > 0
      ? groups.commit(request.groupId, request, { items: known, producerId: request.producerId })
      : known.map(() => refused);
  const codeOf = new Map(known.map((item, i) => [item, codes[i] ?? ErrorCode.UNKNOWN]));
  let next = 0;
  const topics = request.topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ index }) => {
      const item = items[next++];
      const errorCode = item === undefined ? ErrorCode.UNKNOWN : codeOf.get(item);
      return { index, errorCode: errorCode ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION };
    }),
  }));
  return { throttleMs: 0, topics };
}

function supportOf(apiVersion: number): TransactionSupport {
  if (apiVersion >= FIRST_IMPLICIT_VERSION) return "implicit";
  return apiVersion >= FIRST_ABORTABLE_VERSION ? "abortable" : "announced";
}
