/** A transactional writer: batches of several partitions that become visible together, or never; and markers written by hand.
 *
 *  ```
 *  open (fences and aborts the predecessor) -> announce -> produce, produce, ... -> end -> announce -> ...
 *  ```
 *  After any failure the writer is of no further use: what was sent may or may not be there, and only the next `open` with the same
 *  id settles it (it aborts what is open and waits until that is done).
 *
 *  Speaks transactions as before KIP-890 (partitions are announced, one epoch for all transactions of a writer): every broker since
 *  2.5 does, and new ones verify each batch against the coordinator all the same. */

import { assertInvariant } from "../core/errors.ts";
import { addPartitionsToTxn } from "../wire/apis/24-add-partitions-to-txn.ts";
import { endTxn } from "../wire/apis/26-end-txn.ts";
import { writeTxnMarkers } from "../wire/apis/27-write-txn-markers.ts";
import { describeCluster } from "../wire/apis/60-describe-cluster.ts";
import { describeTransactions } from "../wire/apis/65-describe-transactions.ts";
import { OPERATIONS_NOT_ASKED } from "../wire/apis/authorized-operations.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { askCoordinators, TRANSACTION_BACKOFF } from "./coordinators.ts";
import { brokerError, ClientError, hadNoEffect, mayRetry } from "./errors.ts";
import type { CallOptions, KafkaClient } from "./kafka-client.ts";
import { askLeaders, byTopic, inOrder, type PartitionRef } from "./leaders.ts";
import { type ProducedPartition, type ProducePartition, produceTo } from "./produce.ts";
import { initProducerId, type ProducerIdentity } from "./producers.ts";

/** Last versions that leave it to the client to announce partitions, and that keep a writer's epoch. */
const PRODUCE_VERSION_MAX = 11;
const ADD_VERSION_MAX = 3;
const END_VERSION_MAX = 4;
/** Last version without the epoch rules of KIP-890. */
const MARKERS_VERSION_MAX = 1;

/** The coordinator that markers by hand name: older than any, so that they never stand in a real one's way. */
const NO_COORDINATOR_EPOCH = 0;

/** Codes by which a broker says that a newer writer has the transactional id. */
const FENCED_CODES: ReadonlySet<number> = new Set([ErrorCode.INVALID_PRODUCER_EPOCH, ErrorCode.PRODUCER_FENCED]);

/** Whether another writer took the transactional id over. */
export function isFencedCode(errorCode: number): boolean {
  return FENCED_CODES.has(errorCode);
}

/** Options of a writer. */
export interface TransactionalWriterOptions extends CallOptions {
  readonly transactionalId: string;
  /** The coordinator aborts a transaction that is open for longer; at most the broker's `transaction.max.timeout.ms`. */
  readonly transactionTimeoutMs: number;
}

/** How one batch is sent. */
export interface TransactionalProduce {
  readonly ackTimeoutMs?: number | undefined;
  /** Requests of one channel arrive in order; a broker answers one request of a connection at a time. */
  readonly channel?: number | undefined;
}

/** One writer. */
export class TransactionalWriter {
  readonly identity: ProducerIdentity;
  readonly #client: KafkaClient;
  readonly #options: TransactionalWriterOptions;

  private constructor(client: KafkaClient, options: TransactionalWriterOptions, identity: ProducerIdentity) {
    this.#client = client;
    this.#options = options;
    this.identity = identity;
  }

  /** Fences whoever holds the id; resolves once that one's open transaction is aborted, markers written.
   *  @throws {ClientError} `CLIENT_BROKER_ERROR` */
  static async open(client: KafkaClient, options: TransactionalWriterOptions): Promise<TransactionalWriter> {
    const identity = await initProducerId(client, options);
    assertInvariant(identity.producerId >= 0n && identity.producerEpoch >= 0, "A transactional writer has an identity");
    return new TransactionalWriter(client, options, identity);
  }

  /** Begins a transaction, or adds to the open one: what it will write. Waits until the one before is complete.
   *  @throws {ClientError} with a code of `isFencedCode` when another writer was opened */
  async announce(partitions: readonly PartitionRef[]): Promise<void> {
    const { transactionalId } = this.#options;
    const topics = byTopic(partitions).map(({ topic, items }) => {
      return { name: topic, partitions: items.map(({ index }) => index) };
    });
    const body = { transactionalId, ...this.identity, topics };
    const [answer] = await this.#askCoordinator(async (nodeId) => {
      const answered = await this.#client.request(nodeId, addPartitionsToTxn, body, {
        maxVersion: ADD_VERSION_MAX,
        signal: this.#options.signal,
      });
      return { errorCode: worstOf(answered.topics.flatMap((topic) => topic.partitions)) };
    });
    check(addPartitionsToTxn.name, answer?.errorCode, transactionalId);
  }

  /** Sends one batch, stamped as transactional with this writer's identity and the partition's next sequence; error codes are in the
   *  outcome. @throws {ClientError} as `produceTo` */
  async produce(
    nodeId: number,
    partition: ProducePartition,
    options: TransactionalProduce = {},
  ): Promise<ProducedPartition> {
    const { transactionalId, signal } = this.#options;
    const request = { partitions: [partition], acks: -1, transactionalId, ...options, signal } as const;
    const [outcome] = await produceTo(this.#client, nodeId, { ...request, maxVersion: PRODUCE_VERSION_MAX });
    assertInvariant(outcome !== undefined, "A produce request has one outcome for each partition");
    return outcome;
  }

  /** Ends the open transaction. Not repeated when a request got lost: its late twin could end the *next* transaction in the middle
   *  ("An end is sent once"). @throws {ClientError} the outcome is unknown, a code of `isFencedCode` included: an attempt that
   *  was refused may have been made before */
  async end(how: "commit" | "abort"): Promise<void> {
    const { transactionalId, signal } = this.#options;
    const body = { transactionalId, ...this.identity, committed: how === "commit" };
    const options = { maxVersion: END_VERSION_MAX, signal };
    const isHarmless = (error: unknown): boolean => mayRetry(error) && hadNoEffect(error);
    const [answer] = await this.#askCoordinator(
      async (nodeId) => this.#client.request(nodeId, endTxn, body, options),
      isHarmless,
    );
    check(endTxn.name, answer?.errorCode, transactionalId);
  }

  #askCoordinator(
    ask: (nodeId: number) => Promise<{ readonly errorCode: number }>,
    isHarmless: (error: unknown) => boolean = mayRetry,
  ) {
    return askCoordinators(this.#client, [this.#options.transactionalId], {
      backoff: TRANSACTION_BACKOFF,
      ...this.#options,
      kind: "transaction",
      keyOf: (id) => id,
      isPassing: (errorCode) => errorCode === ErrorCode.CONCURRENT_TRANSACTIONS,
      isHarmless,
      failed: (_, errorCode) => ({ errorCode }),
      ask: async (nodeId) => [await ask(nodeId)],
    });
  }
}

/** A transactional id as its coordinator knows it. */
export interface DescribedTransactionalId extends ProducerIdentity {
  readonly errorCode: number;
  readonly transactionalId: string;
}

/** The producer id and the latest epoch of transactional ids, in their order; error codes are in the answers.
 *  @throws {ClientError} `CLIENT_NO_VERSION` from brokers before Kafka 3.0 */
export function describeTransactionalIds(
  client: KafkaClient,
  transactionalIds: readonly string[],
  options: CallOptions = {},
): Promise<readonly DescribedTransactionalId[]> {
  const failed = (transactionalId: string, errorCode: number): DescribedTransactionalId => {
    return { errorCode, transactionalId, producerId: -1n, producerEpoch: -1 };
  };
  return askCoordinators(client, transactionalIds, {
    ...options,
    kind: "transaction",
    keyOf: (id) => id,
    failed,
    ask: async (nodeId, asked) => {
      const body = { transactionalIds: asked };
      const { transactionStates } = await client.request(nodeId, describeTransactions, body, {
        signal: options.signal,
      });
      const byId = new Map(transactionStates.map((state) => [state.transactionalId, state]));
      return asked.map((id) => byId.get(id) ?? failed(id, ErrorCode.UNKNOWN));
    },
  });
}

/** A marker for one producer on one partition. */
export interface AbortMarker extends ProducerIdentity {
  readonly partition: PartitionRef;
}

/** Writes an abort marker to the partition itself, whether or not the producer has a transaction: lower epochs of the producer are
 *  refused from then on. Resolves with the partition's error code once the marker is committed; may be repeated at will.
 *  @throws {ClientError} `CLIENT_NO_VERSION` where clients may not */
export async function writeAbortMarker(
  client: KafkaClient,
  { partition, producerId, producerEpoch }: AbortMarker,
  options: CallOptions = {},
): Promise<number> {
  const { topic, index } = partition;
  const marker = {
    producerId,
    producerEpoch,
    committed: false,
    topics: [{ name: topic, partitionIndexes: [index] }],
    coordinatorEpoch: NO_COORDINATOR_EPOCH,
  };
  const [answer] = await askLeaders(client, [partition], {
    ...options,
    failed: (asked, errorCode) => ({ ...asked, errorCode }),
    ask: async (nodeId, items) => {
      const { markers } = await client.request(
        nodeId,
        writeTxnMarkers,
        { markers: [marker] },
        { maxVersion: MARKERS_VERSION_MAX, signal: options.signal },
      );
      const answers = markers.flatMap(({ topics }) =>
        topics.flatMap(({ name, partitions }) => partitions.map((told) => ({ topic: name, ...told }))),
      );
      return inOrder(items, answers, (item) => ({ ...item, errorCode: ErrorCode.UNKNOWN }));
    },
  });
  return answer?.errorCode ?? ErrorCode.UNKNOWN;
}

/** Kafka's `AclOperation` as a bit of `clusterAuthorizedOperations`. */
const CLUSTER_ACTION = 1 << 9;

/** Whether this client may write markers by hand; undefined where the cluster does not tell. */
export async function mayWriteMarkers(client: KafkaClient, options: CallOptions = {}): Promise<boolean | undefined> {
  const [nodeId] = client.metadata.brokers.keys();
  if (nodeId === undefined) return undefined;
  try {
    await client.versionOf(nodeId, writeTxnMarkers, options);
    const body = { includeClusterAuthorizedOperations: true };
    const { clusterAuthorizedOperations: allowed } = await client.request(nodeId, describeCluster, body, options);
    return allowed === OPERATIONS_NOT_ASKED ? undefined : (allowed & CLUSTER_ACTION) !== 0;
  } catch (error) {
    if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION")
      return error.fault.api === writeTxnMarkers.name ? false : undefined;
    throw error;
  }
}

/** An announcement is taken whole or not at all; of several codes the one that says why is not OPERATION_NOT_ATTEMPTED. */
function worstOf(partitions: readonly { readonly errorCode: number }[]): number {
  const failed = partitions.filter(({ errorCode }) => errorCode !== ErrorCode.NONE);
  const telling = failed.find(({ errorCode }) => errorCode !== ErrorCode.OPERATION_NOT_ATTEMPTED) ?? failed[0];
  if (partitions.length === 0) return ErrorCode.UNKNOWN;
  return telling?.errorCode ?? ErrorCode.NONE;
}

function check(api: string, errorCode: number | undefined, subject: string): void {
  if (errorCode !== ErrorCode.NONE) throw brokerError(api, errorCode ?? ErrorCode.UNKNOWN, { subject });
}
