/** CreateTopics v2-7: creates topics with checked settings, or only checks. Any broker takes it. */

import { randomUuid } from "../../core/random.ts";
import { StorageError } from "../../core/storage.ts";
import type { RequestOutput, ResponseInput } from "../../wire/api.ts";
import { createTopics } from "../../wire/apis/19-create-topics.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { resolveTopic } from "../configs/resolver.ts";
import { Refusal, refusal } from "../errors.ts";
import { defineHandler, type RequestContext } from "../handler.ts";
import { plannedTopic } from "../topic-creation.ts";

type Asked = RequestOutput<typeof createTopics>["topics"][number];
type Answer = ResponseInput<typeof createTopics>["topics"][number];

export const createTopicsHandler = defineHandler(createTopics, (request, context) => {
  const names = request.topics.map(({ name }) => name);
  // A topic named twice is refused once.
  const distinct = request.topics.filter(({ name }, i) => names.indexOf(name) === i);
  const topics = distinct.map((asked) => {
    try {
      if (names.indexOf(asked.name) !== names.lastIndexOf(asked.name))
        throw refusal(ErrorCode.INVALID_REQUEST, "Duplicate topic name.");
      return created(asked, request.validateOnly, context);
    } catch (error) {
      if (error instanceof StorageError)
        return { name: asked.name, errorCode: ErrorCode.KAFKA_STORAGE_ERROR, errorMessage: error.message };
      if (!(error instanceof Refusal)) throw error;
      return { name: asked.name, errorCode: error.errorCode, errorMessage: error.reason };
    }
  });
  return { throttleMs: 0, topics };
});

function created(asked: Asked, validateOnly: boolean, { cluster, random }: RequestContext): Answer {
  const planned = plannedTopic(cluster, {
    name: asked.name,
    partitions: asked.numPartitions,
    replicationFactor: asked.replicationFactor,
    assignments: asked.assignments,
    configs: asked.configs,
  });
  const topic = validateOnly ? undefined : cluster.createTopic(planned.name, planned.replicas, planned.configs);
  return {
    name: asked.name,
    topicId: topic?.topicId ?? randomUuid(random),
    errorCode: ErrorCode.NONE,
    errorMessage: null,
    numPartitions: planned.replicas.length,
    replicationFactor: planned.replicas[0]?.length ?? -1,
    configs: resolveTopic(planned.configs, cluster.layers).map(({ definition, value, source }) => ({
      name: definition.name,
      value,
      readOnly: false,
      configSource: source,
      isSensitive: false,
    })),
  };
}
