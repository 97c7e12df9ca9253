/** AddOffsetsToTxn: a transaction will commit offsets of a group. v2 answers PRODUCER_FENCED, v4 TRANSACTION_ABORTABLE. */

import { defineApi } from "../api.ts";
import { int16, int32, int64, since, string, struct } from "../schema.ts";

export const addOffsetsToTxn = defineApi({
  key: 25,
  name: "AddOffsetsToTxn",
  versions: [0, 4],
  flexibleFrom: 3,
  request: struct({ transactionalId: string, producerId: int64, producerEpoch: int16, groupId: string }),
  response: struct({ throttleMs: since(0, int32, 0), errorCode: int16 }),
});
