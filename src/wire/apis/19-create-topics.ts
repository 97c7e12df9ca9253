/** CreateTopics: v4 takes -1 as the broker's default, v5 is flexible and answers the topic's configuration (KIP-525),
 *  v7 its id. Goes to the controller or, with KRaft, to any broker. */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import {
  array,
  boolean,
  int8,
  int16,
  int32,
  nullableArray,
  nullableString,
  since,
  string,
  struct,
  tagged,
  uuid,
} from "../schema.ts";

const topicConfig = struct({
  name: string,
  value: nullableString,
  readOnly: boolean,
  /** As in DescribeConfigs. */
  configSource: int8,
  isSensitive: boolean,
});

export const createTopics = defineApi({
  key: 19,
  name: "CreateTopics",
  versions: [2, 7],
  flexibleFrom: 5,
  request: struct({
    topics: array(
      struct({
        name: string,
        /** -1 when assigned by hand, or for the broker's default. */
        numPartitions: int32,
        replicationFactor: int16,
        assignments: array(struct({ index: int32, brokerIds: array(int32) })),
        configs: array(struct({ name: string, value: nullableString })),
      }),
    ),
    timeoutMs: int32,
    validateOnly: boolean,
  }),
  response: struct({
    throttleMs: since(0, int32, 0),
    topics: array(
      struct({
        name: string,
        topicId: since(7, uuid, ZERO_UUID, { ignorable: true }),
        errorCode: int16,
        errorMessage: nullableString,
        topicConfigErrorCode: tagged(0, 5, int16, 0),
        numPartitions: since(5, int32, -1, { ignorable: true }),
        replicationFactor: since(5, int16, -1, { ignorable: true }),
        /** Null when the client may not see it. */
        configs: since(5, nullableArray(topicConfig), [], { ignorable: true }),
      }),
    ),
  }),
});
