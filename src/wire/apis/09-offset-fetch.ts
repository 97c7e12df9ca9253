/** OffsetFetch: a group's stored offsets. v2 brought "all topics", v5 leader epochs, v6 flexible, v7 stable offsets only,
 *  v8 several groups at once (KIP-709), v9 member epochs, v10 topic ids. Up to v7 `groupId` and `topics` are at the root,
 *  from v8 on in `groups`. */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import {
  array,
  between,
  boolean,
  int16,
  int32,
  int64,
  nullableArray,
  nullableString,
  since,
  string,
  struct,
  until,
  uuid,
} from "../schema.ts";

const partitions = array(
  struct({
    index: int32,
    /** -1 when the group stored none. */
    committedOffset: int64,
    committedLeaderEpoch: since(5, int32, -1, { ignorable: true }),
    committedMetadata: nullableString,
    errorCode: int16,
  }),
);

export const offsetFetch = defineApi({
  key: 9,
  name: "OffsetFetch",
  versions: [1, 10],
  flexibleFrom: 6,
  request: struct({
    groupId: until(7, string, ""),
    /** Null, from v2 on, asks for every topic. */
    topics: until(7, nullableArray(struct({ name: string, partitionIndexes: array(int32) })), []),
    groups: since(
      8,
      array(
        struct({
          groupId: string,
          memberId: since(9, nullableString, null, { ignorable: true }),
          memberEpoch: since(9, int32, -1, { ignorable: true }),
          /** Null asks for every topic. */
          topics: nullableArray(
            struct({
              name: until(9, string, "", { ignorable: true }),
              topicId: since(10, uuid, ZERO_UUID, { ignorable: true }),
              partitionIndexes: array(int32),
            }),
          ),
        }),
      ),
      [],
    ),
    requireStable: since(7, boolean, false),
  }),
  response: struct({
    throttleMs: since(3, int32, 0, { ignorable: true }),
    topics: until(7, array(struct({ name: string, partitions })), []),
    errorCode: between(2, 7, int16, 0, { ignorable: true }),
    groups: since(
      8,
      array(
        struct({
          groupId: string,
          topics: array(
            struct({
              name: until(9, string, "", { ignorable: true }),
              topicId: since(10, uuid, ZERO_UUID, { ignorable: true }),
              partitions,
            }),
          ),
          errorCode: int16,
        }),
      ),
      [],
    ),
  }),
});
