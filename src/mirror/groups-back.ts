/** Carries positions of groups back to the source, once they have read on at the target: so that a group that moved can return, and
 *  reads on at exactly its next unread record there.
 *
 *  Only positions that the source already has are moved, only forward, and only of groups without members there: a group that
 *  was born on the target stays there. */

import { TributaryError, toError } from "../core/errors.ts";
import type { GroupCommit, GroupOccupancy, GroupPort, LaneEntry, LogBounds, LogBoundsPort } from "./offset-ports.ts";

/** A group's position on both sides. */
export interface BothCommits {
  readonly group: string;
  /** At the source. */
  readonly commit: GroupCommit;
  readonly lane: LaneEntry;
  readonly targetCommit: GroupCommit | undefined;
}

/** A position that was to be carried back. */
export interface BackEntry {
  readonly group: string;
  readonly sourceTopic: string;
  readonly sourcePartition: number;
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  readonly written: boolean;
  /** Why not; `refused` comes with the broker's error by name. */
  readonly reason?: "group-active" | "source-bounds-unknown" | "beyond-source-end" | "refused" | undefined;
  readonly refusal?: string | undefined;
}

/** What carrying back works with. */
export interface GroupsBackDeps {
  readonly source: GroupPort;
  readonly sourceLogs: LogBoundsPort;
}

/** The first source offset whose record the group has not read on the target, when that is beyond its commit at the source; else
 *  undefined. Where others write the partition, too, the lane alone cannot tell, and the flow the other way does it. */
function offsetBack({ commit, lane, targetCommit }: Omit<BothCommits, "group">): bigint | undefined {
  if (targetCommit === undefined || lane.company.kind !== "alone") return undefined;
  const there = lane.map.translate(commit.offset);
  if (there.kind !== "exact" || targetCommit.offset <= there.targetOffset) return undefined;
  const back = lane.map.reverse(targetCommit.offset);
  return back.kind === "expired" || back.sourceOffset <= commit.offset ? undefined : back.sourceOffset;
}

/** Writes what has advanced on the target. Rejects when the source cannot be asked; what cannot be written is told. */
export async function carryBack(commits: readonly BothCommits[], deps: GroupsBackDeps): Promise<readonly BackEntry[]> {
  const wanted = commits.flatMap((each) => {
    const offset = offsetBack(each);
    return offset === undefined ? [] : [{ ...each, offset }];
  });
  if (wanted.length === 0) return [];
  const bounds = await deps.sourceLogs.bounds(
    wanted.map(({ commit }) => ({ topic: commit.topic, partition: commit.partition })),
  );
  const occupancy = await deps.source.occupancy([...new Set(wanted.map(({ group }) => group))]);
  const judged = wanted.map((each, at) => {
    return { ...each, reason: reasonAgainst(each.offset, bounds[at], occupancy.get(each.group)) };
  });
  const entries: BackEntry[] = [];
  for (const [group, ofGroup] of Map.groupBy(judged, (each) => each.group))
    entries.push(...(await writeGroup(group, ofGroup, deps.source)));
  return entries;
}

type Judged = BothCommits & { readonly offset: bigint; readonly reason: BackEntry["reason"] };

function reasonAgainst(
  offset: bigint,
  bounds: LogBounds | undefined,
  occupancy: GroupOccupancy | undefined,
): BackEntry["reason"] {
  if (occupancy === "active") return "group-active";
  if (bounds === undefined) return "source-bounds-unknown";
  return offset > bounds.endOffset ? "beyond-source-end" : undefined;
}

async function writeGroup(group: string, ofGroup: readonly Judged[], source: GroupPort): Promise<readonly BackEntry[]> {
  const writable = ofGroup.filter(({ reason }) => reason === undefined);
  const refusals = await commitAll(group, writable, source);
  return ofGroup.map((each): BackEntry => {
    const { commit, targetCommit, offset: sourceOffset, reason } = each;
    const at = { group, sourceTopic: commit.topic, sourcePartition: commit.partition, sourceOffset };
    const base = { ...at, targetOffset: targetCommit?.offset ?? -1n };
    if (reason !== undefined) return { ...base, written: false, reason };
    const refusal = refusals[writable.indexOf(each)];
    return refusal === undefined ? { ...base, written: true } : { ...base, written: false, reason: "refused", refusal };
  });
}

async function commitAll(
  group: string,
  writable: readonly Judged[],
  source: GroupPort,
): Promise<readonly (string | undefined)[]> {
  if (writable.length === 0) return [];
  const commits = writable.map(({ commit, offset, targetCommit }) => {
    return { ...commit, offset, metadata: targetCommit?.metadata ?? "" };
  });
  try {
    return await source.commit(group, commits);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    return writable.map(() => toError(error).message);
  }
}
