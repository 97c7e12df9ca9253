/** Questions about partitions that source and target ask alike. */

import type { TopicMetadata } from "../client/cluster-view.ts";
import { brokerError } from "../client/errors.ts";
import type { Isolation } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, AT_START, listOffsets } from "../client/list-offsets.ts";
import type { PartitionBounds, TopicInfo, TopicPartition } from "../mirror/ports.ts";
import { ErrorCode } from "../wire/error-codes.ts";

/** Log start and readable end of each partition, in order; an error in place of what one leader could not answer. */
export async function boundsOf(
  client: KafkaClient,
  partitions: readonly TopicPartition[],
  isolation: Isolation,
  timeoutMs: number,
): Promise<readonly (PartitionBounds | Error)[]> {
  const refs = partitions.map(({ topic, partition: index }) => ({ topic, index }));
  const ask = (timestampMs: bigint) =>
    listOffsets(
      client,
      refs.map((ref) => ({ ...ref, timestampMs })),
      { isolation, timeoutMs },
    );
  const [starts, ends] = await Promise.all([ask(AT_START), ask(AT_END)]);
  return partitions.map(({ topic }, at) => {
    const [start, end] = [starts[at], ends[at]];
    const errorCode = [start, end].find((answer) => answer?.errorCode !== ErrorCode.NONE)?.errorCode;
    if (start === undefined || end === undefined || errorCode !== undefined)
      return brokerError("ListOffsets", errorCode ?? ErrorCode.UNKNOWN, { subject: topic });
    return { startOffset: start.offset, endOffset: end.offset };
  });
}

/** A topic as the mirror's discovery sees it. */
export function topicInfo(topic: TopicMetadata): TopicInfo {
  return {
    topic: topic.name,
    topicId: topic.topicId,
    partitions: topic.partitions.length,
    replicationFactor: topic.partitions[0]?.replicas.length ?? 1,
    internal: topic.isInternal,
  };
}
