/** DescribeProducers: what a partition's leader remembers of its idempotent producers (KIP-664). */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, nullableString, since, string, struct } from "../schema.ts";

const producer = struct({
  producerId: int64,
  /** An int32 here, an int16 everywhere else. */
  producerEpoch: int32,
  lastSequence: int32,
  /** The largest record timestamp of the producer's last batch, not the time of its arrival. */
  lastTimestampMs: int64,
  coordinatorEpoch: int32,
  /** -1 outside a transaction. */
  currentTxnStartOffset: int64,
});

export const describeProducers = defineApi({
  key: 61,
  name: "DescribeProducers",
  versions: [0, 0],
  flexibleFrom: 0,
  request: struct({ topics: array(struct({ name: string, partitionIndexes: array(int32) })) }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({ index: int32, errorCode: int16, errorMessage: nullableString, activeProducers: array(producer) }),
        ),
      }),
    ),
  }),
});
