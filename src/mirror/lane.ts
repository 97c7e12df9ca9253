/** A lane: copies one source partition to one target partition, in order, each record once.
 *
 *  ```
 *  seeking: stored state -> takeover -> where to go on, see lane-place.ts
 *  copying: see lane-copy.ts, until something fails
 *  waiting: then seeking again            stopped, drained: the end
 *  ``` */

import { backoffMs } from "../core/backoff.ts";
import { sleep, type Timer } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import type { CopyContext } from "./copy-mode.ts";
import { copiesFrom } from "./divergence.ts";
import { hasFault, type LaneFault, MirrorError, needsHands } from "./errors.ts";
import { copyLane } from "./lane-copy.ts";
import { type LaneMemory, modeOf, noteGap, toRecord } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { LanePlace } from "./lane-place.ts";
import { INITIAL_STATE, type LaneEvent, type LaneState, step } from "./lane-state.ts";
import { LaneTrouble, laneFaultOf } from "./lane-trouble.ts";
import { LoopWatch } from "./loop-watch.ts";
import type { OffsetMap } from "./offset-map.ts";
import { earlier, later } from "./offset-order.ts";
import { OpenTransactionWatch } from "./open-transaction.ts";
import type { SourceReader, TargetLimits } from "./ports.ts";
import { copyOf, isAligned, type LaneStatus, noPlanCounts } from "./status.ts";

/** How often it is tried again what needs somebody's hands: a raised limit or a new rule shows within half a minute. */
const HANDS_BACKOFF = { initialMs: 1_000, maxMs: 30_000 };

/** Progress is handed to the store this long after it moved; the store writes it every second. */
const SAVE_AFTER_MS = 100;

/** Runs until it is asked to stop or cannot go on; see `LaneState`. */
export class Lane {
  readonly options: LaneOptions;
  readonly #deps: LaneDeps;
  #state: LaneState = INITIAL_STATE;
  readonly #place: LanePlace;
  #limits: TargetLimits | undefined;
  readonly #trouble: LaneTrouble;
  #saving: Timer | undefined;
  /** Ends the present copy run. */
  #interrupt = new AbortController();
  /** The reader of the latest copy run. */
  #reader: SourceReader | undefined;
  /** As the readers before it saw it last. */
  #sourceEnd: bigint | undefined;
  readonly #openTransaction: OpenTransactionWatch;
  readonly #counts = noPlanCounts();
  #lostOffsets = 0n;
  #movedMs: number | undefined;

  constructor(options: LaneOptions, deps: LaneDeps) {
    this.options = options;
    this.#deps = deps;
    this.#trouble = new LaneTrouble(deps.clock);
    this.#openTransaction = new OpenTransactionWatch(options, deps);
    this.#place = new LanePlace(options, deps, (memory) => this.#save(memory));
  }

  /** What it has seen of the lane the other way. */
  readonly loops = new LoopWatch();

  /** The lane's offset map; undefined before the stored state was read. */
  get map(): OffsetMap | undefined {
    return this.#place.memory?.map;
  }

  /** Works until `signal` aborts (what is in flight is settled first) or the lane stops for a reason. Call once.
   *  Rejects only on programming errors. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#live(signal);
    } finally {
      if (this.#place.memory !== undefined) this.#save(this.#place.memory);
    }
  }

  async #live(signal: AbortSignal): Promise<void> {
    while (this.#state.kind !== "stopped" && this.#state.kind !== "drained") {
      if (signal.aborted) this.#move({ kind: "asked-to-stop" });
      else if (this.#state.kind === "seeking") await this.#guarded(() => this.#seek(signal), signal);
      else if (this.#state.kind === "copying") await this.#guarded(() => this.#copy(signal), signal);
      else await this.#wait(this.#state, signal);
    }
  }

  /** A snapshot. */
  get status(): LaneStatus {
    const { lane, sourcePartition, targetPartition, delivery } = this.options;
    const map = this.#place.memory?.map;
    const progress = map?.progress;
    const end = this.#reader?.endOffset ?? this.#sourceEnd;
    return {
      lane,
      sourceTopic: sourcePartition.topic,
      targetTopic: targetPartition.topic,
      partition: sourcePartition.partition,
      state: this.#state.kind,
      reason: this.#trouble.fault ?? this.#openTransaction.fault,
      delivery,
      sourceNext: progress?.sourceNext,
      targetNext: progress?.targetNext,
      count: progress?.count,
      sourceEnd: end,
      heldOffsets: heldBy(this.#reader),
      lagRecords: end === undefined || progress === undefined ? undefined : lag(progress.sourceNext, end),
      counts: copyOf(this.#counts),
      mode: modeOf(this.options, this.#place.memory),
      modes: { ...this.#place.modes },
      takeovers: { ...this.#place.takeovers },
      repeatsAvoided: this.#place.repeatsAvoided,
      repeats: this.#place.memory?.repeats ?? 0n,
      gaps: this.#place.memory?.gaps ?? [],
      gapCount: this.#place.memory?.gapCount ?? 0,
      lostOffsets: this.#lostOffsets,
      faults: this.#trouble.counts,
      movedMs: this.#movedMs,
      aligned: map !== undefined && isAligned(map),
      mapRuns: map?.runCount ?? 0,
      mapBytes: map?.heldBytes ?? 0,
    };
  }

  /** True while it has carried all that the source is known to hold and waits for more, of which it hears at once. */
  get isAtEnd(): boolean {
    const end = this.#reader?.endOffset;
    const map = this.#place.memory?.map;
    return this.#state.kind === "copying" && end !== undefined && map !== undefined && map.progress.sourceNext >= end;
  }

  /** Looks for what a lane that waits for records would not notice; call now and then. @throws {MirrorError} */
  async check(): Promise<void> {
    await this.#checkTarget();
    const held = await this.#openTransaction.look(this.#reader);
    if (held !== undefined) this.#trouble.count(held);
  }

  /** Whether the target still ends behind the lane's last record, or an unclean election took acknowledged records away. */
  async #checkTarget(): Promise<void> {
    const { topic, partition } = this.options.targetPartition;
    const targetNext = this.#place.memory?.map.progress.targetNext;
    if (targetNext === undefined || this.#state.kind !== "copying") return;
    const { startOffset, endOffset } = await this.#deps.target.bounds(this.options.targetPartition);
    this.#forgetBelow(startOffset);
    const isShort = endOffset < targetNext;
    if (!isShort && !this.#place.hasOtherLeader) return;
    const why = isShort ? "the target ends before the lane's last record" : "the partition has another leader";
    this.#interrupt.abort(new MirrorError({ code: "TARGET_DOUBT", topic, partition, why }));
  }

  /** Frees the map of what both logs have deleted: nobody can have a position there that leads to a record. */
  #forgetBelow(targetStart: bigint): void {
    const memory = this.#place.memory;
    const sourceStart = this.#reader?.startOffset;
    if (memory === undefined || sourceStart === undefined) return;
    const floor = memory.map.floor.source;
    memory.map.trimBefore(earlier(sourceStart, memory.map.reverse(targetStart).sourceOffset));
    if (memory.map.floor.source > floor) this.#save(memory);
  }

  /** Turns operating errors into state; everything else is a bug and passes. */
  async #guarded(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work();
    } catch (error) {
      const fault = laneFaultOf(error, this.options, this.map);
      if (fault !== undefined) this.#fail(fault);
      else if (!signal.aborted || error !== signal.reason) throw error;
    }
  }

  #fail(fault: LaneFault): void {
    const isNews = this.#trouble.met(fault);
    this.#move({ kind: "failed", fault });
    const { logger } = this.#deps;
    // The lane's logger names the topic and partition already, as the source does.
    const { topic, partition, ...facts } = fault;
    if (this.#state.kind === "stopped") logger.error("lane stopped", facts);
    else if (isNews) logger.info("lane interrupted", facts);
  }

  #move(event: LaneEvent): void {
    this.#state = step(this.#state, event);
  }

  async #wait({ attempt, fault }: LaneState & { readonly kind: "waiting" }, signal: AbortSignal): Promise<void> {
    const isOver =
      fault.code === "TARGET_FENCED"
        ? this.#place.standBy(signal)
        : sleep(this.#deps.clock, this.#pauseMs(attempt, fault), signal);
    // Whoever could not find out whether the lane is free finds out why when it seeks.
    await isOver.catch(() => undefined);
    this.#move({ kind: "woken" });
  }

  /** The first retry is immediate: a doubt is usually cleared by one takeover. */
  #pauseMs(attempt: number, fault: LaneFault): number {
    const { random } = this.#deps;
    if (needsHands(fault)) return backoffMs(attempt, random, HANDS_BACKOFF);
    return attempt <= 1 ? 0 : backoffMs(attempt - 1, random);
  }

  async #seek(signal: AbortSignal): Promise<void> {
    this.#limits = await this.#deps.target.limits(this.options.targetPartition.topic);
    try {
      await this.#place.find(this.#limits, signal);
    } catch (error) {
      if (!(await this.#passes(error))) throw error;
      return;
    }
    this.#move({ kind: "found" });
  }

  async #copy(signal: AbortSignal): Promise<void> {
    const memory = this.#place.memory;
    const limits = this.#limits;
    assertInvariant(memory !== undefined && limits !== undefined, "A lane copies only after takeover");
    const context = this.#copyContext(memory, limits);
    this.#interrupt = new AbortController();
    const ending = AbortSignal.any([signal, this.#interrupt.signal]);
    try {
      await copyLane(context, this.#place.mode(context, ending), ending);
    } catch (error) {
      if (hasFault(error, "SOURCE_GAP") && this.options.gapPolicy === "skip")
        await this.#skipGap(memory, error.fault.logStartOffset);
      else if (!this.#place.turns(error) && !(await this.#passes(error))) throw error;
    } finally {
      this.#place.leave();
    }
    this.#move({ kind: "turned" });
  }

  /** True when the source lost what was copied and the lane goes on all the same. */
  async #passes(error: unknown): Promise<boolean> {
    if (!hasFault(error, "SOURCE_DIVERGED") || this.options.divergencePolicy !== "continue") return false;
    const { endOffset } = error.fault;
    const map = this.#place.memory?.map;
    const copies = map === undefined ? [] : copiesFrom(map, endOffset);
    const passes = await this.#place.passDivergence(endOffset);
    if (passes) this.#deps.logger.warn("the source lost what was copied", { fromOffset: endOffset, copies });
    return passes;
  }

  #copyContext(memory: LaneMemory, limits: TargetLimits): CopyContext {
    return {
      options: this.options,
      deps: this.#deps,
      limits,
      memory,
      counts: this.#counts,
      loops: this.loops,
      isAlone: () => this.#state.kind !== "copying" || this.#state.alone,
      onReader: (reader: SourceReader) => {
        this.#sourceEnd = this.#reader?.endOffset ?? this.#sourceEnd;
        this.#reader = reader;
      },
      onAck: () => {
        const past = this.#trouble.over();
        if (past !== undefined) this.#deps.logger.info("lane copies again", { ...past });
        this.#move({ kind: "acked" });
      },
      onProgress: () => this.#saveSoon(),
    };
  }

  /** Resolves once the gap is stored: a successor that did not know of it would count what was copied behind it from before it. */
  async #skipGap(memory: LaneMemory, logStartOffset: bigint): Promise<void> {
    const { clock, logger } = this.#deps;
    if (!this.#place.ownsPositions()) return;
    const fromOffset = memory.map.progress.sourceNext;
    if (logStartOffset <= fromOffset) return;
    noteGap(memory, { fromOffset, toOffset: logStartOffset, atMs: clock.nowMs(), cause: "retention" });
    memory.map.advanceTo(logStartOffset);
    this.#lostOffsets += logStartOffset - fromOffset;
    memory.sourceEpoch = -1;
    this.#save(memory);
    logger.warn("gap skipped", { fromOffset, toOffset: logStartOffset });
    await this.#deps.progress.flush();
  }

  /** Making the record for each ack would cost more than the ack. */
  #saveSoon(): void {
    if (this.#saving !== undefined) return;
    this.#movedMs = this.#deps.clock.nowMs();
    this.#saving = this.#deps.clock.after(SAVE_AFTER_MS, () => {
      if (this.#place.memory !== undefined) this.#save(this.#place.memory);
    });
  }

  #save(memory: LaneMemory): void {
    this.#saving?.cancel();
    this.#saving = undefined;
    this.#deps.progress.save(toRecord(this.options, memory, this.#deps.clock.nowMs()), memory.map);
  }
}

function heldBy(reader: SourceReader | undefined): bigint {
  const { endOffset, highWatermark } = reader ?? {};
  return endOffset === undefined || highWatermark === undefined ? 0n : later(highWatermark - endOffset, 0n);
}

function lag(sourceNext: bigint, endOffset: bigint): bigint {
  return later(endOffset - sourceNext, 0n);
}
