/** WriteTxnMarkers: a coordinator's commit and abort markers for partitions; needs ClusterAction. v0 went with Kafka 4.0, v2
 *  says how the transaction ran (KIP-1228). */

import { defineApi } from "../api.ts";
import { array, boolean, int8, int16, int32, int64, since, string, struct } from "../schema.ts";

export const writeTxnMarkers = defineApi({
  key: 27,
  name: "WriteTxnMarkers",
  versions: [1, 2],
  flexibleFrom: 1,
  request: struct({
    markers: array(
      struct({
        producerId: int64,
        producerEpoch: int16,
        committed: boolean,
        topics: array(struct({ name: string, partitionIndexes: array(int32) })),
        coordinatorEpoch: int32,
        /** 2: the epoch was raised for this marker, so the data has lower ones; below: as before KIP-890. */
        transactionVersion: since(2, int8, 0, { ignorable: true }),
      }),
    ),
  }),
  response: struct({
    markers: array(
      struct({
        producerId: int64,
        topics: array(struct({ name: string, partitions: array(struct({ index: int32, errorCode: int16 })) })),
      }),
    ),
  }),
});
