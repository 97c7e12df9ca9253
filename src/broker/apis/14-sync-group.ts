/** SyncGroup v0-5: the leader hands in the assignment, everybody waits for their own part. */

import type { ResponseInput } from "../../wire/api.ts";
import { syncGroup } from "../../wire/apis/14-sync-group.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { refusedSync, type SyncResult } from "../groups/results.ts";
import { defineHandler } from "../handler.ts";

export const syncGroupHandler = defineHandler(syncGroup, (request, { groups, brokerId }) => {
  const respond = (result: SyncResult): ResponseInput<typeof syncGroup> => ({ throttleMs: 0, ...result });
  const refused = groups.check(request.groupId, brokerId);
  if (refused !== ErrorCode.NONE) return respond(refusedSync(refused));
  const result = groups.sync(request.groupId, request, {
    type: request.protocolType,
    name: request.protocolName,
    assignments: request.assignments,
  });
  return result instanceof Promise ? result.then(respond) : respond(result);
});
