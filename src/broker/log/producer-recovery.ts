/** How producer state and the indexes of aborted transactions come back: a snapshot, then the headers of the batches after it. */

import type { Storage } from "../../core/storage.ts";
import { lowerOffset } from "../offset-order.ts";
import { offsetFileName, offsetInFileName, SNAPSHOT_SUFFIX } from "./file-names.ts";
import { decodeSnapshot, encodeSnapshot } from "./producer-snapshot.ts";
import type { ProducerStates } from "./producer-states.ts";
import type { Segment } from "./segment.ts";

/** Where a log keeps its snapshots. */
export interface SnapshotPlace {
  readonly storage: Storage;
  readonly directory: string;
}

/** Path of the snapshot that is valid at `offset`. */
export function snapshotPath(place: SnapshotPlace, offset: bigint): string {
  return `${place.directory}/${offsetFileName(offset, SNAPSHOT_SUFFIX)}`;
}

/** Writes what is known before `offset`, the log's end. */
export function writeSnapshot(place: SnapshotPlace, producers: ProducerStates, offset: bigint): void {
  place.storage.writeFile(snapshotPath(place, offset), encodeSnapshot(producers.describe()));
}

/** Offsets of the snapshots on disk, rising. */
function snapshotOffsets(place: SnapshotPlace): readonly bigint[] {
  return place.storage.list(place.directory).flatMap((name) => offsetInFileName(name, SNAPSHOT_SUFFIX) ?? []);
}

/** Removes snapshots that speak of offsets past the log's end. */
export function removeSnapshotsAbove(place: SnapshotPlace, endOffset: bigint): void {
  for (const offset of snapshotOffsets(place)) {
    if (offset > endOffset) place.storage.remove(snapshotPath(place, offset));
  }
}

/** Removes snapshots that no segment starts with, but for the newest: clean closes leave one each. */
export function removeStraySnapshots(place: SnapshotPlace, segments: readonly Segment[]): void {
  const bases = new Set(segments.map((segment) => segment.baseOffset));
  for (const offset of snapshotOffsets(place).slice(0, -1)) {
    if (!bases.has(offset)) place.storage.remove(snapshotPath(place, offset));
  }
}

/** Brings `producers` to the state after the last batch of `segments`, and the segments' indexes of aborted transactions to
 *  the end from `indexedTo` on, below which they are complete. Starts from the newest snapshot not above that: only there is
 *  it known which transactions were open. Damaged snapshots are removed and an older one is used; without any, all batches
 *  left in the log are walked. Producers of a snapshot that have expired stay away. */
export function rebuildProducers(
  place: SnapshotPlace,
  producers: ProducerStates,
  log: {
    readonly segments: readonly Segment[];
    readonly endOffset: bigint;
    readonly indexedTo: bigint;
    readonly nowMs: number;
    readonly expirationMs: number;
  },
): void {
  const fromOffset = restoreNewest(place, producers, lowerOffset(log.indexedTo, log.endOffset));
  producers.removeExpired(log.nowMs, log.expirationMs);
  for (const segment of log.segments) {
    if (segment.nextOffset <= fromOffset) continue;
    const wasOpen = segment.isOpen;
    const indexedBytes = segment.aborted.sizeBytes;
    for (const batch of segment.batchesFrom(fromOffset)) {
      const aborted = producers.update(batch);
      if (aborted !== undefined) segment.aborted.append(aborted);
    }
    if (segment.aborted.sizeBytes > indexedBytes) segment.saveAborted();
    if (!wasOpen) segment.release();
  }
}

/** The offset up to which the newest snapshot not above `maxOffset` speaks; 0 when there is none. */
function restoreNewest(place: SnapshotPlace, producers: ProducerStates, maxOffset: bigint): bigint {
  for (const offset of snapshotOffsets(place).toReversed()) {
    if (offset > maxOffset) continue;
    const states = decodeSnapshot(place.storage.readFile(snapshotPath(place, offset)));
    if (states !== undefined) {
      producers.restore(states);
      return offset;
    }
    place.storage.remove(snapshotPath(place, offset));
  }
  producers.restore([]);
  return 0n;
}
