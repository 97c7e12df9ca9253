/** A transactional id and its latest transaction, and the steps from one state to the next (Kafka: `TransactionMetadata`).
 *
 *  ```
 *            add partitions             end                all markers written
 *  Empty ---------------------> Ongoing ----> PrepareCommit -------------------> CompleteCommit
 *    ^                             |                                                   |
 *    | InitProducerId              +--------> PrepareAbort ------------------> CompleteAbort
 *    +---------------------------------------------------------------------------------+
 *  ``` */

import { ErrorCode } from "../../wire/error-codes.ts";
import { NO_PRODUCER_ID } from "../../wire/record-batch.ts";

/** States, under the names that DescribeTransactions shows. */
export const TRANSACTION_STATES = [
  "Empty",
  "Ongoing",
  "PrepareCommit",
  "PrepareAbort",
  "CompleteCommit",
  "CompleteAbort",
] as const;

/** One of them. */
export type TransactionState = (typeof TRANSACTION_STATES)[number];

/** A partition that takes part. Offsets of groups take part under the name of the topic that Kafka keeps them in. */
export interface TxnPartition {
  readonly topic: string;
  readonly index: number;
}

/** The topic under whose name a group's offsets take part; no such topic exists here. */
export const OFFSETS_TOPIC = "__consumer_offsets";

/** No epoch was given out yet. */
export const NO_EPOCH = -1;
/** A client never gets the last one: it is left for fencing (`TransactionMetadata.isEpochExhausted`). */
const EPOCH_MAX = 2 ** 15 - 1;

/** What is on record of one transactional id. */
export interface Transaction {
  readonly transactionalId: string;
  readonly producerId: bigint;
  /** The producer id before this one, to know a repeated request by; -1 without one. */
  readonly previousProducerId: bigint;
  /** The producer id that follows when the transaction ends, because the epochs of this one are used up; else -1. */
  readonly nextProducerId: bigint;
  readonly producerEpoch: number;
  /** The epoch before the last raise by the writer itself, -1 after one by a successor. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  /** Empty outside a transaction. */
  readonly partitions: readonly TxnPartition[];
  /** When the latest transaction began, -1 before the first. */
  readonly startMs: number;
  readonly updateMs: number;
  /** The latest transaction's: 2 raises the epoch when it ends (KIP-890). */
  readonly version: 0 | 2;
}

/** An id that was never used. */
export function newTransaction(
  transactionalId: string,
  first: { readonly producerId: bigint; readonly timeoutMs: number; readonly nowMs: number },
): Transaction {
  return {
    transactionalId,
    producerId: first.producerId,
    ...{ previousProducerId: NO_PRODUCER_ID, nextProducerId: NO_PRODUCER_ID },
    ...{ producerEpoch: NO_EPOCH, lastProducerEpoch: NO_EPOCH, timeoutMs: first.timeoutMs },
    ...{ state: "Empty", partitions: [], startMs: -1, updateMs: first.nowMs, version: 0 },
  };
}

/** True when a writer may not get a higher epoch: a new producer id is due. */
export function isEpochExhausted({ producerEpoch }: Pick<Transaction, "producerEpoch">): boolean {
  return producerEpoch >= EPOCH_MAX - 1;
}

/** Whether the writer itself repeats a request that raised the epoch or changed the producer id. */
export function isKnownProducer(
  transaction: Transaction,
  expected: { readonly producerId: bigint; readonly epoch: number },
): boolean {
  const { producerId, previousProducerId, producerEpoch } = transaction;
  if (producerEpoch === NO_EPOCH || expected.producerId === producerId) return true;
  return expected.producerId === previousProducerId && isEpochExhausted({ producerEpoch: expected.epoch });
}

/** Whether the id may not be used by anybody right now: its transaction is being ended. */
export function isEnding({ state }: Transaction): boolean {
  return state === "PrepareCommit" || state === "PrepareAbort";
}

/** Gives the id to a writer with the next epoch; with `expectedEpoch` the writer goes on after a failure of its own. An error
 *  code when that epoch is not current. */
export function withNextEpoch(
  transaction: Transaction,
  writer: { readonly timeoutMs: number; readonly expectedEpoch: number | undefined; readonly nowMs: number },
): Transaction | number {
  const { producerEpoch, lastProducerEpoch } = transaction;
  const { timeoutMs, expectedEpoch, nowMs } = writer;
  const epochs = nextEpochs({ producerEpoch, lastProducerEpoch, expectedEpoch });
  if (epochs === undefined) return ErrorCode.PRODUCER_FENCED;
  return { ...transaction, ...epochs, timeoutMs, state: "Empty", partitions: [], startMs: -1, updateMs: nowMs };
}

function nextEpochs(now: {
  readonly producerEpoch: number;
  readonly lastProducerEpoch: number;
  readonly expectedEpoch: number | undefined;
}): Pick<Transaction, "producerEpoch" | "lastProducerEpoch"> | undefined {
  const { producerEpoch, lastProducerEpoch, expectedEpoch } = now;
  if (expectedEpoch === undefined) return { producerEpoch: producerEpoch + 1, lastProducerEpoch: NO_EPOCH };
  if (producerEpoch === NO_EPOCH || expectedEpoch === producerEpoch)
    return { producerEpoch: producerEpoch + 1, lastProducerEpoch: producerEpoch };
  // The answer to the request that raised it was lost; a successor would have cleared the last epoch.
  if (expectedEpoch === lastProducerEpoch) return { producerEpoch, lastProducerEpoch };
  return undefined;
}

/** Gives the id to a writer under a new producer id, because the epochs of the old one are used up. */
export function withNextProducer(
  transaction: Transaction,
  writer: {
    readonly producerId: bigint;
    readonly timeoutMs: number;
    readonly keepsLast: boolean;
    readonly nowMs: number;
  },
): Transaction {
  const { producerId, timeoutMs, keepsLast, nowMs: updateMs } = writer;
  const lastProducerEpoch = keepsLast ? transaction.producerEpoch : NO_EPOCH;
  return {
    ...transaction,
    ...{ previousProducerId: transaction.producerId, producerId, producerEpoch: 0, lastProducerEpoch },
    ...{ timeoutMs, state: "Empty", partitions: [], startMs: -1, updateMs },
  };
}

/** Adds partitions, beginning a transaction when none is open. */
export function withPartitions(
  transaction: Transaction,
  added: { readonly partitions: readonly TxnPartition[]; readonly version: 0 | 2; readonly nowMs: number },
): Transaction {
  const { partitions, version, nowMs } = added;
  const startMs = transaction.state === "Ongoing" ? transaction.startMs : nowMs;
  const fresh = partitions.filter((partition) => !hasPartition(transaction, partition));
  return {
    ...transaction,
    ...{ state: "Ongoing", partitions: [...transaction.partitions, ...fresh], startMs, updateMs: nowMs, version },
  };
}

/** Whether the partition takes part. */
export function hasPartition({ partitions }: Transaction, { topic, index }: TxnPartition): boolean {
  return partitions.some((partition) => partition.index === index && partition.topic === topic);
}

/** Decides the transaction; markers are written next. */
export function withDecision(
  transaction: Transaction,
  decision: {
    readonly committed: boolean;
    readonly version: 0 | 2;
    /** Follows when the markers are written; -1 to keep the present one. */
    readonly nextProducerId: bigint;
    readonly nowMs: number;
  },
): Transaction {
  const { committed, version, nextProducerId, nowMs } = decision;
  const { producerEpoch, lastProducerEpoch, state, startMs } = transaction;
  const epochs =
    version === 2
      ? { producerEpoch: Math.min(producerEpoch + 1, EPOCH_MAX), lastProducerEpoch: producerEpoch }
      : { producerEpoch, lastProducerEpoch };
  return {
    ...transaction,
    ...epochs,
    ...{ state: committed ? "PrepareCommit" : "PrepareAbort", nextProducerId, version, updateMs: nowMs },
    // Nothing was added, so it begins where it ends.
    startMs: state === "Ongoing" ? startMs : nowMs,
  };
}

/** All markers are written. */
export function withEnd(transaction: Transaction, nowMs: number): Transaction {
  const { producerId, nextProducerId, state } = transaction;
  const ids =
    nextProducerId === NO_PRODUCER_ID
      ? {}
      : {
          previousProducerId: producerId,
          producerId: nextProducerId,
          producerEpoch: 0,
          nextProducerId: NO_PRODUCER_ID,
        };
  return {
    ...transaction,
    ...ids,
    ...{ state: state === "PrepareCommit" ? "CompleteCommit" : "CompleteAbort", partitions: [], updateMs: nowMs },
  };
}
