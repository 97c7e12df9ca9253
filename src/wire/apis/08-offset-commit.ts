/** OffsetCommit: stores a group's offsets. v5 dropped the retention, v6 leader epochs, v7 static members, v8 flexible,
 *  v9 member epochs (KIP-848), v10 topic ids. */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import { array, between, int16, int32, int64, nullableString, since, string, struct, until, uuid } from "../schema.ts";

export const offsetCommit = defineApi({
  key: 8,
  name: "OffsetCommit",
  versions: [2, 10],
  flexibleFrom: 8,
  request: struct({
    groupId: string,
    /** -1 with an empty member id commits from outside the group; the member epoch in consumer groups. */
    generationId: int32,
    memberId: string,
    groupInstanceId: since(7, nullableString, null),
    retentionTimeMs: between(2, 4, int64, -1n, { ignorable: true }),
    topics: array(
      struct({
        name: until(9, string, "", { ignorable: true }),
        topicId: since(10, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(
          struct({
            index: int32,
            committedOffset: int64,
            committedLeaderEpoch: since(6, int32, -1, { ignorable: true }),
            committedMetadata: nullableString,
          }),
        ),
      }),
    ),
  }),
  response: struct({
    throttleMs: since(3, int32, 0, { ignorable: true }),
    topics: array(
      struct({
        name: until(9, string, "", { ignorable: true }),
        topicId: since(10, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(struct({ index: int32, errorCode: int16 })),
      }),
    ),
  }),
});
