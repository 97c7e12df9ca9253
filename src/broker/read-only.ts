/** What a region serves that only shows an archive: reading and groups. Whatever would change records, topics or settings is
 *  refused before any handler sees it, with POLICY_VIOLATION and the reason where the response has room for one: clients show
 *  it and do not try again. What neither list below names is not served at all. */

import { ZERO_UUID } from "../core/brand.ts";
import { produce } from "../wire/apis/00-produce.ts";
import { createTopics } from "../wire/apis/19-create-topics.ts";
import { deleteTopics } from "../wire/apis/20-delete-topics.ts";
import { deleteRecords } from "../wire/apis/21-delete-records.ts";
import { initProducerId } from "../wire/apis/22-init-producer-id.ts";
import { addPartitionsToTxn } from "../wire/apis/24-add-partitions-to-txn.ts";
import { addOffsetsToTxn } from "../wire/apis/25-add-offsets-to-txn.ts";
import { endTxn } from "../wire/apis/26-end-txn.ts";
import { writeTxnMarkers } from "../wire/apis/27-write-txn-markers.ts";
import { txnOffsetCommit } from "../wire/apis/28-txn-offset-commit.ts";
import { createPartitions } from "../wire/apis/37-create-partitions.ts";
import { incrementalAlterConfigs } from "../wire/apis/44-incremental-alter-configs.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { type ApiHandler, defineHandler } from "./handler.ts";

const POLICY = ErrorCode.POLICY_VIOLATION;
/** Producers give up on it at once, where another code would be tried again. */
const NO_TRANSACTIONS = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;

/** Fetch, ListOffsets, Metadata, the requests of groups, ApiVersions, OffsetForLeaderEpoch, and what describes things. There
 *  are no access rules to change, which CreateAcls and DeleteAcls say themselves. */
const SERVED: ReadonlySet<number> = new Set([
  ...[1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 23, 29, 30, 31, 32, 42, 60, 61, 65, 66],
]);

/** The handlers of a region that is read-only for `reason`, a sentence for people. */
export function readOnlyHandlers(
  all: ReadonlyMap<number, ApiHandler>,
  reason: string,
): ReadonlyMap<number, ApiHandler> {
  const served = [...all.values()].filter(({ api }) => SERVED.has(api.key));
  const handlers = [...served, ...refusals(reason), ...transactionRefusals()];
  return new Map(handlers.toSorted((a, b) => a.api.key - b.api.key).map((handler) => [handler.api.key, handler]));
}

function refusals(errorMessage: string): readonly ApiHandler[] {
  return [
    defineHandler(
      produce,
      ({ acks, topics }) => {
        // Nobody waits for an answer, so only the end of the connection can tell.
        if (acks === 0) return "close-connection";
        const refused = { errorCode: POLICY, errorMessage, baseOffset: -1n, logAppendTimeMs: -1n, logStartOffset: -1n };
        return {
          throttleMs: 0,
          topics: topics.map(({ name, topicId, partitions }) => ({
            ...{ name, topicId },
            partitions: partitions.map(({ index }) => ({ index, ...refused })),
          })),
        };
      },
      { advertisedMin: 0 },
    ),
    defineHandler(createTopics, ({ topics }) => ({
      throttleMs: 0,
      topics: topics.map(({ name }) => ({ name, errorCode: POLICY, errorMessage })),
    })),
    defineHandler(deleteTopics, ({ topics, topicNames }) => ({
      throttleMs: 0,
      topics: [...topics, ...topicNames.map((name) => ({ name, topicId: ZERO_UUID }))].map((topic) => ({
        ...topic,
        ...{ errorCode: POLICY, errorMessage },
      })),
    })),
    defineHandler(deleteRecords, ({ topics }) => ({
      throttleMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index }) => ({ index, lowWatermark: -1n, errorCode: POLICY })),
      })),
    })),
    defineHandler(createPartitions, ({ topics }) => ({
      throttleMs: 0,
      results: topics.map(({ name }) => ({ name, errorCode: POLICY, errorMessage })),
    })),
    defineHandler(incrementalAlterConfigs, ({ resources }) => ({
      throttleMs: 0,
      resources: resources.map(({ resourceType, resourceName }) => ({
        ...{ resourceType, resourceName, errorCode: POLICY, errorMessage },
      })),
    })),
  ];
}

function transactionRefusals(): readonly ApiHandler[] {
  const inPartitions = <T extends { readonly name: string; readonly partitions: readonly number[] }>(
    topics: readonly T[],
  ) =>
    topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((index) => ({ index, errorCode: NO_TRANSACTIONS })),
    }));
  return [
    // Without a transaction it changes nothing, and the producer then learns from Produce why it may not write.
    defineHandler(initProducerId, ({ transactionalId }, { cluster, brokerId }) =>
      transactionalId === null
        ? { throttleMs: 0, errorCode: ErrorCode.NONE, producerId: cluster.nextProducerId(brokerId), producerEpoch: 0 }
        : { throttleMs: 0, errorCode: NO_TRANSACTIONS, producerId: -1n, producerEpoch: -1 },
    ),
    defineHandler(addPartitionsToTxn, ({ transactions, topics }) => ({
      throttleMs: 0,
      topics: inPartitions(topics),
      transactions: transactions.map(({ transactionalId, topics: asked }) => ({
        transactionalId,
        topics: inPartitions(asked),
      })),
    })),
    defineHandler(addOffsetsToTxn, () => ({ throttleMs: 0, errorCode: NO_TRANSACTIONS })),
    defineHandler(endTxn, () => ({ throttleMs: 0, errorCode: NO_TRANSACTIONS })),
    defineHandler(writeTxnMarkers, ({ markers }) => ({
      markers: markers.map(({ producerId, topics }) => ({
        producerId,
        topics: topics.map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((index) => ({ index, errorCode: ErrorCode.CLUSTER_AUTHORIZATION_FAILED })),
        })),
      })),
    })),
    defineHandler(txnOffsetCommit, ({ topics }) => ({
      throttleMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index }) => ({ index, errorCode: NO_TRANSACTIONS })),
      })),
    })),
  ];
}
