/** LeaveGroup v0-5: takes one member out of a classic group up to v2, several from v3 on. */

import { leaveGroup } from "../../wire/apis/13-leave-group.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

const FIRST_VERSION_WITH_MEMBERS = 3;

export const leaveGroupHandler = defineHandler(leaveGroup, (request, { groups, brokerId, apiVersion }) => {
  const { groupId, memberId } = request;
  const refused = groups.check(groupId, brokerId);
  if (refused !== ErrorCode.NONE) return { throttleMs: 0, errorCode: refused };
  if (apiVersion < FIRST_VERSION_WITH_MEMBERS)
    return { throttleMs: 0, errorCode: groups.leave(groupId, { memberId, groupInstanceId: null }) };
  const members = request.members.map((member) => ({
    memberId: member.memberId,
    groupInstanceId: member.groupInstanceId,
    errorCode: groups.leave(groupId, member),
  }));
  return { throttleMs: 0, errorCode: ErrorCode.NONE, members };
});
