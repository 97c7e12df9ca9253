/** History mode: batches go in transactions of the lane, and so does the record that says how far the lane is.
 *
 *  ```
 *  begin -> append, append, ... (acknowledged) -> record -> commit -> readers see it -> map, progress, groups
 *  ```
 *  "A commit is of this writer's batches only": the first one waits for the leader to say that the transaction begins with them.
 *  "Progress never passes the commit": the map moves only when readers of committed data see the transaction, because the
 *  commit is acknowledged before its markers are written. */

import { sleep } from "../../core/clock.ts";
import { type BatchView, stampBatch } from "../../wire/record-batch.ts";
import { IN_FLIGHT_MAX } from "../ack-window.ts";
import { type CopyContext, type CopyMode, publish, publishSkipped, type Sent } from "../copy-mode.ts";
import { MirrorError, type TargetFault } from "../errors.ts";
import { OffsetMap } from "../offset-map.ts";
import type { Progress } from "../offset-ports.ts";
import type { AppendOutcome } from "../ports.ts";
import { sequenceOf } from "../target-scan.ts";
import type { HistoryTarget } from "./ports.ts";
import type { HistoryRecord } from "./record.ts";
import type { ReturnRule } from "./return-rule.ts";
import type { HistorySession } from "./session.ts";

/** A writer's first transaction is short, and none lasts more than twice as long as the one before: whoever takes over shows soon that
 *  the lane moves again, even when what waited fills more than one. */
const FIRST_TRANSACTION_MS = 100;
const GROWTH = 2;
/** Later ones end after this time, or this many bytes, or when nothing more comes for a moment. Where ending them takes long they last
 *  up to the second time, so that most of it is spent copying. */
const TRANSACTION_MS = 500;
const TRANSACTION_MS_MAX = 1_000;
const TIMES_COMMIT = 10;
const TRANSACTION_BYTES = 64 * 1024 * 1024;
const IDLE_MS = 100;
/** Batches of a transaction whose places are kept until it is published. */
const TRANSACTION_BATCHES = 16_384;

/** First pause between two looks at the stable end; doubles up to the second one. */
const STABLE_POLL_MS = 5;
const STABLE_POLL_MAX_MS = 200;
/** When it takes this long, somebody else's transaction stands open in front. */
const TELL_MS = 15_000;
/** The lane waits for that this long when it is asked to end: then the map is stored a transaction behind, and whoever comes next finds
 *  out. */
const FINISH_MS = 2_000;

/** What history mode works with besides the copying itself. */
export interface HistoryContext extends CopyContext {
  readonly history: HistoryTarget;
  readonly session: HistorySession;
  readonly returnRule: ReturnRule;
  /** Ends waits. */
  readonly signal: AbortSignal;
  /** Called with each record that was committed and is seen by readers, and how long that took from the transaction's beginning. */
  readonly onCommitted: (record: HistoryRecord, tookMs: number) => void;
}

/** What a transaction will publish, in order. */
type Step =
  | { readonly kind: "sent"; readonly sent: Sent; readonly baseOffset: bigint }
  | { readonly kind: "passed"; readonly nextOffset: bigint; readonly leaderEpoch: number };

/** See the file's comment. */
export class HistoryMode implements CopyMode {
  readonly #context: HistoryContext;
  #steps: Step[] = [];
  /** What the leader says of the first transaction's beginning, once it has a batch. */
  #start: Promise<bigint | undefined> | undefined;
  /** What the map will say once the steps are published. */
  #progress: Progress;
  #sourceEpoch: number;
  /** Undefined while no transaction is open. */
  #openedAtMs: number | undefined;
  #transactionMs = FIRST_TRANSACTION_MS;
  #bytes = 0;
  #isAlone = true;
  #youngMs = 0n;
  #keptMs: bigint | undefined;

  constructor(context: HistoryContext) {
    this.#context = context;
    this.#progress = context.memory.map.progress;
    this.#sourceEpoch = context.memory.sourceEpoch;
  }

  /** A producer that the partition forgot has no order protection before its first ack; the transaction keeps it in mind. */
  get inFlightMax(): number {
    return this.#isAlone ? 1 : IN_FLIGHT_MAX;
  }

  beginChunk(): void {
    const { deps, limits } = this.#context;
    const nowMs = deps.clock.nowMs();
    this.#youngMs = BigInt(Math.floor(nowMs - limits.producerIdExpirationMs / 4));
    if (limits.retentionMs !== undefined) this.#keptMs = BigInt(Math.floor(nowMs - limits.retentionMs));
  }

  admit({ maxTimestamp }: BatchView): void {
    if (maxTimestamp < this.#youngMs) this.#context.returnRule.sawOld();
    if (this.#keptMs !== undefined && maxTimestamp < this.#keptMs) this.#context.counts.expiredBatches++;
  }

  prepare(): Promise<void> | undefined {
    this.#checkLeader();
    return this.#openedAtMs === undefined ? this.#begin() : undefined;
  }

  async #begin(): Promise<void> {
    const { session, limits, deps } = this.#context;
    const nowMs = deps.clock.monotonicMs();
    if (nowMs - session.fencedAtMs > limits.producerIdExpirationMs / 4) await this.#fence();
    await session.writer.begin();
    this.#openedAtMs = deps.clock.monotonicMs();
    this.#isAlone = true;
  }

  /** After an unclean election a new leader takes whatever comes, on top of a log that lost records: "Nothing is appended after a
   *  change of the leader before its log was looked at". */
  #checkLeader(): void {
    const { history, session, options } = this.#context;
    if (history.leaderEpoch(options.targetPartition) !== session.leaderEpoch)
      throw new MirrorError(this.#doubt("the partition has another leader"));
  }

  /** Keeps the live writers out for longer. */
  async #fence(): Promise<void> {
    const { history, session, options, deps } = this.#context;
    const nowMs = deps.clock.monotonicMs();
    const outcome = await history.fence(options.targetPartition, options.producerId, session.fenceEpoch);
    if (outcome.kind !== "fenced") throw new MirrorError(this.#doubt(`the fence is ${outcome.kind}`));
    session.fencedAtMs = nowMs;
  }

  send(batch: BatchView, position: bigint): Promise<AppendOutcome> {
    const { writer, own } = this.#context.session;
    const { producerId, producerEpoch } = writer;
    stampBatch(batch, {
      producerId,
      producerEpoch,
      baseSequence: sequenceOf(position, own),
      isTransactional: true,
    });
    this.#bytes += batch.sizeBytes;
    return writer.append(batch);
  }

  acked(sent: Sent, baseOffset: bigint): TargetFault | undefined {
    const { targetNext, count } = this.#progress;
    if (baseOffset < targetNext) return this.#doubt("acknowledged at an offset that is taken");
    this.#isAlone = false;
    this.#steps.push({ kind: "sent", sent, baseOffset });
    this.#askForStart();
    const records = BigInt(sent.records);
    this.#sourceEpoch = sent.sourceEpoch;
    this.#progress = { sourceNext: sent.sourceNext, targetNext: baseOffset + records, count: count + records };
    return undefined;
  }

  #askForStart(): void {
    const { session } = this.#context;
    if (session.isSettled || this.#start !== undefined) return;
    this.#start = session.writer.start?.();
    // The commit hears of it.
    this.#start?.catch(() => undefined);
  }

  passed(nextOffset: bigint, leaderEpoch: number): void {
    this.#sourceEpoch = leaderEpoch;
    if (this.#openedAtMs === undefined) {
      publishSkipped(this.#context, nextOffset, leaderEpoch);
      this.#progress = this.#context.memory.map.progress;
      return;
    }
    this.#steps.push({ kind: "passed", nextOffset, leaderEpoch });
    this.#progress = { ...this.#progress, sourceNext: nextOffset };
  }

  isTurnDue(): boolean {
    if (this.#openedAtMs === undefined) return false;
    if (this.#bytes >= TRANSACTION_BYTES || this.#steps.length >= TRANSACTION_BATCHES) return true;
    return this.#context.deps.clock.monotonicMs() - this.#openedAtMs >= this.#transactionMs;
  }

  turnsInMs(): number | undefined {
    if (this.#openedAtMs !== undefined) return IDLE_MS;
    return this.#context.returnRule.returnsInMs(this.#context.session.fenceEpoch);
  }

  async turn(): Promise<boolean> {
    const { returnRule, session } = this.#context;
    if (returnRule.returnsInMs(session.fenceEpoch) === 0) {
      await this.#return();
      return true;
    }
    if (this.#openedAtMs !== undefined) await this.#commit("history");
    return false;
  }

  async finish(): Promise<void> {
    if (this.#openedAtMs !== undefined) await this.#commit("history");
  }

  /** Commits that the lane goes on elsewhere in the source: the map begins anew there. What is open holds what the source may have lost, and
   *  is aborted. Nothing can be sent in this mode any more: the writer's sequence numbers are of the past. @throws {MirrorError} */
  async moveTo(progress: Progress): Promise<void> {
    const { memory } = this.#context;
    this.#steps = [];
    if (this.#openedAtMs !== undefined) await this.#abort();
    await this.#begin();
    memory.map = OffsetMap.startingAt(progress);
    memory.sourceEpoch = -1;
    memory.planBase = progress.count;
    this.#progress = progress;
    this.#sourceEpoch = -1;
    await this.#commit("history");
  }

  /** The era that follows is committed with the last records, so that whoever comes next either still finds the lane in history
   *  mode or goes on in that era. */
  async #return(): Promise<void> {
    if (this.#openedAtMs === undefined) await this.#begin();
    await this.#fence();
    await this.#commit("live");
  }

  async #commit(mode: HistoryRecord["mode"]): Promise<void> {
    const { session, deps, onAck, onProgress, onCommitted } = this.#context;
    if (!session.isSettled) await this.#settle();
    const record = this.#record(mode);
    this.#checkLeader();
    const endedAtMs = deps.clock.monotonicMs();
    const openMs = endedAtMs - (this.#openedAtMs ?? endedAtMs);
    await session.writer.commit(record);
    this.#openedAtMs = undefined;
    this.#bytes = 0;
    if (!(await this.#isSeen(record.progress.targetNext))) return;
    for (const step of this.#steps) {
      if (step.kind === "sent") publish(this.#context, step.sent, step.baseOffset, session.leaderEpoch);
      else publishSkipped(this.#context, step.nextOffset, step.leaderEpoch);
    }
    this.#steps = [];
    const commitMs = deps.clock.monotonicMs() - endedAtMs;
    const wantedMs = Math.max(TRANSACTION_MS, TIMES_COMMIT * commitMs);
    this.#transactionMs = Math.min(wantedMs, TRANSACTION_MS_MAX, GROWTH * this.#transactionMs);
    onCommitted(record, openMs + commitMs);
    onAck();
    onProgress();
  }

  /** Makes sure that what is about to be committed holds nothing that a predecessor left: its abort marker may have been lost in an
   *  unclean election. */
  async #settle(): Promise<void> {
    const first = this.#steps.find((step) => step.kind === "sent");
    if (first !== undefined && (await this.#start) === first.baseOffset) {
      this.#context.session.isSettled = true;
      return;
    }
    await this.#abort();
    if (first !== undefined) throw new MirrorError(this.#doubt("a transaction of the past stands open"));
    await this.#begin();
  }

  /** Whatever stands open on the partition ends with it. */
  async #abort(): Promise<void> {
    const { session } = this.#context;
    await session.writer.abort();
    session.isSettled = true;
  }

  #record(mode: HistoryRecord["mode"]): HistoryRecord {
    const { history, session, options, memory, deps } = this.#context;
    return {
      lane: options.lane,
      mode,
      epoch: mode === "history" ? session.fenceEpoch : session.fenceEpoch + 1,
      progress: this.#progress,
      sourceEpoch: this.#sourceEpoch,
      stretches: session.stretches,
      plan: memory.walkPlan,
      planBase: memory.planBase,
      worker: history.worker,
      gaps: memory.gaps,
      gapCount: memory.gapCount,
      updatedMs: deps.clock.nowMs(),
    };
  }

  /** Waits until readers of committed data see everything below `targetNext`; false when the lane is to end and they did not in time. */
  async #isSeen(targetNext: bigint): Promise<boolean> {
    const { history, options, deps, signal } = this.#context;
    let untilMs = Number.POSITIVE_INFINITY;
    const tellAtMs = deps.clock.monotonicMs() + TELL_MS;
    let isTold = false;
    for (let pauseMs = STABLE_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, STABLE_POLL_MAX_MS)) {
      if ((await history.stableEnd(options.targetPartition)) >= targetNext) return true;
      const nowMs = deps.clock.monotonicMs();
      if (signal.aborted) untilMs = Math.min(untilMs, nowMs + FINISH_MS);
      if (nowMs >= untilMs) return false;
      if (nowMs > tellAtMs && !isTold) {
        deps.logger.warn("open transaction on the target hides copies", { targetNext });
        isTold = true;
      }
      await sleep(deps.clock, pauseMs);
    }
  }

  #doubt(why: string): TargetFault {
    const { topic, partition } = this.#context.options.targetPartition;
    return { code: "TARGET_DOUBT", topic, partition, why };
  }
}
