/** What copying asks of the mode in which a lane writes: live mode acknowledges batch by batch, history mode transaction by
 *  transaction. */

import type { BatchView } from "../wire/record-batch.ts";
import type { TargetFault } from "./errors.ts";
import type { LaneMemory } from "./lane-memory.ts";
import type { LaneDeps, LaneOptions } from "./lane-options.ts";
import { noteLatency } from "./latency.ts";
import type { LoopWatch } from "./loop-watch.ts";
import type { AppendOutcome, SourceChunk, SourceReader, TargetLimits } from "./ports.ts";
import type { SourceRun } from "./rewrite.ts";
import type { PlanCounts } from "./status.ts";

/** What the lane lends to a copy run. */
export interface CopyContext {
  readonly options: LaneOptions;
  readonly deps: LaneDeps;
  readonly limits: TargetLimits;
  readonly memory: LaneMemory;
  readonly counts: PlanCounts;
  readonly loops: LoopWatch;
  /** True until the first ack after takeover. */
  readonly isAlone: () => boolean;
  /** Called once with the reader, whose `endOffset` then tells the source's readable end. */
  readonly onReader: (reader: SourceReader) => void;
  readonly onAck: () => void;
  /** Called when progress moved. */
  readonly onProgress: () => void;
}

/** A batch in flight. */
export interface Sent {
  readonly runs: readonly SourceRun[];
  readonly records: number;
  readonly bytes: number;
  readonly maxTimestampMs: number;
  readonly sentAtMs: number;
  /** Grows over skipped batches that follow. */
  sourceNext: bigint;
  /** Of the last record before `sourceNext`, skipped ones included: an older one there would look like a truncated source. */
  sourceEpoch: number;
  /** Chunks that end with this batch, or with skipped ones behind it. */
  readonly ended: SourceChunk[];
}

/** One stretch of copying in one mode. */
export interface CopyMode {
  /** Batches that may be in flight now. */
  readonly inFlightMax: number;
  /** Called before the batches of a chunk. */
  beginChunk(): void;
  /** Looks at a batch that is to be sent. @throws {MirrorError} `HISTORY_NEEDED` when this mode cannot carry it */
  admit(batch: BatchView): void;
  /** Called before each batch when it may be sent. @throws {MirrorError} `TARGET_*` */
  prepare(): Promise<void> | undefined;
  /** Stamps the batch for its position and sends it. Never rejects. */
  send(batch: BatchView, position: bigint): Promise<AppendOutcome>;
  /** In send order. Answers a fault when the acknowledgement contradicts what the lane knows. */
  acked(sent: Sent, baseOffset: bigint): TargetFault | undefined;
  /** Source offsets below `nextOffset` are skipped, and nothing is in flight. */
  passed(nextOffset: bigint, leaderEpoch: number): void;
  /** True when `turn` should be called before the next batch. */
  isTurnDue(): boolean;
  /** How long to wait for a chunk before `turn` is to be called; undefined: for ever. */
  turnsInMs(): number | undefined;
  /** Called when nothing is in flight; true when the lane has to change its mode. @throws {MirrorError} */
  turn(): Promise<boolean>;
  /** Called at an orderly end, when nothing is in flight. @throws {MirrorError} */
  finish(): Promise<void>;
}

/** Enters acknowledged records into the map and the counters: from now on they count as copied. `targetEpoch` was known before they were
 *  sent. */
export function publish(context: CopyContext, sent: Sent, baseOffset: bigint, targetEpoch: number): void {
  const { memory, counts, deps } = context;
  let targetStart = baseOffset;
  for (const { sourceStart, length } of sent.runs) {
    memory.map.append({ sourceStart, targetStart, length }, targetEpoch);
    targetStart += BigInt(length);
  }
  memory.map.advanceTo(sent.sourceNext);
  memory.sourceEpoch = sent.sourceEpoch;
  counts.forwardedBatches++;
  counts.forwardedRecords += sent.records;
  counts.forwardedBytes += sent.bytes;
  noteLatency(counts.latency, deps.clock.nowMs() - sent.maxTimestampMs);
}

/** Enters skipped source offsets. */
export function publishSkipped(context: CopyContext, nextOffset: bigint, leaderEpoch: number): void {
  const { memory, onProgress } = context;
  memory.map.advanceTo(nextOffset);
  memory.sourceEpoch = leaderEpoch;
  onProgress();
}
