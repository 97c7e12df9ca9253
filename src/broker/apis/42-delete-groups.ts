/** DeleteGroups v0-2: removes groups without members, and their offsets. */

import { deleteGroups } from "../../wire/apis/42-delete-groups.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

export const deleteGroupsHandler = defineHandler(deleteGroups, (request, { groups, brokerId }) => ({
  throttleMs: 0,
  results: request.groupsNames.map((groupId) => {
    const refused = groups.check(groupId, brokerId);
    return { groupId, errorCode: refused === ErrorCode.NONE ? groups.delete(groupId) : refused };
  }),
}));
