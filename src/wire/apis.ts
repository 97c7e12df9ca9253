/** Every API defined here, by key. */

import type { Api } from "./api.ts";
import { produce } from "./apis/00-produce.ts";
import { fetchApi } from "./apis/01-fetch.ts";
import { listOffsets } from "./apis/02-list-offsets.ts";
import { metadata } from "./apis/03-metadata.ts";
import { offsetCommit } from "./apis/08-offset-commit.ts";
import { offsetFetch } from "./apis/09-offset-fetch.ts";
import { findCoordinator } from "./apis/10-find-coordinator.ts";
import { joinGroup } from "./apis/11-join-group.ts";
import { heartbeat } from "./apis/12-heartbeat.ts";
import { leaveGroup } from "./apis/13-leave-group.ts";
import { syncGroup } from "./apis/14-sync-group.ts";
import { describeGroups } from "./apis/15-describe-groups.ts";
import { listGroups } from "./apis/16-list-groups.ts";
import { saslHandshake } from "./apis/17-sasl-handshake.ts";
import { apiVersions } from "./apis/18-api-versions.ts";
import { createTopics } from "./apis/19-create-topics.ts";
import { deleteTopics } from "./apis/20-delete-topics.ts";
import { deleteRecords } from "./apis/21-delete-records.ts";
import { initProducerId } from "./apis/22-init-producer-id.ts";
import { offsetForLeaderEpoch } from "./apis/23-offset-for-leader-epoch.ts";
import { addPartitionsToTxn } from "./apis/24-add-partitions-to-txn.ts";
import { addOffsetsToTxn } from "./apis/25-add-offsets-to-txn.ts";
import { endTxn } from "./apis/26-end-txn.ts";
import { writeTxnMarkers } from "./apis/27-write-txn-markers.ts";
import { txnOffsetCommit } from "./apis/28-txn-offset-commit.ts";
import { describeAcls } from "./apis/29-describe-acls.ts";
import { createAcls } from "./apis/30-create-acls.ts";
import { deleteAcls } from "./apis/31-delete-acls.ts";
import { describeConfigs } from "./apis/32-describe-configs.ts";
import { saslAuthenticate } from "./apis/36-sasl-authenticate.ts";
import { createPartitions } from "./apis/37-create-partitions.ts";
import { deleteGroups } from "./apis/42-delete-groups.ts";
import { incrementalAlterConfigs } from "./apis/44-incremental-alter-configs.ts";
import { describeCluster } from "./apis/60-describe-cluster.ts";
import { describeProducers } from "./apis/61-describe-producers.ts";
import { describeTransactions } from "./apis/65-describe-transactions.ts";
import { listTransactions } from "./apis/66-list-transactions.ts";

const ALL = [
  produce,
  fetchApi,
  listOffsets,
  metadata,
  offsetCommit,
  offsetFetch,
  findCoordinator,
  joinGroup,
  heartbeat,
  leaveGroup,
  syncGroup,
  describeGroups,
  listGroups,
  saslHandshake,
  apiVersions,
  createTopics,
  deleteTopics,
  deleteRecords,
  initProducerId,
  offsetForLeaderEpoch,
  addPartitionsToTxn,
  addOffsetsToTxn,
  endTxn,
  writeTxnMarkers,
  txnOffsetCommit,
  describeAcls,
  createAcls,
  deleteAcls,
  describeConfigs,
  saslAuthenticate,
  createPartitions,
  deleteGroups,
  incrementalAlterConfigs,
  describeCluster,
  describeProducers,
  describeTransactions,
  listTransactions,
] as const;

/** An API whose message types are forgotten: enough to decode messages and to list versions, not to encode. */
export type AnyApi = Api;

/** The APIs by key. */
export const ALL_APIS: ReadonlyMap<number, AnyApi> = new Map<number, AnyApi>(ALL.map((api) => [api.key, api]));
