/** What a lane remembers while it runs, how it comes out of the store, and how it goes back there. */

import { MirrorError } from "./errors.ts";
import type { HistoryRecord } from "./history/record.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { OffsetMap } from "./offset-map.ts";
import { earlier, later } from "./offset-order.ts";
import type { Era, Gap, LaneMode, LaneStateRecord, Progress, StoredLane } from "./offset-ports.ts";
import { planText, rulesOf } from "./plan.ts";
import { allGaps, NO_GAPS, withGap } from "./stored-gaps.ts";

/** Everything but counters. The map is also the progress: it ends where the lane stands. */
export interface LaneMemory {
  map: OffsetMap;
  /** In history mode: the fence's epoch, and where the writer began. */
  era: Era;
  /** The latest record, while the lane is in history mode. */
  history: HistoryRecord | undefined;
  /** The record with which it left history mode. */
  returned: HistoryRecord | undefined;
  /** Source leader epoch of the record before `sourceNext`; -1 = unknown. */
  sourceEpoch: number;
  gaps: readonly Gap[];
  gapCount: number;
  repeats: bigint;
  /** The rules under which the records beyond the map were chosen, as stored. */
  walkPlan: string;
  /** The position from which on they were chosen so, where the era does not say it: in history mode. */
  planBase: bigint;
}

const FIRST_ERA: Era = { epoch: 0, base: 0n };

/** Reads what is stored. For a lane without anything it decides where to begin, and stores that before it returns: nothing
 *  is ever sent by a lane that a successor would not know. The bounds are read before the store: when that is empty then,
 *  nobody has sent anything yet ("A lane begins below all its records").
 *  @throws {MirrorError} `SOURCE_*`, `TARGET_*`; and what the store throws */
export async function openMemory(options: LaneOptions, deps: LaneDeps): Promise<LaneMemory> {
  const start = await startOf(options, deps);
  let stored = await deps.progress.load(options.lane);
  if (isNew(stored)) {
    const begun = { ...emptyMemory(options), map: OffsetMap.startingAt(start) };
    deps.progress.save(toRecord(options, begun, deps.clock.nowMs()), begun.map);
    await deps.progress.flush();
    stored = await deps.progress.load(options.lane);
  }
  // After the state: whatever that says of history mode was committed before.
  const record = options.delivery === "exactly-once" ? await deps.target.history?.read(options.lane) : undefined;
  return fromStored(options, stored, { start, record });
}

function fromStored(
  options: LaneOptions,
  stored: StoredLane,
  { start, record }: { readonly start: Progress; readonly record: HistoryRecord | undefined },
): LaneMemory {
  const { state } = stored;
  const isDecided = record !== undefined && decides(record, state);
  if (!isDecided && state?.mode === "history" && options.delivery === "exactly-once") throw withoutRecord(options);
  return {
    ...emptyMemory(options),
    ...allGaps(record ?? NO_GAPS, state ?? NO_GAPS),
    ...(state && { repeats: state.repeats }),
    ...(isDecided ? fromRecord(record, stored) : fromState(stored, { start, record })),
    ...walkRules(options, isDecided ? record : state),
  };
}

/** Whether the record, not the live state, says where the lane stands (see `history/record.ts`). */
function decides(record: HistoryRecord, state: LaneStateRecord | undefined): boolean {
  if (state === undefined || record.epoch !== state.era.epoch) return record.epoch > (state?.era.epoch ?? -1);
  return record.mode === "history" || state.progress.count < record.progress.count;
}

type Standing = Pick<LaneMemory, "map" | "era" | "sourceEpoch" | "history" | "returned">;

/** The stored map may lie behind the record; whoever goes on brings it up to date from both logs. */
function fromRecord(record: HistoryRecord, { map }: StoredLane): Standing {
  const { progress, epoch, mode, stretches } = record;
  if (map !== undefined && map.progress.count > progress.count) map.truncateTarget(progress.targetNext);
  const isUsable = map !== undefined && map.progress.count <= progress.count;
  const usable = isUsable ? map : OffsetMap.startingAt(progress);
  return {
    map: usable,
    era: { epoch, base: mode === "live" ? progress.count : (stretches.at(-1)?.base ?? progress.count) },
    sourceEpoch: epochAt(usable, record),
    history: mode === "history" ? record : undefined,
    returned: mode === "live" ? record : undefined,
  };
}

function fromState(
  stored: StoredLane,
  { start, record }: { readonly start: Progress; readonly record: HistoryRecord | undefined },
): Standing {
  const returned = record?.mode === "live" ? record : undefined;
  const era = stored.state?.era ?? FIRST_ERA;
  const knownFrom = earlier(returned?.stretches[0]?.base ?? era.base, era.base);
  const map = agreedMap(stored, start, knownFrom);
  return { map, era, sourceEpoch: epochAt(map, stored.state), history: undefined, returned };
}

/** The epoch of the stored progress. The map may end before that: the source then sees a truncation later. It may also have passed
 *  over more records without copying any: those are looked at again, because an epoch from before them would show a truncation that
 *  was none, and without an epoch one that was would go unseen. */
function epochAt(
  map: OffsetMap,
  stored: { readonly progress: Progress; readonly sourceEpoch: number } | undefined,
): number {
  if (stored === undefined) return -1;
  const { sourceNext } = stored.progress;
  return map.progress.sourceNext <= sourceNext || map.retreatTo(sourceNext) ? stored.sourceEpoch : -1;
}

function withoutRecord({ targetPartition: { topic, partition } }: LaneOptions): MirrorError {
  const what = "the lane is in history mode, but its history record is gone or cannot be read";
  return new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
}

function isNew({ state, map }: StoredLane): boolean {
  return state === undefined && map === undefined;
}

function emptyMemory(options: LaneOptions): Omit<LaneMemory, "map"> {
  const nothing = { history: undefined, returned: undefined, ...NO_GAPS, repeats: 0n } as const;
  return { ...nothing, era: FIRST_ERA, sourceEpoch: -1, ...walkRules(options, undefined) };
}

async function startOf(options: LaneOptions, deps: LaneDeps): Promise<Progress> {
  const target = await deps.target.bounds(options.targetPartition);
  const source = await deps.source.bounds(options.sourcePartition);
  const sourceNext = options.start === "earliest" ? source.startOffset : source.endOffset;
  return { sourceNext, targetNext: target.endOffset, count: 0n };
}

/** The stored map, if the target's log can tell what lies behind it, cut back to the stored progress if it reaches further (several
 *  workers write, each at its own time). An empty map of a worker that began elsewhere is no place to go on from: the state says who
 *  was first. */
function agreedMap({ state, map }: StoredLane, start: Progress, knownFrom: bigint): OffsetMap {
  if (state === undefined) return map ?? OffsetMap.startingAt(start);
  const { progress, floor, planBase = 0n } = state;
  if (map === undefined || map.progress.count < later(knownFrom, planBase)) return OffsetMap.startingAt(progress);
  if (map.progress.count === 0n && floor !== undefined && map.floor.source !== floor.source)
    return OffsetMap.startingAt(progress);
  if (map.progress.count > progress.count && map.truncateTarget(progress.targetNext) === undefined)
    return OffsetMap.startingAt(progress);
  return map;
}

/** The memory as it is stored. */
export function toRecord(options: LaneOptions, memory: LaneMemory, nowMs: number): LaneStateRecord {
  return {
    lane: options.lane,
    sourceTopic: options.sourcePartition.topic,
    targetTopic: options.targetPartition.topic,
    progress: memory.map.progress,
    mode: modeOf(options, memory),
    era: memory.era,
    plan: memory.walkPlan,
    planBase: memory.planBase,
    targetEpoch: memory.map.targetEpoch,
    sourceEpoch: memory.sourceEpoch,
    floor: memory.map.floor,
    gaps: memory.gaps,
    gapCount: memory.gapCount,
    repeats: memory.repeats,
    updatedMs: nowMs,
  };
}

/** How the lane writes, as far as is known. */
export function modeOf({ delivery }: LaneOptions, memory: LaneMemory | undefined): LaneMode {
  if (delivery === "at-least-once") return "at-least-once";
  return memory?.history === undefined ? "live" : "history";
}

/** Takes in the record of a transaction that is committed and published. */
export function noteRecord(memory: LaneMemory, record: HistoryRecord): void {
  const { epoch, mode, progress, stretches } = record;
  memory.era = { epoch, base: mode === "live" ? progress.count : (stretches.at(-1)?.base ?? progress.count) };
  memory.history = mode === "history" ? record : undefined;
  memory.returned = mode === "live" ? record : undefined;
}

/** Adds a gap. */
export function noteGap(memory: LaneMemory, gap: Gap): void {
  Object.assign(memory, withGap(memory, gap));
}

/** Older texts for the same rules are no other rules; a text that is not understood stays as it is. */
function walkRules(
  options: LaneOptions,
  stored: { readonly plan: string; readonly planBase?: bigint } | undefined,
): Pick<LaneMemory, "walkPlan" | "planBase"> {
  const rules = stored === undefined ? options.rules : rulesOf(stored.plan);
  return { walkPlan: rules === undefined ? (stored?.plan ?? "") : planText(rules), planBase: stored?.planBase ?? 0n };
}
