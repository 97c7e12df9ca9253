/** What a log remembers of each producer, so that a batch sent again is appended once (Kafka's `ProducerStateManager`,
 *  `ProducerStateEntry`, `ProducerAppendInfo`). */

import { ErrorCode } from "../../wire/error-codes.ts";
import { type BatchView, NO_PRODUCER_ID, SEQUENCE_MODULUS } from "../../wire/record-batch.ts";
import type { AbortedEntry } from "../../wire/segment/transaction-index.ts";
import { OpenTransactions } from "./open-transactions.ts";
import { markerIn, type TxnMarker } from "./txn-marker.ts";
import { VerificationStates } from "./verification-states.ts";

/** Batches per producer that are recognised when sent again: what an idempotent client may have in flight. */
const BATCHES_REMEMBERED = 5;

/** One remembered batch. */
export interface RememberedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: bigint;
  readonly lastOffset: bigint;
  readonly timestampMs: bigint;
}

/** What DescribeProducers tells, and what a snapshot holds. Sequence -1 when no data batch of the epoch is known. */
export interface ProducerState {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly lastSequence: number;
  readonly lastOffset: bigint;
  /** Offsets from the first to the last record of the last batch. */
  readonly offsetDelta: number;
  /** Greatest record time of the last batch: expiry counts from it, not from the append. */
  readonly lastTimestampMs: bigint;
  /** Epoch of the transaction coordinator that wrote the last marker, -1 without one. */
  readonly coordinatorEpoch: number;
  /** Start of the open transaction, -1 without one. */
  readonly currentTxnFirstOffset: bigint;
}

/** What to do with a batch. */
export type ProducerVerdict =
  | { readonly kind: "append" }
  | {
      readonly kind: "duplicate";
      readonly baseOffset: bigint;
      readonly lastOffset: bigint;
      readonly timestampMs: bigint;
    }
  | { readonly kind: "refuse"; readonly errorCode: number; readonly message: string };

const APPEND: ProducerVerdict = { kind: "append" };

/** The mutable memory of one producer; batches oldest first. */
interface Entry {
  epoch: number;
  batches: RememberedBatch[];
  lastTimestampMs: bigint;
  coordinatorEpoch: number;
  currentTxnFirstOffset: bigint;
}

/** Producers of one partition. Not bounded by number: each goes when its records are older than the expiration. */
export class ProducerStates {
  readonly #entries = new Map<bigint, Entry>();
  readonly #transactions = new OpenTransactions();
  readonly #verifications = new VerificationStates();

  /** Number of producers known. */
  get size(): number {
    return this.#entries.size;
  }

  /** Judges a batch before it is appended, in Kafka's order of checks. Changes nothing. `isVerified`: the coordinator said
   *  that the partition belongs to the batch's transaction. */
  check(batch: BatchView, { isVerified = false }: { readonly isVerified?: boolean } = {}): ProducerVerdict {
    if (!isIdempotent(batch)) return APPEND;
    const entry = this.#entries.get(batch.producerId);
    const epoch = batch.producerEpoch;
    const firstSequence = batch.baseSequence;
    const known = entry === undefined ? undefined : repeatedBatch(batch, entry);
    if (known !== undefined) {
      const { firstOffset: baseOffset, lastOffset, timestampMs } = known;
      return { kind: "duplicate", baseOffset, lastOffset, timestampMs };
    }
    if (batch.isTransactional && !isVerified && !this.hasOpenTransaction(batch))
      return refuse(ErrorCode.INVALID_TXN_STATE, "the partition is not known to belong to the transaction");
    if (entry !== undefined && epoch < entry.epoch)
      return refuse(ErrorCode.INVALID_PRODUCER_EPOCH, `epoch ${epoch} is older than ${entry.epoch}`);
    const early = this.#verifications.complaint(batch, (entry?.batches.length ?? 0) > 0);
    if (early !== undefined) return refuse(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, early);
    // Nothing is known of the producer, or it has expired: any sequence is a beginning.
    if (entry === undefined) return APPEND;
    const expected = epoch === entry.epoch ? nextSequence(entry) : 0;
    if (firstSequence !== expected) {
      return refuse(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, `sequence ${firstSequence} where ${expected} is next`);
    }
    if (entry.currentTxnFirstOffset >= 0n && !batch.isTransactional) {
      return refuse(ErrorCode.INVALID_TXN_STATE, "the producer has an open transaction");
    }
    return APPEND;
  }

  /** Whether the batch goes on with a transaction that is open here, so that nobody need be asked about it. */
  hasOpenTransaction({ producerId, producerEpoch }: Pick<BatchView, "producerId" | "producerEpoch">): boolean {
    const entry = this.#entries.get(producerId);
    return entry !== undefined && entry.epoch === producerEpoch && entry.currentTxnFirstOffset >= 0n;
  }

  /** Notes that a transactional batch came whose transaction is not open here (Kafka: `maybeStartTransactionVerification`).
   *  The code of its refusal, or NONE when the coordinator is to be asked. */
  beginVerification(batch: BatchView, options: { readonly nowMs: number; readonly mustBeginAtZero: boolean }): number {
    const entry = this.#entries.get(batch.producerId);
    if (entry !== undefined && batch.producerEpoch < entry.epoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
    this.#verifications.note(batch, options);
    return ErrorCode.NONE;
  }

  /** Why a marker may not be appended, or NONE. `transactionVersion` 2: the coordinator has raised the epoch for it, so the
   *  same epoch once more is a repeat of a marker that is here, and harmless only then (KIP-1228; `ProducerAppendInfo`). */
  checkMarker(marker: TxnMarker, transactionVersion: number): number {
    const entry = this.#entries.get(marker.producerId);
    if (entry === undefined) return ErrorCode.NONE;
    if (marker.producerEpoch < entry.epoch) return ErrorCode.INVALID_PRODUCER_EPOCH;
    const isSameEpoch = marker.producerEpoch === entry.epoch;
    if (transactionVersion >= 2 && isSameEpoch && entry.currentTxnFirstOffset >= 0n)
      return ErrorCode.INVALID_PRODUCER_EPOCH;
    return marker.coordinatorEpoch < entry.coordinatorEpoch ? ErrorCode.TRANSACTION_COORDINATOR_FENCED : ErrorCode.NONE;
  }

  /** Remembers a batch that is in the log, with its final offset and timestamps. No check is repeated.
   *  @returns the transaction that it aborts, for the segment's index */
  update(batch: BatchView): AbortedEntry | undefined {
    if (!isIdempotent(batch)) return undefined;
    if (batch.isControl) return this.#end(batch);
    const entry = this.#entryFor(batch.producerId);
    setEpoch(entry, batch.producerEpoch);
    entry.lastTimestampMs = batch.maxTimestamp;
    if (entry.batches.length === BATCHES_REMEMBERED) entry.batches.shift();
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: lastSequenceOf(batch),
      firstOffset: batch.baseOffset,
      lastOffset: batch.lastOffset,
      timestampMs: batch.maxTimestamp,
    });
    if (batch.isTransactional) {
      this.#verifications.clear(batch.producerId);
      if (entry.currentTxnFirstOffset < 0n) {
        entry.currentTxnFirstOffset = batch.baseOffset;
        this.#transactions.begin(batch.producerId, batch.baseOffset);
      }
    }
    return undefined;
  }

  /** First offset that read_committed may not see yet, undefined when no transaction is in the way. */
  firstUnstableOffset(highWatermark: bigint): bigint | undefined {
    return this.#transactions.firstUnstable(highWatermark);
  }

  /** Forgets producers whose last record is `expirationMs` old or older and that have no open transaction. */
  removeExpired(nowMs: number, expirationMs: number): void {
    const limitMs = BigInt(Math.trunc(nowMs)) - BigInt(expirationMs);
    for (const [producerId, entry] of this.#entries) {
      if (entry.currentTxnFirstOffset < 0n && entry.lastTimestampMs <= limitMs) this.#entries.delete(producerId);
    }
    this.#verifications.removeExpired(nowMs, expirationMs);
  }

  /** All producers, for DescribeProducers and snapshots. */
  describe(): readonly ProducerState[] {
    return [...this.#entries].map(([producerId, entry]) => {
      const last = entry.batches.at(-1);
      return {
        producerId,
        producerEpoch: entry.epoch,
        lastSequence: last?.lastSequence ?? -1,
        lastOffset: last?.lastOffset ?? -1n,
        offsetDelta: last === undefined ? 0 : Number(last.lastOffset - last.firstOffset),
        lastTimestampMs: entry.lastTimestampMs,
        coordinatorEpoch: entry.coordinatorEpoch,
        currentTxnFirstOffset: entry.currentTxnFirstOffset,
      };
    });
  }

  /** Replaces everything by what a snapshot holds: one batch per producer. */
  restore(states: readonly ProducerState[]): void {
    this.#entries.clear();
    this.#transactions.clear();
    for (const state of states) {
      const entry: Entry = {
        epoch: state.producerEpoch,
        batches: state.lastSequence < 0 ? [] : [batchOf(state)],
        lastTimestampMs: state.lastTimestampMs,
        coordinatorEpoch: state.coordinatorEpoch,
        currentTxnFirstOffset: state.currentTxnFirstOffset,
      };
      this.#entries.set(state.producerId, entry);
    }
    const open = states.filter(({ currentTxnFirstOffset }) => currentTxnFirstOffset >= 0n);
    open.sort((a, b) => (a.currentTxnFirstOffset < b.currentTxnFirstOffset ? -1 : 1));
    for (const { producerId, currentTxnFirstOffset } of open)
      this.#transactions.begin(producerId, currentTxnFirstOffset);
  }

  /** Keeps one batch per producer: what Kafka knows after a restart, because its snapshots hold no more. */
  keepLastBatches(): void {
    for (const entry of this.#entries.values()) entry.batches = entry.batches.slice(-1);
  }

  /** A marker ends the transaction and carries no sequence; of a newer epoch it fences what came before it. */
  #end(batch: BatchView): AbortedEntry | undefined {
    const marker = markerIn(batch);
    if (marker === undefined) return undefined;
    const { producerId, producerEpoch, committed, coordinatorEpoch } = marker;
    this.#verifications.clear(producerId);
    const entry = this.#entryFor(producerId);
    setEpoch(entry, producerEpoch);
    entry.lastTimestampMs = batch.maxTimestamp;
    entry.coordinatorEpoch = coordinatorEpoch;
    entry.currentTxnFirstOffset = -1n;
    const decided = this.#transactions.end(producerId, batch.baseOffset);
    return decided === undefined || committed ? undefined : { producerId, ...decided };
  }

  #entryFor(producerId: bigint): Entry {
    let entry = this.#entries.get(producerId);
    if (entry === undefined) {
      entry = { epoch: -1, batches: [], lastTimestampMs: -1n, coordinatorEpoch: -1, currentTxnFirstOffset: -1n };
      this.#entries.set(producerId, entry);
    }
    return entry;
  }
}

/** A batch with an id but without an epoch is treated like one of a plain producer, as running brokers do. */
function isIdempotent(batch: BatchView): boolean {
  return batch.producerId !== NO_PRODUCER_ID && batch.producerEpoch >= 0;
}

function setEpoch(entry: Entry, epoch: number): void {
  if (epoch === entry.epoch) return;
  entry.epoch = epoch;
  entry.batches = [];
}

function repeatedBatch(batch: BatchView, entry: Entry): RememberedBatch | undefined {
  if (batch.producerEpoch !== entry.epoch) return undefined;
  const firstSequence = batch.baseSequence;
  const lastSequence = lastSequenceOf(batch);
  return entry.batches.find((known) => known.firstSequence === firstSequence && known.lastSequence === lastSequence);
}

function lastSequenceOf(batch: BatchView): number {
  return (batch.baseSequence + batch.lastOffsetDelta) % SEQUENCE_MODULUS;
}

/** After a marker of a newer epoch no batch is known, and the first sequence is 0. */
function nextSequence(entry: Entry): number {
  const last = entry.batches.at(-1);
  return last === undefined ? 0 : (last.lastSequence + 1) % SEQUENCE_MODULUS;
}

function batchOf(state: ProducerState): RememberedBatch {
  const { lastSequence, offsetDelta, lastOffset, lastTimestampMs: timestampMs } = state;
  const firstSequence = (lastSequence - offsetDelta + SEQUENCE_MODULUS) % SEQUENCE_MODULUS;
  return { firstSequence, lastSequence, firstOffset: lastOffset - BigInt(offsetDelta), lastOffset, timestampMs };
}

function refuse(errorCode: number, message: string): ProducerVerdict {
  return { kind: "refuse", errorCode, message };
}
