/** Where a lane goes on, and in which mode: what is known is loaded, held against the target, and corrected.
 *
 *  ```
 *  load -> live:    takeover ---------------------------> live mode
 *       |              '-- too old, barred, doubtful -.
 *       '-> history -----------------------------------'-> enter -> history mode
 *  ```
 *  Live mode begins no era of its own where history mode is possible: the fence of another worker would not hold it ("Eras begin
 *  in the history record"). */

import { assertInvariant } from "../core/errors.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import type { CopyContext, CopyMode } from "./copy-mode.ts";
import { hasFault, MirrorError } from "./errors.ts";
import { LaneHistory } from "./history/lane-history.ts";
import { type LaneMemory, noteGap, noteRecord, openMemory } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { LaneRules } from "./lane-rules.ts";
import { LaneSearch, type Seeking } from "./lane-search.ts";
import { OffsetMap } from "./offset-map.ts";
import type { Progress } from "./offset-ports.ts";
import type { TargetLimits } from "./ports.ts";
import { isSameTopic } from "./same-topic.ts";
import { noTakeovers } from "./status.ts";
import { allGaps } from "./stored-gaps.ts";
import type { Found } from "./takeover.ts";

/** Of one lane, for its whole life. */
export class LanePlace {
  readonly takeovers = noTakeovers();
  repeatsAvoided = 0n;
  readonly #options: LaneOptions;
  readonly #deps: LaneDeps;
  readonly #save: (memory: LaneMemory) => void;
  #memory: LaneMemory | undefined;
  /** What is known must be loaded again before it is used; until then it is shown. */
  #isStale = false;
  /** Set when live mode cannot go on: the epoch of a fence that stands already, if one does. */
  #entering: { readonly fence: number | undefined } | undefined;
  /** The takeover that led to history mode has counted the repeats it found; the one behind the fence finds them again, or none. */
  #hasNotedRepeats = false;
  readonly #rules: LaneRules;
  readonly #search: LaneSearch;
  readonly #history: LaneHistory;

  constructor(options: LaneOptions, deps: LaneDeps, save: (memory: LaneMemory) => void) {
    this.#options = options;
    this.#deps = deps;
    this.#save = save;
    this.#rules = new LaneRules(options);
    this.#search = new LaneSearch(options, deps, this.#rules);
    this.#history = new LaneHistory(options, deps, () => this.#memory?.map.progress.sourceNext ?? -1n);
  }

  /** What is known; undefined before the stored state was read. */
  get memory(): LaneMemory | undefined {
    return this.#memory;
  }

  /** How often the lane changed its mode, and transactions that it committed. */
  get modes(): LaneHistory["modes"] {
    return this.#history.modes;
  }

  /** Finds the place. @throws {MirrorError} `SOURCE_*`, `TARGET_*`, `LANE_UNEXPLAINED`, `HISTORY_NEEDED` */
  async find(limits: TargetLimits, signal: AbortSignal): Promise<void> {
    const isFresh = this.#memory === undefined || this.#isStale;
    if (isFresh) this.#memory = await openMemory(this.#options, this.#deps);
    this.#isStale = false;
    const memory = this.#memory;
    assertInvariant(memory !== undefined, "A lane that seeks knows where it stood");
    await this.#checkSource(memory, signal);
    if (this.#options.delivery !== "exactly-once" || this.#deps.hooks?.takeover === false) {
      this.#rules.choose(memory);
      return;
    }
    this.#rules.inForce(memory);
    const how = { limits, isFresh, signal };
    if (memory.history === undefined && this.#entering === undefined) await this.#takeOver(memory, how);
    if (memory.history === undefined && this.#entering === undefined) return;
    try {
      await this.#enter(memory, how);
    } catch (error) {
      if (!this.#isOptional(memory) || !hasFault(error, "HISTORY_NEEDED")) throw error;
      // The target does not allow it: the lane begins its era unfenced, as it does where there are no transactions at all.
      this.#entering = undefined;
      await this.#takeOver(memory, how);
    }
  }

  /** True when only a new era makes the lane enter history mode, not the age of its records and no fence. */
  #isOptional({ history }: LaneMemory): boolean {
    return history === undefined && !this.#history.isNeeded && this.#entering?.fence === undefined;
  }

  /** The mode in which the lane writes from the place found; `leave` when it is done. `signal` ends its waits. */
  mode(context: CopyContext, signal: AbortSignal): CopyMode {
    return this.#history.mode(context, signal, (record) => {
      this.#rules.stored();
      this.#entering = undefined;
      noteRecord(context.memory, record);
    });
  }

  /** True when the lane writes in history mode and its target partition has another leader than it looked at. */
  get hasOtherLeader(): boolean {
    return this.#history.hasOtherLeader;
  }

  /** Ends the lane's time as a writer, if it was one. */
  leave(): void {
    this.#history.leave();
  }

  /** Takes in why copying ended; true when another mode can go on. @throws {MirrorError} the same, with what is known about it */
  turns(error: unknown): boolean {
    this.#noteFenced(error);
    if (!hasFault(error, "HISTORY_NEEDED")) return false;
    this.#history.need(error.fault);
    this.#entering = { fence: undefined };
    return true;
  }

  #noteFenced(error: unknown): void {
    if (!hasFault(error, "TARGET_FENCED")) return;
    this.#history.fenced();
    this.#forget();
  }

  /** Waits while another worker writes the lane. @throws {MirrorError} */
  standBy(signal: AbortSignal): Promise<void> {
    return this.#history.standBy(signal);
  }

  /** Whether only this worker can append now, or nothing can make it so. "Positions change their meaning behind a fence only": whoever
   *  passes over a gap gives the next position to another record than a worker that still reads what is in it. When false, the
   *  lane enters history mode next, and can ask again. */
  ownsPositions(): boolean {
    const memory = this.#memory;
    if (this.#history.isWriting || this.#options.delivery !== "exactly-once" || memory === undefined) return true;
    if (this.#history.obstacle === undefined) this.#entering = { fence: undefined };
    else memory.era = { epoch: memory.era.epoch + 1, base: memory.map.progress.count };
    return this.#history.obstacle !== undefined;
  }

  /** Goes on where both logs agreed last. What the target holds beyond stays there, before what the source has now, and is noted. The
   *  map begins anew there, and so does an era: what others still send of the lost records takes no position of the new ones. In history
   *  mode the record alone says how far the lane is, so only its writer can pass. False when nothing would change.
   *  @throws {MirrorError} `TARGET_*` */
  async passDivergence(endOffset: bigint): Promise<boolean> {
    const memory = this.#memory;
    const { writer } = this.#history;
    if (memory === undefined || (memory.history !== undefined && writer === undefined)) return false;
    const { sourceNext, targetNext, count } = memory.map.progress;
    if (endOffset >= sourceNext) {
      const isNews = memory.sourceEpoch !== -1;
      memory.sourceEpoch = -1;
      return isNews;
    }
    const atMs = this.#deps.clock.nowMs();
    noteGap(memory, { fromOffset: endOffset, toOffset: sourceNext, atMs, cause: "diverged" });
    const progress = { sourceNext: endOffset, targetNext, count };
    if (writer === undefined) this.#beginAnew(memory, progress);
    else await this.#written(writer.moveTo(progress));
    this.#save(memory);
    await this.#deps.progress.flush();
    return true;
  }

  #beginAnew(memory: LaneMemory, progress: Progress): void {
    memory.map = OffsetMap.startingAt(progress);
    memory.sourceEpoch = -1;
    memory.planBase = progress.count;
    const hasEras = this.#options.delivery === "exactly-once";
    if (hasEras && this.#history.obstacle === undefined) this.#entering = { fence: undefined };
    else if (hasEras) memory.era = { epoch: memory.era.epoch + 1, base: progress.count };
  }

  /** What was noted in memory beforehand is not known to hold when writing it fails. */
  async #written(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      this.#forget();
      this.#noteFenced(error);
      throw error;
    }
  }

  async #takeOver(memory: LaneMemory, how: Seeking): Promise<void> {
    const movedTo = await this.#search.catchUp(memory, how);
    if (movedTo !== undefined) throw this.#eraMoved(movedTo);
    const found = await this.#search.takeover(memory, how);
    if (found.kind === "era-moved") throw this.#eraMoved(found.epoch);
    if (found.kind === "barred") {
      if (!how.isFresh) throw this.#moved("another worker keeps live writers out");
      this.#entering = { fence: found.fence };
      return;
    }
    const hasOtherRules = this.#rules.areOthers(memory);
    const isNewEra =
      hasOtherRules || found.era.epoch !== memory.era.epoch || found.map.progress.count < memory.era.base;
    if (isNewEra && this.#history.obstacle === undefined) {
      memory.repeats += found.repeats;
      this.#hasNotedRepeats = true;
      this.#entering = { fence: undefined };
      return;
    }
    this.#note(found);
    memory.map = found.map;
    memory.era = hasOtherRules ? { epoch: memory.era.epoch + 1, base: found.map.progress.count } : found.era;
    memory.sourceEpoch = found.sourceEpoch;
    memory.repeats += found.repeats;
    this.#rules.choose(memory);
    this.#save(memory);
    if (isNewEra) await this.#deps.progress.flush();
    this.#rules.stored();
    await this.#fenceReturn(memory);
  }

  /** A topic without an id of its own may have been made again: "No record of another topic follows the copied ones". */
  async #checkSource({ map }: LaneMemory, signal: AbortSignal): Promise<void> {
    const { sourcePartition, targetPartition } = this.#options;
    const { topic, topicId, partition } = sourcePartition;
    if (isClusterId(topicId)) return;
    const { source, target } = this.#deps;
    if (await isSameTopic({ source, target, sourcePartition, targetPartition }, map, signal)) return;
    throw new MirrorError({ code: "SOURCE_TOPIC_RECREATED", topic, partition, topicId, newTopicId: topicId });
  }

  #note({ outcome, walkedRecords, repeats }: Pick<Found, "outcome" | "walkedRecords" | "repeats">): void {
    this.takeovers[outcome]++;
    this.repeatsAvoided += walkedRecords;
    if (outcome !== "unchanged") this.#deps.logger.info("lane taken over", { outcome, walkedRecords, repeats });
  }

  /** Before the first record of an era that history mode left, the target must refuse those of earlier eras: the fence that kept them
   *  out may have been forgotten, or whoever left may have died before it was renewed. */
  async #fenceReturn({ map, era, returned }: LaneMemory): Promise<void> {
    if (returned?.epoch !== era.epoch || map.progress.count > era.base) return;
    if (!(await this.#history.fence(era.epoch))) throw this.#moved("another worker keeps live writers out");
  }

  async #enter(memory: LaneMemory, { limits, signal }: Seeking): Promise<void> {
    // A worker with other rules stands by for nobody: it is the one that was started last, or it stops.
    if (!this.#rules.areOthers(memory) && (await this.#history.isTaken())) throw this.#taken();
    const held = { ...memory, fence: this.#entering?.fence };
    const entry = await this.#history
      .enter(this.#search.context(memory, limits), held, signal)
      .catch((error: unknown) => {
        this.#noteFenced(error);
        throw error;
      });
    if (entry.kind === "moved") throw this.#moved("another worker changed the lane's mode");
    const isFromLive = memory.history === undefined;
    const { map, sourceEpoch, walkedRecords, repeats, gaps } = entry;
    Object.assign(memory, allGaps(memory, gaps));
    memory.map = map;
    memory.sourceEpoch = sourceEpoch;
    this.#rules.choose(memory);
    if (!this.#hasNotedRepeats) memory.repeats += repeats;
    this.#hasNotedRepeats = false;
    this.#history.begin(entry, { isFromLive });
    this.repeatsAvoided += walkedRecords;
    const what = isFromLive ? "lane enters history mode" : "lane goes on in history mode";
    this.#deps.logger.info(what, { count: map.progress.count, walkedRecords });
  }

  #forget(): void {
    this.#isStale = true;
    this.#entering = undefined;
  }

  /** What is known is out of date: the next attempt loads it again. */
  #moved(why: string): MirrorError {
    const { topic, partition } = this.#options.targetPartition;
    this.#forget();
    return new MirrorError({ code: "TARGET_DOUBT", topic, partition, why });
  }

  #eraMoved(epoch: number): MirrorError {
    return this.#moved(`another worker began era ${epoch}`);
  }

  #taken(): MirrorError {
    const { topic, partition } = this.#options.targetPartition;
    this.#forget();
    return new MirrorError({ code: "TARGET_FENCED", topic, partition });
  }
}
