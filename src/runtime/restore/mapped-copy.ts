/** Restores a partition through a lane of the mirror: exactly once, also for old records and after a crash, with an offset map that the
 *  target keeps. For partitions whose offsets cannot stay the same. */

import type { ArchiveSource } from "../../adapters/archive-source.ts";
import { sleep } from "../../core/clock.ts";
import { describeFault } from "../../core/errors.ts";
import { DEFAULT_OPEN_TRANSACTION_MS } from "../../mirror/flow-options.ts";
import { Lane } from "../../mirror/lane.ts";
import { producerIdOf, reverseLane } from "../../mirror/lane-id.ts";
import type { LaneIdentity, ProgressStore } from "../../mirror/offset-ports.ts";
import type { TopicPartition } from "../../mirror/ports.ts";
import { type RestoreError, restoreError } from "../../tier/restore/restore-error.ts";
import { type PartitionResult, type PartitionTask, STALL_MS_MAX } from "./partition-task.ts";
import type { RestoreTarget } from "./restore-target.ts";

/** How often it is looked whether the lane is at the end. */
const LOOK_MS = 50;

/** Who the lane is. A range enters by its beginning: a later call with another end goes on where this one ended. */
export function restoreLane(
  archiveClusterId: string,
  source: TopicPartition,
  targetClusterId: string,
  target: TopicPartition,
): LaneIdentity {
  return {
    sourceClusterId: archiveClusterId,
    sourceTopicId: source.topicId,
    sourcePartition: source.partition,
    targetClusterId,
    targetTopicId: target.topicId,
    targetPartition: target.partition,
  };
}

/** True when a lane has begun to restore the partition. @throws {MirrorError} */
export async function isBegunMapped(lane: LaneIdentity, progress: ProgressStore): Promise<boolean> {
  const { state, map } = await progress.load(lane);
  return state !== undefined || map !== undefined;
}

/** Runs the lane to the end of its range. @throws {RestoreError} `RESTORE_STOPPED` @throws the signal's reason */
export async function copyMapped(
  task: PartitionTask,
  archive: ArchiveSource,
  to: RestoreTarget,
): Promise<PartitionResult> {
  const { source, target, plan, signal } = task;
  archive.add(source, plan.range);
  const lane = openLane(task, archive, to, await to.progress());
  const stop = new AbortController();
  const running = lane.run(AbortSignal.any([signal, stop.signal]));
  try {
    await untilAtEnd(lane, task, archive, to);
  } finally {
    stop.abort();
    await running;
  }
  await (await to.progress()).flush();
  const { map } = lane;
  if (map === undefined) throw stopped(target, "the lane knows no place");
  const recordsWritten = BigInt(lane.status.counts.forwardedRecords);
  return { offsets: "mapped", map, wasDone: recordsWritten === 0n, recordsWritten };
}

function openLane(task: PartitionTask, source: ArchiveSource, to: RestoreTarget, progress: ProgressStore): Lane {
  const { target, clock, random } = to;
  const lane = restoreLane(source.clusterId, task.source, target.clusterId, task.target);
  const { topic, partition } = task.target;
  return new Lane(
    {
      lane,
      sourcePartition: task.source,
      targetPartition: task.target,
      producerId: producerIdOf(lane),
      // Whatever was archived is wanted, whoever wrote it.
      rules: {
        provenance: "all",
        reverseProducerId: producerIdOf(reverseLane(lane)),
        history: undefined,
        filter: undefined,
      },
      delivery: "exactly-once",
      gapPolicy: "stop",
      divergencePolicy: "stop",
      openTransactionMs: DEFAULT_OPEN_TRANSACTION_MS,
      start: "earliest",
    },
    { source, target, progress, clock, random, logger: to.logger.child({ topic, partition }) },
  );
}

async function untilAtEnd(lane: Lane, task: PartitionTask, archive: ArchiveSource, to: RestoreTarget): Promise<void> {
  const { clock } = to;
  let last: bigint | undefined;
  let movedMs = clock.monotonicMs();
  for (;;) {
    const { state, reason } = lane.status;
    const next = lane.map?.progress.sourceNext;
    if (next !== last) {
      last = next;
      movedMs = clock.monotonicMs();
      if (next !== undefined) task.onProgress(next);
    }
    const end = archive.endOf(task.source);
    if (end !== undefined && next !== undefined && next >= end) return;
    const why = reason === undefined ? "no progress" : describeFault(reason);
    if (state === "stopped" || clock.monotonicMs() - movedMs > STALL_MS_MAX) throw stopped(task.target, why);
    await sleep(clock, LOOK_MS, task.signal);
  }
}

function stopped({ topic, partition }: TopicPartition, why: string): RestoreError {
  return restoreError({ code: "RESTORE_STOPPED", topic, partition, why });
}
