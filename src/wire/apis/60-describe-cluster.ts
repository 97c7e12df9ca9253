/** DescribeCluster: cluster id, controller and brokers (KIP-700). v2 shows fenced brokers (KIP-1073). */

import { defineApi } from "../api.ts";
import { array, boolean, int8, int16, int32, nullableString, since, string, struct } from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./authorized-operations.ts";

export const describeCluster = defineApi({
  key: 60,
  name: "DescribeCluster",
  versions: [0, 2],
  flexibleFrom: 0,
  request: struct({
    includeClusterAuthorizedOperations: boolean,
    /** 1 brokers, 2 controllers (KIP-919). */
    endpointType: since(1, int8, 1),
    includeFencedBrokers: since(2, boolean, false),
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: int16,
    errorMessage: nullableString,
    endpointType: since(1, int8, 1),
    clusterId: string,
    /** -1 when unknown. */
    controllerId: int32,
    brokers: array(
      struct({
        brokerId: int32,
        host: string,
        port: int32,
        rack: nullableString,
        isFenced: since(2, boolean, false),
      }),
    ),
    /** `OPERATIONS_NOT_ASKED` unless asked for. */
    clusterAuthorizedOperations: since(0, int32, OPERATIONS_NOT_ASKED),
  }),
});
