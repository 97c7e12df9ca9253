/** OffsetCommit v2-10: stores a group's offsets; a generation of -1 commits from outside an empty group. */

import { offsetCommit } from "../../wire/apis/08-offset-commit.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { Topic } from "../cluster.ts";
import { defineHandler, type RequestContext } from "../handler.ts";

const FIRST_VERSION_BY_ID = 10;

export const offsetCommitHandler = defineHandler(offsetCommit, (request, context) => {
  const { groups, brokerId } = context;
  const topics = request.topics.map((item) => ({ ...item, found: found(item, context) }));
  const refused = groups.check(request.groupId, brokerId);
  // A topic id that is unknown has no name to commit under; an unknown name is refused by the coordinator.
  const items = topics.flatMap(({ found: topic, name, partitions }) =>
    partitions.map((partition) => ({
      topic: topic?.name ?? name,
      partition: partition.index,
      offset: partition.committedOffset,
      leaderEpoch: partition.committedLeaderEpoch,
      metadata: partition.committedMetadata,
    })),
  );
  const codes =
    refused === ErrorCode.NONE ? groups.commit(request.groupId, request, { items }) : items.map(() => refused);
  let next = 0;
  return {
    throttleMs: 0,
    topics: topics.map(({ name, topicId, found: topic, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ index }) => {
        const code = codes[next++] ?? ErrorCode.UNKNOWN;
        const isUnknownId = topic === undefined && context.apiVersion >= FIRST_VERSION_BY_ID;
        return { index, errorCode: isUnknownId && refused === ErrorCode.NONE ? ErrorCode.UNKNOWN_TOPIC_ID : code };
      }),
    })),
  };
});

function found(
  item: { readonly name: string; readonly topicId: Topic["topicId"] },
  { cluster, apiVersion }: RequestContext,
): Topic | undefined {
  return apiVersion >= FIRST_VERSION_BY_ID ? cluster.topicById(item.topicId) : cluster.topic(item.name);
}
