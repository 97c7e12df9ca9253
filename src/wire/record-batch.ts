/** Record batch v2 as bytes: a header view without a copy, header patches, and the walk over concatenated batches.
 *
 *  See `batch-layout.ts` for the fields. The CRC-32C covers the attributes and what follows, so offset and leader epoch may change
 *  freely. Source: Kafka, `DefaultRecordBatch`. */

import {
  ATTRIBUTES_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  CRC_AT,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_AT,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
} from "./batch-layout.ts";
import { crc32c, patchCrc32c } from "./crc32c.ts";
import { WireError } from "./errors.ts";

/** Everything that a header patch may change and the CRC covers lies before this. */
const PATCHED_END = 57;

/** The bits of a batch's attributes that name its codec. */
export const CODEC_MASK = 0x07;
/** Records carry the time of their arrival, which is the batch's maxTimestamp. */
export const LOG_APPEND_TIME_BIT = 0x08;
/** The batch belongs to a transaction. */
export const TRANSACTIONAL_BIT = 0x10;
/** The batch holds a transaction marker, no data. */
export const CONTROL_BIT = 0x20;
/** The base timestamp is the time from which a compacted log drops the tombstones (KIP-534). */
export const DELETE_HORIZON_BIT = 0x40;

/** Marks, in memory only, a batch that was made of messages of an older format (see `upgradeMessages`). Kafka uses no bit above
 *  the delete horizon's, and a batch with this one is always rebuilt before it is sent. */
export const OLD_FORMAT_BIT = 0x4000;

/** The magic of batches since Kafka 0.11. */
export const MAGIC_V2 = 2;
/** Marks a batch that no idempotent producer wrote. */
export const NO_PRODUCER_ID = -1n;
/** Sequence numbers run from 0 to 2^31 - 1 and wrap. */
export const SEQUENCE_MODULUS = 2 ** 31;

/** One batch inside a larger buffer. Reading a property reads the bytes; nothing is copied or cached. */
export class BatchView {
  readonly buffer: Buffer;
  readonly start: number;
  readonly sizeBytes: number;

  /** Use `batchesIn` or `batchAt`, which check that the bytes are all there. */
  constructor(buffer: Buffer, start: number, sizeBytes: number) {
    this.buffer = buffer;
    this.start = start;
    this.sizeBytes = sizeBytes;
  }

  get baseOffset(): bigint {
    return this.buffer.readBigInt64BE(this.start);
  }
  get leaderEpoch(): number {
    return this.buffer.readInt32BE(this.start + LEADER_EPOCH_AT);
  }
  get magic(): number {
    return this.buffer.readInt8(this.start + MAGIC_AT);
  }
  get crc(): number {
    return this.buffer.readUInt32BE(this.start + CRC_AT);
  }
  get attributes(): number {
    return this.buffer.readInt16BE(this.start + ATTRIBUTES_AT);
  }
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  get codec(): number {
    return this.attributes & CODEC_MASK;
  }
  get isLogAppendTime(): boolean {
    return (this.attributes & LOG_APPEND_TIME_BIT) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & TRANSACTIONAL_BIT) !== 0;
  }
  get isControl(): boolean {
    return (this.attributes & CONTROL_BIT) !== 0;
  }
  get hasDeleteHorizon(): boolean {
    return (this.attributes & DELETE_HORIZON_BIT) !== 0;
  }
  /** See `OLD_FORMAT_BIT`. */
  get wasOldFormat(): boolean {
    return (this.attributes & OLD_FORMAT_BIT) !== 0;
  }
  get lastOffsetDelta(): number {
    return this.buffer.readInt32BE(this.start + LAST_OFFSET_DELTA_AT);
  }
  get lastOffset(): bigint {
    return this.baseOffset + BigInt(this.lastOffsetDelta);
  }
  /** The offset after the batch. */
  get nextOffset(): bigint {
    return this.baseOffset + BigInt(this.lastOffsetDelta) + 1n;
  }
  get baseTimestamp(): bigint {
    return this.buffer.readBigInt64BE(this.start + BASE_TIMESTAMP_AT);
  }
  get maxTimestamp(): bigint {
    return this.buffer.readBigInt64BE(this.start + MAX_TIMESTAMP_AT);
  }
  get producerId(): bigint {
    return this.buffer.readBigInt64BE(this.start + PRODUCER_ID_AT);
  }
  get producerEpoch(): number {
    return this.buffer.readInt16BE(this.start + PRODUCER_EPOCH_AT);
  }
  get baseSequence(): number {
    return this.buffer.readInt32BE(this.start + BASE_SEQUENCE_AT);
  }
  get recordCount(): number {
    return this.buffer.readInt32BE(this.start + RECORD_COUNT_AT);
  }
  /** True when offsets run without a gap, as a broker demands of a produced batch. */
  get isDense(): boolean {
    return this.lastOffsetDelta + 1 === this.recordCount;
  }
  /** The whole batch; shares memory. */
  get bytes(): Buffer {
    return this.buffer.subarray(this.start, this.start + this.sizeBytes);
  }
  /** The records section, compressed as the batch is; shares memory. */
  get recordBytes(): Buffer {
    return this.buffer.subarray(this.start + BATCH_HEADER_BYTES, this.start + this.sizeBytes);
  }

  /** Computes the CRC over the batch. @throws {WireError} `WIRE_BAD_CRC` */
  verifyCrc(): void {
    const actual = crc32c(this.buffer.subarray(this.start + ATTRIBUTES_AT, this.start + this.sizeBytes));
    const expected = this.crc;
    if (actual !== expected) throw new WireError({ code: "WIRE_BAD_CRC", expected, actual });
  }

  /** Sets the base offset (outside the CRC). */
  setBaseOffset(offset: bigint): void {
    this.buffer.writeBigInt64BE(offset, this.start);
  }
  /** Sets the partition leader epoch (outside the CRC). */
  setLeaderEpoch(epoch: number): void {
    this.buffer.writeInt32BE(epoch, this.start + LEADER_EPOCH_AT);
  }
}

/** The batch that starts at `start`, or undefined when the buffer ends before it does (a tail cut by a fetch limit).
 *  @throws {WireError} `WIRE_BAD_BATCH` impossible length, offset delta or count; `WIRE_BAD_MAGIC` not
 *  version 2 */
export function batchAt(buffer: Buffer, start: number): BatchView | undefined {
  const leftBytes = buffer.length - start;
  if (leftBytes < BATCH_PREFIX_BYTES) return undefined;
  const length = buffer.readInt32BE(start + LENGTH_AT);
  if (leftBytes > MAGIC_AT) {
    const magic = buffer.readInt8(start + MAGIC_AT);
    if (magic !== MAGIC_V2) throw new WireError({ code: "WIRE_BAD_MAGIC", magic });
  }
  if (length < BATCH_HEADER_BYTES - BATCH_PREFIX_BYTES)
    throw new WireError({ code: "WIRE_BAD_BATCH", what: `length ${length}` });
  const sizeBytes = length + BATCH_PREFIX_BYTES;
  if (sizeBytes > leftBytes) return undefined;
  const batch = new BatchView(buffer, start, sizeBytes);
  // Whoever walks a log from offset to offset relies on going forward.
  if (batch.lastOffsetDelta < 0 || batch.recordCount < 0)
    throw new WireError({ code: "WIRE_BAD_BATCH", what: "negative offset delta or record count" });
  return batch;
}

/** All complete batches in a fetch response's bytes or a segment file; a cut tail is left out. */
export function* batchesIn(buffer: Buffer): Generator<BatchView, void, undefined> {
  for (let start = 0; ; ) {
    const batch = batchAt(buffer, start);
    if (batch === undefined) return;
    yield batch;
    start += batch.sizeBytes;
  }
}

/** What a forwarded batch carries instead of its source's values. */
export interface ProducerStamp {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** In [0, 2^31). */
  readonly baseSequence: number;
  /** Part of an open transaction of that producer; default false. */
  readonly isTransactional?: boolean;
}

/** Scratch for the changed range: 36 bytes, used within one synchronous call only. */
const before = Buffer.alloc(PATCHED_END - ATTRIBUTES_AT);

/** Makes a fetched batch producible, in place: base offset 0, leader epoch -1, the stamp's producer and transactional bit, the
 *  log-append-time and delete-horizon bits cleared, and the CRC derived from the old one. O(log size).
 *  The caller has made sure that clearing those bits is right (see `mirror/plan.ts`). */
export function stampBatch(batch: BatchView, stamp: ProducerStamp): void {
  const { buffer, start } = batch;
  buffer.copy(before, 0, start + ATTRIBUTES_AT, start + PATCHED_END);
  buffer.writeBigInt64BE(0n, start);
  buffer.writeInt32BE(-1, start + LEADER_EPOCH_AT);
  const kept = batch.attributes & ~(TRANSACTIONAL_BIT | LOG_APPEND_TIME_BIT | DELETE_HORIZON_BIT);
  buffer.writeInt16BE(stamp.isTransactional === true ? kept | TRANSACTIONAL_BIT : kept, start + ATTRIBUTES_AT);
  buffer.writeBigInt64BE(stamp.producerId, start + PRODUCER_ID_AT);
  buffer.writeInt16BE(stamp.producerEpoch, start + PRODUCER_EPOCH_AT);
  buffer.writeInt32BE(stamp.baseSequence, start + BASE_SEQUENCE_AT);
  for (let i = 0; i < before.length; i++) before[i] = (before[i] ?? 0) ^ (buffer[start + ATTRIBUTES_AT + i] ?? 0);
  buffer.writeUInt32BE(patchCrc32c(batch.crc, before, batch.sizeBytes - PATCHED_END), start + CRC_AT);
}

/** Values of a batch header to be written; sizes and the CRC follow from the records. */
export interface BatchHeader {
  readonly baseOffset?: bigint;
  readonly leaderEpoch?: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: bigint;
  readonly maxTimestamp: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly recordCount: number;
}

/** A whole batch from a header and its (already compressed) records section. */
export function assembleBatch(header: BatchHeader, recordBytes: Uint8Array): BatchView {
  const buffer = Buffer.allocUnsafe(BATCH_HEADER_BYTES + recordBytes.byteLength);
  buffer.set(recordBytes, BATCH_HEADER_BYTES);
  return fillHeader(buffer, header);
}

/** Makes a batch of a buffer whose records section, from `BATCH_HEADER_BYTES` to the end, is there already. */
export function fillHeader(buffer: Buffer, header: BatchHeader): BatchView {
  buffer.writeBigInt64BE(header.baseOffset ?? 0n, 0);
  buffer.writeInt32BE(buffer.length - BATCH_PREFIX_BYTES, LENGTH_AT);
  buffer.writeInt32BE(header.leaderEpoch ?? -1, LEADER_EPOCH_AT);
  buffer.writeInt8(MAGIC_V2, MAGIC_AT);
  buffer.writeInt16BE(header.attributes, ATTRIBUTES_AT);
  buffer.writeInt32BE(header.lastOffsetDelta, LAST_OFFSET_DELTA_AT);
  buffer.writeBigInt64BE(header.baseTimestamp, BASE_TIMESTAMP_AT);
  buffer.writeBigInt64BE(header.maxTimestamp, MAX_TIMESTAMP_AT);
  buffer.writeBigInt64BE(header.producerId ?? NO_PRODUCER_ID, PRODUCER_ID_AT);
  buffer.writeInt16BE(header.producerEpoch ?? -1, PRODUCER_EPOCH_AT);
  buffer.writeInt32BE(header.baseSequence ?? -1, BASE_SEQUENCE_AT);
  buffer.writeInt32BE(header.recordCount, RECORD_COUNT_AT);
  buffer.writeUInt32BE(crc32c(buffer.subarray(ATTRIBUTES_AT)), CRC_AT);
  return new BatchView(buffer, 0, buffer.length);
}

/** Copies the batch with another maxTimestamp and timestamp type, as a broker does when it corrects or replaces them. */
export function withTimestamps(
  batch: BatchView,
  change: { readonly maxTimestamp: bigint; readonly logAppendTime: boolean },
): BatchView {
  const copy = new BatchView(Buffer.from(batch.bytes), 0, batch.sizeBytes);
  const attributes = change.logAppendTime
    ? batch.attributes | LOG_APPEND_TIME_BIT
    : batch.attributes & ~LOG_APPEND_TIME_BIT;
  copy.buffer.writeInt16BE(attributes, ATTRIBUTES_AT);
  copy.buffer.writeBigInt64BE(change.maxTimestamp, MAX_TIMESTAMP_AT);
  copy.buffer.writeUInt32BE(crc32c(copy.buffer.subarray(ATTRIBUTES_AT)), CRC_AT);
  return copy;
}

/** The sequence number `count` after `sequence`. */
export function sequenceAfter(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCE_MODULUS;
}
