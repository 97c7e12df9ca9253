/** One stretch of copying, from takeover to the first trouble: the hot path.
 *
 *  ```
 *  reader.next -> plan -> stamp (sequence = position) -> target.append -> ack, in order -> map -> progress
 *  ```
 *  "A chunk is released only after everything read from it is acknowledged": its memory is used again, and a batch that is
 *  still being sent would carry other bytes under a CRC that fits them. Whenever something fails, nothing is released any more.
 *
 *  "Progress never passes the ack": the offset map, and so everything stored or translated, moves in `#acknowledge` only,
 *  or past skipped batches when nothing is in flight. */

import { assertInvariant } from "../core/errors.ts";
import { type BatchView, batchesIn, NO_PRODUCER_ID, stampBatch } from "../wire/record-batch.ts";
import { AbortedTransactions } from "./aborted.ts";
import { AckWindow, IN_FLIGHT_MAX } from "./ack-window.ts";
import { MirrorError, type TargetFault } from "./errors.ts";
import type { LaneMemory } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { noteLatency } from "./latency.ts";
import { joins, merge } from "./merge-rule.ts";
import { later } from "./offset-order.ts";
import { type PlanRules, planBatch } from "./plan.ts";
import type { SourceChunk, SourceReader, TargetLimits } from "./ports.ts";
import { rewriteBatch, type SourceRun } from "./rewrite.ts";
import type { PlanCounts } from "./status.ts";
import { sequenceOf } from "./target-scan.ts";

/** What the lane lends to a copy run. */
export interface CopyContext {
  readonly options: LaneOptions;
  readonly deps: LaneDeps;
  readonly limits: TargetLimits;
  readonly memory: LaneMemory;
  readonly counts: PlanCounts;
  /** True until the first ack after takeover. */
  readonly isAlone: () => boolean;
  /** Called once with the reader, whose `endOffset` then tells the source's readable end. */
  readonly onReader: (reader: SourceReader) => void;
  readonly onAck: () => void;
  /** Called when progress moved. */
  readonly onProgress: () => void;
}

/** A batch in flight. */
interface Sent {
  readonly runs: readonly SourceRun[];
  readonly records: number;
  readonly bytes: number;
  readonly maxTimestampMs: number;
  readonly sourceEpoch: number;
  readonly sentAtMs: number;
  /** Grows over skipped batches that follow. */
  sourceNext: bigint;
  /** Chunks that end with this batch, or with skipped ones behind it. */
  readonly ended: SourceChunk[];
}

/** Copies until something fails or `signal` aborts; what is in flight is settled before it returns the way it ended.
 *  @throws {MirrorError} why it ended @throws the signal's reason */
export async function copyLane(context: CopyContext, signal: AbortSignal): Promise<never> {
  const { memory, deps, options } = context;
  const broken = new AbortController();
  const run = new CopyRun(context, () => broken.abort());
  const from = { offset: memory.map.progress.sourceNext, leaderEpoch: memory.sourceEpoch };
  const reader = deps.source.open(options.sourcePartition, from);
  context.onReader(reader);
  try {
    return await run.pump(reader, AbortSignal.any([signal, broken.signal]));
  } catch (error) {
    await run.settled();
    throw error;
  } finally {
    reader.close();
  }
}

/** Sending and acknowledging side of one stretch. */
class CopyRun {
  readonly #context: CopyContext;
  readonly #window: AckWindow<Sent>;
  /** Where the sending side stands; ahead of the map by what is in flight. */
  #sourceNext: bigint;
  #position: bigint;
  #lastSent: Sent | undefined;
  /** Until when the target surely remembers the producer. */
  #trustedUntilMs: number;
  /** Batches of the present chunk that wait for room in the window, in order. */
  #waiting: BatchView[] = [];
  /** The quickest acknowledgement of this stretch, usually the first, which is alone: the way to the target and back. Others
   *  wait in queues, and those of a busy broker nearby would look like a long way. */
  #ackFloorMs = Number.POSITIVE_INFINITY;

  constructor(context: CopyContext, onFault: () => void) {
    this.#context = context;
    const { sourceNext, count } = context.memory.map.progress;
    this.#sourceNext = sourceNext;
    this.#position = count;
    this.#trustedUntilMs = context.deps.clock.nowMs() + context.limits.producerIdExpirationMs / 2;
    this.#window = new AckWindow<Sent>({ onAck: (sent, baseOffset) => this.#acknowledge(sent, baseOffset), onFault });
  }

  /** Waits for what is in flight. @throws {MirrorError} the first failure among it */
  async settled(): Promise<void> {
    await this.#window.below(1);
    if (this.#window.fault !== undefined) throw new MirrorError(this.#window.fault);
  }

  /** The loop. */
  async pump(reader: SourceReader, signal: AbortSignal): Promise<never> {
    const { limits, options, counts } = this.#context;
    const rules: PlanRules = { ...options.rules, maxBatchBytes: limits.maxBatchBytes };
    // Asking a composed signal costs more than planning a batch.
    let isEnding = signal.aborted;
    signal.addEventListener("abort", () => {
      isEnding = true;
    });
    for (;;) {
      const chunk: SourceChunk = await reader.next(signal);
      const aborted = new AbortedTransactions(chunk.aborted);
      const ages = this.#ageLimits();
      for (const batch of batchesIn(chunk.records)) {
        const plan = planBatch(batch, rules, this.#sourceNext, aborted.covers(batch));
        if (plan.kind !== "forward" && this.#waiting.length > 0) await this.#sendWaiting();
        if (plan.kind === "skip") {
          counts.skippedBatches[plan.reason]++;
          this.#passOver(batch.nextOffset, batch.leaderEpoch);
          continue;
        }
        this.#checkAge(batch, ages);
        if (plan.kind === "forward") {
          await this.#forward(batch);
        } else {
          counts.rewrittenBatches[plan.reason]++;
          await this.#sendRewritten(batch);
        }
        if (isEnding) signal.throwIfAborted();
      }
      await this.#sendWaiting();
      this.#endChunk(chunk);
    }
  }

  /** All of the chunk is sent or skipped. */
  #endChunk(chunk: SourceChunk): void {
    if (this.#window.fault !== undefined) return;
    if (this.#window.size > 0 && this.#lastSent !== undefined) this.#lastSent.ended.push(chunk);
    else chunk.release();
  }

  /** Sends at once while the window has room. Beyond it, on a long way to the target, batches wait, and those that do travel
   *  together as one, because the window counts batches and not bytes. Nearby that would only cost the copying: there the
   *  brokers are the limit and not the window. */
  async #forward(batch: BatchView): Promise<void> {
    const { limits, deps } = this.#context;
    const isFull = this.#window.size >= this.#inFlightLimit();
    const floorMs = this.#ackFloorMs;
    const isFar = floorMs !== Number.POSITIVE_INFINITY && floorMs >= (deps.hooks?.mergeAckMs ?? MERGE_ACK_MS);
    if (this.#waiting.length === 0 && !(isFull && isFar)) {
      await this.#sendAsIs(batch);
      return;
    }
    const rules = { maxBatchBytes: limits.maxBatchBytes, recompress: floorMs >= RECOMPRESS_ACK_MS };
    if (this.#waiting.length > 0 && !joins(this.#waiting, batch, rules)) await this.#sendWaiting();
    this.#waiting.push(batch);
  }

  async #sendWaiting(): Promise<void> {
    const batches = this.#waiting;
    if (batches.length === 0) return;
    this.#waiting = [];
    const merged = batches.length > 1 ? merge(batches) : undefined;
    if (merged === undefined) {
      for (const batch of batches) await this.#sendAsIs(batch);
      return;
    }
    this.#context.counts.mergedBatches += batches.length;
    await this.#send(merged.batch, merged.runs, merged.nextOffset, merged.leaderEpoch);
  }

  async #sendAsIs(batch: BatchView): Promise<void> {
    this.#context.counts.asIsBatches++;
    const run = { sourceStart: batch.baseOffset, length: batch.recordCount };
    await this.#send(batch, [run], batch.nextOffset, batch.leaderEpoch);
  }

  async #sendRewritten(batch: BatchView): Promise<void> {
    const { nextOffset, leaderEpoch } = batch;
    for (const part of rewriteBatch(batch, this.#sourceNext, this.#context.limits.maxBatchBytes))
      await this.#send(part.batch, part.runs, part.nextOffset, leaderEpoch);
    this.#passOver(nextOffset, leaderEpoch);
  }

  async #send(batch: BatchView, runs: readonly SourceRun[], sourceNext: bigint, sourceEpoch: number): Promise<void> {
    const window = this.#window;
    while (window.fault === undefined && window.size >= this.#inFlightLimit())
      await window.below(this.#inFlightLimit());
    if (window.fault !== undefined) throw new MirrorError(window.fault);
    this.#checkTrust();
    const records = batch.recordCount;
    const maxTimestampMs = Number(batch.maxTimestamp);
    const { deps, options } = this.#context;
    const sentAtMs = deps.clock.monotonicMs();
    const facts = { runs, records, bytes: batch.sizeBytes, maxTimestampMs, sourceEpoch, sentAtMs };
    const sent: Sent = { ...facts, sourceNext, ended: [] };
    this.#stamp(batch);
    this.#position += BigInt(records);
    this.#sourceNext = sourceNext;
    this.#lastSent = sent;
    window.push(sent, deps.target.append(options.targetPartition, batch));
  }

  #stamp(batch: BatchView): void {
    const { options, memory } = this.#context;
    if (options.delivery === "at-least-once") {
      stampBatch(batch, { producerId: NO_PRODUCER_ID, producerEpoch: -1, baseSequence: -1 });
      return;
    }
    const { producerId } = options;
    const { era } = memory;
    assertInvariant(producerId >= 0n && era.epoch >= 0, "Exactly-once batches carry a producer id and an epoch");
    stampBatch(batch, { producerId, producerEpoch: era.epoch, baseSequence: sequenceOf(this.#position, era) });
  }

  /** Without idempotence nothing but one batch at a time keeps the order when one of them fails. */
  #inFlightLimit(): number {
    const { options, deps, isAlone } = this.#context;
    if (options.delivery === "at-least-once") return 1;
    return isAlone() ? (deps.hooks?.inFlightAlone ?? 1) : IN_FLIGHT_MAX;
  }

  #acknowledge(sent: Sent, baseOffset: bigint): TargetFault | undefined {
    const { memory, counts, limits, deps } = this.#context;
    const { map } = memory;
    if (baseOffset < map.progress.targetNext) return this.#doubt("acknowledged at an offset that is taken");
    let targetStart = baseOffset;
    for (const { sourceStart, length } of sent.runs) {
      map.append({ sourceStart, targetStart, length });
      targetStart += BigInt(length);
    }
    map.advanceTo(sent.sourceNext);
    memory.sourceEpoch = sent.sourceEpoch;
    counts.forwardedBatches++;
    counts.forwardedRecords += sent.records;
    counts.forwardedBytes += sent.bytes;
    this.#ackFloorMs = Math.min(this.#ackFloorMs, deps.clock.monotonicMs() - sent.sentAtMs);
    noteLatency(counts.latency, deps.clock.nowMs() - sent.maxTimestampMs);
    const trustedMs = sent.maxTimestampMs + limits.producerIdExpirationMs / 2;
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, trustedMs);
    this.#context.onAck();
    this.#context.onProgress();
    for (const chunk of sent.ended) chunk.release();
    return undefined;
  }

  /** Skipped offsets count as done once everything sent before them is acknowledged. */
  #passOver(nextOffset: bigint, leaderEpoch: number): void {
    if (nextOffset <= this.#sourceNext) return;
    this.#sourceNext = nextOffset;
    if (this.#window.size > 0 && this.#lastSent !== undefined) {
      this.#lastSent.sourceNext = nextOffset;
    } else if (this.#window.fault === undefined) {
      const { memory, onProgress } = this.#context;
      memory.map.advanceTo(nextOffset);
      memory.sourceEpoch = leaderEpoch;
      onProgress();
    }
  }

  /** A lane that was idle (or its process frozen) for long may have been forgotten by the target: that is a doubt. */
  #checkTrust(): void {
    const { options, deps } = this.#context;
    if (options.delivery === "exactly-once" && deps.clock.nowMs() > this.#trustedUntilMs)
      throw new MirrorError(this.#doubt("the target may have forgotten the producer"));
  }

  /** Live mode leaves half of the expiration for the way to the target and back. */
  #ageLimits(): { readonly liveMs: bigint; readonly keptMs: bigint } {
    const { options, deps, limits } = this.#context;
    const nowMs = deps.clock.nowMs();
    return {
      liveMs:
        options.delivery === "at-least-once" ? NEVER_MS : BigInt(Math.floor(nowMs - limits.producerIdExpirationMs / 2)),
      keptMs: limits.retentionMs === undefined ? NEVER_MS : BigInt(Math.floor(nowMs - limits.retentionMs)),
    };
  }

  #checkAge(batch: BatchView, { liveMs, keptMs }: { readonly liveMs: bigint; readonly keptMs: bigint }): void {
    const { maxTimestamp } = batch;
    const { options, limits, counts } = this.#context;
    if (maxTimestamp < later(keptMs, liveMs)) {
      if (maxTimestamp < keptMs) counts.expiredBatches++;
      if (maxTimestamp >= liveMs) return;
      const { topic, partition } = options.sourcePartition;
      const { producerIdExpirationMs } = limits;
      const at = { topic, partition, offset: batch.baseOffset };
      throw new MirrorError({ code: "HISTORY_NEEDED", ...at, maxTimestampMs: maxTimestamp, producerIdExpirationMs });
    }
  }

  #doubt(why: string): TargetFault {
    const { topic, partition } = this.#context.options.targetPartition;
    return { code: "TARGET_DOUBT", topic, partition, why };
  }
}

/** With acknowledgements this far away, five small batches in flight would be the limit: 16 KiB each are 8 MB/s at most. */
const MERGE_ACK_MS = 10;
/** With acknowledgements this slow, merging pays even where it means to decompress and compress again: five batches of 16 KiB
 *  in flight would carry less than 2 MB/s. */
const RECOMPRESS_ACK_MS = 40;

/** Earlier than any record. */
const NEVER_MS = -(2n ** 63n);
