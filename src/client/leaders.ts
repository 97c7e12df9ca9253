/** Questions that only a partition's leader answers. */

import { ErrorCode } from "../wire/error-codes.ts";
import { partitionOf } from "./cluster-view.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { groupOf, type Located, type Scatter, scatter } from "./scatter.ts";

/** One partition by name. */
export interface PartitionRef {
  readonly topic: string;
  readonly index: number;
}

/** Codes that say: ask another broker, or this one a little later. */
const LEADER_CODES: ReadonlySet<number> = new Set([
  ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
  ErrorCode.LEADER_NOT_AVAILABLE,
  ErrorCode.NOT_LEADER_FOR_PARTITION,
  ErrorCode.REPLICA_NOT_AVAILABLE,
  ErrorCode.KAFKA_STORAGE_ERROR,
  ErrorCode.LISTENER_NOT_FOUND,
  ErrorCode.FENCED_LEADER_EPOCH,
  ErrorCode.UNKNOWN_LEADER_EPOCH,
  ErrorCode.UNKNOWN_TOPIC_ID,
  ErrorCode.INCONSISTENT_TOPIC_ID,
]);

/** Further codes that pass by themselves, the leader being the right one. */
const PASSING_CODES: ReadonlySet<number> = new Set([ErrorCode.OFFSET_NOT_AVAILABLE, ErrorCode.REQUEST_TIMED_OUT]);

/** Whether a partition's error code means that what is known of its leader is out of date. */
export function isLeaderCode(errorCode: number): boolean {
  return LEADER_CODES.has(errorCode);
}

/** Asks the leaders of all items; a topic that does not exist is final, a missing leader is waited for. */
export function askLeaders<Q extends PartitionRef, A extends { readonly errorCode: number }>(
  client: KafkaClient,
  items: readonly Q[],
  options: CallOptions & Pick<Scatter<Q, A>, "ask" | "failed">,
): Promise<readonly A[]> {
  return scatter(client, items, {
    ...options,
    locate: async (pending, isRetry) => {
      const topics = new Set(pending.map(({ topic }) => topic));
      client.metadata.track(topics);
      const isUnknown = [...topics].some((topic) => client.metadata.topic(topic) === undefined);
      if (isRetry || isUnknown) await client.metadata.refresh("leaders needed", { signal: options.signal });
      return pending.map((item) => leaderOf(client, item));
    },
    isPassing: (errorCode) => LEADER_CODES.has(errorCode) || PASSING_CODES.has(errorCode),
  });
}

function leaderOf(client: KafkaClient, { topic, index }: PartitionRef): Located {
  const known = client.metadata.topic(topic);
  const partition = partitionOf(known, index);
  if (partition === undefined) {
    const errorCode = client.metadata.view.topicErrors.get(topic) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    return { errorCode, isFinal: true };
  }
  if (partition.leaderId < 0) return { errorCode: ErrorCode.LEADER_NOT_AVAILABLE, isFinal: false };
  return { nodeId: partition.leaderId };
}

/** Items by topic, as requests carry them. */
export function byTopic<Q extends PartitionRef>(
  items: readonly Q[],
): readonly { readonly topic: string; readonly items: readonly Q[] }[] {
  const groups = new Map<string, Q[]>();
  for (const item of items) groupOf(groups, item.topic).push(item);
  return [...groups].map(([topic, group]) => ({ topic, items: group }));
}

/** The answers in the order of the items; `missing` stands in for one that the broker left out. */
export function inOrder<Q extends PartitionRef, A extends PartitionRef>(
  items: readonly Q[],
  answers: readonly A[],
  missing: (item: Q) => A,
): readonly A[] {
  const byPartition = new Map(answers.map((answer) => [partitionKey(answer), answer]));
  return items.map((item) => byPartition.get(partitionKey(item)) ?? missing(item));
}

/** One text for each partition. */
export function partitionKey({ topic, index }: PartitionRef): string {
  return `${topic}/${index}`;
}
