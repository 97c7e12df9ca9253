/** A restore from beginning to end: plan, checks, topics, records, groups. Everything it leaves behind is in the target, so that the same
 *  call again goes on where the last one ended, on whatever machine. */

import { ArchiveSource } from "../../adapters/archive-source.ts";
import type { LaneIdentity } from "../../mirror/offset-ports.ts";
import type { TopicPartition } from "../../mirror/ports.ts";
import { type CapturedGroup, groupsAt } from "../../tier/groups.ts";
import type { ObjectStore } from "../../tier/ports.ts";
import { restoreError } from "../../tier/restore/restore-error.ts";
import {
  type PartitionRestore,
  planRestore,
  type RestorePlan,
  type RestoreRequest,
  type TopicRestore,
} from "../../tier/restore/restore-plan.ts";
import { copyExact } from "./exact-copy.ts";
import { copyMapped, isBegunMapped, restoreLane } from "./mapped-copy.ts";
import type { PartitionResult } from "./partition-task.ts";
import type { RestoreTarget } from "./restore-target.ts";
import { demandIdle, groupsOf, moveGroups, type RestoredCommit, type RestoredPartition } from "./restored-groups.ts";
import { demandPartitions, finishTopic, shownTopic, type TargetTopic, topicFor } from "./restored-topic.ts";

/** Partitions that are restored at the same time: each has up to 4 MiB read ahead and 8 MiB in flight. */
const PARTITIONS_AT_ONCE = 4;

/** What is wanted. */
export interface RestoreOptions extends RestoreRequest {
  /** Groups as they were captured at or before this time; the last capture otherwise. */
  readonly groupsAtMs?: number | undefined;
  /** False: groups are left alone. */
  readonly groups: boolean;
  /** Name on the target of an archived topic. */
  readonly targetName: (topic: string) => string;
  /** Asked for the restored topics; see `settingsToFinish`. */
  readonly retentionMs?: number | undefined;
}

/** What a restore stands on. */
export interface RestoreDeps {
  readonly store: ObjectStore;
  readonly to: RestoreTarget;
}

/** What is going to happen, and to what. */
export interface PreparedRestore {
  readonly plan: RestorePlan;
  readonly topics: readonly PreparedTopic[];
  /** Undefined when they are left alone, or were never captured. */
  readonly groups: readonly CapturedGroup[] | undefined;
  readonly groupsTakenAtMs: number | undefined;
}

/** One topic of it. */
export interface PreparedTopic {
  readonly plan: TopicRestore;
  readonly targetTopic: string;
  readonly exists: boolean;
}

/** Plans and checks without changing anything.
 *  @throws {RestoreError} also `RESTORE_GROUPS_ACTIVE` and `RESTORE_TOO_FEW_PARTITIONS` @throws {StoreError | ArchiveError | MirrorError} */
export async function prepareRestore(options: RestoreOptions, { store, to }: RestoreDeps): Promise<PreparedRestore> {
  const plan = await planRestore(options, { store, clock: to.clock });
  const topics: PreparedTopic[] = [];
  for (const each of plan.topics) {
    const targetTopic = options.targetName(each.topic);
    const shown = await shownTopic(targetTopic, to);
    if (shown !== undefined) demandPartitions(each, shown);
    topics.push({ plan: each, targetTopic, exists: shown !== undefined });
  }
  if (!options.groups) return { plan, topics, groups: undefined, groupsTakenAtMs: undefined };
  const snapshot = await groupsAt(store, plan.clusterId, options.groupsAtMs);
  if (snapshot === undefined) return { plan, topics, groups: undefined, groupsTakenAtMs: undefined };
  const groups = groupsOf(snapshot, plan.topics);
  await demandIdle(groups, to);
  return { plan, topics, groups, groupsTakenAtMs: snapshot.takenAtMs };
}

/** One partition's outcome. */
export interface PartitionOutcome extends RestoredPartition {
  readonly plan: PartitionRestore;
}

/** Everything that was done. */
export interface RestoreReport {
  readonly partitions: readonly PartitionOutcome[];
  readonly createdTopics: readonly string[];
  readonly groups: readonly RestoredCommit[];
  readonly warnings: readonly string[];
}

/** How it goes. */
export interface RestoreWatch {
  readonly signal: AbortSignal;
  /** Told of the offsets restored so far, and of all that are to be. */
  readonly onProgress: (done: bigint, all: bigint) => void;
}

/** Does what was prepared. @throws {RestoreError} what is restored by then stays, and the same call goes on
 *  @throws {StoreError | ArchiveError | MirrorError | ClientError} @throws the signal's reason */
export async function runRestore(
  prepared: PreparedRestore,
  options: Pick<RestoreOptions, "retentionMs">,
  deps: RestoreDeps & { readonly watch: RestoreWatch },
): Promise<RestoreReport> {
  const { to } = deps;
  const warnings: string[] = [];
  const createdTopics: string[] = [];
  const jobs: Job[] = [];
  for (const { plan, targetTopic } of prepared.topics) {
    const made = await topicFor(plan, targetTopic, to);
    warnings.push(...made.warnings, ...undecidedIn(plan));
    if (made.created) createdTopics.push(targetTopic);
    jobs.push(...plan.partitions.map((partition) => jobOf(plan, partition, made)));
  }
  const archive = new ArchiveSource(prepared.plan.clusterId, deps.store);
  const outcomes = await restoreAll(jobs, archive, deps);
  for (const { plan, targetTopic } of prepared.topics)
    warnings.push(...(await finishTopic(plan, targetTopic, { retentionMs: options.retentionMs, to })));
  const groups = await moveGroups(prepared.groups ?? [], outcomes, to);
  return { partitions: outcomes, createdTopics, groups, warnings };
}

function undecidedIn({ topic, partitions }: TopicRestore): readonly string[] {
  return partitions.flatMap(({ partition: { partition }, range, undecidedUntil }) =>
    undecidedUntil === undefined
      ? []
      : [
          `${topic}-${partition} is restored up to ${range.endOffset} of ${undecidedUntil}: what follows waits for the end of a transaction, which is not archived yet`,
        ],
  );
}

interface Job {
  readonly plan: PartitionRestore;
  readonly source: TopicPartition;
  readonly target: TopicPartition;
}

function jobOf({ topic, topicId }: TopicRestore, plan: PartitionRestore, target: TargetTopic): Job {
  const { partition } = plan.partition;
  return {
    plan,
    source: { topic, topicId, partition },
    target: { topic: target.topic, topicId: target.topicId, partition },
  };
}

/** Some at a time, in order; the first failure ends the others. */
async function restoreAll(
  jobs: readonly Job[],
  archive: ArchiveSource,
  deps: RestoreDeps & { readonly watch: RestoreWatch },
): Promise<readonly PartitionOutcome[]> {
  const { onProgress, signal } = deps.watch;
  const all = jobs.reduce((sum, { plan: { range } }) => sum + (range.endOffset - range.fromOffset), 0n);
  const done = new Map<Job, bigint>();
  const failed = new AbortController();
  const ending = AbortSignal.any([signal, failed.signal]);
  const outcomes = new Map<Job, PartitionOutcome>();
  const waiting = [...jobs];
  let failure: unknown;
  const work = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined && !ending.aborted; job = waiting.shift()) {
      const { plan, source, target } = job;
      const current = job;
      const note = (nextOffset: bigint): void => {
        done.set(current, nextOffset - plan.range.fromOffset);
        onProgress(
          [...done.values()].reduce((sum, each) => sum + each, 0n),
          all,
        );
      };
      try {
        const result = await restorePartition({ ...job, onProgress: note, signal: ending }, archive, deps);
        outcomes.set(job, {
          sourceTopic: source.topic,
          targetTopic: target.topic,
          partition: source.partition,
          result,
          plan,
        });
      } catch (error) {
        failure ??= error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: PARTITIONS_AT_ONCE }, work));
  signal.throwIfAborted();
  if (failure !== undefined) throw failure;
  return jobs.flatMap((job) => outcomes.get(job) ?? []);
}

/** With the same offsets where that is possible. */
async function restorePartition(
  task: Parameters<typeof copyExact>[0],
  archive: ArchiveSource,
  { store, to }: RestoreDeps,
): Promise<PartitionResult> {
  const { plan, source, target } = task;
  if (plan.holes === 0n) return copyExact(task, { archiveClusterId: archive.clusterId, store, to });
  const lane: LaneIdentity = restoreLane(archive.clusterId, source, to.target.clusterId, target);
  if (!(await isBegunMapped(lane, await to.progress()))) {
    const { startOffset, endOffset } = await to.target.bounds(target);
    const { topic, partition } = target;
    if (endOffset > startOffset)
      throw restoreError({ code: "RESTORE_TARGET_NOT_EMPTY", topic, partition, records: endOffset - startOffset });
  }
  return copyMapped(task, archive, to);
}
