/** JoinGroup v0-9: enters a classic group and waits for its rebalance. v4 and later clients come back with a given id. */

import type { ResponseInput } from "../../wire/api.ts";
import { joinGroup } from "../../wire/apis/11-join-group.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { type JoinResult, refusedJoin } from "../groups/results.ts";
import { defineHandler } from "../handler.ts";

const FIRST_VERSION_WITH_ID_FIRST = 4;
/** From here on the protocol's name may be null; before, it is an empty text. */
const FIRST_VERSION_WITH_NULL_NAME = 7;

export const joinGroupHandler = defineHandler(joinGroup, (request, context) => {
  const { groups, brokerId, apiVersion, clientId, clientHost } = context;
  const { groupId, memberId, sessionTimeoutMs, protocolType } = request;
  const respond = (result: JoinResult): ResponseInput<typeof joinGroup> => ({
    throttleMs: 0,
    ...result,
    protocolName: result.protocolName ?? (apiVersion >= FIRST_VERSION_WITH_NULL_NAME ? null : ""),
    skipAssignment: false,
  });
  const refused = groups.check(groupId, brokerId);
  if (refused !== ErrorCode.NONE && groupId !== "") return respond(refusedJoin(memberId, refused));
  const result = groups.join(
    groupId,
    { memberId, needsId: apiVersion >= FIRST_VERSION_WITH_ID_FIRST },
    {
      clientId: clientId ?? "",
      clientHost,
      groupInstanceId: request.groupInstanceId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs < 0 ? sessionTimeoutMs : request.rebalanceTimeoutMs,
      protocolType,
      // Copied: a member outlives the frame it came in.
      protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    },
  );
  return result instanceof Promise ? result.then(respond) : respond(result);
});
