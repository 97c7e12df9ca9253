/** An independent reader: a stock kafkajs consumer that reads topics from their start, or a group on from its commits,
 *  up to the end that the region had when the reading began. */

import { randomUUID } from "node:crypto";
import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from "kafkajs";
import { timedOut } from "./errors.ts";
import { flightNumberIn, type PartitionContent, type SeenHeader, type SeenRecord } from "./records.ts";
import { boundsOf, commitsOf, type RegionAccess, stockClient } from "./region-access.ts";

/** The data is there already, so a fetch that finds nothing has no reason to wait long. */
const FETCH_WAIT_MS = 50;
/** Joining a group takes part of a second; reading 20,000 records another. Fifteen mean that nothing moves any more. */
const DEFAULT_READ_TIMEOUT_MS = 15_000;

/** Bounds of a read. */
export interface ReadOptions {
  readonly timeoutMs?: number;
}

/** Everything in the topics, from the first offset on, partitions in order. @throws {QuickstartError} `QUICKSTART_TIMEOUT` */
export async function readTopics(
  access: RegionAccess,
  topics: readonly string[],
  options: ReadOptions = {},
): Promise<readonly PartitionContent[]> {
  const kafka = stockClient(access);
  const bounds = await topicBounds(kafka, topics);
  const groupId = `quickstart-reader-${randomUUID()}`;
  const records = await readToEnd(kafka, {
    access,
    groupId,
    topics,
    goals: goalsOf(bounds),
    commit: false,
    ...options,
  });
  return bounds.map((content) => ({
    ...content,
    records: records.filter(({ topic, partition }) => topic === content.topic && partition === content.partition),
  }));
}

/** What a member of the group gets when it goes on from the group's commits (or from the start, where it has none) to
 *  the end, and commits. @throws {QuickstartError} `QUICKSTART_TIMEOUT` */
export async function continueGroup(
  access: RegionAccess,
  group: { readonly groupId: string; readonly topics: readonly string[] },
  options: ReadOptions = {},
): Promise<readonly SeenRecord[]> {
  const kafka = stockClient(access);
  const bounds = await topicBounds(kafka, group.topics);
  const commits = new Map<string, ReadonlyMap<number, bigint>>();
  for (const topic of group.topics) commits.set(topic, await commitsOf(kafka, group.groupId, topic));
  const open = bounds.filter(({ topic, partition, startOffset, endOffset }) => {
    return (commits.get(topic)?.get(partition) ?? startOffset) < endOffset;
  });
  return readToEnd(kafka, { access, ...group, goals: goalsOf(open), commit: true, ...options });
}

interface Bounds {
  readonly topic: string;
  readonly partition: number;
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

async function topicBounds(kafka: Kafka, topics: readonly string[]): Promise<readonly Bounds[]> {
  const answers = await Promise.all(topics.map((topic) => boundsOf(kafka, topic)));
  return answers.flatMap((bounds, index) => bounds.map((one) => ({ topic: topics[index] ?? "", ...one })));
}

/** The last offset to be read of each partition that has any. */
function goalsOf(bounds: readonly Bounds[]): ReadonlyMap<string, bigint> {
  const open = bounds.filter(({ startOffset, endOffset }) => startOffset < endOffset);
  return new Map(open.map(({ topic, partition, endOffset }) => [`${topic}-${partition}`, endOffset - 1n]));
}

interface ReadPlan extends ReadOptions {
  readonly access: RegionAccess;
  readonly groupId: string;
  readonly topics: readonly string[];
  readonly goals: ReadonlyMap<string, bigint>;
  readonly commit: boolean;
}

async function readToEnd(kafka: Kafka, plan: ReadPlan): Promise<readonly SeenRecord[]> {
  const records: SeenRecord[] = [];
  const open = new Set(plan.goals.keys());
  if (open.size === 0) return records;
  const consumer = kafka.consumer({
    groupId: plan.groupId,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    allowAutoTopicCreation: false,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [...plan.topics], fromBeginning: true });
  try {
    await finished(consumer, plan, open, (payload) => {
      const { topic, partition, messages } = payload.batch;
      for (const message of messages) records.push(seenRecord(topic, partition, message));
      const goal = plan.goals.get(`${topic}-${partition}`);
      if (goal !== undefined && BigInt(payload.batch.lastOffset()) >= goal) open.delete(`${topic}-${partition}`);
    });
  } finally {
    await consumer.disconnect();
  }
  return records;
}

/** Runs the consumer until `open` is empty. */
function finished(
  consumer: Consumer,
  plan: ReadPlan,
  open: ReadonlySet<string>,
  take: (payload: EachBatchPayload) => void,
): Promise<void> {
  const timeoutMs = plan.timeoutMs ?? DEFAULT_READ_TIMEOUT_MS;
  const wanted = open.size;
  return new Promise((resolve, reject) => {
    const overdue = setTimeout(() => {
      const what = `group ${plan.groupId} reading ${plan.access.region}; still open: ${[...open].join(" ")}`;
      reject(timedOut({ what, done: wanted - open.size, wanted, timeoutMs }));
    }, timeoutMs);
    const settle = (end: () => void): void => {
      clearTimeout(overdue);
      end();
    };
    consumer.on("consumer.crash", ({ payload }) => settle(() => reject(payload.error)));
    const eachBatch = async (payload: EachBatchPayload): Promise<void> => {
      take(payload);
      if (plan.commit) {
        payload.resolveOffset(payload.batch.lastOffset());
        await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets());
      }
      if (open.size === 0) settle(resolve);
    };
    consumer.run({ autoCommit: plan.commit, eachBatch }).catch((error: unknown) => settle(() => reject(error)));
  });
}

/** A kafkajs message as the checks see it. */
function seenRecord(topic: string, partition: number, message: KafkaMessage): SeenRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    key: message.key,
    value: message.value,
    headers: seenHeaders(message.headers),
    timestampMs: BigInt(message.timestamp),
    flight: flightNumberIn(message.value),
  };
}

function seenHeaders(headers: IHeaders | undefined): readonly SeenHeader[] {
  return Object.entries(headers ?? {}).flatMap(([key, value]) =>
    [value].flat().map((one) => ({ key, value: one === undefined ? null : Buffer.from(one) })),
  );
}
