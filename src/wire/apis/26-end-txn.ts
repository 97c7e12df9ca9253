/** EndTxn: commits or aborts. v2 answers PRODUCER_FENCED, v4 TRANSACTION_ABORTABLE; v5 raises the epoch with every transaction
 *  and answers what the producer goes on with (KIP-890). */

import { defineApi } from "../api.ts";
import { boolean, int16, int32, int64, since, string, struct } from "../schema.ts";

export const endTxn = defineApi({
  key: 26,
  name: "EndTxn",
  versions: [0, 5],
  flexibleFrom: 3,
  request: struct({ transactionalId: string, producerId: int64, producerEpoch: int16, committed: boolean }),
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: int16,
    producerId: since(5, int64, -1n, { ignorable: true }),
    producerEpoch: since(5, int16, -1, { ignorable: true }),
  }),
});
