/** Decides from a batch's header alone what becomes of it: forward, rewrite or skip, with the reason to be counted. */

import type { BatchView } from "../wire/record-batch.ts";
import { isTributaryProducerId } from "./lane-id.ts";

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
  | "behind";

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
  /** The target's max.message.bytes. */
  readonly maxBatchBytes: number;
}

const FORWARD: Plan = { kind: "forward" };
const SKIP = {
  control: { kind: "skip", reason: "control" },
  aborted: { kind: "skip", reason: "aborted" },
  loop: { kind: "skip", reason: "loop" },
  empty: { kind: "skip", reason: "empty" },
  behind: { kind: "skip", reason: "behind" },
} as const satisfies Record<SkipReason, Plan>;
const REWRITE = {
  "offset-gaps": { kind: "rewrite", reason: "offset-gaps" },
  "mid-batch": { kind: "rewrite", reason: "mid-batch" },
  "append-time": { kind: "rewrite", reason: "append-time" },
  "delete-horizon": { kind: "rewrite", reason: "delete-horizon" },
  "too-large": { kind: "rewrite", reason: "too-large" },
} as const satisfies Record<RewriteReason, Plan>;

/** The plan for one batch when the lane stands at `sourceNext`. `aborted` says whether the batch is data of an aborted
 *  transaction. Committed transactional data is forwarded: stamping clears the bit. */
export function planBatch(batch: BatchView, rules: PlanRules, sourceNext: bigint, aborted: boolean): Plan {
  const isBelow = batch.baseOffset < sourceNext;
  if (isBelow && batch.lastOffset < sourceNext) return SKIP.behind;
  if (batch.isControl) return SKIP.control;
  if (aborted) return SKIP.aborted;
  if (batch.recordCount === 0) return SKIP.empty;
  if (isLooped(batch.producerId, rules)) return SKIP.loop;
  if (isBelow) return REWRITE["mid-batch"];
  if (!batch.isDense) return REWRITE["offset-gaps"];
  if (batch.isLogAppendTime) return REWRITE["append-time"];
  if (batch.hasDeleteHorizon) return REWRITE["delete-horizon"];
  if (batch.sizeBytes > rules.maxBatchBytes) return REWRITE["too-large"];
  return FORWARD;
}

function isLooped(producerId: bigint, rules: PlanRules): boolean {
  if (producerId < 0n || !isTributaryProducerId(producerId)) return false;
  return rules.provenance === "local" || producerId === rules.reverseProducerId;
}

/** The settings that decide what is copied, as text: a lane's past can only be counted again under the same ones. */
export function planFingerprint(rules: PlanRules): string {
  return `v1 provenance=${rules.provenance}`;
}
