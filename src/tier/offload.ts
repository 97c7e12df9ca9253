/** Moves cold segments to an object store, one pass over many partitions: data, indexes, read-back, manifest, and only then the
 *  local copy goes. */

import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import type { ArchiveHead } from "./archive.ts";
import type { Manifest } from "./manifest.ts";
import { offloadPartition } from "./partition-offload.ts";
import type { ArchivedPartition, ClosedSegment, ObjectStore, SegmentSource } from "./ports.ts";
import type { VerifiedCopies } from "./verified-copies.ts";

/** When a closed segment is cold, and what becomes of its local copy. */
export interface ColdPolicy {
  /** Milliseconds since its newest record. */
  readonly olderThanMs: number;
  /** Bytes of closed segments per partition that stay local whatever their age. */
  readonly keepLocalBytes: number;
  readonly deleteLocal: "never" | "after-verify";
}

/** What the offloader works with. */
export interface OffloadDeps {
  readonly source: SegmentSource;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Hears of each step when it is done: of a pass that fails, too, it is known what it moved. */
  readonly onMoved?: ((moved: OffloadReport) => void) | undefined;
  /** Hears what became of each partition that was looked at. */
  readonly onPartition?: ((outcome: PartitionOutcome) => void) | undefined;
  /** Remembers what was read back. */
  readonly verified?: VerifiedCopies | undefined;
  /** Partitions at work at the same time; one unless given. */
  readonly parallel?: number;
}

/** What a pass did with one partition. */
export interface PartitionOutcome {
  readonly partition: ArchivedPartition;
  readonly moved: OffloadReport;
  /** The newest manifest; undefined when there is none, or nobody had to look. */
  readonly manifest: Manifest | undefined;
  readonly error: unknown;
}

/** What one pass did. */
export interface OffloadReport {
  readonly segmentsOffloaded: number;
  /** Bytes of `.log` objects. */
  readonly bytesOffloaded: number;
  readonly segmentsDropped: number;
}

/** Nothing. */
export const NOTHING_MOVED: OffloadReport = { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0 };

/** What two passes did. */
export function movedBoth(a: OffloadReport, b: OffloadReport): OffloadReport {
  return {
    segmentsOffloaded: a.segmentsOffloaded + b.segmentsOffloaded,
    bytesOffloaded: a.bytesOffloaded + b.bytesOffloaded,
    segmentsDropped: a.segmentsDropped + b.segmentsDropped,
  };
}

/** One pass over all partitions that `wanted` selects. Partitions fail on their own: the first error is thrown after the
 *  others had their turn. @throws {ArchiveError | StoreError} */
export async function offloadOnce(
  policy: ColdPolicy,
  wanted: (topic: string) => boolean,
  deps: OffloadDeps,
): Promise<OffloadReport> {
  let total = NOTHING_MOVED;
  const onMoved = (moved: OffloadReport): void => {
    total = movedBoth(total, moved);
    deps.onMoved?.(moved);
  };
  let firstError: unknown;
  const turns = (await deps.source.partitions()).filter(({ topic }) => wanted(topic)).values();
  const work = async (): Promise<void> => {
    for (const partition of turns) {
      const outcome = await outcomeOf(partition, policy, { ...deps, onMoved });
      firstError ??= outcome.error;
      deps.onPartition?.(outcome);
    }
  };
  await Promise.all(Array.from({ length: deps.parallel ?? 1 }, work));
  if (firstError !== undefined) throw firstError;
  return total;
}

async function outcomeOf(
  partition: ArchivedPartition,
  policy: ColdPolicy,
  deps: OffloadDeps,
): Promise<PartitionOutcome> {
  let moved = NOTHING_MOVED;
  let manifest: Manifest | undefined;
  let error: unknown;
  const onMoved = (step: OffloadReport): void => {
    moved = movedBoth(moved, step);
    deps.onMoved?.(step);
  };
  const onHead = (head: ArchiveHead | undefined): void => {
    manifest = head?.manifest;
  };
  try {
    await offloadPartition(partition, policy, { ...deps, onMoved, onHead });
  } catch (thrown) {
    error = thrown;
  }
  return { partition, moved, manifest, error };
}

/** The closed segments, from the oldest on, that are old enough and beyond what stays local. */
export function coldSegments(
  closed: readonly ClosedSegment[],
  policy: ColdPolicy,
  nowMs: number,
): readonly ClosedSegment[] {
  let localBytes = closed.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const cold: ClosedSegment[] = [];
  for (const segment of closed) {
    localBytes -= segment.sizeBytes;
    if (localBytes < policy.keepLocalBytes) break;
    if (nowMs - segment.maxTimestampMs < policy.olderThanMs) break;
    cold.push(segment);
  }
  return cold;
}
