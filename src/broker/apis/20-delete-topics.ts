/** DeleteTopics v1-6: by name, or by id from v6 on. The records go at once. */

import { ZERO_UUID } from "../../core/brand.ts";
import { deleteTopics } from "../../wire/apis/20-delete-topics.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { defineHandler } from "../handler.ts";

const FIRST_VERSION_BY_ID = 6;

export const deleteTopicsHandler = defineHandler(deleteTopics, (request, { cluster, apiVersion }) => {
  const asked =
    apiVersion >= FIRST_VERSION_BY_ID
      ? request.topics
      : request.topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
  const topics = asked.map(({ name, topicId }) => {
    if (name !== null && topicId !== ZERO_UUID)
      return {
        name,
        topicId,
        errorCode: ErrorCode.INVALID_REQUEST,
        errorMessage: "You may not specify both topic name and topic id.",
      };
    const topic = name === null ? cluster.topicById(topicId) : cluster.topic(name);
    if (topic === undefined) {
      const errorCode = name === null ? ErrorCode.UNKNOWN_TOPIC_ID : ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
      return { name, topicId, errorCode, errorMessage: "This server does not host this topic." };
    }
    if (!cluster.brokerFlag("delete.topic.enable"))
      return {
        name,
        topicId,
        errorCode: ErrorCode.TOPIC_DELETION_DISABLED,
        errorMessage: "Topic deletion is disabled.",
      };
    cluster.deleteTopic(topic);
    return { name: topic.name, topicId: topic.topicId, errorCode: ErrorCode.NONE, errorMessage: null };
  });
  return { throttleMs: 0, topics };
});
