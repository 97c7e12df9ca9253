/** A lane's times as its transactional writer: whether history mode is possible, whether another worker has it, the session and the way
 *  it writes. Where the lane stands is its place's to know (see lane-place.ts). */

import { sleep } from "../../core/clock.ts";
import { assertInvariant } from "../../core/errors.ts";
import type { CopyContext, CopyMode } from "../copy-mode.ts";
import { type LaneFault, MirrorError } from "../errors.ts";
import type { LaneDeps, LaneOptions } from "../lane-options.ts";
import { LiveMode } from "../live-mode.ts";
import { planText, rulesOf } from "../plan.ts";
import { type Entry, type EntryContext, enterHistory, type HeldEntry } from "./entry.ts";
import { HistoryMode } from "./history-mode.ts";
import type { HistoryTarget, Peeked } from "./ports.ts";
import type { HistoryRecord } from "./record.ts";
import { ReturnRule } from "./return-rule.ts";
import type { HistorySession } from "./session.ts";
import { Standby } from "./standby.ts";

/** Between two looks at the record of a lane that is left to another worker: all lanes of a worker share one request. */
const STANDBY_POLL_MS = 150;

/** That the lane cannot go on in live mode. */
export type HistoryNeeded = Extract<LaneFault, { readonly code: "HISTORY_NEEDED" }>;

/** How entering went where the target allows it. */
export type AllowedEntry = Exclude<Entry, { readonly kind: "impossible" }>;
/** The lane has its session. */
export type Entered = Extract<Entry, { readonly kind: "entered" }>;

/** Of one lane, for its whole life. */
export class LaneHistory {
  readonly modes = { entries: 0, returns: 0, transactions: 0 };
  readonly #options: LaneOptions;
  readonly #deps: LaneDeps;
  /** Where the lane goes on in the source, for its errors; -1 when nothing is known. */
  readonly #sourceNext: () => bigint;
  /** The lane's time as its transactional writer. */
  #session: HistorySession | undefined;
  /** How it writes in that time. */
  #historyMode: HistoryMode | undefined;
  /** Why the target refused history mode. */
  #refusal: string | undefined;
  /** The fault for which history mode was needed last. */
  #needed: HistoryNeeded | undefined;
  readonly #returnRule: ReturnRule;
  readonly #standby: Standby;

  constructor(options: LaneOptions, deps: LaneDeps, sourceNext: () => bigint) {
    this.#options = options;
    this.#deps = deps;
    this.#sourceNext = sourceNext;
    this.#returnRule = new ReturnRule(deps.clock);
    this.#standby = new Standby(deps.clock, deps.target.history?.worker ?? "");
  }

  /** True between `begin` and `leave`. */
  get isWriting(): boolean {
    return this.#session !== undefined;
  }

  /** What writes the lane's transactions; undefined before `mode` and after `leave`. */
  get writer(): HistoryMode | undefined {
    return this.#historyMode;
  }

  /** True when the lane writes in history mode and its target partition has another leader than it looked at. */
  get hasOtherLeader(): boolean {
    const leaderEpoch = this.#deps.target.history?.leaderEpoch(this.#options.targetPartition);
    return this.#session !== undefined && leaderEpoch !== this.#session.leaderEpoch;
  }

  /** True once records of the lane were such as live mode cannot write. */
  get isNeeded(): boolean {
    return this.#needed !== undefined;
  }

  /** Why history mode is not possible. */
  get obstacle(): string | undefined {
    if (this.#deps.target.history === undefined) return "the target knows no transactions";
    return this.#refusal;
  }

  /** Notes why live mode cannot go on. @throws {MirrorError} the same, with the obstacle when there is one */
  need(fault: HistoryNeeded): void {
    this.#needed = fault;
    const { obstacle } = this;
    if (obstacle !== undefined) throw new MirrorError({ ...fault, obstacle });
  }

  /** Another worker took the lane's transactions over. */
  fenced(): void {
    this.#standby.fenced();
  }

  /** Waits while another worker writes the lane. @throws {MirrorError} */
  async standBy(signal: AbortSignal): Promise<void> {
    const { target, clock, random } = this.#deps;
    const { history } = target;
    if (history === undefined) return;
    do await sleep(clock, STANDBY_POLL_MS * (1 + random.next() / 2), signal);
    while (await this.#isTaken(await history.peek(this.#options.lane)));
  }

  /** Whether another worker writes the lane. @throws {MirrorError} `HISTORY_NEEDED` with the obstacle, `TARGET_*` */
  async isTaken(): Promise<boolean> {
    return this.#isTaken(await this.#target().peek(this.#options.lane));
  }

  /** Makes the target refuse live writers of earlier eras; false when a later one keeps them out already.
   *  @throws {MirrorError} `HISTORY_NEEDED` with the obstacle, `TARGET_*` */
  async fence(epoch: number): Promise<boolean> {
    const { targetPartition, producerId } = this.#options;
    const fenced = await this.#target().fence(targetPartition, producerId, epoch);
    if (fenced.kind === "impossible") throw this.#refused(fenced.why);
    return fenced.kind !== "outrun";
  }

  /** Opens a session and finds where it goes on; `begin` makes it the lane's.
   *  @throws {MirrorError} `HISTORY_NEEDED` with the obstacle, and as `enterHistory` */
  async enter(takeover: EntryContext["takeover"], held: HeldEntry, signal: AbortSignal): Promise<AllowedEntry> {
    const history = this.#target();
    this.#standby.opened();
    const nowMs = () => this.#deps.clock.monotonicMs();
    const entry = await enterHistory({ history, lane: this.#options.lane, takeover, nowMs }, held, signal);
    if (entry.kind === "impossible") throw this.#refused(entry.why);
    return entry;
  }

  /** From here on the lane writes in this session. */
  begin({ session }: Entered, { isFromLive }: { readonly isFromLive: boolean }): void {
    this.#session = session;
    this.modes.entries++;
    if (isFromLive) this.#returnRule.entered();
  }

  /** The mode in which the lane writes: live mode without a session. `noted` hears of each record that was committed. */
  mode(context: CopyContext, signal: AbortSignal, noted: (record: HistoryRecord) => void): CopyMode {
    const session = this.#session;
    if (session === undefined) return new LiveMode(context);
    const { history } = this.#deps.target;
    assertInvariant(history !== undefined, "A session has a target with history");
    const onCommitted = (record: HistoryRecord, tookMs: number): void => {
      noted(record);
      this.#committed(record, tookMs);
    };
    const more = { history, session, returnRule: this.#returnRule, signal, onCommitted };
    this.#historyMode = new HistoryMode({ ...context, ...more });
    return this.#historyMode;
  }

  /** Ends the lane's time as a writer, if it was one. */
  leave(): void {
    this.#session?.writer.close();
    this.#session = undefined;
    this.#historyMode = undefined;
  }

  async #isTaken(peeked: Peeked): Promise<boolean> {
    const { record } = peeked;
    // Of workers with different rules the one that began last goes on, and the other one finds out when it seeks: neither waits.
    if (record !== undefined && !this.#isByOurRules(record)) return false;
    const look = this.#standby.look(peeked);
    if (look === "taken") return true;
    if (record === undefined) return false;
    if (look === "resting" && !(await this.#hasMore(record))) return true;
    return this.#isOpened(record);
  }

  async #hasMore({ progress }: HistoryRecord): Promise<boolean> {
    const { endOffset } = await this.#deps.source.bounds(this.#options.sourcePartition);
    return endOffset > progress.sourceNext;
  }

  /** Whether another worker has opened a writer and may come to commit. */
  async #isOpened(record: HistoryRecord): Promise<boolean> {
    if (this.#standby.isHolder || record.mode !== "history") return false;
    return this.#standby.yields(record, await this.#target().rival(this.#options.lane));
  }

  #isByOurRules({ plan }: HistoryRecord): boolean {
    const rules = rulesOf(plan);
    return rules !== undefined && planText(rules) === planText(this.#options.rules);
  }

  #committed(record: HistoryRecord, tookMs: number): void {
    this.modes.transactions++;
    this.#standby.committed(tookMs);
    if (record.mode === "history") return;
    this.modes.returns++;
    this.#deps.logger.info("lane returns to live mode", { era: record.epoch, count: record.progress.count });
  }

  #target(): HistoryTarget {
    const { history } = this.#deps.target;
    const { obstacle } = this;
    if (history === undefined || obstacle !== undefined) throw this.#refused(obstacle ?? "");
    return history;
  }

  #refused(obstacle: string): MirrorError {
    this.#refusal = obstacle;
    const { topic, partition } = this.#options.sourcePartition;
    const unknown = { offset: this.#sourceNext(), maxTimestampMs: -1n, producerIdExpirationMs: -1 };
    const needed: HistoryNeeded = this.#needed ?? { code: "HISTORY_NEEDED", topic, partition, ...unknown };
    return new MirrorError({ ...needed, obstacle });
  }
}
