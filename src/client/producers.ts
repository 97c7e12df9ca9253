/** Producer ids: what a leader remembers of them, and how to get one. */

import { initProducerId as initProducerIdApi } from "../wire/apis/22-init-producer-id.ts";
import { describeProducers as describeProducersApi } from "../wire/apis/61-describe-producers.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { askCoordinators, TRANSACTION_BACKOFF } from "./coordinators.ts";
import { brokerError, ClientError, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { askLeaders, byTopic, inOrder, type PartitionRef } from "./leaders.ts";

/** How long a transaction may stay open unless the caller says otherwise. */
const DEFAULT_TRANSACTION_TIMEOUT_MS = 60_000;

/** One idempotent producer as its partition's leader knows it. Includes what is appended and not yet committed. */
export interface ActiveProducer {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Sequence of the last record appended. */
  readonly lastSequence: number;
  /** Largest record timestamp of the last batch: the state expires by it. */
  readonly lastTimestampMs: bigint;
  /** -1 outside a transaction. */
  readonly currentTxnStartOffset: bigint;
}

/** The producers of one partition. */
export interface PartitionProducers extends PartitionRef {
  readonly errorCode: number;
  readonly producers: readonly ActiveProducer[];
}

/** Asks the leaders named by the metadata: followers would answer too, with their own replica's state.
 *  @throws {ClientError} `CLIENT_NO_VERSION` from brokers before Kafka 2.8 */
export function describeProducers(
  client: KafkaClient,
  partitions: readonly PartitionRef[],
  options: CallOptions = {},
): Promise<readonly PartitionProducers[]> {
  return askLeaders(client, partitions, {
    ...options,
    failed,
    ask: async (nodeId, items) => {
      const answer = await client.request(
        nodeId,
        describeProducersApi,
        {
          topics: byTopic(items).map(({ topic, items: asked }) => ({
            name: topic,
            partitionIndexes: asked.map(({ index }) => index),
          })),
        },
        { signal: options.signal },
      );
      const answers = answer.topics.flatMap(({ name, partitions: described }) =>
        described.map(({ index, errorCode, activeProducers: producers }) => ({
          topic: name,
          index,
          errorCode,
          producers,
        })),
      );
      return inOrder(items, answers, (item) => failed(item, ErrorCode.UNKNOWN));
    },
  });
}

/** Whether a broker tells what it remembers of producers: those of Kafka 2.8 and later do. @throws {ClientError} */
export async function mayDescribeProducers(client: KafkaClient, nodeId: number, options: CallOptions = {}) {
  try {
    await client.versionOf(nodeId, describeProducersApi, options);
    return true;
  } catch (error) {
    if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return false;
    throw error;
  }
}

/** A producer id with its epoch. */
export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Options of `initProducerId`. */
export interface InitProducerIdOptions extends CallOptions {
  /** With it the id is the transactional one: whoever held it is fenced, and its open transaction aborted. */
  readonly transactionalId?: string | undefined;
  readonly transactionTimeoutMs?: number | undefined;
}

/** A new producer id, or the next epoch of a transactional one. Repeats while the broker loads its block of ids (its first
 *  answer is GROUP_LOAD_IN_PROGRESS) and while a former transaction is being aborted.
 *  @throws {ClientError} `CLIENT_BROKER_ERROR` when refused */
export async function initProducerId(
  client: KafkaClient,
  options: InitProducerIdOptions = {},
): Promise<ProducerIdentity> {
  const { transactionalId } = options;
  if (transactionalId !== undefined) return initTransactional(client, transactionalId, options);
  return client.retry(options, mayRetry, async () => {
    const answer = await ask(client, "any", options);
    if (answer.errorCode === ErrorCode.NONE) return answer;
    throw brokerError(initProducerIdApi.name, answer.errorCode, { subject: "a producer id" });
  });
}

async function initTransactional(
  client: KafkaClient,
  transactionalId: string,
  options: InitProducerIdOptions,
): Promise<ProducerIdentity> {
  // The coordinator has to be looked up first: that creates the topic which it needs.
  const [answer] = await askCoordinators(client, [transactionalId], {
    backoff: TRANSACTION_BACKOFF,
    ...options,
    kind: "transaction",
    keyOf: (id) => id,
    isPassing: (errorCode) => errorCode === ErrorCode.CONCURRENT_TRANSACTIONS,
    failed: (_, errorCode) => ({ errorCode, producerId: -1n, producerEpoch: -1 }),
    ask: async (nodeId) => [await ask(client, nodeId, options)],
  });
  if (answer?.errorCode === ErrorCode.NONE) return answer;
  throw brokerError(initProducerIdApi.name, answer?.errorCode ?? ErrorCode.UNKNOWN, { subject: transactionalId });
}

async function ask(client: KafkaClient, target: number | "any", options: InitProducerIdOptions) {
  const { errorCode, producerId, producerEpoch } = await client.request(
    target,
    initProducerIdApi,
    {
      transactionalId: options.transactionalId ?? null,
      transactionTimeoutMs: options.transactionTimeoutMs ?? DEFAULT_TRANSACTION_TIMEOUT_MS,
    },
    { signal: options.signal },
  );
  return { errorCode, producerId, producerEpoch };
}

function failed({ topic, index }: PartitionRef, errorCode: number): PartitionProducers {
  return { topic, index, errorCode, producers: [] };
}
