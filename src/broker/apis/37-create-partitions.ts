/** CreatePartitions v0-3: grows a topic; the new partitions go on where the old ones stopped. */

import type { RequestOutput } from "../../wire/api.ts";
import { createPartitions } from "../../wire/apis/37-create-partitions.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { Topic } from "../cluster.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { requestedTopic } from "../partition-lookup.ts";
import { checkedAssignment } from "../placement.ts";
import { placedGrowth } from "../topic-creation.ts";

type Asked = RequestOutput<typeof createPartitions>["topics"][number];

export const createPartitionsHandler = defineHandler(createPartitions, (request, context) => {
  const names = request.topics.map(({ name }) => name);
  const distinct = request.topics.filter(({ name }, i) => names.indexOf(name) === i);
  const results = distinct.map((asked) => {
    const { name } = asked;
    try {
      if (names.indexOf(name) !== names.lastIndexOf(name))
        throw refusal(ErrorCode.INVALID_REQUEST, "Duplicate topic name.");
      const topic = requestedTopic(context.cluster, { name });
      const replicas = newReplicas(topic, asked, context);
      if (!request.validateOnly) context.cluster.addPartitions(topic, replicas);
      return { name, errorCode: ErrorCode.NONE, errorMessage: null };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { name, errorCode: error.errorCode, errorMessage: error.reason };
    }
  });
  return { throttleMs: 0, results };
});

function newReplicas(topic: Topic, asked: Asked, { cluster }: RequestContext): readonly (readonly number[])[] {
  const have = topic.partitions.length;
  if (asked.count === have) throw refusal(ErrorCode.INVALID_PARTITIONS, `Topic already has ${have} partition(s).`);
  if (asked.count < have)
    throw refusal(
      ErrorCode.INVALID_PARTITIONS,
      `The topic ${topic.name} currently has ${have} partition(s); ${asked.count} would not be an increase.`,
    );
  const partitions = asked.count - have;
  if (asked.assignments !== null) {
    if (asked.assignments.length !== partitions)
      throw refusal(
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        `Attempted to add ${partitions} partition(s), but ${asked.assignments.length} assignment(s) were specified.`,
      );
    const assignments = asked.assignments.map(({ brokerIds }, index) => ({ index, brokerIds }));
    return checkedAssignment(assignments, (id) => cluster.brokers.has(id));
  }
  const first = topic.partitions[0]?.state.replicas ?? [];
  const ids = [...cluster.brokers.keys()];
  const startAt = Math.max(0, ids.indexOf(first[0] ?? 0));
  return placedGrowth(cluster, { partitions, replicationFactor: first.length, firstPartition: have, startAt });
}
