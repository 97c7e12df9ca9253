/** Into history mode: from live mode, or again after whoever wrote the lane's transactions before.
 *
 *  ```
 *  live      takeover -> open -> fence -> takeover again -> read        go on behind what landed before the fence
 *  history               open -> read, fence again                      go on where the record says
 *  ```
 *  Opening a writer stops transactions only: a worker that froze in live mode writes as another producer, so that one is fenced, too.
 *  What it sent before the fence counts: the log is looked at again behind it. The record is read after opening, because the
 *  predecessor can commit until then. Whoever may not open a writer finds out before the fence keeps live writers out. */

import { hasFault, MirrorError } from "../errors.ts";
import type { OffsetMap } from "../offset-map.ts";
import { later } from "../offset-order.ts";
import type { LaneIdentity } from "../offset-ports.ts";
import { type Gaps, NO_GAPS } from "../stored-gaps.ts";
import { type Held, type TakeoverContext, takeover } from "../takeover.ts";
import type { HistoryTarget, HistoryWriter } from "./ports.ts";
import type { HistoryRecord } from "./record.ts";
import { resume } from "./resume.ts";
import type { HistorySession } from "./session.ts";
import { extended, type Stretch } from "./stretches.ts";

/** What entering works on. */
export interface EntryContext {
  readonly history: HistoryTarget;
  readonly lane: LaneIdentity;
  readonly takeover: Omit<TakeoverContext, "isFenced">;
  readonly nowMs: () => number;
}

/** What the lane knows before. */
export interface HeldEntry extends Held {
  /** The record, when the lane is in history mode already. */
  readonly history: HistoryRecord | undefined;
  /** The epoch of a fence that stands without a record. */
  readonly fence: number | undefined;
}

/** How it went. */
export type Entry =
  | {
      readonly kind: "entered";
      readonly session: HistorySession;
      readonly map: OffsetMap;
      readonly sourceEpoch: number;
      readonly walkedRecords: bigint;
      /** Records that are on the target twice, or will be. */
      readonly repeats: bigint;
      /** Those that the record tells of. */
      readonly gaps: Gaps;
    }
  /** The lane stands elsewhere than was known: load again. */
  | { readonly kind: "moved" }
  /** The target does not allow it. */
  | { readonly kind: "impossible"; readonly why: string };

/** @throws {MirrorError} `SOURCE_*`, `TARGET_*`, `LANE_UNEXPLAINED` */
export async function enterHistory(context: EntryContext, held: HeldEntry, signal: AbortSignal): Promise<Entry> {
  const { history, lane, takeover: known } = context;
  let writer: HistoryWriter;
  try {
    writer = await history.open(lane, known.targetPartition);
  } catch (error) {
    if (hasFault(error, "TARGET_DENIED")) return { kind: "impossible", why: `${error.fault.why} on the target` };
    throw error;
  }
  try {
    const entry =
      held.history === undefined
        ? await fromLive(context, { ...held, writer }, signal)
        : await again(context, { ...held, writer, epoch: held.history.epoch }, signal);
    if (entry.kind !== "entered") writer.close();
    return entry;
  } catch (error) {
    writer.close();
    throw error;
  }
}

type WithWriter = HeldEntry & { readonly writer: HistoryWriter };

async function fromLive(context: EntryContext, held: WithWriter, signal: AbortSignal): Promise<Entry> {
  const { history, lane, takeover: known } = context;
  const { producerId, past } = known;
  const { writer } = held;
  const fenceEpoch = Math.max(held.era.epoch + 1, held.fence ?? 0);
  const fence = await fenced(context, fenceEpoch);
  if (fence.kind !== "fenced") return fence;
  const isSettled = await settled(writer);
  const found = await takeover({ ...known, isFenced: true }, held, signal);
  if (found.kind !== "found") return { kind: "moved" };
  const { map, sourceEpoch, walkedRecords, repeats } = found;
  const record = await history.read(lane);
  if (record !== undefined && record.epoch >= fenceEpoch)
    return onRecord(context, { held: { map, era: held.era, sourceEpoch }, record, writer, repeats }, signal);
  const stretches = extended(past, { producerId, ...held.era });
  const entered = session(writer, { fence, isSettled, stretches, map });
  return { kind: "entered", session: entered, map, sourceEpoch, walkedRecords, repeats, gaps: record ?? NO_GAPS };
}

/** A fence that stands. */
interface Fence {
  readonly kind: "fenced";
  readonly epoch: number;
  /** When it was asked for, by the monotonic clock. */
  readonly atMs: number;
  /** The leader before: nothing that gets lost from here on gets lost unseen. */
  readonly leaderEpoch: number;
}

async function fenced(
  { history, nowMs, takeover: { targetPartition, producerId } }: EntryContext,
  epoch: number,
): Promise<Fence | Exclude<Entry, { readonly kind: "entered" }>> {
  const atMs = nowMs();
  const leaderEpoch = history.leaderEpoch(targetPartition);
  const outcome = await history.fence(targetPartition, producerId, epoch);
  if (outcome.kind === "outrun") return { kind: "moved" };
  return outcome.kind === "fenced" ? { kind: "fenced", epoch, atMs, leaderEpoch } : outcome;
}

/** An unclean election may have taken the abort marker of what a predecessor left, and the next commit would be that one's, too. Where
 *  the target tells where a transaction begins, the first commit finds out (see history-mode.ts); else what has no commit is aborted for
 *  good, after the leader's epoch is noted. */
async function settled(writer: HistoryWriter): Promise<boolean> {
  if (writer.start !== undefined) return false;
  await writer.begin();
  await writer.abort();
  return true;
}

async function again(
  context: EntryContext,
  held: WithWriter & { readonly epoch: number },
  signal: AbortSignal,
): Promise<Entry> {
  // The fence that stands already is the one that is needed, unless the lane was in live mode meanwhile.
  const [record, fence] = await Promise.all([context.history.read(context.lane), fenced(context, held.epoch)]);
  if (record === undefined || record.epoch < held.epoch)
    throw unexplained(context, "the lane's history record is gone");
  return onRecord(context, { held, record, writer: held.writer, repeats: 0n, fence }, signal);
}

interface OnRecord {
  readonly held: Held;
  readonly record: HistoryRecord;
  readonly writer: HistoryWriter;
  /** Found on the way here. */
  readonly repeats: bigint;
  /** What came of a fence that was asked for before the record was known. */
  readonly fence?: Awaited<ReturnType<typeof fenced>>;
}

async function onRecord(
  context: EntryContext,
  { held, record, writer, repeats, fence: early }: OnRecord,
  signal: AbortSignal,
): Promise<Entry> {
  const { history, takeover: known } = context;
  if (record.mode === "live") return { kind: "moved" };
  const isOther = early === undefined || (early.kind === "fenced" && early.epoch !== record.epoch);
  const fence = isOther ? await fenced(context, record.epoch) : early;
  if (fence.kind !== "fenced") return fence;
  const isSettled = await settled(writer);
  const countBefore = held.map.progress.count;
  const resumed = await resume({ ...known, isFenced: true }, held, record, signal);
  if (resumed.kind !== "resumed") return { kind: "moved" };
  // What was found missing may have been lost on the way: a map that begins anew would forget where all before it lies.
  if (history.leaderEpoch(known.targetPartition) !== fence.leaderEpoch) throw doubtful(context);
  const { map, sourceEpoch } = resumed;
  const walkedRecords = later(map.progress.count - countBefore, 0n);
  const entered = session(writer, { fence, isSettled, stretches: record.stretches, map });
  return { kind: "entered", session: entered, map, sourceEpoch, walkedRecords, repeats, gaps: record };
}

function session(
  writer: HistoryWriter,
  facts: {
    readonly fence: Fence;
    readonly isSettled: boolean;
    readonly stretches: readonly Stretch[];
    readonly map: OffsetMap;
  },
): HistorySession {
  const { fence, isSettled, stretches, map } = facts;
  const own = { producerId: writer.producerId, epoch: writer.producerEpoch, base: map.progress.count };
  const fences = { fenceEpoch: fence.epoch, fencedAtMs: fence.atMs, leaderEpoch: fence.leaderEpoch };
  return { writer, ...fences, isSettled, stretches: extended(stretches, own), own };
}

function doubtful({ takeover: { targetPartition } }: EntryContext): MirrorError {
  const { topic, partition } = targetPartition;
  return new MirrorError({ code: "TARGET_DOUBT", topic, partition, why: "the partition has another leader" });
}

function unexplained({ takeover: { targetPartition } }: EntryContext, what: string): MirrorError {
  const { topic, partition } = targetPartition;
  return new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
}
