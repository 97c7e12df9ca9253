/** A region as a stranger sees it: a list of addresses, reached with a stock kafkajs client and nothing of this project. */

import { setTimeout as delay } from "node:timers/promises";
import { type Admin, Kafka, logLevel } from "kafkajs";

/** An embedded region or an Apache Kafka cluster; the check cannot tell and does not ask. */
export interface RegionAccess {
  /** The region's alias in the topology. */
  readonly region: string;
  /** `host:port` of its brokers. */
  readonly bootstrap: readonly string[];
}

/** Retries bear a broker that is away for some seconds: 20 times at most a second. kafkajs's default gives up after 9 s
 *  but waits up to 30 s between two tries. */
const RETRY = { initialRetryTime: 50, maxRetryTime: 1_000, retries: 20 };

/** A stock client that keeps its log to itself: what it cannot do it throws. */
export function stockClient(access: RegionAccess): Kafka {
  return new Kafka({
    clientId: "quickstart",
    brokers: [...access.bootstrap],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    requestTimeout: 10_000,
    retry: RETRY,
  });
}

/** Start and end of a partition, as the region answers now. */
export interface PartitionBounds {
  readonly partition: number;
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

/** Asks for the bounds of every partition of a topic, in the order of partitions. */
export function boundsOf(kafka: Kafka, topic: string): Promise<readonly PartitionBounds[]> {
  return asking(kafka, async (admin) => {
    const answers = await admin.fetchTopicOffsets(topic);
    return answers
      .map(({ partition, low, high }) => ({ partition, startOffset: BigInt(low), endOffset: BigInt(high) }))
      .sort((a, b) => a.partition - b.partition);
  });
}

/** Committed offsets of a group in a topic, by partition; partitions without a commit are left out. */
export function commitsOf(kafka: Kafka, groupId: string, topic: string): Promise<ReadonlyMap<number, bigint>> {
  return asking(kafka, async (admin) => {
    const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
    const commits = (answer?.partitions ?? []).map(({ partition, offset }) => [partition, BigInt(offset)] as const);
    return new Map(commits.filter(([, offset]) => offset >= 0n));
  });
}

/** kafkajs's admin hands some passing errors to its caller (a coordinator that is still loading, for one). Ten seconds
 *  bear the first use of a group on a fresh Apache Kafka. */
const ASK_RETRIES_MAX = 100;
const ASK_RETRY_MS = 100;

async function asking<T>(kafka: Kafka, question: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  await admin.connect();
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await question(admin);
      } catch (error) {
        if (!isRetriable(error) || attempt > ASK_RETRIES_MAX) throw error;
        await delay(ASK_RETRY_MS);
      }
    }
  } finally {
    await admin.disconnect();
  }
}

/** kafkajs marks its errors; its classes cannot be imported by name from an ES module. */
function isRetriable(error: unknown): boolean {
  return error instanceof Error && "retriable" in error && error.retriable === true;
}
