/** DescribeTransactions: what a coordinator knows of its transactional ids (KIP-664). */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, since, string, struct } from "../schema.ts";

export const describeTransactions = defineApi({
  key: 65,
  name: "DescribeTransactions",
  versions: [0, 0],
  flexibleFrom: 0,
  request: struct({ transactionalIds: array(string) }),
  response: struct({
    throttleMs: since(0, int32, 0),
    transactionStates: array(
      struct({
        errorCode: int16,
        transactionalId: string,
        transactionState: string,
        transactionTimeoutMs: int32,
        /** -1 outside a transaction. */
        transactionStartTimeMs: int64,
        producerId: int64,
        producerEpoch: int16,
        /** While a transaction ends: those that lack their marker. */
        topics: array(struct({ name: string, partitionIndexes: array(int32) })),
      }),
    ),
  }),
});
