/** Metadata v0-13: brokers that run, topics, leaders. Asking for a missing topic creates it when request and broker allow. */

import { ZERO_UUID } from "../../core/brand.ts";
import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { metadata } from "../../wire/apis/03-metadata.ts";
import { OPERATIONS_NOT_ASKED } from "../../wire/apis/authorized-operations.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { ALL_CLUSTER_OPERATIONS, ALL_TOPIC_OPERATIONS } from "../authorized.ts";
import type { Cluster, Topic } from "../cluster.ts";
import { Refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import type { Partition } from "../partition.ts";
import { autoCreated } from "../topic-creation.ts";
import { checkTopicName, isInternalTopic } from "../topic-names.ts";

type Request = RequestOutput<typeof metadata>;
type TopicAnswer = ResponseInput<typeof metadata>["topics"][number];

export const metadataHandler = defineHandler(metadata, (request, context) => {
  const { cluster, apiVersion } = context;
  const brokers = [...cluster.brokers.values()]
    .filter((node) => node.isRunning)
    .map((node) => ({ nodeId: node.id, ...node.endpoint, rack: null }));
  return {
    throttleMs: 0,
    brokers,
    clusterId: cluster.clusterId,
    controllerId: cluster.controllerId,
    topics: answers(request, context),
    ...(apiVersion >= 8 && apiVersion <= 10 && request.includeClusterAuthorizedOperations
      ? { clusterAuthorizedOperations: ALL_CLUSTER_OPERATIONS }
      : {}),
    errorCode: ErrorCode.NONE,
  };
});

function answers(request: Request, context: RequestContext): TopicAnswer[] {
  const { cluster, apiVersion } = context;
  const operations =
    apiVersion >= 8 && request.includeTopicAuthorizedOperations ? ALL_TOPIC_OPERATIONS : OPERATIONS_NOT_ASKED;
  const asksForAll = request.topics === null || (apiVersion === 0 && request.topics.length === 0);
  if (asksForAll) return cluster.topics().map((topic) => known(topic, cluster, operations));
  return (request.topics ?? []).map(({ name, topicId }) => {
    if (name !== null) return byName(name, request, { context, operations });
    const topic = cluster.topicById(topicId);
    return topic === undefined
      ? { ...missing(null, ErrorCode.UNKNOWN_TOPIC_ID), topicId }
      : known(topic, cluster, operations);
  });
}

function byName(
  name: string,
  request: Request,
  { context, operations }: { readonly context: RequestContext; readonly operations: number },
): TopicAnswer {
  const { cluster } = context;
  try {
    const mayCreate = request.allowAutoTopicCreation && cluster.brokerFlag("auto.create.topics.enable");
    const topic = mayCreate ? autoCreated(cluster, name) : cluster.topic(name);
    if (topic !== undefined) return known(topic, cluster, operations);
    checkTopicName(name);
    return missing(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
  } catch (error) {
    if (error instanceof Refusal) return missing(name, error.errorCode);
    throw error;
  }
}

function missing(name: string | null, errorCode: number): TopicAnswer {
  return { errorCode, name, topicId: ZERO_UUID, isInternal: false, partitions: [] };
}

function known(topic: Topic, cluster: Cluster, topicAuthorizedOperations: number): TopicAnswer {
  return {
    errorCode: ErrorCode.NONE,
    name: topic.name,
    topicId: topic.topicId,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map((partition) => described(partition, cluster)),
    topicAuthorizedOperations,
  };
}

function described(partition: Partition, cluster: Cluster): TopicAnswer["partitions"][number] {
  const { leaderId, leaderEpoch, replicas, isr } = partition.state;
  return {
    errorCode: leaderId < 0 ? ErrorCode.LEADER_NOT_AVAILABLE : ErrorCode.NONE,
    index: partition.index,
    leaderId,
    leaderEpoch,
    replicaNodes: replicas,
    isrNodes: isr,
    offlineReplicas: replicas.filter((id) => !(cluster.brokers.get(id)?.isRunning ?? false)),
  };
}
