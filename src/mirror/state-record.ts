/** The stored form of a lane's state: one record of `tributary.lanes.internal`, compact JSON, so that any console
 *  consumer shows it.
 *
 *  Evolution: a field that old programs may ignore is simply added (unknown fields are skipped, missing new ones have
 *  defaults); whatever they must not ignore raises `v`, and they refuse the record instead of misreading it. Offsets are
 *  decimal strings, because JSON readers elsewhere round numbers above 2^53. */

import type { LaneMode, LaneStateRecord } from "./offset-ports.ts";
import { Fields } from "./stored-fields.ts";
import { decodeGaps, encodeGaps } from "./stored-gaps.ts";

/** The version that is written, and the highest that is read. */
const STATE_VERSION = 1;

const MODES: readonly LaneMode[] = ["live", "history", "at-least-once"];

/** The record's value. */
export function encodeLaneState(state: LaneStateRecord): Buffer {
  const { lane, progress, era, floor } = state;
  const json = {
    v: STATE_VERSION,
    lane,
    sourceTopic: state.sourceTopic,
    targetTopic: state.targetTopic,
    sourceNext: String(progress.sourceNext),
    targetNext: String(progress.targetNext),
    count: String(progress.count),
    mode: state.mode,
    era: { epoch: era.epoch, base: String(era.base) },
    ...(state.producerId === undefined ? {} : { producerId: String(state.producerId) }),
    plan: state.plan,
    ...(state.planBase ? { planBase: String(state.planBase) } : {}),
    targetEpoch: state.targetEpoch,
    sourceEpoch: state.sourceEpoch,
    ...(floor === undefined ? {} : { floor: { source: String(floor.source), target: String(floor.target) } }),
    ...encodeGaps(state),
    repeats: String(state.repeats),
    updatedMs: state.updatedMs,
  };
  return Buffer.from(JSON.stringify(json));
}

/** @throws {StoredError} `STORED_MALFORMED`, `STORED_VERSION_UNSUPPORTED` */
export function decodeLaneState(bytes: Buffer): LaneStateRecord {
  const root = Fields.of(bytes, { what: "lane state", version: STATE_VERSION });
  const era = root.object("era");
  const floor = root.has("floor") ? root.object("floor") : undefined;
  return {
    lane: root.lane("lane"),
    sourceTopic: root.text("sourceTopic"),
    targetTopic: root.text("targetTopic"),
    progress: root.progress(),
    mode: root.oneOf("mode", MODES),
    era: { epoch: era.integer("epoch"), base: era.natural("base") },
    producerId: root.has("producerId") ? root.natural("producerId") : undefined,
    plan: root.text("plan"),
    ...(root.has("planBase") ? { planBase: root.natural("planBase") } : {}),
    targetEpoch: root.integer("targetEpoch"),
    sourceEpoch: root.has("sourceEpoch") ? root.integer("sourceEpoch") : -1,
    floor: floor && { source: floor.natural("source"), target: floor.natural("target") },
    ...decodeGaps(root),
    repeats: root.has("repeats") ? root.natural("repeats") : 0n,
    updatedMs: root.integer("updatedMs"),
  };
}
