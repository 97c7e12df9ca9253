/** DescribeGroups: state and members of classic groups. v6 answers GROUP_ID_NOT_FOUND with a message (KIP-1043). */

import { defineApi } from "../api.ts";
import { array, boolean, bytes, int16, int32, nullableString, since, string, struct } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./authorized-operations.ts";

const member = struct({
  memberId: string,
  groupInstanceId: since(4, nullableString, null, { ignorable: true }),
  clientId: string,
  clientHost: string,
  memberMetadata: bytes,
  memberAssignment: bytes,
});

export const describeGroups = defineApi({
  key: 15,
  name: "DescribeGroups",
  versions: [0, 6],
  flexibleFrom: 5,
  request: struct({ groups: array(string), includeAuthorizedOperations: since(3, boolean, false) }),
  response: struct({
    throttleMs: since(1, int32, 0, { ignorable: true }),
    groups: array(
      struct({
        errorCode: int16,
        errorMessage: since(6, nullableString, null, { ignorable: true }),
        groupId: string,
        /** Empty, PreparingRebalance, CompletingRebalance, Stable or Dead; an empty text on error. */
        groupState: string,
        protocolType: string,
        /** The chosen protocol. */
        protocolData: string,
        members: array(member),
        authorizedOperations: since(3, int32, OPERATIONS_NOT_ASKED),
      }),
    ),
  }),
});
