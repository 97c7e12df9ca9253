/** Offsets by time, and the two ends of partitions, asked of their leaders. */

import { listOffsets as listOffsetsApi } from "../wire/apis/02-list-offsets.ts";
import { ISOLATION_LEVELS } from "../wire/apis/isolation-levels.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { brokerError } from "./errors.ts";
import type { Isolation } from "./fetch.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { askLeaders, byTopic, inOrder, type PartitionRef, partitionKey } from "./leaders.ts";
import { groupOf } from "./scatter.ts";

/** The end: the high watermark, or under read_committed the last stable offset. */
export const AT_END = -1n;
/** The log start. */
export const AT_START = -2n;
/** The record with the highest timestamp (Kafka 3.0, v7). */
export const AT_MAX_TIMESTAMP = -3n;
/** The first offset on the leader's own disk (Kafka 3.4, v8). */
export const AT_LOCAL_START = -4n;

/** What to ask about one partition: a time in milliseconds, or one of the constants above. */
export interface OffsetQuestion extends PartitionRef {
  readonly timestampMs: bigint;
}

/** The offset of the first record at or after the time. */
export interface OffsetAnswer extends PartitionRef {
  readonly errorCode: number;
  /** -1 when no record is that young, or on error. */
  readonly offset: bigint;
  /** -1 when the question was not about a time. */
  readonly timestampMs: bigint;
  /** -1 when the broker did not say. */
  readonly leaderEpoch: number;
}

/** Options of the call. */
export interface ListOffsetsOptions extends CallOptions {
  /** `read_uncommitted` unless given. */
  readonly isolation?: Isolation | undefined;
}

/** One answer for each question, in their order; errors that do not pass in time are codes in the answers.
 *  @throws when a leader cannot be reached in time */
export function listOffsets(
  client: KafkaClient,
  questions: readonly OffsetQuestion[],
  options: ListOffsetsOptions = {},
): Promise<readonly OffsetAnswer[]> {
  return askLeaders(client, questions, {
    ...options,
    failed,
    ask: (nodeId, items) => ask(client, nodeId, { items, options }),
  });
}

/** Log start and end of every given partition.
 *  @throws {ClientError} `CLIENT_BROKER_ERROR` for the first partition that has an error */
export async function logBounds(
  client: KafkaClient,
  partitions: readonly PartitionRef[],
  options: ListOffsetsOptions = {},
): Promise<readonly (PartitionRef & { readonly startOffset: bigint; readonly endOffset: bigint })[]> {
  const bounds = (timestampMs: bigint) =>
    listOffsets(
      client,
      partitions.map(({ topic, index }) => ({ topic, index, timestampMs })),
      options,
    );
  const [starts, ends] = await Promise.all([bounds(AT_START), bounds(AT_END)]);
  return partitions.map(({ topic, index }, at) => {
    const startOffset = offsetOf(starts[at]);
    return { topic, index, startOffset, endOffset: offsetOf(ends[at]) };
  });
}

function offsetOf(answer: OffsetAnswer | undefined): bigint {
  if (answer?.errorCode === ErrorCode.NONE) return answer.offset;
  const subject = answer === undefined ? "a partition" : `${answer.topic}-${answer.index}`;
  throw brokerError("ListOffsets", answer?.errorCode ?? ErrorCode.UNKNOWN, { subject });
}

async function ask(
  client: KafkaClient,
  nodeId: number,
  { items, options }: { readonly items: readonly OffsetQuestion[]; readonly options: ListOffsetsOptions },
): Promise<readonly OffsetAnswer[]> {
  const answers = new Map<OffsetQuestion, OffsetAnswer>();
  const askOne = async (round: readonly OffsetQuestion[]): Promise<void> => {
    const told = await askRound(client, nodeId, { items: round, options });
    const ordered = inOrder(round, told, (item) => failed(item, ErrorCode.UNKNOWN));
    for (const [at, item] of round.entries()) answers.set(item, ordered[at] ?? failed(item, ErrorCode.UNKNOWN));
  };
  await Promise.all(roundsOf(items).map(askOne));
  return items.map((item) => answers.get(item) ?? failed(item, ErrorCode.UNKNOWN));
}

/** A broker refuses a request that names a partition twice, so its second question goes into a second request. */
function roundsOf(items: readonly OffsetQuestion[]): readonly (readonly OffsetQuestion[])[] {
  const seen = new Map<string, number>();
  const rounds = new Map<number, OffsetQuestion[]>();
  for (const item of items) {
    const key = partitionKey(item);
    const round = seen.get(key) ?? 0;
    seen.set(key, round + 1);
    groupOf(rounds, round).push(item);
  }
  return [...rounds.values()];
}

async function askRound(
  client: KafkaClient,
  nodeId: number,
  { items, options }: { readonly items: readonly OffsetQuestion[]; readonly options: ListOffsetsOptions },
): Promise<readonly OffsetAnswer[]> {
  const answer = await client.request(
    nodeId,
    listOffsetsApi,
    {
      replicaId: -1,
      isolationLevel: ISOLATION_LEVELS[options.isolation ?? "read_uncommitted"],
      topics: byTopic(items).map(({ topic, items: asked }) => ({
        name: topic,
        partitions: asked.map(({ index, timestampMs }) => ({ index, timestampMs })),
      })),
    },
    { signal: options.signal },
  );
  return answer.topics.flatMap(({ name, partitions }) =>
    partitions.map(({ index, errorCode, offset, timestampMs, leaderEpoch }) => {
      return { topic: name, index, errorCode, offset, timestampMs, leaderEpoch };
    }),
  );
}

function failed({ topic, index }: PartitionRef, errorCode: number): OffsetAnswer {
  return { topic, index, errorCode, offset: -1n, timestampMs: -1n, leaderEpoch: -1 };
}
