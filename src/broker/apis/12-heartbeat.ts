/** Heartbeat v0-4: keeps a member's session and tells it of a rebalance. */

import { heartbeat } from "../../wire/apis/12-heartbeat.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

export const heartbeatHandler = defineHandler(heartbeat, (request, { groups, brokerId }) => {
  const refused = groups.check(request.groupId, brokerId);
  return {
    throttleMs: 0,
    errorCode: refused === ErrorCode.NONE ? groups.heartbeat(request.groupId, request) : refused,
  };
});
