/** OffsetForLeaderEpoch: where an epoch ended, to find out whether a log was truncated (KIP-101, KIP-320). */

import { defineApi } from "../api.ts";
import { array, int16, int32, int64, since, string, struct } from "../schema.ts";

export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: "OffsetForLeaderEpoch",
  versions: [2, 4],
  flexibleFrom: 4,
  request: struct({
    /** -1 from a consumer; -2 for those who do not say. */
    replicaId: since(3, int32, -2, { ignorable: true }),
    topics: array(
      struct({
        name: string,
        partitions: array(struct({ index: int32, currentLeaderEpoch: int32, leaderEpoch: int32 })),
      }),
    ),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            errorCode: int16,
            index: int32,
            /** The largest epoch not above the one asked for; -1 when there is none. */
            leaderEpoch: int32,
            /** First offset after that epoch; -1 when there is none. */
            endOffset: int64,
          }),
        ),
      }),
    ),
  }),
});
