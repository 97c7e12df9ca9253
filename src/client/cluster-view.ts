/** What is known about a cluster: an immutable picture, and the pure ways in which answers of brokers change it. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import type { ResponseOutput } from "../wire/api.ts";
import type { metadata } from "../wire/apis/03-metadata.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { idOfName, isClusterId } from "../wire/topic-ids.ts";

/** A broker and where it listens. */
export interface BrokerInfo {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

/** Where a partition is. */
export interface PartitionMetadata {
  readonly index: number;
  /** -1 when nobody leads. */
  readonly leaderId: number;
  /** -1 when the broker did not say. */
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** A topic as the cluster shows it. */
export interface TopicMetadata {
  readonly name: string;
  /** Made of the name where the cluster gives none; see wire/topic-ids.ts. */
  readonly topicId: Uuid;
  readonly isInternal: boolean;
  /** In the order of their index. */
  readonly partitions: readonly PartitionMetadata[];
}

/** A whole picture. */
export interface ClusterView {
  readonly clusterId: string | null;
  /** With KRaft some broker that forwards to the controller; -1 when unknown. */
  readonly controllerId: number;
  readonly brokers: ReadonlyMap<number, BrokerInfo>;
  readonly topics: ReadonlyMap<string, TopicMetadata>;
  readonly topicNames: ReadonlyMap<Uuid, string>;
  /** Topics that were asked for and are not there or not for us: the error code of the answer. */
  readonly topicErrors: ReadonlyMap<string, number>;
}

/** A leader learnt from the tags of a Fetch or Produce answer (KIP-951). */
export interface LeaderHint {
  readonly topic: string;
  readonly index: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
}

type MetadataResponse = ResponseOutput<typeof metadata>;
type TopicAnswer = MetadataResponse["topics"][number];

/** Before the first answer. */
export const EMPTY_VIEW: ClusterView = {
  clusterId: null,
  controllerId: -1,
  brokers: new Map(),
  topics: new Map(),
  topicNames: new Map(),
  topicErrors: new Map(),
};

/** One partition of a topic; undefined when the topic is, or has no such partition. */
export function partitionOf(topic: TopicMetadata | undefined, index: number): PartitionMetadata | undefined {
  const likely = topic?.partitions[index];
  return likely === undefined || likely.index === index
    ? likely
    : topic?.partitions.find((partition) => partition.index === index);
}

/** The picture after an answer. `isComplete` says that all topics were asked for: what is missing no longer exists. */
export function withAnswer(view: ClusterView, answer: MetadataResponse, isComplete: boolean): ClusterView {
  const topics = new Map(isComplete ? [] : view.topics);
  const topicErrors = new Map(isComplete ? [] : view.topicErrors);
  for (const topic of answer.topics) {
    const name = topic.name ?? view.topicNames.get(topic.topicId);
    if (name === undefined) continue;
    const before = view.topics.get(name);
    topicErrors.delete(name);
    if (topic.errorCode === ErrorCode.NONE) topics.set(name, topicOf(name, topic, before));
    else if (isPassing(topic.errorCode)) {
      // The topic exists, the broker just cannot say where it is.
      if (before !== undefined) topics.set(name, before);
    } else {
      topics.delete(name);
      topicErrors.set(name, topic.errorCode);
    }
  }
  return {
    clusterId: answer.clusterId ?? view.clusterId,
    controllerId: answer.controllerId,
    brokers: new Map(answer.brokers.map((broker) => [broker.nodeId, broker])),
    topics,
    topicNames: namesById(topics),
    topicErrors,
  };
}

/** The picture with newer leaders; hints that are older than what is known are ignored. */
export function withLeaders(
  view: ClusterView,
  hints: readonly LeaderHint[],
  endpoints: readonly BrokerInfo[],
): ClusterView {
  const topics = new Map(view.topics);
  for (const hint of hints) {
    const topic = topics.get(hint.topic);
    const known = partitionOf(topic, hint.index);
    if (topic === undefined || known === undefined) continue;
    if (hint.leaderId < 0 || hint.leaderEpoch <= known.leaderEpoch) continue;
    const moved = { ...known, leaderId: hint.leaderId, leaderEpoch: hint.leaderEpoch };
    topics.set(hint.topic, { ...topic, partitions: topic.partitions.with(topic.partitions.indexOf(known), moved) });
  }
  const brokers = new Map(view.brokers);
  for (const { nodeId, host, port, rack } of endpoints) brokers.set(nodeId, { nodeId, host, port, rack });
  return { ...view, topics, brokers };
}

/** The picture without topics that nobody needs any more. */
export function withoutTopics(view: ClusterView, names: Iterable<string>): ClusterView {
  const topics = new Map(view.topics);
  const topicErrors = new Map(view.topicErrors);
  for (const name of names) {
    topics.delete(name);
    topicErrors.delete(name);
  }
  return { ...view, topics, topicErrors, topicNames: namesById(topics) };
}

function topicOf(name: string, answer: TopicAnswer, before: TopicMetadata | undefined): TopicMetadata {
  const topicId = answer.topicId === ZERO_UUID ? idOfName(name) : answer.topicId;
  const isSame = before !== undefined && before.topicId === topicId && isClusterId(topicId);
  const partitions = answer.partitions
    .map((partition): PartitionMetadata => {
      const known = isSame ? partitionOf(before, partition.index) : undefined;
      // A broker that lags behind tells of leaders that are history (KIP-320).
      if (known !== undefined && partition.leaderEpoch >= 0 && partition.leaderEpoch < known.leaderEpoch) return known;
      const { index, leaderId, leaderEpoch, replicaNodes: replicas, isrNodes: isr } = partition;
      return { index, leaderId, leaderEpoch, replicas, isr };
    })
    .sort((a, b) => a.index - b.index);
  return { name, topicId, isInternal: answer.isInternal, partitions };
}

function isPassing(errorCode: number): boolean {
  return errorCode === ErrorCode.LEADER_NOT_AVAILABLE || errorCode === ErrorCode.REQUEST_TIMED_OUT;
}

function namesById(topics: ReadonlyMap<string, TopicMetadata>): Map<Uuid, string> {
  const names = new Map<Uuid, string>();
  for (const { name, topicId } of topics.values()) names.set(topicId, name);
  return names;
}
