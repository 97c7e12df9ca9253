/** CreatePartitions: grows topics (KIP-195). v2 is flexible, v3 may answer THROTTLING_QUOTA_EXCEEDED. */

import { defineApi } from "../api.ts";
import { array, boolean, int16, int32, nullableArray, nullableString, since, string, struct } from "../schema.ts";

export const createPartitions = defineApi({
  key: 37,
  name: "CreatePartitions",
  versions: [0, 3],
  flexibleFrom: 2,
  request: struct({
    topics: array(
      struct({
        name: string,
        /** The number of partitions afterwards. */
        count: int32,
        /** One entry for each new partition; null leaves it to the broker. */
        assignments: nullableArray(struct({ brokerIds: array(int32) })),
      }),
    ),
    timeoutMs: int32,
    validateOnly: boolean,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    results: array(struct({ name: string, errorCode: int16, errorMessage: nullableString })),
  }),
});
