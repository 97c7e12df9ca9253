/** AddPartitionsToTxn: what a transaction will write. Up to v3 clients ask about one transaction; from v4 on brokers ask about
 *  several, to verify or to add (KIP-890). v2 answers PRODUCER_FENCED, v5 TRANSACTION_ABORTABLE. */

import { defineApi } from "../api.ts";
import { array, boolean, int16, int32, int64, since, string, struct, until } from "../schema.ts";

const topics = array(struct({ name: string, partitions: array(int32) }));
const results = array(struct({ name: string, partitions: array(struct({ index: int32, errorCode: int16 })) }));

export const addPartitionsToTxn = defineApi({
  key: 24,
  name: "AddPartitionsToTxn",
  versions: [0, 5],
  flexibleFrom: 3,
  request: struct({
    transactions: since(
      4,
      array(
        struct({
          transactionalId: string,
          producerId: int64,
          producerEpoch: int16,
          /** Only ask whether the partitions are part of the transaction. */
          verifyOnly: boolean,
          topics,
        }),
      ),
      [],
    ),
    transactionalId: until(3, string, ""),
    producerId: until(3, int64, 0n),
    producerEpoch: until(3, int16, 0),
    topics: until(3, topics, []),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: since(4, int16, 0, { ignorable: true }),
    transactions: since(4, array(struct({ transactionalId: string, topics: results })), []),
    topics: until(3, results, []),
  }),
});
