/** ListGroups v0-5: the groups that this broker coordinates; all of them are of the classic type. */

import { listGroups } from "../../wire/apis/16-list-groups.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

const TYPE = "classic";

export const listGroupsHandler = defineHandler(listGroups, (request, { groups, brokerId }) => {
  const isAsked = (filter: readonly string[], value: string): boolean =>
    filter.length === 0 || filter.some((wanted) => wanted.toLowerCase() === value.toLowerCase());
  const listed = groups
    .groupsOf(brokerId)
    .filter((group) => isAsked(request.statesFilter, group.state) && isAsked(request.typesFilter, TYPE))
    .map(({ groupId, protocolType, state }) => ({ groupId, protocolType, groupState: state, groupType: TYPE }));
  return { throttleMs: 0, errorCode: ErrorCode.NONE, groups: listed };
});
