/** DescribeGroups v0-6: state and members of classic groups; a group that does not exist is "Dead", or an error from v6 on. */

import type { ResponseInput } from "../../wire/api.ts";
import { describeGroups } from "../../wire/apis/15-describe-groups.ts";
import { OPERATIONS_NOT_ASKED } from "../../wire/apis/authorized-operations.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { ALL_GROUP_OPERATIONS } from "../authorized.ts";
import type { Group } from "../groups/group.ts";
import { defineHandler } from "../handler.ts";

type GroupAnswer = ResponseInput<typeof describeGroups>["groups"][number];

const FIRST_VERSION_WITH_NOT_FOUND = 6;

export const describeGroupsHandler = defineHandler(describeGroups, (request, { groups, brokerId, apiVersion }) => ({
  throttleMs: 0,
  groups: request.groups.map((groupId): GroupAnswer => {
    const nothing = { groupId, groupState: "", protocolType: "", protocolData: "", members: [] };
    const errorCode = groups.check(groupId, brokerId);
    if (errorCode !== ErrorCode.NONE) return { ...nothing, errorCode };
    const group = groups.group(groupId);
    if (group === undefined && apiVersion >= FIRST_VERSION_WITH_NOT_FOUND)
      return {
        ...nothing,
        errorCode: ErrorCode.GROUP_ID_NOT_FOUND,
        errorMessage: `Group ${groupId} not found.`,
        groupState: "Dead",
      };
    if (group === undefined) return { ...nothing, errorCode, groupState: "Dead" };
    return described(group, request.includeAuthorizedOperations ? ALL_GROUP_OPERATIONS : OPERATIONS_NOT_ASKED);
  }),
}));

function described(group: Group, authorizedOperations: number): GroupAnswer {
  const isStable = group.state === "Stable";
  const protocolData = isStable ? (group.protocolName ?? "") : "";
  return {
    errorCode: ErrorCode.NONE,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType,
    protocolData,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.facts.groupInstanceId,
      clientId: member.facts.clientId,
      clientHost: member.facts.clientHost,
      memberMetadata: member.metadata(protocolData),
      memberAssignment: isStable ? member.assignment : Buffer.alloc(0),
    })),
    authorizedOperations,
  };
}
