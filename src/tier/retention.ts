/** Takes the oldest segments out of an archive: by age, by size, or all of them. Their objects stay until `gc` collects them after its
 *  grace period, so that readers with an older manifest can finish.
 *
 *  "The archive keeps at least what is local": a segment goes only when the cluster's own log has let go of it, so that what a
 *  cluster has is archived whole, and nothing is archived twice. */

import type { Clock } from "../core/clock.ts";
import { publish, readHead } from "./archive.ts";
import type { ArchivedSegment, Manifest, RemovalCause } from "./manifest.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";

/** How much of a partition is kept; absent fields set no limit. */
export interface RemoteRetention {
  /** Milliseconds since a segment's newest record. */
  readonly ageMs?: number | undefined;
  /** Bytes of data; the oldest segment goes while the others have as much. */
  readonly bytes?: number | undefined;
}

/** Which segments may go at all. */
export interface RetentionBounds {
  readonly nowMs: number;
  /** First offset that the cluster's own log has; undefined when it has none of them. */
  readonly localStart: bigint | undefined;
}

/** What was taken out. */
export interface RemovalReport {
  readonly cause: RemovalCause;
  readonly segments: readonly ArchivedSegment[];
  /** First offset that is left. */
  readonly startOffset: bigint;
}

/** What it works with. */
export interface RetentionDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

/** The segments that are past retention, oldest first. */
function pastRetention(
  segments: readonly ArchivedSegment[],
  { ageMs = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY }: RemoteRetention,
  { nowMs, localStart }: RetentionBounds,
): readonly ArchivedSegment[] {
  let leftBytes = segments.reduce((sum, segment) => sum + segment.logBytes, 0);
  const past: ArchivedSegment[] = [];
  for (const segment of segments) {
    if (localStart !== undefined && segment.nextOffset > localStart) break;
    leftBytes -= segment.logBytes;
    const isOld = segment.maxTimestampMs >= 0 && nowMs - segment.maxTimestampMs > ageMs;
    if (!isOld && leftBytes < bytes) break;
    past.push(segment);
  }
  return past;
}

/** Publishes the manifest without what is past retention; undefined when nothing is, or another writer was first: try again later.
 *  @throws {ArchiveError | StoreError} */
export async function retainPartition(
  partition: ArchivedPartition,
  { retention, bounds }: { readonly retention: RemoteRetention; readonly bounds: RetentionBounds },
  deps: RetentionDeps,
): Promise<RemovalReport | undefined> {
  return takeOut(partition, "retention", (manifest) => pastRetention(manifest.segments, retention, bounds), deps);
}

/** Takes everything out. Undefined when there is nothing, or another writer was first.
 *  @throws {ArchiveError | StoreError} */
export async function removePartition(
  partition: ArchivedPartition,
  cause: RemovalCause,
  deps: RetentionDeps,
): Promise<RemovalReport | undefined> {
  return takeOut(partition, cause, (manifest) => manifest.segments, deps);
}

async function takeOut(
  partition: ArchivedPartition,
  cause: RemovalCause,
  choose: (manifest: Manifest) => readonly ArchivedSegment[],
  { store, clock }: RetentionDeps,
): Promise<RemovalReport | undefined> {
  const head = await readHead(store, partition);
  const segments = head === undefined ? [] : choose(head.manifest);
  const last = segments.at(-1);
  if (head === undefined || last === undefined) return undefined;
  const { number: _number, previousSha256: _previous, ...kept } = head.manifest;
  const atMs = clock.nowMs();
  const published = await publish(store, head, {
    ...kept,
    writtenAtMs: atMs,
    segments: kept.segments.slice(segments.length),
    removed: { nextOffset: last.nextOffset, cause, atMs },
  });
  return published === undefined ? undefined : { cause, segments, startOffset: last.nextOffset };
}
