/** Produce: appends record batches. v3 brought magic 2, v7 zstd, v8 record errors, v9 flexible, v10 the current leader
 *  in a tag (KIP-951), v12 implicit transaction membership (KIP-890), v13 topic ids (KIP-516). */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import {
  array,
  int16,
  int32,
  int64,
  nullableBytes,
  nullableString,
  since,
  string,
  struct,
  tagged,
  until,
  uuid,
} from "../schema.ts";
import { nodeEndpoints } from "./node-endpoints.ts";

const partitionResponse = struct({
  index: int32,
  errorCode: int16,
  /** The offset of the first record; also of a deduplicated repeat when the broker remembers it. -1 on error. */
  baseOffset: int64,
  /** -1 unless the topic uses LogAppendTime. */
  logAppendTimeMs: int64,
  logStartOffset: since(5, int64, -1n, { ignorable: true }),
  recordErrors: since(8, array(struct({ batchIndex: int32, message: nullableString })), [], { ignorable: true }),
  errorMessage: since(8, nullableString, null, { ignorable: true }),
  currentLeader: tagged(0, 10, struct({ leaderId: int32, leaderEpoch: int32 }), { leaderId: -1, leaderEpoch: -1 }),
});

/** Kafka 4 still advertises v0 to v2 but refuses them, since they carry batches older than magic 2. */
export const produce = defineApi({
  key: 0,
  name: "Produce",
  versions: [3, 13],
  flexibleFrom: 9,
  request: struct({
    transactionalId: nullableString,
    /** 0, 1 or -1 (all in sync). With 0 the broker sends no response at all. */
    acks: int16,
    timeoutMs: int32,
    topics: array(
      struct({
        name: until(12, string, "", { ignorable: true }),
        topicId: since(13, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(struct({ index: int32, records: nullableBytes })),
      }),
    ),
  }),
  response: struct({
    topics: array(
      struct({
        name: until(12, string, "", { ignorable: true }),
        topicId: since(13, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(partitionResponse),
      }),
    ),
    throttleMs: since(0, int32, 0),
    nodeEndpoints: tagged(0, 10, nodeEndpoints, []),
  }),
});
