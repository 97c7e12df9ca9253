/** Carries the positions of consumer groups from source to target, so that a group that moves reads on at exactly its next
 *  unread record.
 *
 *  Order within a round: source commits are read first and translated last, because maps only grow; the target's commits are read
 *  right before writing. Kafka has no conditional commit, so a consumer that joins, commits and leaves between that read and our
 *  write would be moved back; one that is still there makes the broker refuse us. */

import { type Clock, sleep } from "../core/clock.ts";
import { TributaryError, toError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { type CommitDecision, decideCommit, type NotWrittenReason } from "./group-plan.ts";
import { type BackEntry, carryBack } from "./groups-back.ts";
import type { GroupCommit, GroupPort, LaneDirectory, LaneEntry, LogBoundsPort } from "./offset-ports.ts";

/** How often positions are carried over: a failover repeats at most what a group reads in this time. */
const DEFAULT_GROUP_SYNC_INTERVAL_MS = 5_000;

/** Which groups of a flow are synced, and how often. */
export interface GroupSyncOptions {
  /** Says whether a group takes part. */
  readonly matches: (groupId: string) => boolean;
  /** `both`: positions that advanced on the target are carried back, too. Default `forward`. */
  readonly direction?: "forward" | "both";
  /** Default 5 000. */
  readonly intervalMs?: number;
}

/** What group sync works with. */
export interface GroupSyncDeps {
  readonly source: GroupPort;
  readonly target: GroupPort;
  readonly targetLogs: LogBoundsPort;
  /** Needed to carry back. */
  readonly sourceLogs?: LogBoundsPort;
  readonly lanes: LaneDirectory;
}

/** What became of one group's position in one source partition. */
export interface GroupSyncEntry {
  readonly group: string;
  readonly sourceTopic: string;
  readonly sourcePartition: number;
  readonly targetTopic: string;
  readonly targetPartition: number;
  readonly sourceOffset: bigint;
  readonly targetOffset: bigint;
  /** What the group stored with its commit. */
  readonly metadata: string;
  readonly kind: CommitDecision["kind"];
  readonly written: boolean;
  /** Why not; `refused` comes with the broker's error by name. */
  readonly reason?: NotWrittenReason | "refused" | undefined;
  readonly refusal?: string | undefined;
}

/** One round. */
export interface GroupSyncReport {
  readonly entries: readonly GroupSyncEntry[];
  /** Positions that advanced on the target; empty unless they are carried back. */
  readonly back: readonly BackEntry[];
  /** Commits in partitions that this worker has no lane for. */
  readonly unmappedCommits: number;
}

/** A commit with what was decided about it. */
interface Decided {
  readonly group: string;
  readonly commit: GroupCommit;
  readonly lane: LaneEntry;
  readonly targetCommit: GroupCommit | undefined;
  readonly decision: CommitDecision;
}

/** Does one round. Rejects when a cluster cannot be asked; a group that cannot be written is an entry. */
export async function syncGroups(
  options: Pick<GroupSyncOptions, "matches" | "direction">,
  deps: GroupSyncDeps,
): Promise<GroupSyncReport> {
  const groups = (await deps.source.list()).filter(options.matches);
  const commits = groups.length === 0 ? new Map() : await deps.source.committed(groups);
  const { mapped, unmappedCommits } = mapCommits(commits, deps.lanes);
  const isBoth = options.direction === "both" && deps.sourceLogs !== undefined;
  const decided = await decideAll(mapped, deps, isBoth);
  const entries: GroupSyncEntry[] = [];
  for (const [group, ofGroup] of Map.groupBy(decided, (each) => each.group)) {
    entries.push(...(await writeGroup(group, ofGroup, deps.target)));
  }
  const { source, sourceLogs } = deps;
  const back = isBoth && sourceLogs !== undefined ? await carryBack(decided, { source, sourceLogs }) : [];
  return { entries, back, unmappedCommits };
}

/** Repeats rounds until `signal` aborts. A round that fails is logged once and tried again after the interval. */
export async function runGroupSync(
  options: GroupSyncOptions,
  deps: GroupSyncDeps & { readonly clock: Clock; readonly logger: Logger },
  run: { readonly signal: AbortSignal; readonly onReport?: (report: GroupSyncReport) => void },
): Promise<void> {
  let failing = false;
  while (!run.signal.aborted) {
    try {
      run.onReport?.(await syncGroups(options, deps));
      if (failing) deps.logger.info("group sync works again");
      failing = false;
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      if (!failing) deps.logger.warn("group sync interrupted", { ...error.fault });
      failing = true;
    }
    await sleep(deps.clock, options.intervalMs ?? DEFAULT_GROUP_SYNC_INTERVAL_MS, run.signal).catch(() => undefined);
  }
}

type Mapped = Omit<Decided, "decision" | "targetCommit">;

function mapCommits(
  commits: ReadonlyMap<string, readonly GroupCommit[]>,
  lanes: LaneDirectory,
): { readonly mapped: readonly Mapped[]; readonly unmappedCommits: number } {
  const mapped: Mapped[] = [];
  let unmappedCommits = 0;
  for (const [group, ofGroup] of commits) {
    for (const commit of ofGroup) {
      const lane = lanes.find(commit.topic, commit.partition);
      if (lane === undefined) unmappedCommits++;
      else mapped.push({ group, commit, lane });
    }
  }
  return { mapped, unmappedCommits };
}

async function decideAll(mapped: readonly Mapped[], deps: GroupSyncDeps, isBoth: boolean): Promise<readonly Decided[]> {
  if (mapped.length === 0) return [];
  const groups = [...new Set(mapped.map((each) => each.group))];
  const partitions = mapped.map(({ lane }) => ({ topic: lane.targetTopic, partition: lane.targetPartition }));
  const bounds = await deps.targetLogs.bounds(partitions);
  const occupancy = await deps.target.occupancy(groups);
  const targetCommits = await deps.target.committed(groups);
  return mapped.map((each, index) => {
    const { lane, group, commit } = each;
    const targetCommit = targetCommits
      .get(group)
      ?.find((there) => there.topic === lane.targetTopic && there.partition === lane.targetPartition);
    const facts = { commit, lane, targetCommit, bounds: bounds[index], occupancy: occupancy.get(group) ?? "absent" };
    return { ...each, targetCommit, decision: decideCommit({ ...facts, isBoth }) };
  });
}

async function writeGroup(
  group: string,
  decided: readonly Decided[],
  target: GroupPort,
): Promise<readonly GroupSyncEntry[]> {
  const wanted = decided.filter((each) => each.decision.write);
  const refusals = await commitAll(group, wanted, target);
  return decided.map((each) => {
    const index = wanted.indexOf(each);
    return toEntry(each, index < 0 ? undefined : refusals[index]);
  });
}

/** Per commit undefined, or why it was refused. One unreachable coordinator must not keep the other groups back. */
async function commitAll(
  group: string,
  wanted: readonly Decided[],
  target: GroupPort,
): Promise<readonly (string | undefined)[]> {
  if (wanted.length === 0) return [];
  const commits = wanted.map(({ commit, lane, decision }) => ({
    topic: lane.targetTopic,
    partition: lane.targetPartition,
    offset: decision.targetOffset,
    metadata: commit.metadata,
  }));
  try {
    return await target.commit(group, commits);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    return wanted.map(() => toError(error).message);
  }
}

function toEntry({ group, commit, lane, decision }: Decided, refusal: string | undefined): GroupSyncEntry {
  const base = {
    group,
    sourceTopic: commit.topic,
    sourcePartition: commit.partition,
    targetTopic: lane.targetTopic,
    targetPartition: lane.targetPartition,
    sourceOffset: commit.offset,
    targetOffset: decision.targetOffset,
    metadata: commit.metadata,
    kind: decision.kind,
  };
  if (!decision.write) return { ...base, written: false, reason: decision.reason };
  return refusal === undefined ? { ...base, written: true } : { ...base, written: false, reason: "refused", refusal };
}
