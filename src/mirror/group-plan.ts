/** Decides, for one commit of a source group, what the group's commit on the target should be. Pure.
 *
 *  The rules, in this order: only where the lane's map knows the offset; only into a group without live members; never past
 *  the target's end; never backwards; and not when it is there already. */

import { earlier } from "./offset-order.ts";
import type { GroupCommit, GroupOccupancy, LaneEntry, LogBounds, Translation } from "./offset-ports.ts";

/** What is known about one commit and its place on the target. */
export interface CommitFacts {
  readonly commit: GroupCommit;
  readonly lane: LaneEntry;
  readonly occupancy: GroupOccupancy;
  /** The group's commit there; undefined when it has none. */
  readonly targetCommit: GroupCommit | undefined;
  readonly bounds: LogBounds | undefined;
  /** Positions are carried back as well: what the group has read on the target counts as much as what it read at the source. */
  readonly isBoth?: boolean;
}

/** Why a commit was not written. */
export type NotWrittenReason =
  /** Below the map's beginning: what the group would skip is not known. */
  | "expired"
  /** Several lanes share the target partition. */
  | "target-shared"
  /** Both sides write the topic, and the other direction's map is not at hand. */
  | "reverse-map-unknown"
  /** The group has members on the target, whose own position counts. */
  | "group-active"
  | "target-bounds-unknown"
  /** The target's log ends before what the map says: it lost records, and takeover will find out. */
  | "beyond-target-end"
  | "would-go-back"
  | "unchanged";

/** What to do with one commit. */
export type CommitDecision = {
  readonly kind: Translation["kind"];
  /** The translated offset, raised to the target's log start when retention there has passed it. */
  readonly targetOffset: bigint;
} & ({ readonly write: true } | { readonly write: false; readonly reason: NotWrittenReason });

/** The decision for one commit. */
export function decideCommit(facts: CommitFacts): CommitDecision {
  const { lane, occupancy, bounds, targetCommit, commit } = facts;
  const translation = lane.map.translate(commit.offset);
  const wanted = unreadFrom(commit.offset, translation, lane);
  const { kind } = translation;
  if (typeof wanted !== "bigint") return { kind, targetOffset: translation.targetOffset, write: false, reason: wanted };
  const targetOffset = bounds !== undefined && wanted < bounds.startOffset ? bounds.startOffset : wanted;
  const reason =
    reasonAgainst({ targetOffset, occupancy, bounds, targetCommit }) ?? (isSamePlace(facts) ? "unchanged" : undefined);
  return reason === undefined ? { kind, targetOffset, write: true } : { kind, targetOffset, write: false, reason };
}

/** The first target offset that holds a record which the group has not read at the source, or why that cannot be said.
 *
 *  Where both sides write one topic, the target also holds records of its own, which the source group met as copies. In the two logs
 *  they interleave differently, so the lane alone would jump over those that the group has not met yet: the reverse lane
 *  says where the first of them is, and the lower of both counts. No offset below it is unread; records between the two that the
 *  group has met are read again, which no single offset can avoid.
 *
 *  The lane's end says only where its last record lies. Records of the target's own that came after it would all be read again, so
 *  the reverse lane, which reads them, says how far from there on no copy can lie. */
function unreadFrom(sourceOffset: bigint, translation: Translation, lane: LaneEntry): bigint | NotWrittenReason {
  if (translation.kind === "expired") return "expired";
  const { company } = lane;
  if (company.kind === "others") return "target-shared";
  if (company.kind === "alone") return translation.targetOffset;
  if (company.map === undefined) return "reverse-map-unknown";
  const own = company.map.reverse(sourceOffset);
  if (own.kind === "expired") return "expired";
  const { targetOffset } = translation;
  const isEnd = targetOffset === lane.map.progress.targetNext;
  const copied = isEnd ? company.map.foreignFrom(targetOffset) : targetOffset;
  return earlier(own.sourceOffset, copied);
}

/** Between the two commits lies nothing of the lane's: only others' records, which the group has yet to read on the target. */
function isSamePlace({ isBoth, lane, commit, targetCommit }: CommitFacts): boolean {
  if (isBoth !== true || targetCommit === undefined || lane.company.kind !== "alone") return false;
  const back = lane.map.reverse(targetCommit.offset);
  return back.kind !== "expired" && back.sourceOffset >= commit.offset;
}

function reasonAgainst(
  facts: Pick<CommitFacts, "occupancy" | "bounds" | "targetCommit"> & { readonly targetOffset: bigint },
): NotWrittenReason | undefined {
  const { occupancy, bounds, targetCommit, targetOffset } = facts;
  if (occupancy === "active") return "group-active";
  if (bounds === undefined) return "target-bounds-unknown";
  if (targetOffset > bounds.endOffset) return "beyond-target-end";
  if (targetCommit === undefined) return undefined;
  if (targetCommit.offset > targetOffset) return "would-go-back";
  return targetCommit.offset === targetOffset ? "unchanged" : undefined;
}
