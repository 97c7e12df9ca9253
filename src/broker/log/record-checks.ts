/** What a broker finds out about the records of a produced batch: one cheap walk, and a second one only to name faults. */

import { ErrorCode } from "../../wire/error-codes.ts";
import { WireError } from "../../wire/errors.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import { RecordWalk } from "./record-walk.ts";

/** Records at fault that are named one by one; a client needs a few examples, not a million. */
export const RECORD_COMPLAINTS_MAX = 100;

/** What one walk over a batch shows. */
export interface RecordFacts {
  readonly count: number;
  /** Offset deltas run from 0 without a gap. */
  readonly isDense: boolean;
  readonly allKeyed: boolean;
  /** Greatest timestamp minus the batch's base timestamp. */
  readonly maxTimestampDelta: number;
  readonly minTimestampMs: number;
  readonly maxTimestampMs: number;
}

/** A record at fault. */
export interface RecordComplaint {
  /** Place in the batch, from 0. */
  readonly index: number;
  readonly message: string;
  /** True when its time is the fault, which has an error code of its own. */
  readonly isTimestamp: boolean;
}

/** The facts, or the error for records that cannot be read. */
export function inspectRecords(
  batch: BatchView,
  limitBytes: number,
): RecordFacts | { readonly errorCode: number; readonly message: string } {
  try {
    return walkRecords(batch, limitBytes);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const isCodec = error.fault.code === "WIRE_BAD_COMPRESSION" && !isCutGzip(batch, error);
    return { errorCode: isCodec ? ErrorCode.UNKNOWN : ErrorCode.INVALID_RECORD, message: error.message };
  }
}

/** Kafka's brokers meet the end of a cut gzip stream as the end of the records, and name it so; other codecs fail whole. */
function isCutGzip(batch: BatchView, error: WireError): boolean {
  const { cause } = error;
  return batch.codec === 1 && cause instanceof Error && "code" in cause && cause.code === "Z_BUF_ERROR";
}

function walkRecords(batch: BatchView, limitBytes: number): RecordFacts {
  const walk = new RecordWalk(batch, limitBytes);
  let count = 0;
  let isDense = true;
  let allKeyed = true;
  let maxDelta = Number.NEGATIVE_INFINITY;
  let minDelta = Number.POSITIVE_INFINITY;
  while (walk.next()) {
    if (walk.offsetDelta !== count) isDense = false;
    if (!walk.hasKey) allKeyed = false;
    if (walk.timestampDelta > maxDelta) maxDelta = walk.timestampDelta;
    if (walk.timestampDelta < minDelta) minDelta = walk.timestampDelta;
    count += 1;
  }
  if (count === 0) maxDelta = minDelta = 0;
  const baseMs = Number(batch.baseTimestamp);
  const appendMs = batch.isLogAppendTime ? Number(batch.maxTimestamp) : undefined;
  return {
    ...{ count, isDense, allKeyed, maxTimestampDelta: maxDelta },
    minTimestampMs: appendMs ?? baseMs + minDelta,
    maxTimestampMs: appendMs ?? baseMs + maxDelta,
  };
}

/** Names the records without a key, or with a time outside the window. A record without a time (-1) is always timely. */
export function recordComplaints(
  batch: BatchView,
  demands: {
    readonly needsKey: boolean;
    readonly window: { readonly earliestMs: number; readonly latestMs: number } | undefined;
  },
): readonly RecordComplaint[] {
  const { needsKey, window } = demands;
  const complaints: RecordComplaint[] = [];
  const walk = new RecordWalk(batch);
  const baseMs = Number(batch.baseTimestamp);
  const appendMs = batch.isLogAppendTime ? Number(batch.maxTimestamp) : undefined;
  for (let index = 0; walk.next() && complaints.length < RECORD_COMPLAINTS_MAX; index++) {
    const recordMs = appendMs ?? baseMs + walk.timestampDelta;
    if (needsKey && !walk.hasKey) {
      complaints.push({ index, message: "a compacted topic needs a key", isTimestamp: false });
    } else if (
      window !== undefined &&
      recordMs !== -1 &&
      (recordMs < window.earliestMs || recordMs > window.latestMs)
    ) {
      const message = `timestamp ${recordMs} outside ${window.earliestMs} to ${window.latestMs}`;
      complaints.push({ index, message, isTimestamp: true });
    }
  }
  return complaints;
}
