/** OffsetFetch v1-10: a group's stored offsets; one group up to v7, several from v8 on. -1 where nothing is stored, and an error
 *  where a transaction has stored one that does not count yet, if the client wants stable offsets only (KIP-447). */

import { type Uuid, ZERO_UUID } from "../../core/brand.ts";
import { offsetFetch } from "../../wire/apis/09-offset-fetch.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { CommittedOffset } from "../groups/offset-store.ts";
import { defineHandler, type RequestContext } from "../handler.ts";

const FIRST_VERSION_WITH_GROUPS = 8;
const FIRST_VERSION_BY_ID = 10;
/** Up to here an error has no place of its own and is repeated for each partition. */
const LAST_VERSION_WITHOUT_ERROR = 1;

/** What a request asks of one group. */
interface Asked {
  readonly groupId: string;
  /** Null: all that is stored. */
  readonly topics: readonly AskedTopic[] | null;
  readonly requireStable: boolean;
}

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
    const { requireStable } = request;
    const groups = request.groups.map(({ groupId, topics }) => ({
      groupId,
      ...answered({ groupId, topics, requireStable }, context),
    }));
    return { throttleMs: 0, groups };
  }
  const { errorCode, topics } = answered(request, context);
  return { throttleMs: 0, errorCode, topics: topics.map(({ name, partitions }) => ({ name, partitions })) };
});

function answered(
  asked: Asked,
  context: RequestContext,
): { readonly errorCode: number; readonly topics: readonly TopicAnswer[] } {
  const { groupId, topics } = asked;
  const errorCode = context.groups.check(groupId, context.brokerId);
  if (errorCode !== ErrorCode.NONE) {
    const isRepeated = context.apiVersion <= LAST_VERSION_WITHOUT_ERROR;
    return { errorCode, topics: isRepeated ? (topics ?? []).map((topic) => refused(topic, errorCode)) : [] };
  }
  if (topics === null) return { errorCode, topics: everything(asked, context) };
  return { errorCode, topics: topics.map((topic) => answeredTopic(topic, asked, context)) };
}

function answeredTopic(asked: AskedTopic, of: Asked, context: RequestContext): TopicAnswer {
  const isById = context.apiVersion >= FIRST_VERSION_BY_ID;
  const name = isById ? context.cluster.topicById(asked.topicId ?? ZERO_UUID)?.name : asked.name;
  if (name === undefined) return refused(asked, ErrorCode.UNKNOWN_TOPIC_ID);
  const partitions = asked.partitionIndexes.map((index) => stored({ name, index }, of, context));
  return { name: isById ? "" : name, topicId: asked.topicId ?? ZERO_UUID, partitions };
}

function everything(of: Asked, context: RequestContext): readonly TopicAnswer[] {
  return [...context.groups.offsets(of.groupId)].map(([name, partitions]) => ({
    name,
    topicId: context.cluster.topic(name)?.topicId ?? ZERO_UUID,
    partitions: [...partitions.keys()].map((index) => stored({ name, index }, of, context)),
  }));
}

function stored(
  { name, index }: { readonly name: string; readonly index: number },
  { groupId, requireStable }: Asked,
  { groups }: RequestContext,
): PartitionAnswer {
  if (requireStable && groups.isUnstable(groupId, name, index))
    return { ...answer(index, undefined), errorCode: ErrorCode.UNSTABLE_OFFSET_COMMIT };
  return answer(index, groups.offset(groupId, name, index));
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
