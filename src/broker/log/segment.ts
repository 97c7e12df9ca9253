/** One segment of a log: a data file and its indexes, from a base offset on.
 *
 *  The data file is appended to at once; the indexes of the active segment live in memory and reach their files when the
 *  segment is sealed, so that an append is one system call. Whatever a crash takes from them is rebuilt from the data. */

import type { Storage, StorageFile } from "../../core/storage.ts";
import { ATTRIBUTES_AT, BATCH_HEADER_BYTES, LAST_OFFSET_DELTA_AT, MAX_TIMESTAMP_AT } from "../../wire/batch-layout.ts";
import { crc32c } from "../../wire/crc32c.ts";
import type { BatchView } from "../../wire/record-batch.ts";
import type { TransactionIndex } from "../../wire/segment/transaction-index.ts";
import { type PlacedBatch, scanBatches } from "./batch-scan.ts";
import { offsetFileName, SEGMENT_SUFFIXES, type SegmentSuffix } from "./file-names.ts";
import { SegmentIndexes } from "./segment-indexes.ts";
import { lastRelativeAt, lowHalf, readBatches, type SegmentRead, type SegmentSlice } from "./segment-read.ts";

/** Offsets within a segment are stored in 31 bits (Kafka, `LogSegment.canConvertToRelativeOffset`). */
const RELATIVE_OFFSET_MAX = 2 ** 31 - 1;
/** Positions are stored in 31 bits. */
const POSITION_MAX = 2 ** 31 - 1;

/** A segment; the owner appends to the last one only. */
export class Segment {
  readonly baseOffset: bigint;
  readonly #directory: string;
  readonly #storage: Storage;
  readonly #baseLow: number;
  readonly #indexes: SegmentIndexes;
  #file: StorageFile | undefined;
  #sizeBytes = 0;
  #lastRelative = -1;
  #maxTimestampMs = -1n;
  #maxTimestampRelative = 0;
  #firstTimestampMs = -1n;
  #bytesSinceIndexEntry = 0;

  /** Touches nothing; `create`, `openSealed` or `recover` make it usable. */
  constructor(baseOffset: bigint, deps: { readonly directory: string; readonly storage: Storage }) {
    this.baseOffset = baseOffset;
    this.#directory = deps.directory;
    this.#storage = deps.storage;
    this.#baseLow = lowHalf(baseOffset);
    this.#indexes = new SegmentIndexes({ baseOffset, storage: deps.storage, path: (suffix) => this.path(suffix) });
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }
  /** Offset after the last batch; the base of an empty segment. */
  get nextOffset(): bigint {
    return this.baseOffset + BigInt(this.#lastRelative + 1);
  }
  /** Greatest timestamp of any batch, -1 without one. */
  get maxTimestampMs(): bigint {
    return this.#maxTimestampMs;
  }
  /** Timestamp of the first batch, which `segment.ms` counts from; -1 when empty or not recovered by a walk. */
  get firstTimestampMs(): bigint {
    return this.#firstTimestampMs;
  }
  /** Last offset of the batch that holds the greatest timestamp. */
  get maxTimestampOffset(): bigint {
    return this.baseOffset + BigInt(this.#maxTimestampRelative);
  }
  get indexBytes(): number {
    return this.#indexes.sizeBytes;
  }
  /** True while files or indexes are held open. */
  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** Transactions whose abort marker lies in the segment; what is added reaches the file when the segment is sealed.
   *  @throws {LogError} `LOG_BAD_FILE` */
  get aborted(): TransactionIndex {
    return this.#indexes.aborted;
  }

  /** Path of one of the segment's files. */
  path(suffix: SegmentSuffix): string {
    return `${this.#directory}/${offsetFileName(this.baseOffset, suffix)}`;
  }

  /** Makes an empty segment, dropping files of the same name. */
  create(): void {
    this.remove();
    this.#file = this.#storage.open(this.path(".log"), { create: true });
    this.#indexes.clearPlaces();
  }

  /** True when the batch can be addressed in this segment. */
  fits(batch: BatchView, lastOffset: bigint): boolean {
    return (
      this.#sizeBytes + batch.sizeBytes <= POSITION_MAX && lastOffset - this.baseOffset <= BigInt(RELATIVE_OFFSET_MAX)
    );
  }

  /** Appends a batch whose offset is already set. After a throw the segment is as before. */
  append(batch: BatchView, indexIntervalBytes: number): void {
    this.#opened().append([batch.bytes]);
    this.#note({ batch, position: this.#sizeBytes }, indexIntervalBytes);
  }

  /** Takes a sealed segment from its files without reading the data; false when an index is missing or damaged. */
  openSealed(nextOffset: bigint): boolean {
    const places = this.#indexes.readPlaces();
    if (places === undefined) return false;
    const { offsets, times } = places;
    const file = this.#storage.open(this.path(".log"), { create: false });
    this.#sizeBytes = file.sizeBytes;
    file.close();
    if ((offsets.last?.position ?? 0) >= Math.max(1, this.#sizeBytes)) return false;
    this.#lastRelative = Number(nextOffset - this.baseOffset) - 1;
    this.#maxTimestampMs = times.last?.timestampMs ?? -1n;
    this.#maxTimestampRelative = times.last?.relativeOffset ?? 0;
    return true;
  }

  /** Rebuilds indexes and counters from the data and cuts it where it is damaged. Below `trustedOffset` batches are not
   *  checked, and the indexes on disk are believed unless `walkAll`. `seen` is called for each batch walked and kept.
   *  @returns bytes cut off */
  recover(options: {
    readonly trustedOffset: bigint;
    readonly walkAll?: boolean;
    readonly indexIntervalBytes: number;
    readonly seen: (batch: BatchView) => void;
  }): number {
    this.release();
    const file = this.#storage.open(this.path(".log"), { create: true });
    this.#file = file;
    this.#reset();
    if (options.walkAll !== true) this.#resume(file, options.trustedOffset);
    this.aborted.truncateTo(options.trustedOffset);
    for (const placed of scanBatches(file, this.#sizeBytes)) {
      if (!this.#isSound(placed.batch, options.trustedOffset)) break;
      this.#note(placed, options.indexIntervalBytes);
      options.seen(placed.batch);
    }
    const cutBytes = file.sizeBytes - this.#sizeBytes;
    if (cutBytes > 0) file.truncate(this.#sizeBytes);
    return cutBytes;
  }

  /** Removes a damaged `.txnindex`; false when there was one, so that aborted transactions must be looked for from here on. */
  dropDamagedAborted(): boolean {
    return this.#indexes.dropDamagedAborted();
  }

  /** Writes the index of aborted transactions of a segment that was sealed before. */
  saveAborted(): void {
    this.#indexes.saveAborted();
  }

  /** Writes the indexes to their files, with Kafka's closing time entry. Repeating it changes nothing. */
  seal(): void {
    const end = { timestampMs: this.#maxTimestampMs, relativeOffset: this.#maxTimestampRelative };
    this.#indexes.times.appendIfLater(end);
    this.#indexes.save();
  }

  /** Closes the file and forgets the indexes; the next read opens them again. Only for a sealed segment. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#indexes.release();
  }

  /** Waits until the data is on the disk. */
  async sync(): Promise<void> {
    await this.#opened().sync();
  }

  /** Deletes all files of the segment. */
  remove(): void {
    this.release();
    for (const suffix of SEGMENT_SUFFIXES) this.#storage.remove(this.path(suffix));
    this.#reset();
  }

  /** Deletes a sealed segment but for its `.txnindex`: its batches are elsewhere, and are read with what that says. */
  removeData(): void {
    this.release();
    for (const suffix of SEGMENT_SUFFIXES) if (suffix !== ".txnindex") this.#storage.remove(this.path(suffix));
  }

  /** Cuts away the batch that holds `offset` and everything after it. The caller has lowered the recovery point, so that
   *  after a crash index files of before the cut are not believed. */
  truncateTo(offset: bigint, indexIntervalBytes: number): void {
    const file = this.#opened();
    const position = this.#positionOf(offset) ?? this.#sizeBytes;
    // Of the active segment the file may know less than the memory.
    this.aborted.truncateTo(offset);
    this.saveAborted();
    file.truncate(position);
    this.recover({ trustedOffset: offset, indexIntervalBytes, seen: () => {} });
  }

  /** Whole batches from the one that holds `fromOffset` on; undefined when the segment has none to give. */
  read(request: SegmentRead): SegmentSlice | undefined {
    const { baseOffset } = this;
    const { offsets } = this.#indexes;
    const facts = { baseOffset, sizeBytes: this.#sizeBytes, lastRelative: this.#lastRelative };
    return readBatches({ file: this.#opened(), offsets, ...facts }, request);
  }

  /** Batches from the one that holds `offset` on, for searches; the views are valid until the next step. */
  *batchesFrom(offset: bigint): Generator<BatchView, void, undefined> {
    const relative = Math.max(0, Number(offset - this.baseOffset));
    const start = this.#indexes.offsets.floorPosition(relative);
    for (const { batch } of scanBatches(this.#opened(), start)) if (batch.lastOffset >= offset) yield batch;
  }

  /** An offset before which no record is as late as `timestampMs`. */
  offsetBefore(timestampMs: bigint): bigint {
    return this.baseOffset + BigInt(this.#indexes.times.offsetBefore(timestampMs));
  }

  /** Where Kafka ends the search for aborted transactions after a read up to `nextOffset`: at the next indexed batch;
   *  undefined when there is none (`LogSegment.fetchUpperBoundOffset`). */
  searchEnd(nextOffset: bigint): bigint | undefined {
    const relative = this.#indexes.offsets.ceilingOffset(Number(nextOffset - this.baseOffset));
    return relative === undefined ? undefined : this.baseOffset + BigInt(relative);
  }

  /** Bytes of the data file from `position`. */
  readData(position: number, lengthBytes: number): Buffer {
    return this.#opened().read(position, lengthBytes);
  }

  /** Starts from the last trusted index entry instead of the beginning, when the files agree with it. */
  #resume(file: StorageFile, trustedOffset: bigint): void {
    const places = this.#indexes.readPlaces();
    if (places === undefined) return;
    const { offsets, times } = places;
    const trusted = Math.max(0, Number(trustedOffset - this.baseOffset));
    offsets.truncateTo(trusted);
    times.truncateTo(trusted);
    const entry = offsets.last;
    if (entry === undefined) return;
    const header = file.read(entry.position, BATCH_HEADER_BYTES);
    if (header.length < BATCH_HEADER_BYTES || lastRelativeAt(header, 0, this.#baseLow) !== entry.relativeOffset) return;
    this.#indexes.use(places);
    this.#sizeBytes = entry.position;
    this.#lastRelative = entry.relativeOffset - header.readInt32BE(LAST_OFFSET_DELTA_AT) - 1;
    this.#maxTimestampMs = times.last?.timestampMs ?? -1n;
    this.#maxTimestampRelative = times.last?.relativeOffset ?? 0;
    this.#firstTimestampMs = file.read(0, BATCH_HEADER_BYTES).readBigInt64BE(MAX_TIMESTAMP_AT);
  }

  #positionOf(offset: bigint): number | undefined {
    const start = this.#indexes.offsets.floorPosition(Math.max(0, Number(offset - this.baseOffset)));
    for (const { batch, position } of scanBatches(this.#opened(), start)) {
      if (batch.lastOffset >= offset) return position;
    }
    return undefined;
  }

  /** Counts a batch that lies in the file, and indexes it as Kafka does (`LogSegment.append`). */
  #note(placed: PlacedBatch, indexIntervalBytes: number): void {
    const { batch, position } = placed;
    const { offsets, times } = this.#indexes;
    const lastRelative = lastRelativeAt(batch.buffer, batch.start, this.#baseLow);
    const timestampMs = batch.maxTimestamp;
    if (position === 0) this.#firstTimestampMs = timestampMs;
    if (timestampMs > this.#maxTimestampMs) {
      this.#maxTimestampMs = timestampMs;
      this.#maxTimestampRelative = lastRelative;
    }
    if (this.#bytesSinceIndexEntry > indexIntervalBytes) {
      offsets.append(lastRelative, position);
      times.appendIfLater({ timestampMs: this.#maxTimestampMs, relativeOffset: this.#maxTimestampRelative });
      this.#bytesSinceIndexEntry = 0;
    }
    this.#bytesSinceIndexEntry += batch.sizeBytes;
    this.#lastRelative = lastRelative;
    this.#sizeBytes = position + batch.sizeBytes;
  }

  /** A batch is kept when its offsets go on from the last one's and its bytes are what was written. The base offset is
   *  outside the CRC, so it must be exactly the next one; below the trusted offset compaction may have left gaps. */
  #isSound(batch: BatchView, trustedOffset: bigint): boolean {
    const { baseOffset, lastOffset } = batch;
    if (batch.lastOffsetDelta < 0 || baseOffset < this.nextOffset) return false;
    if (lastOffset - this.baseOffset > BigInt(RELATIVE_OFFSET_MAX)) return false;
    return lastOffset < trustedOffset || (baseOffset === this.nextOffset && hasValidCrc(batch));
  }

  #opened(): StorageFile {
    this.#file ??= this.#storage.open(this.path(".log"), { create: false });
    return this.#file;
  }

  #reset(): void {
    this.#indexes.clearPlaces();
    this.#sizeBytes = 0;
    this.#lastRelative = -1;
    this.#maxTimestampMs = -1n;
    this.#maxTimestampRelative = 0;
    this.#firstTimestampMs = -1n;
    this.#bytesSinceIndexEntry = 0;
  }
}

function hasValidCrc(batch: BatchView): boolean {
  return crc32c(batch.bytes.subarray(ATTRIBUTES_AT)) === batch.crc;
}
