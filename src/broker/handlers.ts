/** Every request that a region serves: one file in `apis` each, named by the API's key. */

import { produceHandler } from "./apis/00-produce.ts";
import { fetchHandler } from "./apis/01-fetch.ts";
import { listOffsetsHandler } from "./apis/02-list-offsets.ts";
import { metadataHandler } from "./apis/03-metadata.ts";
import { offsetCommitHandler } from "./apis/08-offset-commit.ts";
import { offsetFetchHandler } from "./apis/09-offset-fetch.ts";
import { findCoordinatorHandler } from "./apis/10-find-coordinator.ts";
import { joinGroupHandler } from "./apis/11-join-group.ts";
import { heartbeatHandler } from "./apis/12-heartbeat.ts";
import { leaveGroupHandler } from "./apis/13-leave-group.ts";
import { syncGroupHandler } from "./apis/14-sync-group.ts";
import { describeGroupsHandler } from "./apis/15-describe-groups.ts";
import { listGroupsHandler } from "./apis/16-list-groups.ts";
import { apiVersionsHandler } from "./apis/18-api-versions.ts";
import { createTopicsHandler } from "./apis/19-create-topics.ts";
import { deleteTopicsHandler } from "./apis/20-delete-topics.ts";
import { deleteRecordsHandler } from "./apis/21-delete-records.ts";
import { initProducerIdHandler } from "./apis/22-init-producer-id.ts";
import { offsetForLeaderEpochHandler } from "./apis/23-offset-for-leader-epoch.ts";
import { addPartitionsToTxnHandler } from "./apis/24-add-partitions-to-txn.ts";
import { addOffsetsToTxnHandler } from "./apis/25-add-offsets-to-txn.ts";
import { endTxnHandler } from "./apis/26-end-txn.ts";
import { writeTxnMarkersHandler } from "./apis/27-write-txn-markers.ts";
import { txnOffsetCommitHandler } from "./apis/28-txn-offset-commit.ts";
import { describeAclsHandler } from "./apis/29-describe-acls.ts";
import { createAclsHandler } from "./apis/30-create-acls.ts";
import { deleteAclsHandler } from "./apis/31-delete-acls.ts";
import { describeConfigsHandler } from "./apis/32-describe-configs.ts";
import { createPartitionsHandler } from "./apis/37-create-partitions.ts";
import { deleteGroupsHandler } from "./apis/42-delete-groups.ts";
import { incrementalAlterConfigsHandler } from "./apis/44-incremental-alter-configs.ts";
import { describeClusterHandler } from "./apis/60-describe-cluster.ts";
import { describeProducersHandler } from "./apis/61-describe-producers.ts";
import { describeTransactionsHandler } from "./apis/65-describe-transactions.ts";
import { listTransactionsHandler } from "./apis/66-list-transactions.ts";
import type { ApiHandler } from "./handler.ts";

const ALL: readonly ApiHandler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  metadataHandler,
  offsetCommitHandler,
  offsetFetchHandler,
  findCoordinatorHandler,
  joinGroupHandler,
  heartbeatHandler,
  leaveGroupHandler,
  syncGroupHandler,
  describeGroupsHandler,
  listGroupsHandler,
  apiVersionsHandler,
  createTopicsHandler,
  deleteTopicsHandler,
  deleteRecordsHandler,
  initProducerIdHandler,
  offsetForLeaderEpochHandler,
  addPartitionsToTxnHandler,
  addOffsetsToTxnHandler,
  endTxnHandler,
  writeTxnMarkersHandler,
  txnOffsetCommitHandler,
  describeAclsHandler,
  createAclsHandler,
  deleteAclsHandler,
  describeConfigsHandler,
  createPartitionsHandler,
  deleteGroupsHandler,
  incrementalAlterConfigsHandler,
  describeClusterHandler,
  describeProducersHandler,
  describeTransactionsHandler,
  listTransactionsHandler,
];

/** The handlers by API key. */
export const HANDLERS: ReadonlyMap<number, ApiHandler> = new Map(ALL.map((handler) => [handler.api.key, handler]));
