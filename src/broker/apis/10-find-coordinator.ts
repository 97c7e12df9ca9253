/** FindCoordinator v0-6: the broker that keeps a group or a transactional id. */

import { findCoordinator } from "../../wire/apis/10-find-coordinator.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler, type RequestContext } from "../handler.ts";

const FIRST_VERSION_WITH_LISTS = 4;
const GROUP = 0;
const TRANSACTION = 1;

export const findCoordinatorHandler = defineHandler(findCoordinator, (request, context) => {
  const { keyType } = request;
  if (context.apiVersion >= FIRST_VERSION_WITH_LISTS) {
    const coordinators = request.coordinatorKeys.map((key) => ({ key, ...found(key, keyType, context) }));
    return { throttleMs: 0, coordinators };
  }
  return { throttleMs: 0, ...found(request.key, keyType, context) };
});

function found(key: string, keyType: number, { groups, transactions, cluster }: RequestContext) {
  const nowhere = { nodeId: -1, host: "", port: -1 };
  if (keyType !== GROUP && keyType !== TRANSACTION)
    return { ...nowhere, errorCode: ErrorCode.INVALID_REQUEST, errorMessage: `Unknown coordinator type ${keyType}` };
  const nodeId = (keyType === GROUP ? groups : transactions).coordinatorOf(key);
  const endpoint = cluster.brokers.get(nodeId)?.endpoint;
  if (endpoint === undefined)
    return { ...nowhere, errorCode: ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE, errorMessage: "No broker runs" };
  return { nodeId, host: endpoint.host, port: endpoint.port, errorCode: ErrorCode.NONE, errorMessage: null };
}
