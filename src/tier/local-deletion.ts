/** Which records of a cluster may be deleted because the archive has them: "No record is deleted that is not archived, verified,
 *  old enough, beyond what stays, and read by every group that is known to read it". */

import type { Manifest } from "./manifest.ts";

/** What stays in the cluster. */
export interface DeletionPolicy {
  /** A segment's newest record must be older. */
  readonly olderThanMs: number;
  /** Newest archived bytes of a partition that stay. */
  readonly keepLocalBytes: number;
  /** Newest archived offsets of a partition that stay. */
  readonly marginRecords: number;
  /** Whether records go that a group has not read. */
  readonly unread: "keep" | "delete";
}

/** Where a group stands in a partition. */
export interface GroupPosition {
  readonly group: string;
  /** The next record that it will read. */
  readonly offset: bigint;
}

/** What keeps more from being deleted. */
export type DeletionLimit =
  | { readonly kind: "archive-end" | "older-than" | "keep-local" | "margin" }
  | { readonly kind: "group"; readonly group: string };

/** A decision about one partition. */
export interface PlannedDeletion {
  /** The first record that stays. */
  readonly toOffset: bigint;
  readonly limit: DeletionLimit;
}

/** Undefined when nothing is archived. `positions` are those of every group that reads the partition. */
export function planDeletion(
  { segments }: Pick<Manifest, "segments">,
  at: { readonly nowMs: number; readonly positions: readonly GroupPosition[] },
  policy: DeletionPolicy,
): PlannedDeletion | undefined {
  const [first, last] = [segments[0], segments.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  let plan: PlannedDeletion = { toOffset: first.baseOffset, limit: { kind: "archive-end" } };
  let bytesLeft = segments.reduce((sum, { logBytes }) => sum + logBytes, 0);
  for (const { logBytes, maxTimestampMs, nextOffset } of segments) {
    bytesLeft -= logBytes;
    const kind = bytesLeft < policy.keepLocalBytes ? "keep-local" : "older-than";
    const isKept = kind === "keep-local" || at.nowMs - maxTimestampMs < policy.olderThanMs;
    plan = { toOffset: isKept ? plan.toOffset : nextOffset, limit: { kind: isKept ? kind : "archive-end" } };
    if (isKept) break;
  }
  plan = lower(plan, last.nextOffset - BigInt(policy.marginRecords), { kind: "margin" });
  if (policy.unread === "delete") return plan;
  return at.positions.reduce((so, { group, offset }) => lower(so, offset, { kind: "group", group }), plan);
}

function lower(plan: PlannedDeletion, toOffset: bigint, limit: DeletionLimit): PlannedDeletion {
  return toOffset < plan.toOffset ? { toOffset, limit } : plan;
}
