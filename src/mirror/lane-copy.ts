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

import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { AbortedTransactions } from "./aborted.ts";
import { AckWindow } from "./ack-window.ts";
import type { CopyContext, CopyMode, Sent } from "./copy-mode.ts";
import { MirrorError, type TargetFault } from "./errors.ts";
import { merge, Waiting } from "./merge-rule.ts";
import { afterLook, isUnknownWriter, type Plan, type PlanRules, planBatch } from "./plan.ts";
import type { SourceChunk, SourceReader } from "./ports.ts";
import { rewriteBatch, type SourceRun, selectRecords } from "./rewrite.ts";
import { TurnWatch } from "./turn-watch.ts";

/** Copies until the mode turns, something fails or `signal` aborts; what is in flight is settled before it returns the way it
 *  ended. @throws {MirrorError} why it ended @throws the signal's reason */
export async function copyLane(context: CopyContext, mode: CopyMode, signal: AbortSignal): Promise<void> {
  const { memory, deps, options } = context;
  const broken = new AbortController();
  const run = new CopyRun(context, mode, () => broken.abort());
  const from = { offset: memory.map.progress.sourceNext, leaderEpoch: memory.sourceEpoch };
  const reader = deps.source.open(options.sourcePartition, from);
  context.onReader(reader);
  try {
    await run.pump(reader, AbortSignal.any([signal, broken.signal]));
  } catch (error) {
    await run.settled();
    if (signal.aborted) await mode.finish();
    throw error;
  } finally {
    reader.close();
  }
}

/** What is to become of a batch, and for a rewritten one which of its records go on. */
interface Planned {
  readonly plan: Plan;
  readonly deltas: readonly number[];
}

/** Sending and acknowledging side of one stretch. */
class CopyRun {
  readonly #context: CopyContext;
  readonly #mode: CopyMode;
  readonly #window: AckWindow<Sent>;
  /** Where the sending side stands; ahead of the map by what is in flight. */
  #sourceNext: bigint;
  #position: bigint;
  #lastSent: Sent | undefined;
  /** Sent and not settled. */
  #inFlightBytes = 0;
  /** Whether the present chunk reaches to the end of the source. */
  #isLive = true;
  /** Whether it holds more than a few small batches. */
  #isBulk = false;
  /** Of the run. */
  #signal = AbortSignal.abort();
  /** Batches of the present chunk that are to travel together, in order. */
  readonly #waiting = new Waiting();
  /** The quickest acknowledgement of this stretch, usually the first, which is alone: the way to the target and back. Others
   *  wait in queues, and those of a busy broker nearby would look like a long way. */
  #ackFloorMs = Number.POSITIVE_INFINITY;

  constructor(context: CopyContext, mode: CopyMode, onFault: () => void) {
    this.#context = context;
    this.#mode = mode;
    const { sourceNext, count } = context.memory.map.progress;
    this.#sourceNext = sourceNext;
    context.loops.begin(sourceNext);
    this.#position = count;
    this.#window = new AckWindow<Sent>({ onAck: (sent, baseOffset) => this.#acknowledge(sent, baseOffset), onFault });
  }

  /** Waits for what is in flight. @throws {MirrorError} the first failure among it */
  async settled(): Promise<void> {
    await this.#window.below(1);
    if (this.#window.fault !== undefined) throw new MirrorError(this.#window.fault);
  }

  /** The loop. */
  async pump(reader: SourceReader, signal: AbortSignal): Promise<void> {
    const { limits, options, deps } = this.#context;
    const mode = this.#mode;
    const rules: PlanRules = { ...options.rules, maxBatchBytes: limits.maxBatchBytes };
    // Asking a composed signal costs more than planning a batch.
    let isEnding = signal.aborted;
    signal.addEventListener("abort", () => {
      isEnding = true;
    });
    this.#signal = signal;
    const watch = new TurnWatch(reader, deps.clock);
    for (;;) {
      const chunk = await watch.next(mode.turnsInMs(), signal);
      if (chunk === undefined) {
        if (await this.#turn()) return;
        continue;
      }
      const aborted = new AbortedTransactions(chunk.aborted);
      this.#isLive = chunk.hasMore !== true;
      this.#isBulk = chunk.records.length >= BULK_BYTES_MIN;
      mode.beginChunk();
      for (const batch of batchesIn(chunk.records)) {
        if (isUnknownWriter(batch, rules)) await rules.history?.writers.learn(batch.producerId);
        const { plan, deltas } = this.#planned(batch, rules, aborted);
        if (plan.kind !== "forward" && !this.#waiting.isEmpty) await this.#sendWaiting();
        if (plan.kind === "skip") {
          if (plan.reason === "loop") this.#context.loops.note(batch.nextOffset);
          this.#passOver(batch.nextOffset, batch.leaderEpoch);
          continue;
        }
        mode.admit(batch);
        const held = deps.backfill?.enter(batch, signal);
        if ((held !== undefined && !(await this.#passesSoon(held))) || mode.isTurnDue()) {
          await this.#sendWaiting();
          if (await this.#turn()) return;
          await held;
        }
        if (plan.kind === "forward") {
          await this.#forward(batch);
        } else {
          await this.#sendRewritten(batch, deltas, rules);
        }
        if (isEnding) signal.throwIfAborted();
      }
      await this.#sendWaiting();
      this.#endChunk(chunk);
    }
  }

  /** False when the old records that come next have to wait for longer than anything should be held open for them. */
  async #passesSoon(held: Promise<void>): Promise<boolean> {
    const late = Promise.withResolvers<boolean>();
    const timer = this.#context.deps.clock.after(HELD_MS_MAX, () => late.resolve(false));
    const passed = held.then(() => true);
    try {
      return await Promise.race([passed, late.promise]);
    } finally {
      timer.cancel();
      // Whoever waits on meets the failure.
      passed.catch(() => undefined);
    }
  }

  /** Settles what is in flight and lets the mode do what it does then; true when the lane changes its mode. */
  async #turn(): Promise<boolean> {
    await this.settled();
    return this.#mode.turn();
  }

  /** Plans a batch, and counts what is not sent as it is: once, however often the lane has to go back and send it again. */
  #planned(batch: BatchView, rules: PlanRules, aborted: AbortedTransactions): Planned {
    const { counts } = this.#context;
    const isNew = batch.nextOffset > counts.countedTo;
    const planned = this.#looked(batch, rules, planBatch(batch, rules, this.#sourceNext, aborted.covers(batch)), isNew);
    if (!isNew) return planned;
    counts.countedTo = batch.nextOffset;
    const { plan } = planned;
    if (plan.kind === "rewrite") counts.rewrittenBatches[plan.reason]++;
    if (plan.kind === "skip") counts.skippedBatches[plan.reason]++;
    if (plan.kind === "skip" && (plan.reason === "aborted" || plan.reason === "loop"))
      counts.skippedRecords[plan.reason] += batch.recordCount;
    return planned;
  }

  /** Looks into the batches that cannot go on as they are. */
  #looked(batch: BatchView, rules: PlanRules, plan: Plan, isNew: boolean): Planned {
    if (plan.kind !== "rewrite") return { plan, deltas: [] };
    const { filteredRecords } = this.#context.counts;
    const { deltas, isUntouched } = selectRecords(batch, this.#sourceNext, rules.filter, (reason) => {
      if (isNew) filteredRecords[reason]++;
    });
    return { plan: afterLook(plan, batch, rules, { kept: deltas.length, isUntouched }), deltas };
  }

  /** All of the chunk is sent or skipped. */
  #endChunk(chunk: SourceChunk): void {
    if (this.#window.fault !== undefined) return;
    if (this.#window.size > 0 && this.#lastSent !== undefined) this.#lastSent.ended.push(chunk);
    else chunk.release();
  }

  /** Sends at once, unless more comes than the window, which counts batches and not bytes, can carry: then batches travel together if
   *  they are tiny, or if the way to the target is long. Larger ones would only cost the copying nearby: there the brokers are
   *  the limit. */
  async #forward(batch: BatchView): Promise<void> {
    const { limits, deps } = this.#context;
    const roundTripMs = this.#ackFloorMs;
    const isFar = Number.isFinite(roundTripMs) && roundTripMs >= (deps.hooks?.mergeAckMs ?? MERGE_ACK_MS);
    const isWorthIt = isFar || batch.sizeBytes <= TINY_BATCH_BYTES_MAX;
    const isMuch = (isFar && this.#isBulk) || this.#window.size >= this.#mode.inFlightMax;
    const rules = { maxBatchBytes: limits.maxBatchBytes, roundTripMs: isFar ? roundTripMs : 0 };
    if (!this.#waiting.isEmpty && !(isWorthIt && this.#waiting.joins(batch, rules))) await this.#sendWaiting();
    else if (this.#waiting.isEmpty && !(isWorthIt && isMuch)) return this.#sendAsIs(batch);
    if (isWorthIt) this.#waiting.add(batch);
    else await this.#sendAsIs(batch);
  }

  async #sendWaiting(): Promise<void> {
    if (this.#waiting.isEmpty) return;
    const batches = this.#waiting.take();
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

  async #sendRewritten(batch: BatchView, deltas: readonly number[], rules: PlanRules): Promise<void> {
    const { nextOffset, leaderEpoch } = batch;
    for (const part of rewriteBatch(batch, deltas, rules))
      await this.#send(part.batch, part.runs, part.nextOffset, leaderEpoch);
    this.#passOver(nextOffset, leaderEpoch);
  }

  async #send(batch: BatchView, runs: readonly SourceRun[], sourceNext: bigint, sourceEpoch: number): Promise<void> {
    const window = this.#window;
    const mode = this.#mode;
    while (window.fault === undefined && this.#isFullFor(batch))
      await window.below(Math.min(mode.inFlightMax, window.size));
    if (window.fault !== undefined) throw new MirrorError(window.fault);
    const preparing = mode.prepare();
    if (preparing !== undefined) await preparing;
    const passing = this.#context.deps.pace?.enter(batch.sizeBytes, { isLive: this.#isLive, signal: this.#signal });
    if (passing !== undefined) await this.#passed(passing, batch.sizeBytes);
    const records = batch.recordCount;
    const maxTimestampMs = Number(batch.maxTimestamp);
    const sentAtMs = this.#context.deps.clock.monotonicMs();
    const facts = { runs, records, bytes: batch.sizeBytes, maxTimestampMs, sourceEpoch, sentAtMs };
    const sent: Sent = { ...facts, sourceNext, ended: [] };
    const position = this.#position;
    this.#position += BigInt(records);
    this.#sourceNext = sourceNext;
    this.#lastSent = sent;
    const outcome = mode.send(batch, position);
    window.push(sent, outcome);
    this.#inFlightBytes += sent.bytes;
    void outcome.then(() => {
      this.#inFlightBytes -= sent.bytes;
      this.#context.deps.pace?.leave(sent.bytes);
    });
  }

  /** Nothing is sent behind a batch that failed meanwhile. */
  async #passed(passing: Promise<void>, bytes: number): Promise<void> {
    await passing;
    if (this.#window.fault === undefined) return;
    this.#context.deps.pace?.leave(bytes);
    throw new MirrorError(this.#window.fault);
  }

  /** Whether the lane has to wait for acknowledgements before it may send the batch. */
  #isFullFor({ sizeBytes }: BatchView): boolean {
    const { size } = this.#window;
    return size >= this.#mode.inFlightMax || (size > 0 && this.#inFlightBytes + sizeBytes > LANE_BYTES_MAX);
  }

  #acknowledge(sent: Sent, baseOffset: bigint): TargetFault | undefined {
    const { deps } = this.#context;
    const doubt = this.#mode.acked(sent, baseOffset);
    if (doubt !== undefined) return doubt;
    this.#ackFloorMs = Math.min(this.#ackFloorMs, deps.clock.monotonicMs() - sent.sentAtMs);
    for (const chunk of sent.ended) chunk.release();
    // In history mode what was sent is kept until it is published; its memory need not be.
    sent.ended.length = 0;
    return undefined;
  }

  /** Skipped offsets count as done once everything sent before them is acknowledged. */
  #passOver(nextOffset: bigint, leaderEpoch: number): void {
    if (nextOffset <= this.#sourceNext) return;
    this.#sourceNext = nextOffset;
    if (this.#window.size > 0 && this.#lastSent !== undefined) {
      this.#lastSent.sourceNext = nextOffset;
      this.#lastSent.sourceEpoch = leaderEpoch;
    } else if (this.#window.fault === undefined) {
      this.#mode.passed(nextOffset, leaderEpoch);
    }
  }
}

/** Bytes a lane may have in flight; a larger batch goes alone. Five batches of the usual largest size have room. */
const LANE_BYTES_MAX = 8 * 1024 * 1024;
/** A chunk of this size is worth merging as a whole: sent one by one, its first batches would take up the window. */
const BULK_BYTES_MIN = 128 * 1024;
/** Longer waits for the rate of old records end what the mode holds open: a transaction would else time out. */
const HELD_MS_MAX = 500;
/** With acknowledgements this far away, five small batches in flight would be the limit: 16 KiB each are 8 MB/s at most. */
const MERGE_ACK_MS = 10;
/** Batches of one or a few records, as producers without linger write them: nearby too a request costs more than copying so little,
 *  and five in flight would carry only some hundreds of them a second past a busy broker. */
const TINY_BATCH_BYTES_MAX = 4 * 1024;
