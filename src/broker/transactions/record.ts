/** What coordinators must remember over a restart, as journal entries and the state they add up to. */

import type { JournalState } from "../journal.ts";
import type { Transaction, TransactionState, TxnPartition } from "./transaction.ts";

/** One change. Producer ids are text because JSON has no int64; a transaction is written whole, as in Kafka. */
export type TransactionEntry =
  /** The coordinators begin a new term; markers carry it. */
  | { readonly t: "term"; readonly term: number }
  | {
      readonly t: "txn";
      readonly id: string;
      readonly pid: string;
      readonly prev: string;
      readonly next: string;
      readonly epoch: number;
      readonly last: number;
      readonly timeout: number;
      readonly state: TransactionState;
      readonly parts: readonly (readonly [topic: string, ...indexes: number[]])[];
      readonly start: number;
      readonly at: number;
      readonly v: 0 | 2;
    }
  | { readonly t: "expired"; readonly id: string };

/** The sum of all entries. */
export class TransactionRecord implements JournalState<TransactionEntry> {
  readonly transactions = new Map<string, Transaction>();
  /** Present term, -1 before the first. */
  term = -1;

  apply(entry: TransactionEntry): void {
    switch (entry.t) {
      case "term":
        this.term = entry.term;
        return;
      case "txn":
        this.transactions.set(entry.id, transactionOf(entry));
        return;
      case "expired":
        this.transactions.delete(entry.id);
        return;
    }
  }

  *snapshot(): Iterable<TransactionEntry> {
    yield { t: "term", term: this.term };
    for (const transaction of this.transactions.values()) yield entryOf(transaction);
  }
}

/** The entry that sets a transaction. */
export function entryOf(transaction: Transaction): TransactionEntry {
  return {
    t: "txn",
    id: transaction.transactionalId,
    pid: String(transaction.producerId),
    prev: String(transaction.previousProducerId),
    next: String(transaction.nextProducerId),
    epoch: transaction.producerEpoch,
    last: transaction.lastProducerEpoch,
    timeout: transaction.timeoutMs,
    state: transaction.state,
    parts: [...byTopic(transaction.partitions)].map(([topic, indexes]) => [topic, ...indexes] as const),
    start: transaction.startMs,
    at: transaction.updateMs,
    v: transaction.version,
  };
}

/** The partitions' numbers by topic, in the order in which they were added. */
export function byTopic(partitions: readonly TxnPartition[]): ReadonlyMap<string, readonly number[]> {
  const topics = new Map<string, number[]>();
  for (const { topic, index } of partitions) {
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [index]);
    else known.push(index);
  }
  return topics;
}

function transactionOf(entry: Extract<TransactionEntry, { readonly t: "txn" }>): Transaction {
  return {
    transactionalId: entry.id,
    producerId: BigInt(entry.pid),
    previousProducerId: BigInt(entry.prev),
    nextProducerId: BigInt(entry.next),
    producerEpoch: entry.epoch,
    lastProducerEpoch: entry.last,
    timeoutMs: entry.timeout,
    state: entry.state,
    partitions: entry.parts.flatMap(([topic, ...indexes]) => indexes.map((index) => ({ topic, index }))),
    startMs: entry.start,
    updateMs: entry.at,
    version: entry.v,
  };
}
