/** InitProducerId: a producer id and epoch. v3 bumps the epoch of an id already held (KIP-360), v4 answers
 *  PRODUCER_FENCED, v5 goes with KIP-890. */

import { defineApi } from "../api.ts";
import { int16, int32, int64, nullableString, since, struct } from "../schema.ts";

export const initProducerId = defineApi({
  key: 22,
  name: "InitProducerId",
  versions: [0, 5],
  flexibleFrom: 2,
  request: struct({
    /** Null asks for an id that is idempotent but not transactional. */
    transactionalId: nullableString,
    transactionTimeoutMs: int32,
    producerId: since(3, int64, -1n),
    producerEpoch: since(3, int16, -1),
  }),
  response: struct({ throttleMs: since(0, int32, 0), errorCode: int16, producerId: int64, producerEpoch: int16 }),
});
