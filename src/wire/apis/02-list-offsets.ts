/** ListOffsets: the offset at a timestamp. -1 asks for the end, -2 for the start, -3 for the record with the highest
 *  timestamp (v7), -4 for the local start (v8, KIP-405), -5 for the last tiered offset (v9), -6 for the first offset
 *  still to be tiered (v11). */

import { defineApi } from "../api.ts";
import { array, int8, int16, int32, int64, since, string, struct } from "../schema.ts";

export const listOffsets = defineApi({
  key: 2,
  name: "ListOffsets",
  versions: [1, 11],
  flexibleFrom: 6,
  request: struct({
    /** -1: we are no replica. */
    replicaId: int32,
    /** 0 read_uncommitted, 1 read_committed: then -1 answers the last stable offset. */
    isolationLevel: since(2, int8, 0),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            index: int32,
            currentLeaderEpoch: since(4, int32, -1, { ignorable: true }),
            timestampMs: int64,
          }),
        ),
      }),
    ),
    /** How long the broker may wait for remote storage (KIP-1075). */
    timeoutMs: since(10, int32, 0, { ignorable: true }),
  }),
  response: struct({
    throttleMs: since(2, int32, 0, { ignorable: true }),
    topics: array(
      struct({
        name: string,
        partitions: array(
          struct({
            index: int32,
            errorCode: int16,
            /** -1 when the offset has none. */
            timestampMs: int64,
            /** -1 when no record is that young. */
            offset: int64,
            leaderEpoch: since(4, int32, -1),
          }),
        ),
      }),
    ),
  }),
});
