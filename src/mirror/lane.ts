/** A lane: copies one source partition to one target partition, in order, each record once.
 *
 *  ```
 *  seek:  stored state -> takeover -> the map says where to go on
 *  copy:  source.next -> plan -> stamp (sequence = position) -> target.append -> ack, in order -> map -> progress
 *  ```
 *  "Progress never passes the ack": the offset map, and so everything stored or translated, moves in `#acknowledge` only,
 *  or past skipped batches when nothing is in flight. */

import { backoffMs } from "../core/backoff.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { Random } from "../core/random.ts";
import { WireError } from "../wire/errors.ts";
import { type BatchView, batchesIn, NO_PRODUCER_ID, stampBatch } from "../wire/record-batch.ts";
import { AbortedTransactions } from "./aborted.ts";
import { AckWindow, IN_FLIGHT_MAX } from "./ack-window.ts";
import { hasFault, type LaneFault, MirrorError, type TargetFault } from "./errors.ts";
import { type LaneMemory, noteGap, openMemory, toRecord } from "./lane-memory.ts";
import { INITIAL_STATE, type LaneEvent, type LaneState, step } from "./lane-state.ts";
import type { LaneIdentity, ProgressStore } from "./offset-ports.ts";
import { type PlanRules, planBatch } from "./plan.ts";
import type { Delivery, Source, SourceChunk, SourceReader, Target, TargetLimits, TopicPartition } from "./ports.ts";
import { rewriteBatch, type SourceRun } from "./rewrite.ts";
import { walkSource } from "./source-walk.ts";
import { type LaneStatus, noPlanCounts } from "./status.ts";
import { type TakeoverOutcome, takeover } from "./takeover.ts";
import { sequenceOf } from "./target-scan.ts";

/** What a lane is and how it behaves; fixed for its life. */
export interface LaneOptions {
  readonly lane: LaneIdentity;
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
  readonly producerId: bigint;
  readonly rules: Omit<PlanRules, "maxBatchBytes">;
  readonly delivery: Delivery;
  /** What to do when retention removed records before they were copied. */
  readonly gapPolicy: "stop" | "skip";
  /** Where a lane without stored state begins. */
  readonly start: "earliest" | "latest";
}

/** What a lane works with. */
export interface LaneDeps {
  readonly source: Source;
  readonly target: Target;
  readonly progress: ProgressStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Breaks the exactly-once machinery on purpose, so that tests can prove that their checks fail. */
  readonly hooks?: LaneHooks;
}

/** See `LaneDeps.hooks`. */
export interface LaneHooks {
  readonly walk?: typeof walkSource;
  /** Batches in flight before the first ack; 1 is the rule. */
  readonly inFlightAlone?: number;
  /** False: take the stored position for the truth. */
  readonly takeover?: boolean;
}

/** A batch in flight. */
interface Sent {
  readonly runs: readonly SourceRun[];
  readonly records: number;
  readonly bytes: number;
  readonly maxTimestampMs: number;
  readonly sourceEpoch: number;
  /** Grows over skipped batches that follow. */
  sourceNext: bigint;
}

/** What the sending side of one copy run knows. */
interface Cursor {
  sourceNext: bigint;
  sourceEpoch: number;
  /** Position of the next record to send. */
  position: bigint;
  lastSent: Sent | undefined;
}

/** Runs until it is asked to stop or cannot go on; see `LaneState`. */
export class Lane {
  readonly options: LaneOptions;
  readonly #deps: LaneDeps;
  #state: LaneState = INITIAL_STATE;
  #memory: LaneMemory | undefined;
  #limits: TargetLimits | undefined;
  #reason: LaneFault | undefined;
  #sourceEnd: bigint | undefined;
  /** Until when, at the latest, the target surely remembers the producer. */
  #trustedUntilMs = 0;
  #repeatsAvoided = 0n;
  readonly #counts = noPlanCounts();
  readonly #takeovers: Record<TakeoverOutcome, number> = {
    unchanged: 0,
    walked: 0,
    truncated: 0,
    repeated: 0,
    unverified: 0,
  };

  constructor(options: LaneOptions, deps: LaneDeps) {
    this.options = options;
    this.#deps = deps;
  }

  /** The lane's offset map; undefined before the stored state was read. */
  get map(): LaneMemory["map"] | undefined {
    return this.#memory?.map;
  }

  /** Works until `signal` aborts (what is in flight is settled first) or the lane stops for a reason. Call once.
   *  Rejects only on programming errors. */
  async run(signal: AbortSignal): Promise<void> {
    while (this.#state.kind !== "stopped" && this.#state.kind !== "drained") {
      if (signal.aborted) this.#move({ kind: "asked-to-stop" });
      else if (this.#state.kind === "seeking") await this.#guarded(() => this.#seek(signal), signal);
      else if (this.#state.kind === "copying") await this.#guarded(() => this.#copy(signal), signal);
      else if (this.#state.kind === "waiting") await this.#wait(this.#state.attempt, signal);
    }
  }

  /** A snapshot. */
  get status(): LaneStatus {
    const { lane, sourcePartition, targetPartition, delivery } = this.options;
    const progress = this.#memory?.map.progress;
    const behind =
      this.#sourceEnd === undefined || progress === undefined ? undefined : this.#sourceEnd - progress.sourceNext;
    return {
      lane,
      sourceTopic: sourcePartition.topic,
      targetTopic: targetPartition.topic,
      partition: sourcePartition.partition,
      state: this.#state.kind,
      reason: this.#reason,
      delivery,
      sourceNext: progress?.sourceNext,
      targetNext: progress?.targetNext,
      count: progress?.count,
      sourceEnd: this.#sourceEnd,
      lagRecords: behind === undefined || behind > 0n ? behind : 0n,
      counts: structuredClone(this.#counts),
      takeovers: { ...this.#takeovers },
      repeatsAvoided: this.#repeatsAvoided,
      repeats: this.#memory?.repeats ?? 0n,
      gaps: this.#memory?.gaps ?? [],
      gapCount: this.#memory?.gapCount ?? 0,
    };
  }

  /** Turns operating errors into state; everything else is a bug and passes. */
  async #guarded(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof MirrorError) this.#fail(error.fault as LaneFault);
      else if (error instanceof WireError) this.#fail(this.#corrupt(error));
      else if (!signal.aborted || error !== signal.reason) throw error;
    }
  }

  #fail(fault: LaneFault): void {
    this.#reason = fault;
    this.#move({ kind: "failed", fault });
    const level = this.#state.kind === "stopped" ? "error" : "info";
    this.#deps.logger[level]("lane interrupted", { ...fault, next: this.#state.kind });
  }

  #move(event: LaneEvent): void {
    this.#state = step(this.#state, event);
  }

  /** The first retry is immediate: a doubt is usually cleared by one takeover. */
  async #wait(attempt: number, signal: AbortSignal): Promise<void> {
    const waitMs = attempt <= 1 ? 0 : backoffMs(attempt - 1, this.#deps.random);
    await sleep(this.#deps.clock, waitMs, signal).catch(() => undefined);
    this.#move({ kind: "woken" });
  }

  async #seek(signal: AbortSignal): Promise<void> {
    const { target } = this.#deps;
    const { targetPartition } = this.options;
    const limits = await target.limits(targetPartition.topic);
    this.#limits = limits;
    this.#memory ??= await openMemory(this.options, this.#deps);
    if (this.options.delivery === "exactly-once" && this.#deps.hooks?.takeover !== false)
      await this.#takeOver(this.#memory, limits, signal);
    this.#trustedUntilMs = this.#deps.clock.nowMs() + limits.producerIdExpirationMs / 2;
    this.#move({ kind: "found" });
  }

  async #takeOver(memory: LaneMemory, limits: TargetLimits, signal: AbortSignal): Promise<void> {
    const { source, target, hooks, logger } = this.#deps;
    const { sourcePartition, targetPartition, producerId } = this.options;
    const found = await takeover(
      {
        source,
        target,
        sourcePartition,
        targetPartition,
        producerId,
        rules: { ...this.options.rules, provenance: memory.walkProvenance, maxBatchBytes: limits.maxBatchBytes },
        walk: hooks?.walk ?? walkSource,
      },
      memory,
      signal,
    );
    if (found.kind === "era-moved") {
      this.#memory = undefined;
      throw this.#doubt(`another worker began era ${found.epoch}`);
    }
    this.#takeovers[found.outcome]++;
    this.#repeatsAvoided += found.walkedRecords;
    if (found.outcome !== "unchanged")
      logger.info("lane taken over", { outcome: found.outcome, walked: found.walkedRecords, repeats: found.repeats });
    const isNewEra = found.era.epoch !== memory.era.epoch;
    memory.map = found.map;
    memory.era = found.era;
    memory.sourceEpoch = found.sourceEpoch;
    memory.repeats += found.repeats;
    memory.walkProvenance = this.options.rules.provenance;
    this.#save(memory);
    if (isNewEra) await this.#deps.progress.flush();
  }

  async #copy(signal: AbortSignal): Promise<void> {
    const memory = this.#memory;
    assertInvariant(memory !== undefined, "A lane copies only after takeover");
    const broken = new AbortController();
    const window = new AckWindow<Sent>({
      onAck: (sent, baseOffset) => this.#acknowledge(memory, sent, baseOffset),
      onFault: () => broken.abort(),
    });
    const { sourceNext, count } = memory.map.progress;
    const cursor = { sourceNext, sourceEpoch: memory.sourceEpoch, position: count, lastSent: undefined };
    const from = { offset: sourceNext, leaderEpoch: memory.sourceEpoch };
    const reader = this.#deps.source.open(this.options.sourcePartition, from);
    try {
      await this.#pump(reader, window, cursor, AbortSignal.any([signal, broken.signal]));
    } catch (error) {
      await window.below(1);
      if (window.fault !== undefined) throw new MirrorError(window.fault);
      if (!hasFault(error, "SOURCE_GAP") || this.options.gapPolicy !== "skip") throw error;
      this.#skipGap(memory, error.fault.logStartOffset);
    } finally {
      reader.close();
    }
  }

  /** Ends only by throwing. */
  async #pump(reader: SourceReader, window: AckWindow<Sent>, cursor: Cursor, signal: AbortSignal): Promise<never> {
    const limits = this.#limits;
    assertInvariant(limits !== undefined, "A lane copies only after takeover");
    const rules = { ...this.options.rules, maxBatchBytes: limits.maxBatchBytes };
    for (;;) {
      const chunk: SourceChunk = await reader.next(signal);
      this.#sourceEnd = chunk.endOffset;
      const aborted = new AbortedTransactions(chunk.aborted);
      const oldestMs = this.#oldestLiveMs(limits);
      for (const batch of batchesIn(chunk.records)) {
        const plan = planBatch(batch, rules, cursor.sourceNext, aborted.covers(batch));
        if (plan.kind === "skip") {
          this.#counts.skippedBatches[plan.reason]++;
          this.#passOver(window, cursor, batch);
          continue;
        }
        if (batch.maxTimestamp < oldestMs) throw this.#historyNeeded(batch, limits);
        if (plan.kind === "forward") {
          const run = { sourceStart: batch.baseOffset, length: batch.recordCount };
          await this.#send(window, cursor, batch, [run], batch.nextOffset, batch.leaderEpoch);
        } else {
          this.#counts.rewrittenBatches[plan.reason]++;
          await this.#sendRewritten(window, cursor, batch, limits);
        }
        signal.throwIfAborted();
      }
    }
  }

  async #sendRewritten(window: AckWindow<Sent>, cursor: Cursor, batch: BatchView, limits: TargetLimits): Promise<void> {
    const { nextOffset, leaderEpoch } = batch;
    for (const part of rewriteBatch(batch, cursor.sourceNext, limits.maxBatchBytes))
      await this.#send(window, cursor, part.batch, part.runs, part.nextOffset, leaderEpoch);
    if (nextOffset > cursor.sourceNext) this.#passOver(window, cursor, { nextOffset, leaderEpoch });
  }

  async #send(
    window: AckWindow<Sent>,
    cursor: Cursor,
    batch: BatchView,
    runs: readonly SourceRun[],
    sourceNext: bigint,
    sourceEpoch: number,
  ): Promise<void> {
    const limit = this.#inFlightLimit();
    if (window.size >= limit) await window.below(limit);
    if (window.fault !== undefined) throw new MirrorError(window.fault);
    this.#checkTrust();
    const records = batch.recordCount;
    const sent: Sent = {
      runs,
      records,
      bytes: batch.sizeBytes,
      maxTimestampMs: Number(batch.maxTimestamp),
      sourceEpoch,
      sourceNext,
    };
    this.#stamp(batch, cursor.position);
    cursor.position += BigInt(records);
    cursor.sourceNext = sourceNext;
    cursor.sourceEpoch = sourceEpoch;
    cursor.lastSent = sent;
    window.push(sent, this.#deps.target.append(this.options.targetPartition, batch));
  }

  #stamp(batch: BatchView, position: bigint): void {
    const { producerId, delivery } = this.options;
    const era = this.#memory?.era;
    if (delivery === "at-least-once" || era === undefined) {
      stampBatch(batch, { producerId: NO_PRODUCER_ID, producerEpoch: -1, baseSequence: -1 });
      return;
    }
    assertInvariant(producerId >= 0n && era.epoch >= 0, "Exactly-once batches carry a producer id and an epoch");
    stampBatch(batch, { producerId, producerEpoch: era.epoch, baseSequence: sequenceOf(position, era) });
  }

  /** Without idempotence nothing but one batch at a time keeps the order when one of them fails. */
  #inFlightLimit(): number {
    if (this.options.delivery === "at-least-once") return 1;
    const alone = this.#state.kind !== "copying" || this.#state.alone;
    return alone ? (this.#deps.hooks?.inFlightAlone ?? 1) : IN_FLIGHT_MAX;
  }

  /** A lane that was idle (or its process frozen) for long may have been forgotten by the target: that is a doubt. */
  #checkTrust(): void {
    if (this.options.delivery === "exactly-once" && this.#deps.clock.nowMs() > this.#trustedUntilMs)
      throw this.#doubt("the target may have forgotten the producer");
  }

  #acknowledge(memory: LaneMemory, sent: Sent, baseOffset: bigint): TargetFault | undefined {
    const { map } = memory;
    const before = map.progress;
    if (baseOffset < before.targetNext) return this.#doubt("acknowledged at an offset that is taken").fault;
    let targetStart = baseOffset;
    for (const run of sent.runs) {
      map.append({ sourceStart: run.sourceStart, targetStart, length: run.length });
      targetStart += BigInt(run.length);
    }
    map.advanceTo(sent.sourceNext);
    memory.sourceEpoch = sent.sourceEpoch;
    this.#counts.forwardedBatches++;
    this.#counts.forwardedRecords += sent.records;
    this.#counts.forwardedBytes += sent.bytes;
    const trustedMs = sent.maxTimestampMs + (this.#limits?.producerIdExpirationMs ?? 0) / 2;
    this.#trustedUntilMs = Math.max(this.#trustedUntilMs, trustedMs);
    this.#reason = undefined;
    this.#move({ kind: "acked" });
    this.#save(memory);
    return undefined;
  }

  #passOver(
    window: AckWindow<Sent>,
    cursor: Cursor,
    batch: { readonly nextOffset: bigint; readonly leaderEpoch: number },
  ): void {
    if (batch.nextOffset <= cursor.sourceNext) return;
    cursor.sourceNext = batch.nextOffset;
    cursor.sourceEpoch = batch.leaderEpoch;
    const memory = this.#memory;
    if (window.size > 0 && cursor.lastSent !== undefined) cursor.lastSent.sourceNext = batch.nextOffset;
    else if (memory !== undefined && window.fault === undefined) {
      memory.map.advanceTo(batch.nextOffset);
      memory.sourceEpoch = batch.leaderEpoch;
      this.#save(memory);
    }
  }

  #skipGap(memory: LaneMemory, logStartOffset: bigint): void {
    const { clock, logger } = this.#deps;
    const fromOffset = memory.map.progress.sourceNext;
    if (logStartOffset <= fromOffset) return;
    noteGap(memory, { fromOffset, toOffset: logStartOffset, atMs: clock.nowMs(), cause: "retention" });
    memory.map.advanceTo(logStartOffset);
    memory.sourceEpoch = -1;
    this.#save(memory);
    logger.warn("gap skipped", { topic: this.options.sourcePartition.topic, fromOffset, toOffset: logStartOffset });
  }

  #save(memory: LaneMemory): void {
    this.#deps.progress.save(toRecord(this.options, memory, this.#deps.clock.nowMs()), memory.map);
  }

  /** Batches older than this need history mode: half the expiration is left for the way to the target and back. */
  #oldestLiveMs(limits: TargetLimits): bigint {
    if (this.options.delivery === "at-least-once") return -(2n ** 63n);
    return BigInt(Math.floor(this.#deps.clock.nowMs() - limits.producerIdExpirationMs / 2));
  }

  #historyNeeded(batch: BatchView, limits: TargetLimits): MirrorError {
    const { topic, partition } = this.options.sourcePartition;
    const { producerIdExpirationMs } = limits;
    const { baseOffset, maxTimestamp } = batch;
    return new MirrorError({
      code: "HISTORY_NEEDED",
      topic,
      partition,
      offset: baseOffset,
      maxTimestampMs: maxTimestamp,
      producerIdExpirationMs,
    });
  }

  #doubt(why: string): MirrorError & { readonly fault: TargetFault } {
    const { topic, partition } = this.options.targetPartition;
    const fault: TargetFault = { code: "TARGET_DOUBT", topic, partition, why };
    return Object.assign(new MirrorError(fault), { fault });
  }

  #corrupt(error: WireError): LaneFault {
    const { topic, partition } = this.options.sourcePartition;
    const offset = this.#memory?.map.progress.sourceNext ?? -1n;
    return { code: "SOURCE_CORRUPT", topic, partition, offset, what: error.message };
  }
}
