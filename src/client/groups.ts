/** Consumer groups from outside: which there are, their members, their committed offsets. */

import { offsetCommit } from "../wire/apis/08-offset-commit.ts";
import { offsetFetch } from "../wire/apis/09-offset-fetch.ts";
import { describeGroups as describeGroupsApi } from "../wire/apis/15-describe-groups.ts";
import { listGroups as listGroupsApi } from "../wire/apis/16-list-groups.ts";
import { deleteGroups as deleteGroupsApi } from "../wire/apis/42-delete-groups.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { askCoordinators, isCoordinatorCode } from "./coordinators.ts";
import { brokerError, hadNoEffect, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { byTopic, inOrder, type PartitionRef } from "./leaders.ts";

/** Last versions that name topics instead of giving their ids. */
const LAST_BY_NAME = 9;

/** First version of OffsetFetch that takes several groups (KIP-709). */
const FIRST_WITH_GROUPS = 8;

/** A group as its coordinator lists it. */
export interface GroupListing {
  readonly groupId: string;
  /** `consumer` for groups of consumers. */
  readonly protocolType: string;
  /** Empty from brokers before Kafka 2.6. */
  readonly state: string;
  /** `classic`, `consumer` and so on; empty from brokers before Kafka 3.8. */
  readonly type: string;
}

/** All groups of the cluster: every broker is asked for those it coordinates. */
export async function listGroups(client: KafkaClient, options: CallOptions = {}): Promise<readonly GroupListing[]> {
  const lists = await Promise.all([...client.metadata.brokers.keys()].map((nodeId) => listOf(client, nodeId, options)));
  // A group that moves meanwhile may be told of twice.
  return [...new Map(lists.flat().map((group) => [group.groupId, group])).values()];
}

function listOf(client: KafkaClient, nodeId: number, options: CallOptions): Promise<readonly GroupListing[]> {
  return client.retry(options, mayRetry, async () => {
    const { errorCode, groups } = await client.request(nodeId, listGroupsApi, {}, { signal: options.signal });
    if (errorCode !== ErrorCode.NONE) throw brokerError(listGroupsApi.name, errorCode, { subject: `node ${nodeId}` });
    return groups.map(({ groupId, protocolType, groupState: state, groupType: type }) => {
      return { groupId, protocolType, state, type };
    });
  });
}

/** One member of a group. */
export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** As the group's protocol encodes them. */
  readonly memberMetadata: Buffer;
  readonly memberAssignment: Buffer;
}

/** A classic group in detail. */
export interface GroupDescription {
  readonly groupId: string;
  readonly errorCode: number;
  /** Empty, PreparingRebalance, CompletingRebalance, Stable or Dead; Dead too when no such group exists. */
  readonly state: string;
  readonly protocolType: string;
  readonly protocol: string;
  readonly members: readonly GroupMember[];
}

/** One description for each group, in their order. */
export function describeGroups(
  client: KafkaClient,
  groupIds: readonly string[],
  options: CallOptions = {},
): Promise<readonly GroupDescription[]> {
  const failed = (groupId: string, errorCode: number): GroupDescription => {
    return { groupId, errorCode, state: "", protocolType: "", protocol: "", members: [] };
  };
  return askCoordinators(client, groupIds, {
    ...options,
    kind: "group",
    keyOf: (groupId) => groupId,
    failed,
    ask: async (nodeId, groups) => {
      const answer = await client.request(nodeId, describeGroupsApi, { groups }, { signal: options.signal });
      const found = new Map(answer.groups.map((group) => [group.groupId, group]));
      return groups.map((groupId) => {
        const group = found.get(groupId);
        if (group === undefined) return failed(groupId, ErrorCode.UNKNOWN);
        const { groupState, protocolType, protocolData: protocol, members } = group;
        // v6 says by a code what older versions say by a state.
        const isAbsent = group.errorCode === ErrorCode.GROUP_ID_NOT_FOUND;
        const errorCode = isAbsent ? ErrorCode.NONE : group.errorCode;
        return { groupId, errorCode, state: isAbsent ? "Dead" : groupState, protocolType, protocol, members };
      });
    },
  });
}

/** Whose offsets are wanted; of all topics unless some are named. */
export interface GroupOffsetsQuestion {
  readonly groupId: string;
  readonly partitions?: readonly PartitionRef[] | undefined;
}

/** A committed offset: the next record that the group will read. */
export interface CommittedOffset extends PartitionRef {
  readonly errorCode: number;
  /** -1 when the group has committed none. */
  readonly committedOffset: bigint;
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
}

/** A group's committed offsets. */
export interface GroupOffsets {
  readonly groupId: string;
  readonly errorCode: number;
  readonly offsets: readonly CommittedOffset[];
}

/** Options of `fetchOffsets`. */
export interface FetchOffsetsOptions extends CallOptions {
  /** Waits for offsets that an open transaction is about to commit (needs Kafka 2.5); true unless given. */
  readonly requireStable?: boolean | undefined;
}

/** The offsets of many groups, in their order, in one request for each coordinator where the broker knows how. */
export function fetchOffsets(
  client: KafkaClient,
  questions: readonly GroupOffsetsQuestion[],
  options: FetchOffsetsOptions = {},
): Promise<readonly GroupOffsets[]> {
  return askCoordinators(client, questions, {
    ...options,
    kind: "group",
    keyOf: ({ groupId }) => groupId,
    isPassing: (errorCode) => errorCode === ErrorCode.UNSTABLE_OFFSET_COMMIT,
    failed: ({ groupId }, errorCode) => ({ groupId, errorCode, offsets: [] }),
    ask: (nodeId, asked) => askOffsets(client, nodeId, { asked, options }),
  });
}

async function askOffsets(
  client: KafkaClient,
  nodeId: number,
  { asked, options }: { readonly asked: readonly GroupOffsetsQuestion[]; readonly options: FetchOffsetsOptions },
): Promise<readonly GroupOffsets[]> {
  const requireStable = options.requireStable ?? true;
  const { signal } = options;
  const requestOptions = { signal, maxVersion: LAST_BY_NAME };
  const version = await client.versionOf(nodeId, offsetFetch, requestOptions);
  if (version >= FIRST_WITH_GROUPS) {
    const groups = asked.map((question) => ({ groupId: question.groupId, topics: topicsOf(question) }));
    const answer = await client.request(nodeId, offsetFetch, { groups, requireStable }, requestOptions);
    const found = new Map(answer.groups.map((group) => [group.groupId, group]));
    return asked.map(({ groupId }) => groupOffsets(groupId, found.get(groupId) ?? NO_ANSWER));
  }
  return Promise.all(
    asked.map(async (question) => {
      const { groupId } = question;
      const answer = await client.request(
        nodeId,
        offsetFetch,
        (chosen) => ({ groupId, topics: topicsOf(question), ...(chosen >= 7 ? { requireStable } : {}) }),
        { signal, maxVersion: FIRST_WITH_GROUPS - 1 },
      );
      return groupOffsets(groupId, answer);
    }),
  );
}

const NO_ANSWER = { errorCode: ErrorCode.UNKNOWN, topics: [] };

interface OffsetsAnswer {
  readonly errorCode: number;
  readonly topics: readonly {
    readonly name: string;
    readonly partitions: readonly Omit<CommittedOffset, "topic">[];
  }[];
}

function groupOffsets(groupId: string, answer: OffsetsAnswer): GroupOffsets {
  const offsets = answer.topics.flatMap(({ name: topic, partitions }) =>
    partitions.map((partition) => ({ topic, ...partition })),
  );
  // A pending transaction is told partition by partition; the group as a whole is then asked again.
  const isUnstable = offsets.some(({ errorCode }) => errorCode === ErrorCode.UNSTABLE_OFFSET_COMMIT);
  return { groupId, errorCode: isUnstable ? ErrorCode.UNSTABLE_OFFSET_COMMIT : answer.errorCode, offsets };
}

function topicsOf({ partitions }: GroupOffsetsQuestion) {
  if (partitions === undefined) return null;
  return byTopic(partitions).map(({ topic: name, items }) => ({
    name,
    partitionIndexes: items.map(({ index }) => index),
  }));
}

/** An offset to be stored. */
export interface OffsetToCommit extends PartitionRef {
  readonly committedOffset: bigint;
  /** -1 unless given. */
  readonly committedLeaderEpoch?: number | undefined;
  readonly committedMetadata?: string | undefined;
}

/** Options of `commitOffsets`; by default the commit comes from outside the group, which must then have no members. */
export interface CommitOffsetsOptions extends CallOptions {
  readonly generationId?: number | undefined;
  readonly memberId?: string | undefined;
}

/** What became of one commit. */
export interface CommitOutcome extends PartitionRef {
  readonly errorCode: number;
}

/** Stores a group's offsets and resolves with one outcome for each. The broker checks neither direction nor range. Repeated
 *  only when the broker certainly stored nothing: a repeat could undo what somebody else committed meanwhile.
 *  @throws {ClientError} when the outcome is unknown */
export async function commitOffsets(
  client: KafkaClient,
  groupId: string,
  options: CommitOffsetsOptions & { readonly offsets: readonly OffsetToCommit[] },
): Promise<readonly CommitOutcome[]> {
  const { offsets, generationId = -1, memberId = "" } = options;
  if (offsets.length === 0) return [];
  const topics = byTopic(offsets).map(({ topic: name, items }) => ({
    name,
    partitions: items.map(({ index, committedOffset, committedLeaderEpoch = -1, committedMetadata = "" }) => {
      return { index, committedOffset, committedLeaderEpoch, committedMetadata };
    }),
  }));
  const [answer] = await askCoordinators(client, [groupId], {
    ...options,
    kind: "group",
    keyOf: (id) => id,
    isHarmless: (error) => mayRetry(error) && hadNoEffect(error),
    failed: (_, errorCode) => ({
      errorCode,
      outcomes: offsets.map(({ topic, index }) => ({ topic, index, errorCode })),
    }),
    ask: async (nodeId) => {
      const body = { groupId, generationId, memberId, topics };
      const { signal } = options;
      const reply = await client.request(nodeId, offsetCommit, body, { signal, maxVersion: LAST_BY_NAME });
      const told = reply.topics.flatMap(({ name: topic, partitions }) => partitions.map((one) => ({ topic, ...one })));
      const outcomes = inOrder(offsets, told, ({ topic, index }) => ({ topic, index, errorCode: ErrorCode.UNKNOWN }));
      // The coordinator refuses all partitions or none.
      const refused = outcomes.find(({ errorCode }) => isCoordinatorCode(errorCode));
      return [{ errorCode: refused?.errorCode ?? ErrorCode.NONE, outcomes }];
    },
  });
  return answer?.outcomes ?? [];
}

/** Removes groups without members, offsets included; one error code for each, in their order. */
export async function deleteGroups(
  client: KafkaClient,
  groupIds: readonly string[],
  options: CallOptions = {},
): Promise<readonly { readonly groupId: string; readonly errorCode: number }[]> {
  return askCoordinators(client, groupIds, {
    ...options,
    kind: "group",
    keyOf: (groupId) => groupId,
    isHarmless: (error) => mayRetry(error) && hadNoEffect(error),
    failed: (groupId, errorCode) => ({ groupId, errorCode }),
    ask: async (nodeId, groupsNames) => {
      const answer = await client.request(nodeId, deleteGroupsApi, { groupsNames }, { signal: options.signal });
      const codes = new Map(answer.results.map(({ groupId, errorCode }) => [groupId, errorCode]));
      return groupsNames.map((groupId) => ({ groupId, errorCode: codes.get(groupId) ?? ErrorCode.UNKNOWN }));
    },
  });
}
