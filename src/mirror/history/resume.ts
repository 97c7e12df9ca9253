/** Brings a lane's map to where the history record says: the record is the truth about positions, the target's log about what is
 *  left of them. */

import { hasFault } from "../errors.ts";
import { OffsetMap } from "../offset-map.ts";
import { earlier } from "../offset-order.ts";
import type { Gap, Progress } from "../offset-ports.ts";
import { holds, holdsEnd, latestEpoch, pairRuns } from "../own-runs.ts";
import type { Walked, WalkRequest } from "../source-walk.ts";
import { type EraMoved, type Held, type TakeoverContext, takeover } from "../takeover.ts";
import { scanOwn } from "../target-scan.ts";
import { witnessAt } from "../witness.ts";
import type { HistoryRecord } from "./record.ts";
import { bounded } from "./stretches.ts";

/** Where the lane goes on. */
export interface Resumed {
  readonly kind: "resumed";
  readonly map: OffsetMap;
  readonly sourceEpoch: number;
  /** Records that the target lost, or that are on it and were not in the map. */
  readonly found: "as-known" | "walked" | "truncated";
}

/** The map held is brought up to date in place where that is possible; else one begins where the record stands.
 *  @throws {MirrorError} `SOURCE_*`, `TARGET_*`, `LANE_UNEXPLAINED` */
export async function resume(
  context: TakeoverContext,
  held: Held,
  record: HistoryRecord,
  signal: AbortSignal,
): Promise<Resumed | EraMoved> {
  const { progress } = record;
  const map = isLost(held.map, record) ? OffsetMap.startingAt(progress) : cutTo(held.map, record);
  const where = await look(context, record, progress);
  // A map that was stored before a loss and not after it ends where something else lies now.
  const isAtEnd = map.progress.count === progress.count && map.progress.targetNext === progress.targetNext;
  const isCurrent = isAtEnd || (await look(context, record, map.progress, map)) !== "truncated";
  if (where === "truncated" || !isCurrent)
    return rebuilt(context, { ...held, map }, { record, isLost: where === "truncated" }, signal);
  if (map.progress.count === progress.count) {
    const isBehind = map.progress.sourceNext < progress.sourceNext;
    if (isBehind) map.advanceTo(progress.sourceNext);
    const sourceEpoch = isBehind ? record.sourceEpoch : held.sourceEpoch;
    return { kind: "resumed", map, sourceEpoch, found: "as-known" };
  }
  const isExtended = where === "intact" && (await extend(context, { ...held, map }, record, signal));
  return isExtended ? { kind: "resumed", map, sourceEpoch: record.sourceEpoch, found: "walked" } : anew(record);
}

/** Cuts the map to what the target still holds, and takes in what it holds beyond. */
async function rebuilt(
  context: TakeoverContext,
  held: Omit<Held, "era">,
  { record, isLost }: { readonly record: HistoryRecord; readonly isLost: boolean },
  signal: AbortSignal,
): Promise<Resumed | EraMoved> {
  const { progress, stretches } = record;
  const era = { epoch: record.epoch, base: progress.count };
  const fenced = { ...context, past: stretches, isFenced: true };
  const found = await takeover(fenced, { ...held, era }, signal);
  if (found.kind === "era-moved") return found;
  const isWhole = found.kind === "found" && found.map.progress.count === progress.count;
  if (found.kind === "barred" || (!isLost && !isWhole)) return anew(record);
  const { map, sourceEpoch } = found;
  if (isWhole && map.progress.sourceNext < progress.sourceNext) map.advanceTo(progress.sourceNext);
  return { kind: "resumed", map, sourceEpoch, found: "truncated" };
}

/** A map that begins where the record stands. */
function anew({ progress, sourceEpoch }: HistoryRecord): Resumed {
  return { kind: "resumed", map: OffsetMap.startingAt(progress), sourceEpoch, found: "walked" };
}

/** Whether the map ends with what the source lost since, and whoever wrote the record passed. */
function isLost({ progress: { count, sourceNext } }: OffsetMap, { gaps, planBase }: HistoryRecord): boolean {
  if (count > planBase) return false;
  return gaps.some(
    ({ cause, fromOffset, toOffset }) => cause === "diverged" && fromOffset < sourceNext && sourceNext <= toOffset,
  );
}

/** Where the source goes on behind the gaps that follow an offset; undefined when something was copied between them. */
function behindGaps(from: bigint, gaps: readonly Gap[]): bigint | undefined {
  let next = from;
  for (const { cause, fromOffset, toOffset } of gaps) {
    if (cause === "diverged" || toOffset <= next) continue;
    if (fromOffset > next) return undefined;
    next = toOffset;
  }
  return next;
}

/** A map that reaches beyond the record tells of a log that is no more. */
function cutTo(map: OffsetMap, { progress }: HistoryRecord): OffsetMap {
  if (map.progress.count <= progress.count) return map;
  const cut = map.truncateTarget(progress.targetNext);
  return cut === undefined || cut.count > progress.count ? OffsetMap.startingAt(progress) : map;
}

/** The commit of a record follows it within this many offsets, or it is looked for in earnest. */
const COMMIT_OFFSETS = 1_000n;

/** Whether the last position of some progress, which is the map's if there is one, is on the target. `hidden`: retention removed where
 *  it was. */
async function look(
  { target, targetPartition: partition, producerId }: TakeoverContext,
  { progress: { count: end }, stretches }: HistoryRecord,
  { count, targetNext }: Progress,
  map?: OffsetMap,
): Promise<"intact" | "hidden" | "truncated"> {
  const oldest = stretches[0];
  if (oldest === undefined || count <= oldest.base) return "intact";
  const { startOffset, endOffset } = await target.bounds(partition);
  const fromOffset = targetNext - 1n;
  if (startOffset > fromOffset) return "hidden";
  const toOffset = earlier(targetNext + COMMIT_OFFSETS, endOffset);
  const own = bounded(stretches, end);
  const scan = await scanOwn({ target, partition, producerId, stretches: own, near: count, fromOffset, toOffset });
  const isHeld = map === undefined ? holds(scan.runs, count - 1n, fromOffset) : holdsEnd(scan.runs, map);
  return isHeld ? "intact" : "truncated";
}

/** Adds what lies between the map's end and the record's; false when both sides do not fit together (compaction took some), or
 *  the rules changed in between. */
async function extend(
  context: TakeoverContext,
  held: Held,
  { progress, stretches, planBase, gaps }: HistoryRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { source, sourcePartition, target, targetPartition, producerId, rules } = context;
  const { map, sourceEpoch } = held;
  const { count, sourceNext, targetNext } = map.progress;
  // What is in a gap holds no position: the walk must begin behind it.
  const walkFrom = behindGaps(sourceNext, gaps);
  if (count < planBase || walkFrom === undefined) return false;
  const { endOffset } = await target.bounds(targetPartition);
  const scan = await scanOwn({
    target,
    partition: targetPartition,
    producerId,
    stretches: bounded(stretches, progress.count),
    near: count,
    fromOffset: targetNext,
    toOffset: earlier(progress.targetNext + COMMIT_OFFSETS, endOffset),
  });
  const from = { offset: walkFrom, leaderEpoch: walkFrom === sourceNext ? sourceEpoch : -1 };
  const records = progress.count - count;
  const last = witnessAt(scan.last, progress.count - 1n);
  const walked = await walk(context, { source, partition: sourcePartition, from, records, rules, last }, signal);
  if (walked === undefined) return false;
  const pairs = pairRuns(walked.runs, scan.runs, count);
  const fits = walked.missing === 0n && !walked.isUnclear && walked.next.offset <= progress.sourceNext;
  const paired = pairs?.reduce((sum, { length }) => sum + BigInt(length), 0n);
  if (!fits || pairs === undefined || paired !== records) return false;
  for (const pair of pairs) map.append(pair, latestEpoch(scan.runs));
  map.advanceTo(progress.sourceNext);
  return true;
}

/** Undefined when the source lost what would be walked, and the lane may pass that: it meets the loss again when it copies. */
async function walk(
  { walk, acceptsLoss }: TakeoverContext,
  request: WalkRequest,
  signal: AbortSignal,
): Promise<Walked | undefined> {
  try {
    return await walk(request, signal);
  } catch (error) {
    if (acceptsLoss === true && hasFault(error, "SOURCE_DIVERGED")) return undefined;
    throw error;
  }
}
