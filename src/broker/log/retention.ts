/** Which segments time and size retention would delete (Kafka, `UnifiedLog.deleteOldSegments`). */

import type { LogConfig } from "./config.ts";
import type { SegmentList } from "./segment-list.ts";

/** What retention looks at. */
export interface RetainedSegment {
  readonly sizeBytes: number;
  /** Greatest record time, or the time of the last write when no record has one. */
  readonly latestMs: number;
  /** Base of the next segment, the log's end for the last one. */
  readonly nextOffset: bigint;
}

/** What holds for the whole log. */
export interface RetentionContext {
  readonly nowMs: number;
  readonly config: LogConfig;
  /** Nothing at or past it may go. */
  readonly highWatermark: bigint;
  /** False while older data lies elsewhere: local bytes alone do not say how large the log is. */
  readonly sizeApplies: boolean;
}

/** What retention looks at in each segment of a log; `untimedWriteMs` is when records without a time were last written. */
export function retainedSegments(segments: SegmentList, untimedWriteMs: number): readonly RetainedSegment[] {
  return segments.all.map(({ sizeBytes, maxTimestampMs }, i) => ({
    sizeBytes,
    latestMs: maxTimestampMs >= 0n ? Number(maxTimestampMs) : untimedWriteMs,
    nextOffset: segments.nextOffsetAt(i),
  }));
}

/** How many segments, from the oldest on, are past retention. The last one counts too: it is rolled before it goes. */
export function segmentsPastRetention(segments: readonly RetainedSegment[], context: RetentionContext): number {
  if (!context.config.deletes) return 0;
  return Math.max(pastTime(segments, context), pastSize(segments, context));
}

function pastTime(segments: readonly RetainedSegment[], context: RetentionContext): number {
  const { retentionMs } = context.config;
  if (retentionMs < 0) return 0;
  return leading(segments, context, (segment) => context.nowMs - segment.latestMs > retentionMs);
}

function pastSize(segments: readonly RetainedSegment[], context: RetentionContext): number {
  const { retentionBytes } = context.config;
  if (retentionBytes < 0 || !context.sizeApplies) return 0;
  let excessBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0) - retentionBytes;
  return leading(segments, context, (segment) => {
    excessBytes -= segment.sizeBytes;
    return excessBytes >= 0;
  });
}

function leading(
  segments: readonly RetainedSegment[],
  context: RetentionContext,
  isPast: (segment: RetainedSegment) => boolean,
): number {
  let count = 0;
  for (const segment of segments) {
    const isEmptyLast = count === segments.length - 1 && segment.sizeBytes === 0;
    if (isEmptyLast || segment.nextOffset > context.highWatermark || !isPast(segment)) break;
    count += 1;
  }
  return count;
}
