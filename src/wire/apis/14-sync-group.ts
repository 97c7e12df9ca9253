/** SyncGroup: the leader hands in the assignment, every member gets its own. v5 names the protocol (KIP-559). */

import { defineApi } from "../api.ts";
import { array, bytes, int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const syncGroup = defineApi({
  key: 14,
  name: "SyncGroup",
  versions: [0, 5],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since(3, nullableString, null),
    protocolType: since(5, nullableString, null, { ignorable: true }),
    protocolName: since(5, nullableString, null, { ignorable: true }),
    assignments: array(struct({ memberId: string, assignment: bytes })),
  }),
  response: struct({
    throttleMs: since(1, int32, 0, { ignorable: true }),
    errorCode: int16,
    protocolType: since(5, nullableString, null, { ignorable: true }),
    protocolName: since(5, nullableString, null, { ignorable: true }),
    assignment: bytes,
  }),
});
