/** Raw Produce: prepared record batches, for many partitions of one broker in one request. Never repeated here: what a
 *  failure means and how to go on is the caller's to decide. */

import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { assertInvariant } from "../core/errors.ts";
import { produce } from "../wire/apis/00-produce.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import type { ClientRequestOptions, KafkaClient } from "./kafka-client.ts";
import { learnLeaders } from "./leader-news.ts";
import { byTopic, inOrder } from "./leaders.ts";
import { TopicRefs } from "./topic-refs.ts";

/** Last version that names topics instead of giving their ids. */
const LAST_BY_NAME = 12;

/** The broker's time to reach the required acks: Kafka's own default. */
const DEFAULT_ACK_TIMEOUT_MS = 30_000;

/** Time for the answer beyond the broker's own wait. */
const ANSWER_MARGIN_MS = 5_000;

/** What to append to one partition. */
export interface ProducePartition {
  readonly topic: string;
  /** `ZERO_UUID` when unknown: then the whole request goes by name. */
  readonly topicId: Uuid;
  readonly index: number;
  /** One record batch of magic 2; must not change until the answer. */
  readonly records: Uint8Array;
}

/** One request to one broker. A partition may appear once only. */
export interface ProduceRequest {
  readonly partitions: readonly ProducePartition[];
  /** All in-sync replicas (-1), or the leader alone (1). */
  readonly acks: -1 | 1;
  /** How long the broker may wait for the acks; then it answers REQUEST_TIMED_OUT although it appended. */
  readonly ackTimeoutMs?: number | undefined;
  readonly transactionalId?: string | undefined;
}

/** What became of one partition's batch. */
export interface ProducedPartition {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly index: number;
  readonly errorCode: number;
  readonly errorMessage: string | null;
  /** Offset of the first record, of a repeat too when the broker remembers the batch; -1 on error. */
  readonly baseOffset: bigint;
  /** -1 unless the topic uses LogAppendTime. */
  readonly logAppendTimeMs: bigint;
  readonly logStartOffset: bigint;
}

/** Sends one request and resolves with one outcome for each partition, in the order of the request. An outcome that the
 *  broker left out has the code UNKNOWN (-1).
 *  @throws {ClientError} `CLIENT_TIMEOUT` or `CLIENT_DISCONNECTED`: with `sent` the outcome is unknown, else nothing was appended */
export async function produceTo(
  client: KafkaClient,
  nodeId: number,
  options: ProduceRequest & ClientRequestOptions,
): Promise<readonly ProducedPartition[]> {
  const { partitions, acks, ackTimeoutMs = DEFAULT_ACK_TIMEOUT_MS, transactionalId = null } = options;
  const answer = await client.request(
    nodeId,
    produce,
    { transactionalId, acks, timeoutMs: ackTimeoutMs, topics: requestTopics(partitions) },
    {
      purpose: "produce",
      ...options,
      timeoutMs: options.timeoutMs ?? ackTimeoutMs + ANSWER_MARGIN_MS,
      maxVersion: versionLimit(partitions, options.maxVersion),
    },
  );
  const refs = new TopicRefs(produce.name, partitions);
  const outcomes = answer.topics.flatMap((topic) => {
    const ref = refs.of(topic);
    return topic.partitions.map((partition) => ({ ...partition, ...ref }));
  });
  learnLeaders(client, outcomes, answer.nodeEndpoints);
  return inOrder<ProducePartition, ProducedPartition>(partitions, outcomes.map(produced), leftOut);
}

/** Sends one request with acks 0, which no broker answers; resolves when it is written. */
export async function produceUnacknowledged(
  client: KafkaClient,
  nodeId: number,
  options: Pick<ProduceRequest, "partitions"> & ClientRequestOptions,
): Promise<void> {
  const { partitions } = options;
  await client.send(
    nodeId,
    produce,
    { transactionalId: null, acks: 0, timeoutMs: DEFAULT_ACK_TIMEOUT_MS, topics: requestTopics(partitions) },
    { purpose: "produce", ...options, maxVersion: versionLimit(partitions, options.maxVersion) },
  );
}

function requestTopics(partitions: readonly ProducePartition[]) {
  const topics = byTopic(partitions);
  for (const { topic, items } of topics) {
    const indexes = new Set(items.map(({ index }) => index));
    assertInvariant(indexes.size === items.length, "a produce request holds one batch for each partition", { topic });
  }
  return topics.map(({ topic, items }) => ({
    name: topic,
    topicId: items[0]?.topicId ?? ZERO_UUID,
    partitions: items.map(({ index, records }) => ({ index, records })),
  }));
}

function versionLimit(partitions: readonly ProducePartition[], maxVersion: number | undefined): number | undefined {
  if (partitions.every(({ topicId }) => isClusterId(topicId))) return maxVersion;
  return Math.min(maxVersion ?? LAST_BY_NAME, LAST_BY_NAME);
}

function produced(outcome: ProducedPartition): ProducedPartition {
  const { topic, topicId, index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset } = outcome;
  return { topic, topicId, index, errorCode, errorMessage, baseOffset, logAppendTimeMs, logStartOffset };
}

function leftOut({ topic, topicId, index }: ProducePartition): ProducedPartition {
  const errorMessage = "the broker's answer leaves the partition out";
  const nothing = { baseOffset: -1n, logAppendTimeMs: -1n, logStartOffset: -1n };
  return { topic, topicId, index, errorCode: ErrorCode.UNKNOWN, errorMessage, ...nothing };
}
