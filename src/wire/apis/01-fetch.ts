/** Fetch: reads record batches. v4 brought read_committed, v7 sessions (KIP-227), v9 leader epochs (KIP-320), v10 zstd,
 *  v11 rack-aware reads (KIP-392), v12 flexible with the diverging epoch, v13 topic ids (KIP-516), v16 node endpoints
 *  (KIP-951), v17 replica directories, v18 the replica's high watermark. */

import { ZERO_UUID } from "../../core/brand.ts";
import { defineApi } from "../api.ts";
import {
  array,
  between,
  int8,
  int16,
  int32,
  int64,
  nullableArray,
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

/** Highest int64: Kafka's "no high watermark given" in Fetch v18. */
const NO_HIGH_WATERMARK = 2n ** 63n - 1n;

const requestPartition = struct({
  index: int32,
  /** The epoch that the client believes current; -1 turns the broker's check off. */
  currentLeaderEpoch: since(9, int32, -1, { ignorable: true }),
  fetchOffset: int64,
  /** Epoch of the last record read; with it the broker reports a diverging log (KIP-595). -1 when none. */
  lastFetchedEpoch: since(12, int32, -1),
  /** A follower's log start; -1 from a consumer. */
  logStartOffset: since(5, int64, -1n, { ignorable: true }),
  partitionMaxBytes: int32,
  replicaDirectoryId: tagged(0, 17, uuid, ZERO_UUID),
  highWatermark: tagged(1, 18, int64, NO_HIGH_WATERMARK),
});

const request = struct({
  clusterId: tagged(0, 12, nullableString, null),
  /** -1: we are no replica. */
  replicaId: until(14, int32, -1),
  replicaState: tagged(1, 15, struct({ replicaId: int32, replicaEpoch: int64 }), { replicaId: -1, replicaEpoch: -1n }),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: int32,
  /** 0 read_uncommitted, 1 read_committed. */
  isolationLevel: int8,
  sessionId: since(7, int32, 0, { ignorable: true }),
  /** -1 asks for no session, 0 for a new one. */
  sessionEpoch: since(7, int32, -1, { ignorable: true }),
  topics: array(
    struct({
      name: until(12, string, "", { ignorable: true }),
      topicId: since(13, uuid, ZERO_UUID, { ignorable: true }),
      partitions: array(requestPartition),
    }),
  ),
  forgottenTopics: since(
    7,
    array(
      struct({
        name: between(7, 12, string, "", { ignorable: true }),
        topicId: since(13, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(int32),
      }),
    ),
    [],
  ),
  rackId: since(11, string, "", { ignorable: true }),
});

const responsePartition = struct({
  index: int32,
  errorCode: int16,
  highWatermark: int64,
  /** -1 when the broker gives none. */
  lastStableOffset: int64,
  logStartOffset: since(5, int64, -1n, { ignorable: true }),
  /** Largest offset that both logs share when `lastFetchedEpoch` diverged. */
  divergingEpoch: tagged(0, 12, struct({ epoch: int32, endOffset: int64 }), { epoch: -1, endOffset: -1n }),
  currentLeader: tagged(1, 12, struct({ leaderId: int32, leaderEpoch: int32 }), { leaderId: -1, leaderEpoch: -1 }),
  snapshotId: tagged(2, 12, struct({ endOffset: int64, epoch: int32 }), { endOffset: -1n, epoch: -1 }),
  /** Null under read_uncommitted. */
  abortedTransactions: nullableArray(struct({ producerId: int64, firstOffset: int64 })),
  /** -1 unless the broker wants the client to read elsewhere. */
  preferredReadReplica: since(11, int32, -1),
  /** Whole batches except perhaps the last, which a size limit may cut. */
  records: nullableBytes,
});

/** Named `fetchApi` so that it does not hide the global `fetch`. */
export const fetchApi = defineApi({
  key: 1,
  name: "Fetch",
  versions: [4, 18],
  flexibleFrom: 12,
  request,
  response: struct({
    throttleMs: since(0, int32, 0),
    errorCode: since(7, int16, 0, { ignorable: true }),
    sessionId: since(7, int32, 0),
    topics: array(
      struct({
        name: until(12, string, "", { ignorable: true }),
        topicId: since(13, uuid, ZERO_UUID, { ignorable: true }),
        partitions: array(responsePartition),
      }),
    ),
    nodeEndpoints: tagged(0, 16, nodeEndpoints, []),
  }),
});
