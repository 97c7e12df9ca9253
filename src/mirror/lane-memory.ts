/** What a lane remembers while it runs, how it comes out of the store, and how it goes back there. */

import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { OffsetMap } from "./offset-map.ts";
import type { Era, Gap, LaneStateRecord, Progress, StoredLane } from "./offset-ports.ts";
import type { Provenance } from "./plan.ts";

/** Everything but counters. The map is also the progress: it ends where the lane stands. */
export interface LaneMemory {
  map: OffsetMap;
  era: Era;
  /** Source leader epoch of the record before `sourceNext`; -1 = unknown. */
  sourceEpoch: number;
  gaps: readonly Gap[];
  gapCount: number;
  repeats: bigint;
  /** The provenance under which the records beyond the map were chosen. */
  walkProvenance: Provenance;
}

/** Gaps kept with a lane; the rest is only counted. */
const GAPS_KEPT_MAX = 64;
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
  const { state } = stored;
  return {
    ...emptyMemory(options),
    map: agreedMap(stored, start),
    ...(state && {
      era: state.era,
      gaps: state.gaps,
      gapCount: state.gapCount,
      repeats: state.repeats,
      // Of the stored progress, before which the map may end: the source then sees a truncation later, never one that was none.
      sourceEpoch: state.sourceEpoch,
      walkProvenance: provenanceIn(state.plan, options.rules.provenance),
    }),
  };
}

function isNew({ state, map }: StoredLane): boolean {
  return state === undefined && map === undefined;
}

function emptyMemory(options: LaneOptions): Omit<LaneMemory, "map"> {
  const { provenance } = options.rules;
  return { era: FIRST_ERA, sourceEpoch: -1, gaps: [], gapCount: 0, repeats: 0n, walkProvenance: provenance };
}

async function startOf(options: LaneOptions, deps: LaneDeps): Promise<Progress> {
  const target = await deps.target.bounds(options.targetPartition);
  const source = await deps.source.bounds(options.sourcePartition);
  const sourceNext = options.start === "earliest" ? source.startOffset : source.endOffset;
  return { sourceNext, targetNext: target.endOffset, count: 0n };
}

/** The stored map, cut back to the stored progress if it reaches further (several workers write, each at its own time). An empty
 *  map of a worker that began elsewhere is no place to go on from: the state says who was first. */
function agreedMap({ state, map }: StoredLane, start: Progress): OffsetMap {
  if (state === undefined) return map ?? OffsetMap.startingAt(start);
  const { progress, era, floor } = state;
  if (map === undefined || map.progress.count < era.base) return OffsetMap.startingAt(progress);
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
    mode: options.delivery === "exactly-once" ? "live" : "at-least-once",
    era: memory.era,
    plan: `provenance=${memory.walkProvenance}`,
    targetEpoch: -1,
    sourceEpoch: memory.sourceEpoch,
    floor: memory.map.floor,
    gaps: memory.gaps,
    gapCount: memory.gapCount,
    repeats: memory.repeats,
    updatedMs: nowMs,
  };
}

/** Adds a gap, forgetting the oldest when there are too many. */
export function noteGap(memory: LaneMemory, gap: Gap): void {
  memory.gaps = [...memory.gaps, gap].slice(-GAPS_KEPT_MAX);
  memory.gapCount++;
}

function provenanceIn(plan: string, fallback: Provenance): Provenance {
  if (plan === "provenance=local") return "local";
  return plan === "provenance=all" ? "all" : fallback;
}
