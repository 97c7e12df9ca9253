/** DescribeCluster v0-2: id, controller and brokers; stopped brokers only when fenced ones are asked for. */

import { describeCluster } from "../../wire/apis/60-describe-cluster.ts";
import { OPERATIONS_NOT_ASKED } from "../../wire/apis/authorized-operations.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { ALL_CLUSTER_OPERATIONS } from "../authorized.ts";
import { defineHandler } from "../handler.ts";

const BROKERS = 1;

export const describeClusterHandler = defineHandler(describeCluster, (request, { cluster }) => {
  const { endpointType, includeFencedBrokers } = request;
  const { clusterId, controllerId } = cluster;
  if (endpointType !== BROKERS)
    return {
      throttleMs: 0,
      errorCode: ErrorCode.MISMATCHED_ENDPOINT_TYPE,
      errorMessage: "The request was sent to an endpoint of type BROKER",
      clusterId,
      controllerId: -1,
      brokers: [],
    };
  const brokers = [...cluster.brokers.values()]
    .filter((node) => node.isRunning || includeFencedBrokers)
    .map((node) => ({ brokerId: node.id, ...node.endpoint, rack: null, isFenced: !node.isRunning }));
  return {
    throttleMs: 0,
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    endpointType,
    clusterId,
    controllerId,
    brokers,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
      ? ALL_CLUSTER_OPERATIONS
      : OPERATIONS_NOT_ASKED,
  };
});
