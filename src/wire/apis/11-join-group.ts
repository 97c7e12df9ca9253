/** JoinGroup: enters a classic group. v4 makes a new member come back with the id it was given (KIP-394), v5 static
 *  members (KIP-345), v6 flexible, v8 a reason (KIP-800), v9 lets the leader skip the assignment. */

import { defineApi } from "../api.ts";
import { array, boolean, bytes, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const joinGroup = defineApi({
  key: 11,
  name: "JoinGroup",
  versions: [0, 9],
  flexibleFrom: 6,
  request: struct({
    groupId: string,
    sessionTimeoutMs: int32,
    rebalanceTimeoutMs: since(1, int32, -1, { ignorable: true }),
    /** Empty from a member that has no id yet. */
    memberId: string,
    groupInstanceId: since(5, nullableString, null),
    protocolType: string,
    /** In order of preference. */
    protocols: array(struct({ name: string, metadata: bytes })),
    reason: since(8, nullableString, null, { ignorable: true }),
  }),
  response: struct({
    throttleMs: since(2, int32, 0, { ignorable: true }),
    errorCode: int16,
    /** -1 on error. */
    generationId: int32,
    protocolType: since(7, nullableString, null, { ignorable: true }),
    /** May be null from v7 on. */
    protocolName: nullableString,
    /** Member id of the leader; only that member gets `members`. */
    leader: string,
    skipAssignment: since(9, boolean, false),
    memberId: string,
    members: array(
      struct({
        memberId: string,
        groupInstanceId: since(5, nullableString, null, { ignorable: true }),
        metadata: bytes,
      }),
    ),
  }),
});
