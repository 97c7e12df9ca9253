/** Finds out how far a lane is, from the target's own log, before anything is sent; runs at every start and after every doubt.
 *
 *  ```
 *  positions   0 ........... count .............. n        count: what the offset map covers (all acknowledged)
 *  source      |--- known ----|---- walked ------|->       n:     what the target's leader accepted last, plus one
 *  target      |--- known ----|---- scanned -----|->
 *  ```
 *  A position means the same source record to every worker that ever wrote the lane, so n - count records walked in the
 *  source lead to the offset to read next; the scan of the target's headers gives the offset map its missing runs. */

import { decodeRecords } from "../wire/records.ts";
import { MirrorError } from "./errors.ts";
import { type BoundedStretch, bounded, type Stretch } from "./history/stretches.ts";
import { OffsetMap } from "./offset-map.ts";
import { earlier, later } from "./offset-order.ts";
import type { Era } from "./offset-ports.ts";
import {
  appendUnverified,
  holds,
  holdsEnd,
  intactEnd,
  isWrittenAgain,
  latestEpoch,
  pairRuns,
  repeatedRecords,
} from "./own-runs.ts";
import type { PlanRules } from "./plan.ts";
import type { PartitionBounds, Source, Target, TopicPartition } from "./ports.ts";
import type { Walked, walkSource } from "./source-walk.ts";
import { type OwnRun, type OwnScan, positionOf, scanOwn } from "./target-scan.ts";
import { isWitnessed, type Witness, witnessAt } from "./witness.ts";

/** Truncations found one after another before takeover gives up: each makes the map shorter. */
const ROUNDS_MAX = 8;
/** Target offsets looked at first when searching backwards for the end of what is left; doubles from there. */
const SEARCH_BACK_OFFSETS = 1_000n;

/** What takeover works on. */
export interface TakeoverContext {
  readonly source: Source;
  readonly target: Target;
  readonly sourcePartition: TopicPartition;
  readonly targetPartition: TopicPartition;
  readonly producerId: bigint;
  /** What the lane wrote before its present era. */
  readonly past: readonly Stretch[];
  /** True once a fence keeps this era's writers out: the leader remembers nothing of them then, but its log does. */
  readonly isFenced: boolean;
  readonly rules: PlanRules;
  /** True when the source may lack records that were copied: they count as possible repeats then. Default: the lane stops. */
  readonly acceptsLoss?: boolean;
  /** True when the leader has told more than once of records that were not found: they may lie before the place that is known. */
  readonly looksBack?: boolean;
  /** Replaced by tests that show what a wrong walk does. */
  readonly walk: typeof walkSource;
}

/** What the lane knows before: the map is brought up to date in place, but only when everything is known. */
export interface Held {
  readonly map: OffsetMap;
  readonly era: Era;
  readonly sourceEpoch: number;
}

/** How takeover found the lane. */
export type TakeoverOutcome =
  /** Exactly as known. */
  | "unchanged"
  /** More had been appended than was known. */
  | "walked"
  /** The target had lost acknowledged records. */
  | "truncated"
  /** The target had forgotten the producer, and an old batch was appended again. */
  | "repeated"
  /** The last record on the target is not the one that the walk led to: the lane goes back to what was known. */
  | "unverified";

/** Where the lane goes on. */
export interface Found {
  readonly kind: "found";
  readonly outcome: TakeoverOutcome;
  /** The map held, brought up to date; another one when the target no longer has what would have to be mapped. */
  readonly map: OffsetMap;
  /** When it differs from the one held, it must be stored before the first batch is sent. */
  readonly era: Era;
  readonly sourceEpoch: number;
  /** Records appended by others, or by this worker without an ack. */
  readonly walkedRecords: bigint;
  /** Records that are on the target twice, or will be. */
  readonly repeats: bigint;
}

/** Another worker began a new era: read the stored state again. */
export interface EraMoved {
  readonly kind: "era-moved";
  readonly epoch: number;
}

/** A fence keeps live writers out, or the loss reaches below the era: live mode cannot go on from here. */
export interface Barred {
  readonly kind: "barred";
  /** The fence's epoch, if one stands. */
  readonly fence: number | undefined;
}

/** Steps 1 to 4 of the takeover; the caller sends the first batch alone.
 *  @throws {MirrorError} `SOURCE_*`, `TARGET_*`, `LANE_UNEXPLAINED`; the map is then unchanged or only shorter. */
export async function takeover(
  context: TakeoverContext,
  held: Held,
  signal: AbortSignal,
): Promise<Found | EraMoved | Barred> {
  let truncated = false;
  let isChecked = false;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const look = await lookAtTarget(context, held, isChecked);
    if (look.kind === "truncated") {
      const { count } = held.map.progress;
      await cutMap(context, held, look.bounds);
      isChecked = held.map.progress.count === count;
      truncated ||= !isChecked;
      const isBelowEra = context.past.length > 0 && held.map.progress.count < held.era.base;
      if (isBelowEra && !context.isFenced) return { kind: "barred", fence: undefined };
    } else if (look.kind === "ahead") {
      return await catchUp(context, held, look, signal);
    } else {
      return look.kind === "found" && truncated ? { ...look, outcome: "truncated" } : look;
    }
  }
  throw unexplained(context, "the target lost records again and again");
}

/** The target holds records of the lane beyond the map. */
interface Ahead {
  readonly kind: "ahead";
  readonly scan: OwnScan;
  readonly next: bigint;
  /** The leader's memory lies behind the log: it had forgotten the producer, and somebody wrote an old batch again. */
  readonly forgotten: boolean;
  /** Retention on the target removed what would have to be scanned. */
  readonly hidden: boolean;
  /** Set when the lane's records begin before the map does: from where on they were looked for. */
  readonly begins: bigint | undefined;
  readonly bounds: PartitionBounds;
}

type Look = Ahead | Found | EraMoved | Barred | { readonly kind: "truncated"; readonly bounds: PartitionBounds };

/** `isChecked`: all of the map near its end was found to hold. */
async function lookAtTarget(context: TakeoverContext, held: Held, isChecked: boolean): Promise<Look> {
  const { target, targetPartition, producerId, isFenced } = context;
  const { era } = held;
  const { count, targetNext } = held.map.progress;
  const known = isFenced ? undefined : await target.producer(targetPartition, producerId);
  if (known !== undefined && known.epoch > era.epoch)
    return known.lastSequence < 0 ? { kind: "barred", fence: known.epoch } : { kind: "era-moved", epoch: known.epoch };
  const isKnown = known?.epoch === era.epoch && known.lastSequence >= 0;
  const accepted = isKnown ? positionOf(known.lastSequence, count, era) + 1n : undefined;
  if (accepted === count) return unchanged(held);
  const bounds = await target.bounds(targetPartition);
  const stretches = stretchesOf(context, era);
  const anchored = count > (stretches[0]?.base ?? era.base);
  const fromOffset = anchored ? targetNext - 1n : targetNext;
  const where = { target, partition: targetPartition, producerId, stretches, near: count, toOffset: bounds.endOffset };
  let scan = await scanOwn({ ...where, fromOffset });
  const isUnseen = context.looksBack === true && accepted !== undefined && accepted > scan.nextPosition;
  // Of a target that lost everything, and of what was stored with it, the place where the lane once began may be all that is left: its
  // records lie before it now.
  const begins = !anchored && (isUnseen || beginsBeyond(scan, count)) ? bounds.startOffset : undefined;
  if (begins !== undefined) scan = await scanOwn({ ...where, fromOffset: begins });
  if (scan.epoch > era.epoch) return { kind: "era-moved", epoch: scan.epoch };
  const hidden = bounds.startOffset > fromOffset || (bounds.startOffset > 0n && beginsBeyond(scan, count));
  const isHeld = isChecked ? holds(scan.runs, count - 1n, targetNext - 1n) : holdsEnd(scan.runs, held.map);
  if (anchored && !hidden && !isHeld) return { kind: "truncated", bounds };
  const forgotten = accepted !== undefined && accepted < count;
  if (forgotten && !isWrittenAgain(scan.runs, accepted, targetNext))
    throw unavailable(context, "the partition changes its leader");
  const next = accepted === undefined || accepted < scan.nextPosition ? scan.nextPosition : accepted;
  if (next > scan.nextPosition && !hidden) throw unavailable(context, "appended records are not committed yet");
  if (next === count && !forgotten) return unchanged(held);
  return { kind: "ahead", scan, next, forgotten, hidden, begins, bounds };
}

/** True when the first record found is not the next one of the lane. */
function beginsBeyond({ runs: [first] }: OwnScan, count: bigint): boolean {
  return first !== undefined && first.position > count;
}

async function catchUp(context: TakeoverContext, held: Held, ahead: Ahead, signal: AbortSignal): Promise<Found> {
  const { era, sourceEpoch } = held;
  const { count, sourceNext } = held.map.progress;
  const { begins } = ahead;
  const map = begins === undefined ? held.map : OffsetMap.startingAt({ sourceNext, targetNext: begins, count });
  const repeats = repeatedRecords(ahead.scan.runs, count);
  if (ahead.next === count) {
    const moved = { epoch: era.epoch + 1, base: count };
    return { kind: "found", outcome: "repeated", map, era: moved, sourceEpoch, walkedRecords: 0n, repeats };
  }
  const records = ahead.next - count;
  const from = { offset: sourceNext, leaderEpoch: sourceEpoch };
  const { source, sourcePartition, rules } = context;
  const last = witnessAt(ahead.scan.last, ahead.next - 1n);
  const walked = await context.walk({ source, partition: sourcePartition, from, records, rules, last }, signal);
  // Compaction takes records, a truncated source lacks the offsets, too.
  if (walked.missing > 0n && !walked.hasGaps && context.acceptsLoss !== true) throw diverged(context, walked);
  if (walked.missing > 0n || !isVerified(walked, last)) {
    appendUnverified(map, ahead.scan.runs);
    const moved = { epoch: era.epoch + 1, base: map.progress.count };
    return { kind: "found", outcome: "unverified", map, era: moved, sourceEpoch, walkedRecords: 0n, repeats: records };
  }
  const next = ahead.hidden ? mapFrom(walked, ahead) : appendWalked(context, map, walked, ahead.scan.runs);
  return {
    kind: "found",
    outcome: ahead.forgotten ? "repeated" : "walked",
    map: next,
    era: ahead.forgotten ? { epoch: era.epoch + 1, base: ahead.next } : era,
    sourceEpoch: walked.next.leaderEpoch,
    walkedRecords: records,
    repeats,
  };
}

/** All of them, the present era last. */
function stretchesOf({ past, producerId }: TakeoverContext, era: Era): readonly BoundedStretch[] {
  return bounded([...past, { producerId, ...era }]);
}

function unchanged(held: Held): Found {
  const { map, era, sourceEpoch } = held;
  return { kind: "found", outcome: "unchanged", map, era, sourceEpoch, walkedRecords: 0n, repeats: 0n };
}

/** Shortens the map to what the target still holds as the map says. */
async function cutMap(context: TakeoverContext, held: Held, bounds: PartitionBounds): Promise<void> {
  const { map, era } = held;
  const { count, targetNext } = map.progress;
  const floor = later(map.floor.target, bounds.startOffset);
  const top = earlier(targetNext, bounds.endOffset);
  for (let back = SEARCH_BACK_OFFSETS; ; back *= 2n) {
    const fromOffset = later(top - back, floor);
    const { target, targetPartition: partition, producerId } = context;
    const stretches = stretchesOf(context, era);
    // To the end, because the commit of a record lies behind it.
    const toOffset = bounds.endOffset;
    const scan = await scanOwn({ target, partition, producerId, stretches, near: count, fromOffset, toOffset });
    const end = intactEnd(map, scan.runs, fromOffset);
    if (end === undefined && fromOffset > floor) continue;
    if (map.truncateTarget(end ?? floor) === undefined) throw unexplained(context, "the target lost all that is known");
    return;
  }
}

/** Pairs walked source records with scanned target records by position and adds them to the map. */
function appendWalked(
  context: TakeoverContext,
  map: OffsetMap,
  walked: Walked,
  targetRuns: readonly OwnRun[],
): OffsetMap {
  const pairs = pairRuns(walked.runs, targetRuns, map.progress.count);
  if (pairs === undefined) throw unexplained(context, "positions are missing on the target");
  for (const pair of pairs) map.append(pair, latestEpoch(targetRuns));
  map.advanceTo(walked.next.offset);
  return map;
}

/** A map that begins where the lane stands: what lies before is no longer on the target. Others may have written behind the lane's
 *  last record, so that the end of the log says nothing about it. */
function mapFrom(walked: Walked, ahead: Ahead): OffsetMap {
  const last = ahead.scan.runs.at(-1);
  const targetNext = last === undefined ? ahead.bounds.startOffset : last.targetStart + BigInt(last.length);
  return OffsetMap.startingAt({ sourceNext: walked.next.offset, targetNext, count: ahead.next });
}

/** Compares the last record on the target with the one that the walk led to. What cannot be compared (compacted away on
 *  either side) counts as verified. */
function isVerified({ last, isUnclear }: Walked, witness: Witness | undefined): boolean {
  if (isUnclear) return false;
  if (last === undefined || witness === undefined) return true;
  const { batch, offset } = last;
  const read = decodeRecords(batch).find((record) => batch.baseOffset + BigInt(record.offsetDelta) === offset);
  return read === undefined || isWitnessed(witness, read);
}

function unexplained(context: TakeoverContext, what: string): MirrorError {
  const { topic, partition } = context.targetPartition;
  return new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
}

function unavailable(context: TakeoverContext, why: string): MirrorError {
  const { topic, partition } = context.targetPartition;
  return new MirrorError({ code: "TARGET_UNAVAILABLE", topic, partition, why });
}

function diverged(context: TakeoverContext, walked: Walked): MirrorError {
  const { topic, partition } = context.sourcePartition;
  return new MirrorError({
    code: "SOURCE_DIVERGED",
    topic,
    partition,
    fromOffset: walked.next.offset,
    endOffset: walked.next.offset + walked.missing,
  });
}
