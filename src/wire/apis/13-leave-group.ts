/** LeaveGroup: takes members out of a classic group. v3 takes several at once, so that an operator can remove static
 *  members (KIP-345); v5 gives a reason (KIP-800). */

import { defineApi } from "../api.ts";
import { array, int16, int32, nullableString, since, string, struct, until } from "../schema.ts";

export const leaveGroup = defineApi({
  key: 13,
  name: "LeaveGroup",
  versions: [0, 5],
  flexibleFrom: 4,
  request: struct({
    groupId: string,
    memberId: until(2, string, ""),
    members: since(
      3,
      array(
        struct({
          memberId: string,
          groupInstanceId: nullableString,
          reason: since(5, nullableString, null, { ignorable: true }),
        }),
      ),
      [],
    ),
  }),
  response: struct({
    throttleMs: since(1, int32, 0, { ignorable: true }),
    errorCode: int16,
    members: since(3, array(struct({ memberId: string, groupInstanceId: nullableString, errorCode: int16 })), []),
  }),
});
