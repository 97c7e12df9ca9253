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
import { resume } from "./history/resume.ts";
import { type LaneMemory, noteGap, noteRecord, openMemory } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { OffsetMap } from "./offset-map.ts";
import type { Progress } from "./offset-ports.ts";
import { type ChoiceRules, planText, rulesOf } from "./plan.ts";
import type { TargetLimits } from "./ports.ts";
import { isSameTopic } from "./same-topic.ts";
import { walkSource } from "./source-walk.ts";
import { noTakeovers } from "./status.ts";
import { allGaps } from "./stored-gaps.ts";
import { type Found, type TakeoverContext, takeover } from "./takeover.ts";

/** Takeovers that found no place before the lane looks for its records from the start of the target's log: what is only not committed
 *  yet shows sooner. */
const LOOKS_BACK_AFTER = 3;

/** How a place is sought. */
interface Seeking {
  readonly limits: TargetLimits;
  /** What is known was loaded a moment ago. */
  readonly isFresh: boolean;
  readonly signal: AbortSignal;
}

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
  /** Set once this worker's rules are the ones that are stored; from then on, other ones come from a later worker. */
  #hasChosenRules = false;
  /** Set when live mode cannot go on: the epoch of a fence that stands already, if one does. */
  #entering: { readonly fence: number | undefined } | undefined;
  /** The takeover that led to history mode has counted the repeats it found; the one behind the fence finds them again, or none. */
  #hasNotedRepeats = false;
  /** Takeovers in a row that did not find the place. */
  #unavailable = 0;
  readonly #history: LaneHistory;

  constructor(options: LaneOptions, deps: LaneDeps, save: (memory: LaneMemory) => void) {
    this.#options = options;
    this.#deps = deps;
    this.#save = save;
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
      this.#chooseRules(memory);
      return;
    }
    this.#rulesInForce(memory);
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
      this.#hasChosenRules = true;
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
    await this.#catchUp(memory, how);
    const found = await this.#looked(memory, how);
    if (found.kind === "era-moved") throw this.#moved(`another worker began era ${found.epoch}`);
    if (found.kind === "barred") {
      if (!how.isFresh) throw this.#moved("another worker keeps live writers out");
      this.#entering = { fence: found.fence };
      return;
    }
    const hasOtherRules = this.#hasOtherRules(memory);
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
    this.#chooseRules(memory);
    this.#save(memory);
    if (isNewEra) await this.#deps.progress.flush();
    this.#hasChosenRules = true;
    await this.#fenceReturn(memory);
  }

  async #looked(memory: LaneMemory, { limits, signal }: Seeking): ReturnType<typeof takeover> {
    const looksBack = this.#unavailable >= LOOKS_BACK_AFTER;
    this.#unavailable++;
    const found = await takeover({ ...this.#context(memory, limits), looksBack }, memory, signal);
    this.#unavailable = 0;
    return found;
  }

  /** Brings the map up to where the lane left history mode. */
  async #catchUp(memory: LaneMemory, { limits, signal }: Seeking): Promise<void> {
    const { returned } = memory;
    if (returned === undefined || memory.map.progress.count >= returned.progress.count) return;
    const resumed = await resume(this.#context(memory, limits), memory, returned, signal);
    if (resumed.kind === "era-moved") throw this.#moved(`another worker began era ${resumed.epoch}`);
    memory.map = resumed.map;
    memory.sourceEpoch = resumed.sourceEpoch;
  }

  #context(memory: LaneMemory, { maxBatchBytes }: TargetLimits): TakeoverContext {
    const { source, target, hooks } = this.#deps;
    const { sourcePartition, targetPartition, producerId } = this.#options;
    const rules = { ...this.#options.rules, ...this.#rulesInForce(memory), maxBatchBytes };
    const past = memory.returned?.stretches ?? [];
    const walk = hooks?.walk ?? walkSource;
    const acceptsLoss = this.#options.divergencePolicy === "continue";
    return {
      source,
      target,
      sourcePartition,
      targetPartition,
      producerId,
      past,
      isFenced: false,
      rules,
      walk,
      acceptsLoss,
    };
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

  /** Those under which the records beyond the map were chosen: "A walk counts under the rules that were in force". */
  #rulesInForce({ walkPlan }: LaneMemory): ChoiceRules {
    const ours = planText(this.#options.rules);
    const { topic, partition } = this.#options.targetPartition;
    if (this.#hasChosenRules && walkPlan !== ours)
      throw new MirrorError({ code: "LANE_RULES_CHANGED", topic, partition, ours, theirs: walkPlan });
    const rules = rulesOf(walkPlan);
    if (rules !== undefined) return rules;
    const what = `its records were chosen by rules that this version does not know: ${walkPlan}`;
    throw new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
  }

  /** From here on this worker's rules hold. "Other rules begin another era": what workers with the old ones still send is
   *  refused, and no walk mixes both. */
  #chooseRules(memory: LaneMemory): void {
    if (this.#hasOtherRules(memory)) memory.planBase = memory.map.progress.count;
    memory.walkPlan = planText(this.#options.rules);
  }

  #hasOtherRules({ walkPlan }: LaneMemory): boolean {
    return walkPlan !== planText(this.#options.rules);
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
    if (!this.#hasOtherRules(memory) && (await this.#history.isTaken())) throw this.#taken();
    const held = { ...memory, fence: this.#entering?.fence };
    const entry = await this.#history.enter(this.#context(memory, limits), held, signal).catch((error: unknown) => {
      this.#noteFenced(error);
      throw error;
    });
    if (entry.kind === "moved") throw this.#moved("another worker changed the lane's mode");
    const isFromLive = memory.history === undefined;
    const { map, sourceEpoch, walkedRecords, repeats, gaps } = entry;
    Object.assign(memory, allGaps(memory, gaps));
    memory.map = map;
    memory.sourceEpoch = sourceEpoch;
    this.#chooseRules(memory);
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

  #taken(): MirrorError {
    const { topic, partition } = this.#options.targetPartition;
    this.#forget();
    return new MirrorError({ code: "TARGET_FENCED", topic, partition });
  }
}
