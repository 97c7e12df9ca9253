/** Heartbeat: keeps a member in its classic group and tells it of a rebalance. */

import { defineApi } from "../api.ts";
import { int16, int32, nullableString, since, string, struct } from "../schema.ts";

export const heartbeat = defineApi({
  key: 12,
  name: "Heartbeat",
  versions: [0, 4],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    generationId: int32,
    memberId: string,
    groupInstanceId: since(3, nullableString, null),
  }),
  response: struct({ throttleMs: since(1, int32, 0, { ignorable: true }), errorCode: int16 }),
});
