/** TxnOffsetCommit: a group's offsets that count once the transaction commits. v2 leader epochs, v3 members and generations,
 *  v4 TRANSACTION_ABORTABLE, v5 adds the group to the transaction by itself (KIP-890). */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, nullableString, since, string, struct } from "../schema.ts";

export const txnOffsetCommit = defineApi({
  key: 28,
  name: "TxnOffsetCommit",
  versions: [0, 5],
  flexibleFrom: 3,
  request: struct({
    transactionalId: string,
    groupId: string,
    producerId: int64,
    producerEpoch: int16,
    generationId: since(3, int32, -1),
    memberId: since(3, string, ""),
    groupInstanceId: since(3, nullableString, null),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            index: int32,
            committedOffset: int64,
            committedLeaderEpoch: since(2, int32, -1, { ignorable: true }),
            committedMetadata: nullableString,
          }),
        ),
      }),
    ),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(struct({ name: string, partitions: array(struct({ index: int32, errorCode: int16 })) })),
  }),
});
