/** ListTransactions: the transactional ids of a coordinator (KIP-664). v1 filters by duration (KIP-994), v2 by a pattern (KIP-1152). */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, nullableString, since, string, struct } from "../schema.ts";

export const listTransactions = defineApi({
  key: 66,
  name: "ListTransactions",
  versions: [0, 2],
  flexibleFrom: 0,
  request: struct({
    /** Names as in `DescribeTransactions`; empty: all. */
    stateFilters: array(string),
    producerIdFilters: array(int64),
    /** Only transactions that are open for longer; below 0: all. */
    durationFilterMs: since(1, int64, -1n),
    /** A regular expression (RE2); null or empty: all. */
    transactionalIdPattern: since(2, nullableString, null),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: int16,
    /** Filters that name no state. */
    unknownStateFilters: array(string),
    transactionStates: array(struct({ transactionalId: string, producerId: int64, transactionState: string })),
  }),
});
