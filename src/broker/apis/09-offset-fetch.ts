/** OffsetFetch v1-10: a group's stored offsets; one group up to v7, several from v8 on. -1 where nothing is stored. */

import { type Uuid, ZERO_UUID } from "../../core/brand.ts";
import { offsetFetch } from "../../wire/apis/09-offset-fetch.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { CommittedOffset } from "../groups/offset-store.ts";
import { defineHandler, type RequestContext } from "../handler.ts";

const FIRST_VERSION_WITH_GROUPS = 8;
const FIRST_VERSION_BY_ID = 10;
/** Up to here an error has no place of its own and is repeated for each partition. */
const LAST_VERSION_WITHOUT_ERROR = 1;

interface AskedTopic {
  readonly name: string;
  readonly topicId?: Uuid;
  readonly partitionIndexes: readonly number[];
}

interface PartitionAnswer {
  readonly index: number;
  readonly committedOffset: bigint;
  readonly committedLeaderEpoch: number;
  readonly committedMetadata: string | null;
  readonly errorCode: number;
}

interface TopicAnswer {
  readonly name: string;
  readonly topicId: Uuid;
  readonly partitions: readonly PartitionAnswer[];
}

export const offsetFetchHandler = defineHandler(offsetFetch, (request, context) => {
  if (context.apiVersion >= FIRST_VERSION_WITH_GROUPS) {
    const groups = request.groups.map(({ groupId, topics }) => ({ groupId, ...answered(groupId, topics, context) }));
    return { throttleMs: 0, groups };
  }
  const { errorCode, topics } = answered(request.groupId, request.topics, context);
  return { throttleMs: 0, errorCode, topics: topics.map(({ name, partitions }) => ({ name, partitions })) };
});

function answered(
  groupId: string,
  asked: readonly AskedTopic[] | null,
  context: RequestContext,
): { readonly errorCode: number; readonly topics: readonly TopicAnswer[] } {
  const errorCode = context.groups.check(groupId, context.brokerId);
  if (errorCode !== ErrorCode.NONE) {
    const isRepeated = context.apiVersion <= LAST_VERSION_WITHOUT_ERROR;
    return { errorCode, topics: isRepeated ? (asked ?? []).map((topic) => refused(topic, errorCode)) : [] };
  }
  if (asked === null) return { errorCode, topics: everything(groupId, context) };
  return { errorCode, topics: asked.map((topic) => answeredTopic(groupId, topic, context)) };
}

function answeredTopic(groupId: string, asked: AskedTopic, context: RequestContext): TopicAnswer {
  const isById = context.apiVersion >= FIRST_VERSION_BY_ID;
  const name = isById ? context.cluster.topicById(asked.topicId ?? ZERO_UUID)?.name : asked.name;
  if (name === undefined) return refused(asked, ErrorCode.UNKNOWN_TOPIC_ID);
  const partitions = asked.partitionIndexes.map((index) => answer(index, context.groups.offset(groupId, name, index)));
  return { name: isById ? "" : name, topicId: asked.topicId ?? ZERO_UUID, partitions };
}

function everything(groupId: string, { cluster, groups }: RequestContext): readonly TopicAnswer[] {
  return [...groups.offsets(groupId)].map(([name, partitions]) => ({
    name,
    topicId: cluster.topic(name)?.topicId ?? ZERO_UUID,
    partitions: [...partitions].map(([index, committed]) => answer(index, committed)),
  }));
}

function answer(index: number, committed: CommittedOffset | undefined): PartitionAnswer {
  return {
    index,
    committedOffset: committed?.offset ?? -1n,
    committedLeaderEpoch: committed?.leaderEpoch ?? -1,
    committedMetadata: committed?.metadata ?? "",
    errorCode: ErrorCode.NONE,
  };
}

function refused(asked: AskedTopic, errorCode: number): TopicAnswer {
  const partitions = asked.partitionIndexes.map((index) => ({ ...answer(index, undefined), errorCode }));
  return { name: asked.name, topicId: asked.topicId ?? ZERO_UUID, partitions };
}
