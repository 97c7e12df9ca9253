/** Metadata: brokers, topics and leaders. v4 made automatic creation optional, v7 leader epochs, v9 flexible, v10 topic
 *  ids, v12 asking by topic id, v13 an error for the whole answer (KIP-1102). */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import {
  array,
  between,
  boolean,
  int16,
  int32,
  nullableArray,
  nullableString,
  since,
  string,
  struct,
  uuid,
} from "../schema.ts";
import { OPERATIONS_NOT_ASKED } from "./authorized-operations.ts";

const partition = struct({
  errorCode: int16,
  index: int32,
  /** -1 when the partition has no leader. */
  leaderId: int32,
  leaderEpoch: since(7, int32, -1, { ignorable: true }),
  replicaNodes: array(int32),
  isrNodes: array(int32),
  offlineReplicas: since(5, array(int32), [], { ignorable: true }),
});

export const metadata = defineApi({
  key: 3,
  name: "Metadata",
  versions: [0, 13],
  flexibleFrom: 9,
  request: struct({
    /** Null asks for all topics, an empty list for none; in v0 the empty list asks for all. */
    topics: nullableArray(
      // A null name goes with a topic id, from v12 on.
      struct({ topicId: since(10, uuid, ZERO_UUID, { ignorable: true }), name: nullableString }),
    ),
    allowAutoTopicCreation: since(4, boolean, true),
    includeClusterAuthorizedOperations: between(8, 10, boolean, false),
    includeTopicAuthorizedOperations: since(8, boolean, false),
  }),
  response: struct({
    throttleMs: since(3, int32, 0, { ignorable: true }),
    brokers: array(
      struct({
        nodeId: int32,
        host: string,
        port: int32,
        rack: since(1, nullableString, null, { ignorable: true }),
      }),
    ),
    clusterId: since(2, nullableString, null, { ignorable: true }),
    controllerId: since(1, int32, -1, { ignorable: true }),
    topics: array(
      struct({
        errorCode: int16,
        /** Null only for an unknown topic id, from v12 on. */
        name: nullableString,
        topicId: since(10, uuid, ZERO_UUID, { ignorable: true }),
        isInternal: since(1, boolean, false, { ignorable: true }),
        partitions: array(partition),
        topicAuthorizedOperations: since(8, int32, OPERATIONS_NOT_ASKED),
      }),
    ),
    clusterAuthorizedOperations: between(8, 10, int32, OPERATIONS_NOT_ASKED),
    errorCode: since(13, int16, 0, { ignorable: true }),
  }),
});
