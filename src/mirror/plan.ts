/** Decides from a batch's header alone what becomes of it: forward, rewrite or skip, with the reason to be counted. Only where
 *  a filter has a say, the records are looked at afterwards (`afterLook`). */

import type { BatchView } from "../wire/record-batch.ts";
import type { KnownWriters } from "./history/known-writers.ts";
import { isTributaryProducerId } from "./lane-id.ts";
import type { LaneKey } from "./offset-ports.ts";
import { type Filter, filterOf } from "./record-filter.ts";

/** Why a batch is not copied. */
export type SkipReason =
  /** A transaction marker. */
  | "control"
  /** Data of an aborted transaction. */
  | "aborted"
  /** Another lane wrote it (see `Provenance`). */
  | "loop"
  /** Compaction removed all its records. */
  | "empty"
  /** A fetch begins with the batch that holds the position; everything in this one lies before it. */
  | "behind"
  /** The filter leaves out all its records. */
  | "filtered";

/** Why a batch has to be decoded and built anew. */
export type RewriteReason =
  /** Compaction removed some records; brokers refuse a batch whose offsets are not dense. */
  | "offset-gaps"
  /** The position lies inside the batch. */
  | "mid-batch"
  /** Consumers of the source see the append time, which a producer cannot send as such. */
  | "append-time"
  /** The base timestamp holds a delete horizon, which brokers would store again. */
  | "delete-horizon"
  /** Messages as they were before Kafka 0.11, put into a batch by the source's reader. */
  | "old-format"
  /** The filter leaves out some records, or headers of records. */
  | "filter"
  /** Larger than the target's max.message.bytes: split. */
  | "too-large";

/** What becomes of a batch. */
export type Plan =
  | { readonly kind: "forward" }
  | { readonly kind: "rewrite"; readonly reason: RewriteReason }
  | { readonly kind: "skip"; readonly reason: SkipReason };

/** Which batches that a lane wrote into this source may travel on. `local`: none, so that any mesh of regions is free of
 *  loops. `all`: all but those of the reverse lane, for chains. */
export type Provenance = "local" | "all";

/** What the plan depends on besides the batch; the same for a lane's whole life. */
export interface PlanRules {
  readonly provenance: Provenance;
  /** Producer id of the lane that copies the other way. */
  readonly reverseProducerId: bigint;
  /** That lane in history mode, and all others. */
  readonly history?: { readonly reverseLane: LaneKey; readonly writers: KnownWriters } | undefined;
  /** Which records are left out; undefined when none. */
  readonly filter: Filter | undefined;
  /** The target's max.message.bytes. */
  readonly maxBatchBytes: number;
}

/** The rules by which records are chosen. A position means the same record to every worker only under the same ones. */
export type ChoiceRules = Pick<PlanRules, "provenance" | "filter">;

const FORWARD: Plan = { kind: "forward" };
const SKIP = {
  control: { kind: "skip", reason: "control" },
  aborted: { kind: "skip", reason: "aborted" },
  loop: { kind: "skip", reason: "loop" },
  empty: { kind: "skip", reason: "empty" },
  behind: { kind: "skip", reason: "behind" },
  filtered: { kind: "skip", reason: "filtered" },
} as const satisfies Record<SkipReason, Plan>;
const REWRITE = {
  "offset-gaps": { kind: "rewrite", reason: "offset-gaps" },
  "mid-batch": { kind: "rewrite", reason: "mid-batch" },
  "append-time": { kind: "rewrite", reason: "append-time" },
  "delete-horizon": { kind: "rewrite", reason: "delete-horizon" },
  "old-format": { kind: "rewrite", reason: "old-format" },
  filter: { kind: "rewrite", reason: "filter" },
  "too-large": { kind: "rewrite", reason: "too-large" },
} as const satisfies Record<RewriteReason, Plan>;

/** The plan for one batch, whose writer is known, when the lane stands at `sourceNext`. `aborted` says whether the batch is data of an aborted
 *  transaction. Committed transactional data is forwarded: stamping clears the bit. */
export function planBatch(batch: BatchView, rules: PlanRules, sourceNext: bigint, aborted: boolean): Plan {
  const isBelow = batch.baseOffset < sourceNext;
  if (isBelow && batch.lastOffset < sourceNext) return SKIP.behind;
  if (batch.isControl) return SKIP.control;
  if (aborted) return SKIP.aborted;
  if (batch.recordCount === 0) return SKIP.empty;
  if (isLooped(batch, rules)) return SKIP.loop;
  if (isBelow) return REWRITE["mid-batch"];
  if (!batch.isDense) return REWRITE["offset-gaps"];
  if (batch.isLogAppendTime) return REWRITE["append-time"];
  if (batch.hasDeleteHorizon) return REWRITE["delete-horizon"];
  if (batch.wasOldFormat) return REWRITE["old-format"];
  if (rules.filter !== undefined) return REWRITE.filter;
  if (batch.sizeBytes > rules.maxBatchBytes) return REWRITE["too-large"];
  return FORWARD;
}

/** The plan for a batch to be rewritten once its records were looked at: one from which nothing is left is skipped, and one
 *  that the filter leaves as it is goes on as it is. */
export function afterLook(
  plan: Plan,
  batch: BatchView,
  rules: PlanRules,
  seen: { readonly kept: number; readonly isUntouched: boolean },
): Plan {
  if (seen.kept === 0) return rules.filter === undefined ? SKIP.behind : SKIP.filtered;
  if (plan !== REWRITE.filter || !seen.isUntouched) return plan;
  return batch.sizeBytes > rules.maxBatchBytes ? REWRITE["too-large"] : FORWARD;
}

/** True when it must be found out first who wrote the batch: `learn` it before `planBatch`. */
export function isUnknownWriter({ isTransactional, producerId }: BatchView, { history }: PlanRules): boolean {
  return isTransactional && history !== undefined && !history.writers.knows(producerId);
}

function isLooped({ producerId, isTransactional }: BatchView, rules: PlanRules): boolean {
  if (producerId < 0n) return false;
  if (isTributaryProducerId(producerId)) return rules.provenance === "local" || producerId === rules.reverseProducerId;
  const lane = isTransactional ? rules.history?.writers.laneOf(producerId) : undefined;
  return lane !== undefined && (rules.provenance === "local" || lane === rules.history?.reverseLane);
}

const PLAN_TEXT = /^(?:v1 )?provenance=(local|all)(?: filter=(.+))?$/s;

/** The rules that decide what is copied, as text that is stored with a lane's progress. */
export function planText({ provenance, filter }: ChoiceRules): string {
  return `v1 provenance=${provenance}${filter === undefined ? "" : ` filter=${filter.text}`}`;
}

/** The rules that a stored text stands for; undefined when this version does not understand it. */
export function rulesOf(text: string): ChoiceRules | undefined {
  const match = PLAN_TEXT.exec(text);
  if (match === null) return undefined;
  const provenance = match[1] === "local" ? "local" : "all";
  if (match[2] === undefined) return { provenance, filter: undefined };
  const filter = filterOf(match[2]);
  return filter && { provenance, filter };
}
