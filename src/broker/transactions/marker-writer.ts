/** Writes the markers of decided transactions to every partition that takes part, as often as it takes.
 *
 *  A marker counts when all replicas in sync have it. A partition without a leader, with too few replicas or on a full disk is
 *  tried again; a topic that is gone needs none. A marker written twice ends nothing twice. */

import type { Clock, Timer } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { StorageError } from "../../core/storage.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import type { Cluster } from "../cluster.ts";
import type { CommitOutcome } from "../commit-waiters.ts";
import { Refusal } from "../errors.ts";
import { OFFSETS_TOPIC, type Transaction, type TxnPartition } from "./transaction.ts";

/** Wait before the partitions that refused a marker are tried again: short beside an election, long beside a write. */
const RETRY_MS = 100;

/** Codes by which a partition says that somebody else has ended the transaction there, with a newer epoch or term. */
const ENDED_BY_OTHERS: ReadonlySet<number> = new Set([
  ErrorCode.INVALID_PRODUCER_EPOCH,
  ErrorCode.TRANSACTION_COORDINATOR_FENCED,
]);

/** What a writer stands on. */
export interface MarkerWriterDeps {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends a producer's transaction in one slot of the groups' offsets. @throws {StorageError} */
  readonly endOffsets: (end: {
    readonly slot: number;
    readonly producerId: bigint;
    readonly committed: boolean;
  }) => void;
  /** All partitions have their marker. @throws {StorageError} and then it is called again later */
  readonly done: (transactionalId: string) => void;
}

/** The partitions of one decided transaction that lack their marker. */
interface Pending {
  readonly transaction: Transaction;
  readonly coordinatorEpoch: number;
  readonly left: Set<TxnPartition>;
  /** Those of them whose replicas are waited for, and what takes the wait back. */
  readonly waiting: Map<TxnPartition, () => void>;
}

/** Holds what is not done yet: at most one transaction per transactional id. */
export class MarkerWriter {
  readonly #deps: MarkerWriterDeps;
  readonly #pending = new Map<string, Pending>();
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(deps: MarkerWriterDeps) {
    this.#deps = deps;
  }

  /** Begins with the markers of a transaction that is decided on record; `done` may be called before this returns. */
  write(transaction: Transaction, coordinatorEpoch: number): void {
    const left = new Set(transaction.partitions);
    const pending: Pending = { transaction, coordinatorEpoch, left, waiting: new Map() };
    this.#pending.set(transaction.transactionalId, pending);
    this.#attempt(pending);
  }

  /** Partitions of a transaction that lack their marker; undefined when none is being written. */
  left(transactionalId: string): readonly TxnPartition[] | undefined {
    const pending = this.#pending.get(transactionalId);
    return pending === undefined ? undefined : [...pending.left];
  }

  /** Tries again what waits for a better time; call it when leaders changed. */
  retry(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    for (const pending of [...this.#pending.values()]) this.#attempt(pending);
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    for (const { waiting } of this.#pending.values()) for (const cancel of waiting.values()) cancel();
    this.#pending.clear();
  }

  #attempt(pending: Pending): void {
    for (const partition of [...pending.left]) {
      if (pending.waiting.has(partition)) continue;
      try {
        if (partition.topic === OFFSETS_TOPIC) this.#endOffsets(pending, partition);
        else this.#append(pending, partition);
      } catch (error) {
        if (!(error instanceof Refusal) && !(error instanceof StorageError)) throw error;
        if (error instanceof Refusal && ENDED_BY_OTHERS.has(error.errorCode)) pending.left.delete(partition);
        else this.#retryLater();
      }
    }
    this.#finishIfDone(pending);
  }

  #endOffsets({ transaction, left }: Pending, partition: TxnPartition): void {
    const { producerId, state } = transaction;
    this.#deps.endOffsets({ slot: partition.index, producerId, committed: state === "PrepareCommit" });
    left.delete(partition);
  }

  #append(pending: Pending, at: TxnPartition): void {
    const { transaction, coordinatorEpoch, left, waiting } = pending;
    const partition = this.#deps.cluster.partition(at.topic, at.index);
    if (partition === undefined) {
      left.delete(at);
      return;
    }
    if (partition.leaderId < 0) {
      this.#retryLater();
      return;
    }
    const { producerId, producerEpoch, state, version } = transaction;
    const marker = { producerId, producerEpoch, committed: state === "PrepareCommit", coordinatorEpoch };
    const { nextOffset } = partition.appendMarker(marker, version);
    if (partition.highWatermark >= nextOffset) {
      left.delete(at);
      return;
    }
    const replicated = (outcome: CommitOutcome): void => {
      waiting.delete(at);
      if (outcome === "committed") left.delete(at);
      else this.#retryLater();
      this.#finishIfDone(pending);
    };
    waiting.set(at, partition.whenCommitted(nextOffset, replicated));
  }

  #finishIfDone({ transaction, left }: Pending): void {
    const { transactionalId } = transaction;
    if (left.size > 0 || !this.#pending.has(transactionalId)) return;
    try {
      this.#deps.done(transactionalId);
      this.#pending.delete(transactionalId);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not record the end of a transaction", { transactionalId, error: error.message });
      this.#retryLater();
    }
  }

  #retryLater(): void {
    if (this.#timer !== undefined || this.#isClosed) return;
    this.#timer = this.#deps.clock.after(RETRY_MS, () => this.retry());
  }
}
