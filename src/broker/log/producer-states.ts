/** What a log remembers of each producer, so that a batch sent again is appended once (Kafka's `ProducerStateManager`,
 *  `ProducerStateEntry`, `ProducerAppendInfo`). */

import { ErrorCode } from "../../wire/error-codes.ts";
import { type BatchView, NO_PRODUCER_ID, SEQUENCE_MODULUS } from "../../wire/record-batch.ts";

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
  /** Producers with an open transaction: fetches ask for the oldest one and should find none at once. */
  readonly #open = new Set<Entry>();

  /** Number of producers known. */
  get size(): number {
    return this.#entries.size;
  }

  /** Judges a batch before it is appended. Changes nothing. */
  check(batch: BatchView): ProducerVerdict {
    if (!isIdempotent(batch)) return APPEND;
    const entry = this.#entries.get(batch.producerId);
    // Nothing is known of the producer, or it has expired: any sequence is a beginning.
    if (entry === undefined) return APPEND;
    const epoch = batch.producerEpoch;
    const firstSequence = batch.baseSequence;
    if (epoch === entry.epoch) {
      const lastSequence = lastSequenceOf(batch);
      const known = entry.batches.find((b) => b.firstSequence === firstSequence && b.lastSequence === lastSequence);
      if (known !== undefined) {
        const { firstOffset: baseOffset, lastOffset, timestampMs } = known;
        return { kind: "duplicate", baseOffset, lastOffset, timestampMs };
      }
    }
    if (epoch < entry.epoch) {
      return refuse(ErrorCode.INVALID_PRODUCER_EPOCH, `epoch ${epoch} is older than ${entry.epoch}`);
    }
    const expected = epoch === entry.epoch ? nextSequence(entry) : 0;
    if (firstSequence !== expected) {
      return refuse(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, `sequence ${firstSequence} where ${expected} is next`);
    }
    if (entry.currentTxnFirstOffset >= 0n && !batch.isTransactional) {
      return refuse(ErrorCode.INVALID_TXN_STATE, "the producer has an open transaction");
    }
    return APPEND;
  }

  /** Remembers a batch that is in the log, with its final offset and timestamps. No check is repeated. */
  update(batch: BatchView): void {
    if (!isIdempotent(batch)) return;
    const entry = this.#entryFor(batch.producerId);
    if (batch.producerEpoch !== entry.epoch) {
      entry.epoch = batch.producerEpoch;
      entry.batches = [];
    }
    entry.lastTimestampMs = batch.maxTimestamp;
    const firstOffset = batch.baseOffset;
    if (batch.isControl) {
      // A marker ends the transaction and carries no sequence.
      entry.currentTxnFirstOffset = -1n;
      this.#open.delete(entry);
      return;
    }
    if (entry.batches.length === BATCHES_REMEMBERED) entry.batches.shift();
    entry.batches.push({
      firstSequence: batch.baseSequence,
      lastSequence: lastSequenceOf(batch),
      firstOffset,
      lastOffset: batch.lastOffset,
      timestampMs: batch.maxTimestamp,
    });
    if (batch.isTransactional && entry.currentTxnFirstOffset < 0n) {
      entry.currentTxnFirstOffset = firstOffset;
      this.#open.add(entry);
    }
  }

  /** Start of the oldest open transaction, undefined without one: the last stable offset may not pass it. */
  get firstOpenTxnOffset(): bigint | undefined {
    let first: bigint | undefined;
    for (const { currentTxnFirstOffset: offset } of this.#open)
      if (first === undefined || offset < first) first = offset;
    return first;
  }

  /** Forgets producers whose last record is `expirationMs` old or older and that have no open transaction. */
  removeExpired(nowMs: number, expirationMs: number): void {
    const limitMs = BigInt(Math.trunc(nowMs)) - BigInt(expirationMs);
    for (const [producerId, entry] of this.#entries) {
      if (entry.currentTxnFirstOffset < 0n && entry.lastTimestampMs <= limitMs) this.#entries.delete(producerId);
    }
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
    this.#open.clear();
    for (const state of states) {
      const entry: Entry = {
        epoch: state.producerEpoch,
        batches: state.lastSequence < 0 ? [] : [batchOf(state)],
        lastTimestampMs: state.lastTimestampMs,
        coordinatorEpoch: state.coordinatorEpoch,
        currentTxnFirstOffset: state.currentTxnFirstOffset,
      };
      this.#entries.set(state.producerId, entry);
      if (entry.currentTxnFirstOffset >= 0n) this.#open.add(entry);
    }
  }

  /** Keeps one batch per producer: what Kafka knows after a restart, because its snapshots hold no more. */
  keepLastBatches(): void {
    for (const entry of this.#entries.values()) entry.batches = entry.batches.slice(-1);
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
