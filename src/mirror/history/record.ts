/** The record of a lane in history mode: what the lane's transactions carry besides its records, so that both are there or neither.
 *  Unlike the live state it is no hint but the truth, so it has a topic of its own, where nobody writes outside transactions.
 *
 *  Whoever starts reads the latest one. Epochs only rise: of the record and the live state, the one with the higher epoch says where
 *  the lane stands; of equal ones the live state, if the record says that the lane went back to live mode. */

import type { LaneIdentity, Progress } from "../offset-ports.ts";
import { Fields } from "../stored-fields.ts";
import { decodeGaps, encodeGaps, type Gaps, NO_GAPS } from "../stored-gaps.ts";
import { STRETCHES_MAX, type Stretch } from "./stretches.ts";

/** The compacted topic that holds one record per lane, key `laneKey`. */
export const HISTORY_TOPIC = "tributary.history.internal";

/** The version that is written, and the highest that is read. */
export const HISTORY_VERSION = 1;

/** See the file's comment. */
export interface HistoryRecord extends Gaps {
  readonly lane: LaneIdentity;
  /** `live`: the lane went back to live mode with this record; its era is (`epoch`, `progress.count`). */
  readonly mode: "history" | "live";
  /** In history mode: the epoch of the marker that keeps live writers out. */
  readonly epoch: number;
  /** What the transaction of this record leaves behind. */
  readonly progress: Progress;
  /** Source leader epoch of the record before `progress.sourceNext`; -1 = unknown. */
  readonly sourceEpoch: number;
  /** Oldest first; in history mode the last one is the writer's of this record. */
  readonly stretches: readonly Stretch[];
  /** See `LaneStateRecord.plan`. */
  readonly plan: string;
  /** The position from which on records were chosen by `plan`: no walk from below it may count under that. */
  readonly planBase: bigint;
  /** The worker that wrote it, see `HistoryTarget.worker`; empty when unknown. Decides nothing but who waits for whom. */
  readonly worker: string;
  /** When it was made, by the worker's clock: for people, and for who waits for whom. */
  readonly updatedMs: number;
}

/** The record's value: compact JSON, offsets as decimal strings. */
export function encodeHistory(record: HistoryRecord): Buffer {
  const { lane, mode, epoch, progress, sourceEpoch, stretches, plan, planBase, worker, updatedMs } = record;
  const json = {
    v: HISTORY_VERSION,
    lane,
    mode,
    epoch,
    sourceNext: String(progress.sourceNext),
    targetNext: String(progress.targetNext),
    count: String(progress.count),
    sourceEpoch,
    stretches: stretches.map((stretch) => ({
      producerId: String(stretch.producerId),
      epoch: stretch.epoch,
      base: String(stretch.base),
    })),
    plan,
    planBase: String(planBase),
    worker,
    ...encodeGaps(record),
    updatedMs,
  };
  return Buffer.from(JSON.stringify(json));
}

/** @throws {StoredError} `STORED_MALFORMED`, `STORED_VERSION_UNSUPPORTED` */
export function decodeHistory(bytes: Buffer): HistoryRecord {
  const root = Fields.of(bytes, { what: "history record", version: HISTORY_VERSION });
  return {
    lane: root.lane("lane"),
    mode: root.oneOf("mode", ["history", "live"]),
    epoch: root.integer("epoch"),
    progress: root.progress(),
    sourceEpoch: root.integer("sourceEpoch"),
    stretches: root.list("stretches", STRETCHES_MAX).map((fields) => ({
      producerId: fields.natural("producerId"),
      epoch: fields.integer("epoch"),
      base: fields.natural("base"),
    })),
    plan: root.text("plan"),
    planBase: root.natural("planBase"),
    worker: root.has("worker") ? root.text("worker") : "",
    ...(root.has("gaps") ? decodeGaps(root) : NO_GAPS),
    updatedMs: root.integer("updatedMs"),
  };
}
