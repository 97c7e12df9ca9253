/** The log of one partition: segments on disk in Kafka's own format, and everything that follows from their batches.
 *
 *  ```
 *  startOffset          localStartOffset                                   endOffset
 *      | moved to a cold store | sealed segment | sealed segment | active segment |
 *  ```
 *  All calls but `sync` and `close` are synchronous, so nothing in the process sees half an append. The log knows no high
 *  watermark: who may read how far is the caller's to say. */

import { assertInvariant } from "../../core/errors.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import type { AbortedTransaction, OffsetRange } from "../../wire/segment/transaction-index.ts";
import { higherOffset, lowerOffset } from "../offset-order.ts";
import { AbortedTransactions } from "./aborted-transactions.ts";
import type { LogConfig } from "./config.ts";
import { LogError } from "./errors.ts";
import { RECOVERY_POINT_FILE } from "./file-names.ts";
import type { EpochEnd, EpochStart, LeaderEpochs } from "./leader-epochs.ts";
import { type LoadedLog, type LogDeps, type LogOptions, loadLog } from "./load.ts";
import { type Appended, LogEnd } from "./log-end.ts";
import { LogStart } from "./log-start.ts";
import type { ProducerStates } from "./producer-states.ts";
import { RecoveryPoint } from "./recovery-point.ts";
import { retainedSegments, segmentsPastRetention } from "./retention.ts";
import { closedSegmentFiles, closedSegmentInfos, type SegmentFiles, type SegmentInfo } from "./segment-files.ts";
import { SegmentList } from "./segment-list.ts";
import type { LogRead, LogSlice } from "./segment-read.ts";
import { findLatest, findTimestamp, type TimestampedOffset } from "./timestamp-search.ts";

/** What a cold store holds of a log without local records. */
export interface ArchivedExtent {
  readonly startOffset: bigint;
  /** Exclusive. */
  readonly endOffset: bigint;
  /** Where committed readers stop: the first record of a transaction that the store does not decide, or the end. */
  readonly stableOffset: bigint;
  /** The leader epochs that wrote it, oldest first. */
  readonly epochs: readonly EpochStart[];
}

const NOTHING = Buffer.alloc(0);

/** An open log. One per directory; the caller keeps other processes away. */
export class PartitionLog {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly directory: string;
  /** What is known of the producers that wrote here. Check before `append`, which updates it. */
  readonly producers: ProducerStates;
  readonly #deps: LogDeps;
  readonly #segments: SegmentList;
  readonly #aborted: AbortedTransactions;
  readonly #start: LogStart;
  readonly #epochs: LeaderEpochs;
  readonly #recoveryPoint: RecoveryPoint;
  readonly #end: LogEnd;
  #config: LogConfig;
  /** Of what a cold store shows of a log without local records, which tells nothing of producers. */
  #archivedStable: bigint | undefined;
  #closed = false;

  private constructor(options: LogOptions, deps: LogDeps, loaded: LoadedLog) {
    this.topic = options.topic;
    this.topicId = options.topicId;
    this.partition = options.partition;
    this.directory = options.directory;
    this.producers = loaded.producers;
    this.#deps = deps;
    this.#config = options.config;
    this.#segments = new SegmentList(loaded.segments);
    this.#aborted = new AbortedTransactions({ ...this.#place, segments: this.#segments });
    this.#epochs = loaded.epochs;
    this.#start = new LogStart(
      { topic: options.topic, partition: options.partition, offset: loaded.startOffset },
      { ...this.#place, segments: this.#segments, epochs: this.#epochs, aborted: this.#aborted },
    );
    this.#recoveryPoint = new RecoveryPoint(
      {
        topic: options.topic,
        partition: options.partition,
        path: `${options.directory}/${RECOVERY_POINT_FILE}`,
        offset: loaded.recoveryPoint,
      },
      { storage: deps.storage, logger: deps.logger, segments: this.#segments },
    );
    this.#end = new LogEnd({
      ...this.#place,
      clock: deps.clock,
      segments: this.#segments,
      epochs: this.#epochs,
      producers: this.producers,
      recoveryPoint: this.#recoveryPoint,
    });
  }

  /** Opens the directory, or makes it: checks batches that were not known to be on the disk, cuts a torn end, rebuilds
   *  indexes and producer state. @throws {LogError} `LOG_WRONG_TOPIC`, `LOG_BAD_FILE` @throws {StorageError} */
  static open(options: LogOptions, deps: LogDeps): PartitionLog {
    const log = new PartitionLog(options, deps, loadLog(options, deps));
    for (const segment of log.#segments.all.slice(0, -1)) {
      if (segment.nextOffset > log.#recoveryPoint.offset) log.#recoveryPoint.flushLater(segment);
    }
    return log;
  }

  /** First offset of the log, wherever its data is. */
  get startOffset(): bigint {
    return this.#start.offset;
  }
  /** First offset that is in the local files; above `startOffset` when older segments were moved away. */
  get localStartOffset(): bigint {
    return this.#start.localOffset;
  }
  /** Offset that the next record gets. */
  get endOffset(): bigint {
    return this.#end.offset;
  }
  /** Bytes of data in the local segments. */
  get sizeBytes(): number {
    return this.#segments.all.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }
  /** Newest leader epoch, -1 before the first. */
  get latestEpoch(): number {
    return this.#epochs.latest;
  }
  /** All leader epochs with their first offsets, oldest first. */
  get epochs(): readonly EpochStart[] {
    return this.#epochs.entries;
  }
  get config(): LogConfig {
    return this.#config;
  }

  /** Replaces the settings; they hold from the next call on. */
  configure(config: LogConfig): void {
    this.#config = config;
  }

  /** Notes that a new leader epoch begins at the log's end, before it writes anything. */
  beginEpoch(epoch: number): void {
    this.#assertOpen();
    this.#epochs.assign(epoch, this.endOffset);
  }

  /** Appends one validated batch, setting its base offset and leader epoch in place. After a throw the log is as before.
   *  @throws {StorageError} `STORAGE_FULL` and others */
  append(batch: BatchView, options: { readonly leaderEpoch: number }): Appended {
    this.#assertOpen();
    return this.#end.append(batch, options.leaderEpoch, this.#config);
  }

  /** Whole batches from the one that holds `fromOffset` on, from one segment; empty at the end. The first batch may begin
   *  before `fromOffset`. @throws {LogError} `LOG_OFFSET_OUT_OF_RANGE` below the local start or past the end */
  read(request: LogRead): Buffer {
    return this.readSlice(request).bytes;
  }

  /** As `read`, and where the batches end. */
  readSlice(request: LogRead): LogSlice {
    this.#assertOpen();
    const { fromOffset, maxBytes, endOffset = this.endOffset, atLeastOneBatch = true } = request;
    this.#assertLocal(fromOffset);
    const nothing = { bytes: NOTHING, nextOffset: fromOffset };
    if (fromOffset >= endOffset) return nothing;
    return this.#segments.read({ fromOffset, endOffset, maxBytes, atLeastOneBatch }) ?? nothing;
  }

  /** The first record at or after a time (milliseconds since the epoch), at or after the local start; undefined when all
   *  are earlier. Decodes the records of a batch or two. */
  offsetForTimestamp(timestampMs: bigint): TimestampedOffset | undefined {
    this.#assertOpen();
    const found = findTimestamp(this.#segments.all, timestampMs, this.localStartOffset);
    this.#segments.keepOpenFew();
    return found;
  }

  /** The first record with the greatest timestamp; undefined when the log is empty. */
  maxTimestampOffset(): TimestampedOffset | undefined {
    this.#assertOpen();
    const found = findLatest(this.#segments.all);
    this.#segments.keepOpenFew();
    return found;
  }

  /** Where a leader epoch ended (OffsetForLeaderEpoch); epoch -1 and offset -1 when it is unknown. */
  epochEnd(epoch: number): EpochEnd {
    return this.#epochs.endOf(epoch, this.endOffset);
  }

  /** How far committed readers may read, given the high watermark: up to the first transaction that is open, or whose marker
   *  the high watermark has not passed. */
  lastStableOffset(highWatermark: bigint): bigint {
    const first = this.#archivedStable ?? this.producers.firstUnstableOffset(highWatermark);
    return first === undefined ? highWatermark : lowerOffset(higherOffset(first, this.#start.offset), highWatermark);
  }

  /** Aborted transactions that a reader of the range must know, with those of segments moved to a cold store. */
  abortedTransactions(range: OffsetRange): readonly AbortedTransaction[] {
    this.#assertOpen();
    return this.#aborted.find(range);
  }

  /** Closes the active segment and begins the next one; nothing happens while it is empty. */
  roll(): void {
    this.#assertOpen();
    this.#end.roll();
  }

  /** Drops the batch that holds `offset` and everything after it, and with them what epochs and producers knew of it.
   *  @returns the new end, below `offset` when that lay inside a batch */
  truncateTo(offset: bigint): bigint {
    this.#assertOpen();
    if (offset >= this.endOffset) return this.endOffset;
    this.#end.cutAt(offset, this.#config);
    if (this.#start.offset > this.endOffset) this.#start.set(this.endOffset);
    return this.endOffset;
  }

  /** Moves the log's start up to `offset` and deletes segments that lie wholly below it; producer state stays.
   *  @throws {LogError} `LOG_OFFSET_OUT_OF_RANGE` past the end */
  deleteRecordsBefore(offset: bigint): void {
    this.#assertOpen();
    if (offset > this.endOffset) throw this.#outOfRange(offset);
    if (offset > this.#start.offset) this.#start.raise(offset);
  }

  /** Deletes what is past time or size retention, never at or past `highWatermark` (default: the end).
   *  While older segments lie in a cold store, size retention does not apply. @returns segments deleted */
  applyRetention(nowMs: number, options: { readonly highWatermark?: bigint } = {}): number {
    this.#assertOpen();
    const count = segmentsPastRetention(retainedSegments(this.#segments, this.#end.untimedWriteMs), {
      nowMs,
      config: this.#config,
      highWatermark: options.highWatermark ?? this.endOffset,
      sizeApplies: this.localStartOffset === this.#start.offset,
    });
    if (count === 0) return 0;
    if (count === this.#segments.length) this.roll();
    this.deleteRecordsBefore(this.#segments.at(count).baseOffset);
    return count;
  }

  /** Forgets producers whose last record is older than `producer.id.expiration.ms`; call it at every check interval. */
  expireProducers(nowMs: number): void {
    this.producers.removeExpired(nowMs, this.#config.producerIdExpirationMs);
  }

  /** Segments that will not change any more, oldest first. */
  closedSegments(): readonly SegmentInfo[] {
    return closedSegmentInfos(this.#segments, this.#epochs.entries);
  }

  /** The files of a closed segment. @throws {LogError} `LOG_SEGMENT_MISSING` */
  readSegmentFiles(baseOffset: bigint): SegmentFiles {
    this.#assertOpen();
    return closedSegmentFiles({ ...this.#place, segments: this.#segments }, baseOffset, () => this.#assertOpen());
  }

  /** Deletes the oldest local segment after it was moved to a cold store: the local start moves, the log's start stays.
   *  @throws {LogError} `LOG_SEGMENT_MISSING` when it is not the oldest closed one */
  dropLocalSegment(baseOffset: bigint): void {
    this.#assertOpen();
    this.#start.dropLocal(baseOffset);
  }

  /** Says that a cold store holds everything of this log, which has no local records: readers find it from `startOffset` up to
   *  `endOffset`. Neither may go back from call to call. */
  showArchived({ startOffset, endOffset, stableOffset, epochs }: ArchivedExtent): void {
    this.#assertOpen();
    const isForward = this.#start.offset <= startOffset && startOffset <= endOffset && this.endOffset <= endOffset;
    assertInvariant(this.sizeBytes === 0 && isForward, "An archived log has no local records and only moves forward", {
      ...{ topic: this.topic, partition: this.partition, startOffset, endOffset },
    });
    this.#end.moveTo(endOffset);
    this.#start.set(startOffset);
    this.#archivedStable = stableOffset;
    this.#epochs.adopt(epochs);
  }

  /** Waits until everything appended before the call is on the disk. @throws {StorageError} */
  async sync(): Promise<void> {
    this.#assertOpen();
    await this.#recoveryPoint.syncAll();
  }

  /** Writes everything out so that the next open reads no data. A full disk is logged, not thrown: the next open then
   *  recovers. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#recoveryPoint.stop();
    try {
      this.#end.seal();
      await this.#recoveryPoint.finish(this.endOffset);
    } catch (error) {
      this.#deps.logger.warn("log not closed cleanly", { directory: this.directory, error });
    }
    this.#segments.release();
  }

  /** Closes without writing anything and removes the directory. */
  destroy(): void {
    this.#closed = true;
    void this.#recoveryPoint.stop();
    this.#segments.release();
    this.#deps.storage.remove(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #place(): { readonly storage: LogDeps["storage"]; readonly directory: string } {
    return { storage: this.#deps.storage, directory: this.directory };
  }

  #assertLocal(offset: bigint): void {
    if (offset < this.localStartOffset || offset > this.endOffset) throw this.#outOfRange(offset);
  }

  #outOfRange(offset: bigint): LogError {
    const { localStartOffset, endOffset } = this;
    return new LogError({ code: "LOG_OFFSET_OUT_OF_RANGE", offset, localStartOffset, endOffset });
  }

  #assertOpen(): void {
    if (this.#closed) throw new LogError({ code: "LOG_CLOSED", path: this.directory });
  }
}
