/** Into history mode: from live mode, or again after whoever wrote the lane's transactions before.
 *
 *  ```
 *  live      takeover -> fence -> takeover again -> open -> read        go on behind what landed before the fence
 *  history                                          open -> read -> fence again   go on where the record says
 *  ```
 *  The fence comes first because opening a writer stops transactions only: a worker that froze in live mode writes as another
 *  producer. What it sent before the fence counts, so the log is looked at again behind it. The record is read after opening,
 *  because the predecessor can commit until then. */

import { MirrorError } from "../errors.ts";
import type { OffsetMap } from "../offset-map.ts";
import type { LaneIdentity } from "../offset-ports.ts";
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
    }
  /** The lane stands elsewhere than was known: load again. */
  | { readonly kind: "moved" }
  /** The target does not allow it. */
  | { readonly kind: "impossible"; readonly why: string };

/** @throws {MirrorError} `SOURCE_*`, `TARGET_*`, `LANE_UNEXPLAINED` */
export async function enterHistory(context: EntryContext, held: HeldEntry, signal: AbortSignal): Promise<Entry> {
  return held.history === undefined
    ? fromLive(context, held, signal)
    : again(context, held, held.history.epoch, signal);
}

async function fromLive(context: EntryContext, held: HeldEntry, signal: AbortSignal): Promise<Entry> {
  const { history, lane, takeover: known } = context;
  const { producerId, targetPartition, past } = known;
  const fenceEpoch = Math.max(held.era.epoch + 1, held.fence ?? 0);
  const fencedAtMs = context.nowMs();
  const fenced = await history.fence(targetPartition, producerId, fenceEpoch);
  if (fenced.kind === "outrun") return { kind: "moved" };
  if (fenced.kind === "impossible") return fenced;
  const found = await takeover({ ...known, isFenced: true }, held, signal);
  if (found.kind !== "found") return { kind: "moved" };
  const { map, sourceEpoch, walkedRecords } = found;
  const writer = await history.open(lane, targetPartition);
  try {
    const record = await history.read(lane);
    if (record !== undefined && record.epoch >= fenceEpoch)
      return await onRecord(context, { held: { map, era: held.era, sourceEpoch }, record, writer }, signal);
    const stretches = extended(past, { producerId, ...held.era });
    return {
      kind: "entered",
      session: session(writer, { fenceEpoch, fencedAtMs, stretches, map }),
      map,
      sourceEpoch,
      walkedRecords,
    };
  } catch (error) {
    writer.close();
    throw error;
  }
}

async function again(context: EntryContext, held: HeldEntry, epoch: number, signal: AbortSignal): Promise<Entry> {
  const { history, lane, takeover: known } = context;
  const writer = await history.open(lane, known.targetPartition);
  try {
    const record = await history.read(lane);
    if (record === undefined || record.epoch < epoch) throw unexplained(context, "the lane's history record is gone");
    return await onRecord(context, { held, record, writer }, signal);
  } catch (error) {
    writer.close();
    throw error;
  }
}

interface OnRecord {
  readonly held: Held;
  readonly record: HistoryRecord;
  readonly writer: HistoryWriter;
}

async function onRecord(
  context: EntryContext,
  { held, record, writer }: OnRecord,
  signal: AbortSignal,
): Promise<Entry> {
  const { history, takeover: known } = context;
  const fencedAtMs = context.nowMs();
  const fenced =
    record.mode === "live"
      ? ({ kind: "outrun" } as const)
      : await history.fence(known.targetPartition, known.producerId, record.epoch);
  const countBefore = held.map.progress.count;
  const resumed =
    fenced.kind === "fenced" ? await resume({ ...known, isFenced: true }, held, record, signal) : undefined;
  if (resumed?.kind !== "resumed") {
    writer.close();
    return fenced.kind === "impossible" ? fenced : { kind: "moved" };
  }
  const { map, sourceEpoch } = resumed;
  const walked = map.progress.count - countBefore;
  return {
    kind: "entered",
    session: session(writer, { fenceEpoch: record.epoch, fencedAtMs, stretches: record.stretches, map }),
    map,
    sourceEpoch,
    walkedRecords: walked > 0n ? walked : 0n,
  };
}

function session(
  writer: HistoryWriter,
  facts: {
    readonly fenceEpoch: number;
    readonly fencedAtMs: number;
    readonly stretches: readonly Stretch[];
    readonly map: OffsetMap;
  },
): HistorySession {
  const { fenceEpoch, fencedAtMs, stretches, map } = facts;
  const own = { producerId: writer.producerId, epoch: writer.producerEpoch, base: map.progress.count };
  return { writer, fenceEpoch, fencedAtMs, stretches: extended(stretches, own), own };
}

function unexplained({ takeover: { targetPartition } }: EntryContext, what: string): MirrorError {
  const { topic, partition } = targetPartition;
  return new MirrorError({ code: "LANE_UNEXPLAINED", topic, partition, what });
}
