/** The transaction coordinators of a region: which broker keeps which transactional id, and what becomes of its transactions.
 *
 *  A change is on record before anybody is told; an end is answered once it is decided, and its markers follow. What a killed
 *  process had decided, the next one writes out. */

import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { type Storage, StorageError } from "../../core/storage.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import { NO_PRODUCER_ID } from "../../wire/record-batch.ts";
import type { Cluster } from "../cluster.ts";
import { brokerOfSlot, slotOf } from "../coordinator-placement.ts";
import { refusal } from "../errors.ts";
import { Journal } from "../journal.ts";
import { type EndRequest, judgeEnd } from "./end-rules.ts";
import { MarkerWriter, type MarkerWriterDeps } from "./marker-writer.ts";
import { entryOf, type TransactionEntry, TransactionRecord } from "./record.ts";
import {
  hasPartition,
  isEnding,
  isEpochExhausted,
  isKnownProducer,
  newTransaction,
  type Transaction,
  type TxnPartition,
  withDecision,
  withEnd,
  withNextEpoch,
  withNextProducer,
  withPartitions,
} from "./transaction.ts";

/** What coordinators stand on. */
export interface TransactionCoordinatorDeps {
  readonly cluster: Cluster;
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly endOffsets: MarkerWriterDeps["endOffsets"];
}

/** A producer that names its transactional id. */
export interface Writer {
  readonly transactionalId: string;
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** Who a producer is from now on. */
export interface Identity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

/** All transactional ids of the region; which broker answers for one is only looked at on the way in. Methods throw `Refusal`
 *  with the code for the client; a full disk is COORDINATOR_NOT_AVAILABLE, on which clients try again. */
export class TransactionCoordinator {
  readonly #deps: TransactionCoordinatorDeps;
  readonly #record = new TransactionRecord();
  readonly #journal: Journal<TransactionEntry>;
  readonly #markers: MarkerWriter;

  private constructor(path: string, deps: TransactionCoordinatorDeps) {
    this.#deps = deps;
    this.#journal = Journal.open({ path, syncsSoon: false }, this.#record, deps);
    this.#markers = new MarkerWriter({ ...deps, done: (transactionalId) => this.#complete(transactionalId) });
  }

  /** Reads the journal and goes on with the markers of transactions that were decided.
   *  @throws {RegionError} `REGION_JOURNAL_CORRUPT` @throws {StorageError} */
  static open(path: string, deps: TransactionCoordinatorDeps): TransactionCoordinator {
    const coordinator = new TransactionCoordinator(path, deps);
    coordinator.#journal.append({ t: "term", term: coordinator.#record.term + 1 });
    for (const transaction of coordinator.#record.transactions.values())
      if (isEnding(transaction)) coordinator.#markers.write(transaction, coordinator.#record.term);
    return coordinator;
  }

  /** The broker that keeps a transactional id now; -1 when none runs. */
  coordinatorOf(transactionalId: string): number {
    const { cluster } = this.#deps;
    const slots = cluster.brokerNumber("transaction.state.log.num.partitions");
    return brokerOfSlot(slotOf(transactionalId, slots), cluster);
  }

  /** @throws {Refusal} INVALID_REQUEST for an empty id, NOT_COORDINATOR when another broker keeps it */
  checkCoordinates(transactionalId: string, brokerId: number): void {
    if (transactionalId === "") throw refusal(ErrorCode.INVALID_REQUEST);
    if (this.coordinatorOf(transactionalId) !== brokerId) throw refusal(ErrorCode.NOT_COORDINATOR_FOR_GROUP);
  }

  /** InitProducerId: gives the id to the asking writer. What a writer before it has open is aborted first, and the new one told
   *  to ask again (CONCURRENT_TRANSACTIONS). `expected` names the asking writer's own producer id and epoch. */
  initialize(
    transactionalId: string,
    options: {
      readonly timeoutMs: number;
      readonly expected: { readonly producerId: bigint; readonly epoch: number } | undefined;
      readonly brokerId: number;
    },
  ): Identity {
    const { timeoutMs, expected, brokerId } = options;
    if (timeoutMs <= 0 || timeoutMs > this.#deps.cluster.brokerNumber("transaction.max.timeout.ms"))
      throw refusal(ErrorCode.INVALID_TRANSACTION_TIMEOUT);
    const nowMs = this.#deps.clock.nowMs();
    const transaction =
      this.#record.transactions.get(transactionalId) ??
      newTransaction(transactionalId, { producerId: this.#newProducerId(brokerId), timeoutMs, nowMs });
    if (expected !== undefined && !isKnownProducer(transaction, expected)) throw refusal(ErrorCode.PRODUCER_FENCED);
    if (isEnding(transaction)) throw refusal(ErrorCode.CONCURRENT_TRANSACTIONS);
    if (transaction.state === "Ongoing") {
      this.#abort(transaction);
      throw refusal(ErrorCode.CONCURRENT_TRANSACTIONS);
    }
    const isDue =
      isEpochExhausted(transaction) && (expected?.epoch ?? transaction.producerEpoch) === transaction.producerEpoch;
    const next = isDue
      ? withNextProducer(transaction, {
          producerId: this.#newProducerId(brokerId),
          timeoutMs,
          keepsLast: expected !== undefined,
          nowMs,
        })
      : withNextEpoch(transaction, { timeoutMs, expectedEpoch: expected?.epoch, nowMs });
    if (typeof next === "number") throw refusal(next);
    this.#save(next);
    return next;
  }

  /** AddPartitionsToTxn: notes what the transaction will write, and begins it if need be. `version` 2: the epoch will be raised
   *  when it ends. */
  addPartitions(writer: Writer, partitions: readonly TxnPartition[], version: 0 | 2): void {
    const transaction = this.#current(writer);
    if (isEnding(transaction)) throw refusal(ErrorCode.CONCURRENT_TRANSACTIONS);
    const isKnown = partitions.every((partition) => hasPartition(transaction, partition));
    if (transaction.state === "Ongoing" && isKnown) return;
    this.#save(withPartitions(transaction, { partitions, version, nowMs: this.#deps.clock.nowMs() }));
  }

  /** Whether each partition takes part in the writer's transaction: NONE or TRANSACTION_ABORTABLE. */
  verifyPartitions(writer: Writer, partitions: readonly TxnPartition[]): readonly number[] {
    const transaction = this.#current(writer);
    if (isEnding(transaction)) throw refusal(ErrorCode.CONCURRENT_TRANSACTIONS);
    return partitions.map((partition) =>
      hasPartition(transaction, partition) ? ErrorCode.NONE : ErrorCode.TRANSACTION_ABORTABLE,
    );
  }

  /** EndTxn: decides the transaction; its markers may be written after this returns. The answer is who the writer is from then
   *  on, if `version` 2 was asked for. */
  end(writer: Writer, request: Pick<EndRequest, "committed" | "version"> & { readonly brokerId: number }): Identity {
    const transaction = this.#record.transactions.get(writer.transactionalId);
    if (transaction === undefined) throw refusal(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    const { committed, version, brokerId } = request;
    const verdict = judgeEnd(transaction, { ...writer, committed, version });
    if (verdict.kind === "refuse") throw refusal(verdict.errorCode);
    if (verdict.kind === "done") return transaction;
    const mustChange = version === 2 && isEpochExhausted(transaction);
    const nextProducerId = mustChange ? this.#newProducerId(brokerId) : NO_PRODUCER_ID;
    const decided = this.#decide(transaction, { committed, version, nextProducerId });
    return mustChange ? { producerId: nextProducerId, producerEpoch: 0 } : decided;
  }

  /** What is known of an id, with the partitions that lack their marker while its transaction ends. */
  describe(transactionalId: string): Transaction | undefined {
    const transaction = this.#record.transactions.get(transactionalId);
    if (transaction === undefined) return undefined;
    return { ...transaction, partitions: this.#markers.left(transactionalId) ?? transaction.partitions };
  }

  /** Ids that a broker keeps. */
  transactionsOf(brokerId: number): readonly Transaction[] {
    const all = [...this.#record.transactions.values()];
    return all.filter(({ transactionalId }) => this.coordinatorOf(transactionalId) === brokerId);
  }

  /** Aborts transactions that are open for longer than their writers asked for, and fences those. */
  abortLate(): void {
    const nowMs = this.#deps.clock.nowMs();
    for (const transaction of [...this.#record.transactions.values()]) {
      if (transaction.state !== "Ongoing" || transaction.startMs + transaction.timeoutMs >= nowMs) continue;
      const { transactionalId, producerId, timeoutMs } = transaction;
      this.#deps.logger.info("aborting a transaction that is open for too long", {
        transactionalId,
        producerId,
        timeoutMs,
      });
      this.#abort(transaction);
    }
  }

  /** Forgets ids that have not been used for `transactional.id.expiration.ms`. */
  expire(): void {
    const keptMs = this.#deps.cluster.brokerNumber("transactional.id.expiration.ms");
    const untilMs = this.#deps.clock.nowMs() - keptMs;
    const expired = [...this.#record.transactions.values()].filter(
      (transaction) => transaction.state !== "Ongoing" && !isEnding(transaction) && transaction.updateMs <= untilMs,
    );
    this.#append(...expired.map(({ transactionalId }) => ({ t: "expired", id: transactionalId }) as const));
  }

  /** Call after a broker started or stopped: partitions may have leaders again. */
  brokersChanged(): void {
    this.#markers.retry();
  }

  /** Waits until everything is on the disk. */
  sync(): Promise<void> {
    return this.#journal.sync();
  }

  /** Idempotent. */
  close(): void {
    this.#markers.close();
    this.#journal.close();
  }

  /** The writer's transaction. */
  #current({ transactionalId, producerId, producerEpoch }: Writer): Transaction {
    const transaction = this.#record.transactions.get(transactionalId);
    if (transaction?.producerId !== producerId || transaction === undefined)
      throw refusal(ErrorCode.INVALID_PRODUCER_ID_MAPPING);
    if (transaction.producerEpoch !== producerEpoch) throw refusal(ErrorCode.PRODUCER_FENCED);
    return transaction;
  }

  /** Aborts in the name of the coordinator. The epoch rises whatever the writer asked for, which fences it. */
  #abort(transaction: Transaction): void {
    this.#decide(transaction, { committed: false, version: 2, nextProducerId: NO_PRODUCER_ID });
  }

  #decide(
    transaction: Transaction,
    decision: { readonly committed: boolean; readonly version: 0 | 2; readonly nextProducerId: bigint },
  ): Transaction {
    const decided = withDecision(transaction, { ...decision, nowMs: this.#deps.clock.nowMs() });
    this.#save(decided);
    this.#markers.write(decided, this.#record.term);
    return decided;
  }

  #complete(transactionalId: string): void {
    const transaction = this.#record.transactions.get(transactionalId);
    if (transaction !== undefined) this.#journal.append(entryOf(withEnd(transaction, this.#deps.clock.nowMs())));
  }

  #newProducerId(brokerId: number): bigint {
    return this.#orUnavailable(() => this.#deps.cluster.nextProducerId(brokerId));
  }

  #save(transaction: Transaction): void {
    this.#append(entryOf(transaction));
  }

  #append(...entries: readonly TransactionEntry[]): void {
    this.#orUnavailable(() => this.#journal.append(...entries));
  }

  #orUnavailable<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.#deps.logger.error("could not record a transaction", { error: error.message });
      throw refusal(ErrorCode.GROUP_COORDINATOR_NOT_AVAILABLE);
    }
  }
}
