/** The stored form of a lane's state: one record of `tributary.lanes.internal`, compact JSON, so that any console
 *  consumer shows it.
 *
 *  Evolution: a field that old programs may ignore is simply added (unknown fields are skipped, missing new ones have
 *  defaults); whatever they must not ignore raises `v`, and they refuse the record instead of misreading it. Offsets are
 *  decimal strings, because JSON readers elsewhere round numbers above 2^53. */

import type { Uuid } from "../core/brand.ts";
import type { Gap, GapCause, LaneIdentity, LaneMode, LaneStateRecord } from "./offset-ports.ts";
import { StoredError } from "./stored-error.ts";

/** The version that is written, and the highest that is read. */
export const STATE_VERSION = 1;

/** Gaps listed in a record: about 6 KiB. A lane that gaps more often has a retention problem, not a bookkeeping one. */
export const GAPS_MAX = 64;

/** Far above any record this program writes; more is hostile. */
const RECORD_BYTES_MAX = 256 * 1024;

const MODES: readonly LaneMode[] = ["live", "history", "at-least-once"];
const CAUSES: readonly GapCause[] = ["retention", "recreated", "diverged", "skipped"];

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
    targetEpoch: state.targetEpoch,
    sourceEpoch: state.sourceEpoch,
    ...(floor === undefined ? {} : { floor: { source: String(floor.source), target: String(floor.target) } }),
    gaps: state.gaps.slice(-GAPS_MAX).map(({ fromOffset, toOffset, atMs, cause }) => ({
      fromOffset: String(fromOffset),
      toOffset: String(toOffset),
      atMs,
      cause,
    })),
    gapCount: state.gapCount,
    repeats: String(state.repeats),
    updatedMs: state.updatedMs,
  };
  return Buffer.from(JSON.stringify(json));
}

/** @throws {StoredError} `STORED_MALFORMED`, `STORED_VERSION_UNSUPPORTED` */
export function decodeLaneState(bytes: Buffer): LaneStateRecord {
  const root = new Fields(parse(bytes), "");
  const version = root.integer("v");
  if (version !== STATE_VERSION) {
    throw new StoredError({
      code: "STORED_VERSION_UNSUPPORTED",
      what: "lane state",
      version,
      supportedVersion: STATE_VERSION,
    });
  }
  const era = root.object("era");
  const floor = root.has("floor") ? root.object("floor") : undefined;
  return {
    lane: readLane(root.object("lane")),
    sourceTopic: root.text("sourceTopic"),
    targetTopic: root.text("targetTopic"),
    progress: {
      sourceNext: root.natural("sourceNext"),
      targetNext: root.natural("targetNext"),
      count: root.natural("count"),
    },
    mode: root.oneOf("mode", MODES),
    era: { epoch: era.integer("epoch"), base: era.natural("base") },
    producerId: root.has("producerId") ? root.natural("producerId") : undefined,
    plan: root.text("plan"),
    targetEpoch: root.integer("targetEpoch"),
    sourceEpoch: root.has("sourceEpoch") ? root.integer("sourceEpoch") : -1,
    floor: floor && { source: floor.natural("source"), target: floor.natural("target") },
    gaps: root.list("gaps", GAPS_MAX).map(readGap),
    gapCount: root.integer("gapCount"),
    repeats: root.has("repeats") ? root.natural("repeats") : 0n,
    updatedMs: root.integer("updatedMs"),
  };
}

function readLane(fields: Fields): LaneIdentity {
  return {
    sourceClusterId: fields.text("sourceClusterId"),
    sourceTopicId: fields.text("sourceTopicId") as Uuid,
    sourcePartition: fields.integer("sourcePartition"),
    targetClusterId: fields.text("targetClusterId"),
    targetTopicId: fields.text("targetTopicId") as Uuid,
    targetPartition: fields.integer("targetPartition"),
  };
}

function readGap(fields: Fields): Gap {
  return {
    fromOffset: fields.natural("fromOffset"),
    toOffset: fields.natural("toOffset"),
    atMs: fields.integer("atMs"),
    cause: fields.oneOf("cause", CAUSES),
  };
}

function parse(bytes: Buffer): unknown {
  if (bytes.length > RECORD_BYTES_MAX) throw malformed(`${bytes.length} bytes`);
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw malformed("no JSON");
  }
}

/** An object of unknown origin; every getter checks what it returns. */
class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw malformed(`${path || "root"} is no object`);
    this.#values = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#values, name);
  }

  text(name: string): string {
    const value = this.#own(name);
    if (typeof value !== "string") throw this.#wrong(name, "text");
    return value;
  }

  integer(name: string): number {
    const value = this.#own(name);
    if (typeof value !== "number" || !Number.isSafeInteger(value)) throw this.#wrong(name, "an integer");
    return value;
  }

  /** A decimal string of at most 19 digits, as all int64 are stored. */
  natural(name: string): bigint {
    const value = this.#own(name);
    if (typeof value !== "string" || !/^\d{1,19}$/.test(value)) throw this.#wrong(name, "a decimal string");
    return BigInt(value);
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.#own(name);
    const choice = choices.find((candidate) => candidate === value);
    if (choice === undefined) throw this.#wrong(name, choices.join(" | "));
    return choice;
  }

  object(name: string): Fields {
    return new Fields(this.#own(name), `${this.#path}${name}.`);
  }

  list(name: string, lengthMax: number): readonly Fields[] {
    const value = this.#own(name);
    if (!Array.isArray(value) || value.length > lengthMax) throw this.#wrong(name, `a list of at most ${lengthMax}`);
    return value.map((item, index) => new Fields(item, `${this.#path}${name}[${index}].`));
  }

  #own(name: string): unknown {
    return this.has(name) ? this.#values[name] : undefined;
  }

  #wrong(name: string, wanted: string): StoredError {
    return malformed(`${this.#path}${name} is not ${wanted}`);
  }
}

function malformed(why: string): StoredError {
  return new StoredError({ code: "STORED_MALFORMED", what: "lane state", why });
}
