/** What a closed segment hands to a cold store: its facts and its files, byte for byte. */

import type { EpochStart } from "./leader-epochs.ts";
import { type SnapshotPlace, snapshotPath } from "./producer-recovery.ts";
import type { SegmentList } from "./segment-list.ts";

/** Facts of a closed segment. */
export interface SegmentInfo {
  readonly baseOffset: bigint;
  /** Base of the segment that follows. */
  readonly nextOffset: bigint;
  /** Bytes of the data file. */
  readonly sizeBytes: number;
  /** Greatest record time, -1 without one. */
  readonly maxTimestampMs: bigint;
  /** Leader epochs that wrote it; the first may begin before it. */
  readonly epochs: readonly EpochStart[];
}

/** The files of one closed segment, in Kafka's formats. */
export interface SegmentFiles {
  readonly sizeBytes: number;
  /** A part of the data file, so that nobody has to hold a gigabyte.
   *  @throws {LogError} `LOG_SEGMENT_MISSING` when retention took the segment meanwhile */
  readonly readLog: (position: number, lengthBytes: number) => Buffer;
  readonly index: Buffer;
  readonly timeindex: Buffer;
  /** Undefined when no transaction was aborted in the segment. */
  readonly txnindex: Buffer | undefined;
  /** Producer state at the segment's end; undefined when it is not kept any more. */
  readonly snapshot: Buffer | undefined;
}

/** Facts of all segments but the active one, oldest first. */
export function closedSegmentInfos(segments: SegmentList, epochs: readonly EpochStart[]): readonly SegmentInfo[] {
  return segments.all.slice(0, -1).map((segment, i) => {
    const { baseOffset, sizeBytes, maxTimestampMs } = segment;
    const nextOffset = segments.nextOffsetAt(i);
    const begun = epochs.filter((entry) => entry.startOffset < nextOffset);
    const first = Math.max(
      0,
      begun.findLastIndex((entry) => entry.startOffset <= baseOffset),
    );
    return { baseOffset, nextOffset, sizeBytes, maxTimestampMs, epochs: begun.slice(first) };
  });
}

/** The files of a closed segment: the small ones are read at once, the data file on demand, each time after `assertReadable`.
 *  @throws {LogError} `LOG_SEGMENT_MISSING` */
export function closedSegmentFiles(
  log: SnapshotPlace & { readonly segments: SegmentList },
  baseOffset: bigint,
  assertReadable: () => void,
): SegmentFiles {
  const { storage, segments } = log;
  const i = segments.closedIndexOf(baseOffset);
  const segment = segments.at(i);
  const whenThere = (path: string): Buffer | undefined => (storage.exists(path) ? storage.readFile(path) : undefined);
  return {
    sizeBytes: segment.sizeBytes,
    readLog: (position, lengthBytes) => {
      assertReadable();
      return segments.readData(segment, position, lengthBytes);
    },
    index: storage.readFile(segment.path(".index")),
    timeindex: storage.readFile(segment.path(".timeindex")),
    txnindex: whenThere(segment.path(".txnindex")),
    snapshot: whenThere(snapshotPath(log, segments.nextOffsetAt(i))),
  };
}
