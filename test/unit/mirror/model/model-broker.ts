/** The leader of one target partition in memory: Kafka's idempotence rules, transactions, a high watermark, and what goes wrong. */

import { markerBatch, markerIn } from "../../../../src/broker/log/txn-marker.ts";
import type { AppendOutcome } from "../../../../src/mirror/ports.ts";
import { BatchView, SEQUENCE_MODULUS, sequenceAfter } from "../../../../src/wire/record-batch.ts";

/** What the leader remembers of a producer. */
export interface ProducerMemory {
  epoch: number;
  /** The last batches, oldest first. */
  batches: { readonly first: number; readonly last: number; readonly baseOffset: bigint }[];
  lastTimestampMs: number;
}

/** Kafka remembers this many batches per producer. */
const BATCHES_REMEMBERED = 5;

/** Answer of an append before acks=all is satisfied. */
export type Append =
  | { readonly kind: "stored"; readonly baseOffset: bigint; readonly nextOffset: bigint }
  | { readonly kind: "refused"; readonly why: string };

/** One partition. `dedup: false` is a broker that forgets to compare sequences. */
export class ModelBroker {
  readonly log: BatchView[] = [];
  readonly producers = new Map<bigint, ProducerMemory>();
  highWatermark = 0n;
  startOffset = 0n;
  /** Rises with every leader. */
  leaderEpoch = 0;
  refusals = 0;
  duplicates = 0;
  /** First offset of each open transaction, by producer. */
  readonly #open = new Map<bigint, bigint>();
  /** Offsets of batches that were aborted. */
  readonly #aborted = new Set<bigint>();
  readonly #dedup: boolean;

  constructor(options: { readonly dedup?: boolean } = {}) {
    this.#dedup = options.dedup ?? true;
  }

  get endOffset(): bigint {
    return this.log.at(-1)?.nextOffset ?? 0n;
  }

  /** ProduceRequest of one batch. */
  append(batch: BatchView): Append {
    if (!batch.isDense || batch.isControl || batch.recordCount === 0) return this.#refuse("INVALID_RECORD");
    batch.verifyCrc();
    const known = this.producers.get(batch.producerId);
    if (batch.producerId >= 0n && batch.producerEpoch >= 0 && this.#dedup) {
      const repeated = known && repeatOf(known, batch);
      if (repeated !== undefined) {
        this.duplicates++;
        return { kind: "stored", baseOffset: repeated, nextOffset: repeated + BigInt(batch.recordCount) };
      }
      const why = known && whyRefused(known, batch);
      if (why !== undefined) return this.#refuse(why);
    }
    return this.#store(batch);
  }

  /** A marker of a transaction's end, or a fence: undefined when the epoch is too low. Answers the offset after it. */
  mark(producerId: bigint, how: { readonly epoch: number; readonly commit: boolean; readonly nowMs: number }) {
    const { epoch: producerEpoch, commit, nowMs } = how;
    if ((this.producers.get(producerId)?.epoch ?? -1) > producerEpoch) return undefined;
    const said = { producerId, producerEpoch, committed: commit, coordinatorEpoch: 0 };
    const marker = markerBatch(said, { nowMs, isAppendTime: false });
    marker.setBaseOffset(this.endOffset);
    marker.setLeaderEpoch(this.leaderEpoch);
    this.log.push(marker);
    this.#remember(marker);
    return marker.nextOffset;
  }

  /** Where the producer's open transaction begins, or the part of it that is of one epoch. */
  startOf(producerId: bigint, epoch?: number): bigint | undefined {
    const first = this.#open.get(producerId);
    if (first === undefined || epoch === undefined) return first;
    const own = this.log.filter((batch) => batch.producerId === producerId && batch.producerEpoch === epoch);
    return own.find(({ baseOffset }) => baseOffset >= first)?.baseOffset;
  }

  /** Where readers of committed data stop. */
  get lastStableOffset(): bigint {
    let end = this.highWatermark;
    for (const first of this.#open.values()) if (first < end) end = first;
    return end;
  }

  /** What they see. */
  get committed(): readonly BatchView[] {
    const end = this.lastStableOffset;
    return this.log.filter((batch) => batch.baseOffset < end && !this.#aborted.has(batch.baseOffset));
  }

  /** Everything appended so far is replicated. */
  commit(upTo = this.endOffset): void {
    if (upTo > this.highWatermark) this.highWatermark = upTo;
  }

  /** The next leader has the log up to `offset` (on a batch's border) and computes its memory from it. */
  truncate(offset: bigint): void {
    this.leaderEpoch++;
    while (this.endOffset > offset) this.log.pop();
    if (this.highWatermark > this.endOffset) this.highWatermark = this.endOffset;
    this.producers.clear();
    this.#open.clear();
    this.#aborted.clear();
    for (const batch of this.log) this.#remember(batch);
  }

  /** A restart: snapshots hold one batch per producer. */
  restart(): void {
    for (const memory of this.producers.values()) memory.batches = memory.batches.slice(-1);
  }

  /** The expiry tick: forgets producers whose last record is older than the limit. */
  expire(olderThanMs: number): void {
    for (const [id, memory] of this.producers)
      if (memory.lastTimestampMs < olderThanMs && !this.#open.has(id)) this.producers.delete(id);
  }

  #refuse(why: string): Append {
    this.refusals++;
    return { kind: "refused", why };
  }

  #store(batch: BatchView): Append {
    const stored = new BatchView(Buffer.from(batch.bytes), 0, batch.sizeBytes);
    stored.setBaseOffset(this.endOffset);
    stored.setLeaderEpoch(this.leaderEpoch);
    this.log.push(stored);
    this.#remember(stored);
    return { kind: "stored", baseOffset: stored.baseOffset, nextOffset: stored.nextOffset };
  }

  #remember(batch: BatchView): void {
    if (batch.producerId < 0n) return;
    let memory = this.producers.get(batch.producerId);
    if (memory === undefined || memory.epoch !== batch.producerEpoch) {
      memory = { epoch: batch.producerEpoch, batches: [], lastTimestampMs: 0 };
      this.producers.set(batch.producerId, memory);
    }
    memory.lastTimestampMs = Number(batch.maxTimestamp);
    if (batch.isControl) {
      this.#settle(batch);
      return;
    }
    if (batch.isTransactional && !this.#open.has(batch.producerId)) this.#open.set(batch.producerId, batch.baseOffset);
    const first = batch.baseSequence;
    memory.batches.push({ first, last: sequenceAfter(first, batch.recordCount - 1), baseOffset: batch.baseOffset });
    memory.batches = memory.batches.slice(-BATCHES_REMEMBERED);
  }

  #settle(marker: BatchView): void {
    const { producerId } = marker;
    const first = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (first === undefined || markerIn(marker)?.committed === true) return;
    for (const batch of this.log)
      if (batch.producerId === producerId && batch.baseOffset >= first && batch.baseOffset < marker.baseOffset)
        this.#aborted.add(batch.baseOffset);
  }
}

function repeatOf(memory: ProducerMemory, batch: BatchView): bigint | undefined {
  if (memory.epoch !== batch.producerEpoch) return undefined;
  const first = batch.baseSequence;
  const last = sequenceAfter(first, batch.recordCount - 1);
  return memory.batches.find((entry) => entry.first === first && entry.last === last)?.baseOffset;
}

function whyRefused(memory: ProducerMemory, batch: BatchView): string | undefined {
  if (batch.producerEpoch < memory.epoch) return "INVALID_PRODUCER_EPOCH";
  if (batch.producerEpoch > memory.epoch) return batch.baseSequence === 0 ? undefined : "OUT_OF_ORDER_SEQUENCE_NUMBER";
  const last = memory.batches.at(-1)?.last ?? SEQUENCE_MODULUS - 1;
  return batch.baseSequence === sequenceAfter(last, 1) ? undefined : "OUT_OF_ORDER_SEQUENCE_NUMBER";
}

/** A failed outcome. */
export function failed(why: string, code: "TARGET_DOUBT" | "TARGET_UNAVAILABLE" = "TARGET_DOUBT"): AppendOutcome {
  return { kind: "failed", fault: { code, topic: "west.orders", partition: 0, why } };
}
