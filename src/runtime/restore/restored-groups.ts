/** Moves captured groups to where their records are now. */

import { syncGroups } from "../../mirror/groups.ts";
import type { GroupCommit, GroupPort, LaneDirectory } from "../../mirror/offset-ports.ts";
import type { CapturedGroup, GroupSnapshot } from "../../tier/groups.ts";
import { restoreError } from "../../tier/restore/restore-error.ts";
import type { TopicRestore } from "../../tier/restore/restore-plan.ts";
import type { PartitionResult } from "./partition-task.ts";
import type { RestoreTarget } from "./restore-target.ts";

/** A partition that was restored. */
export interface RestoredPartition {
  readonly sourceTopic: string;
  readonly targetTopic: string;
  readonly partition: number;
  readonly result: PartitionResult;
}

/** What became of one position. */
export interface RestoredCommit {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
  readonly archivedOffset: bigint;
  readonly offset: bigint;
  /** `clamped`: the group was beyond the end of what is restored, and stands there. */
  readonly kind: "exact" | "clamped" | "expired";
  readonly written: boolean;
  readonly reason: string | undefined;
}

/** The groups that have a position in one of the topics, with those positions only. A position of another topic that had the same name
 *  before or after says nothing. */
export function groupsOf(snapshot: GroupSnapshot, topics: readonly TopicRestore[]): readonly CapturedGroup[] {
  const ids = new Map(topics.map(({ topic, topicId }) => [topic, topicId]));
  return snapshot.groups.flatMap((group) => {
    const commits = group.commits.filter(
      ({ topic, topicId }) => ids.has(topic) && (topicId ?? ids.get(topic)) === ids.get(topic),
    );
    return commits.length === 0 ? [] : [{ ...group, commits }];
  });
}

/** @throws {RestoreError} `RESTORE_GROUPS_ACTIVE` when one of the groups has members on the target */
export async function demandIdle(groups: readonly CapturedGroup[], to: RestoreTarget): Promise<void> {
  if (groups.length === 0) return;
  const occupancy = await to.groups.occupancy(groups.map(({ group }) => group));
  const active = [...occupancy].flatMap(([group, state]) => (state === "active" ? [group] : []));
  if (active.length > 0) throw restoreError({ code: "RESTORE_GROUPS_ACTIVE", groups: active.toSorted() });
}

/** Translates and commits. @throws {ClientError | MirrorError} */
export async function moveGroups(
  groups: readonly CapturedGroup[],
  partitions: readonly RestoredPartition[],
  to: RestoreTarget,
): Promise<readonly RestoredCommit[]> {
  const report = await syncGroups(
    { matches: () => true },
    { source: capturedPort(groups), target: to.groups, targetLogs: to.groups, lanes: directoryOf(partitions) },
  );
  return report.entries.map((entry) => ({
    group: entry.group,
    topic: entry.targetTopic,
    partition: entry.targetPartition,
    archivedOffset: entry.sourceOffset,
    offset: entry.targetOffset,
    kind: entry.kind,
    // A second call finds them in place.
    written: entry.written || entry.reason === "unchanged",
    reason: entry.written || entry.reason === "unchanged" ? undefined : (entry.refusal ?? entry.reason),
  }));
}

function directoryOf(partitions: readonly RestoredPartition[]): LaneDirectory {
  const byPlace = new Map(partitions.map((each) => [`${each.sourceTopic}/${each.partition}`, each]));
  return {
    find(sourceTopic, sourcePartition) {
      const found = byPlace.get(`${sourceTopic}/${sourcePartition}`);
      if (found === undefined) return undefined;
      const { targetTopic, partition: targetPartition, result } = found;
      return { targetTopic, targetPartition, map: result.map, company: { kind: "alone" } };
    },
  };
}

/** Only what reading needs; nothing is ever written to an archive's groups. */
function capturedPort(groups: readonly CapturedGroup[]): GroupPort {
  const commitsOf = ({ commits }: CapturedGroup): readonly GroupCommit[] =>
    commits.map(({ topic, partition, offset, metadata }) => ({ topic, partition, offset, metadata }));
  return {
    list: async () => groups.map(({ group }) => group),
    committed: async () => new Map(groups.map((group) => [group.group, commitsOf(group)])),
    occupancy: async (asked) => new Map(asked.map((group) => [group, "absent"])),
    commit: async (_group, commits) => commits.map(() => "READ_ONLY"),
  };
}
