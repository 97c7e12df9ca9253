/** Merging of small batches into a large one: records are copied byte for byte, only their offset and timestamp deltas are
 *  written anew, and the codec stays the same. A produce request carries one batch per partition and few of them may be in
 *  flight, so that many small batches are slow over a long link, and many requests everywhere. */

import { assertInvariant } from "../core/errors.ts";
import { BATCH_HEADER_BYTES } from "./batch-layout.ts";
import { DEFAULT_DECOMPRESSED_BYTES_MAX } from "./compression/codec.ts";
import { codecFor } from "./compression/codecs.ts";
import { WireError } from "./errors.ts";
import { assembleBatch, type BatchHeader, type BatchView, CODEC_MASK, fillHeader } from "./record-batch.ts";
import { RecordCursor, RecordSink, varintBytes, varlongBytes } from "./record-cursor.ts";

/** Bytes a record may grow by: its length by 1 (of 5), its timestamp delta to 10 bytes, its offset delta to 5. */
const RECORD_GROWTH_BYTES = 17;

/** Beyond this a timestamp delta takes the slow path. */
const SHORT_DELTA_MAX = 2 ** 31 - 1;

/** The most that a batch adds to the one that it is merged into, before compression. */
export function mergedBytesMax({ sizeBytes, recordCount }: BatchView): number {
  return sizeBytes + recordCount * RECORD_GROWTH_BYTES;
}

/** One batch with all records of `batches` in their order: base offset 0, offset deltas 0 to n-1, CreateTime, no producer.
 *  The CRC of each batch is verified first, because the merged one gets a CRC of its own: "Damage never gets a good CRC".
 *  All have the same codec and are dense, none is a control or a LogAppendTime batch.
 *  @throws {WireError} `WIRE_BAD_CRC`, `WIRE_BAD_BATCH`, `WIRE_BAD_VARINT`, `WIRE_BAD_COMPRESSION` */
export function mergeBatches(batches: readonly BatchView[]): BatchView {
  const first = batches[0];
  assertInvariant(first !== undefined, "something is merged");
  const codec = codecFor(first.codec);
  const sections: Buffer[] = [];
  let sinkBytes = BATCH_HEADER_BYTES;
  for (const batch of batches) {
    const isPlain = !batch.isControl && !batch.isLogAppendTime && !batch.hasDeleteHorizon && batch.isDense;
    assertInvariant(isPlain && batch.codec === first.codec, "only plain batches of one codec are merged");
    batch.verifyCrc();
    const section = codec.decompress(batch.recordBytes, DEFAULT_DECOMPRESSED_BYTES_MAX);
    sections.push(section);
    sinkBytes += section.length + batch.recordCount * RECORD_GROWTH_BYTES;
  }
  const sink = new RecordSink(sinkBytes);
  sink.at = BATCH_HEADER_BYTES;
  const header = copyRecords(batches, sections, sink);
  if (codec.id !== 0) return assembleBatch(header, codec.compress(sink.bytes.subarray(BATCH_HEADER_BYTES, sink.at)));
  return fillHeader(sink.bytes.subarray(0, sink.at), header);
}

function copyRecords(batches: readonly BatchView[], sections: readonly Buffer[], sink: RecordSink): BatchHeader {
  const baseTimestamp = batches[0]?.baseTimestamp ?? 0n;
  let maxTimestamp = -1n;
  let recordCount = 0;
  for (const [i, batch] of batches.entries()) {
    const section = sections[i];
    assertInvariant(section !== undefined, "each batch has a section");
    copySection(batch, section, { sink, offsetDelta: recordCount, shiftMs: batch.baseTimestamp - baseTimestamp });
    recordCount += batch.recordCount;
    if (batch.maxTimestamp > maxTimestamp) maxTimestamp = batch.maxTimestamp;
  }
  const attributes = (batches[0]?.attributes ?? 0) & CODEC_MASK;
  return { attributes, lastOffsetDelta: recordCount - 1, baseTimestamp, maxTimestamp, recordCount };
}

interface Destination {
  readonly sink: RecordSink;
  /** Of the section's first record. */
  readonly offsetDelta: number;
  /** To be added to each timestamp delta. */
  readonly shiftMs: bigint;
}

/** Plain loop: this runs once per record. */
function copySection(batch: BatchView, section: Buffer, { sink, offsetDelta, shiftMs }: Destination): void {
  const cursor = new RecordCursor(section);
  const shift = Number(shiftMs);
  const isShortShift = Math.abs(shift) <= SHORT_DELTA_MAX;
  const { recordCount } = batch;
  for (let i = 0; i < recordCount; i++) {
    const length = cursor.varint();
    const end = cursor.at + length;
    if (length < 0 || end > section.length) throw badBatch("record length");
    const attributes = section[cursor.at++] ?? 0;
    const oldMs = cursor.varlong();
    const oldOffset = cursor.varint();
    if (cursor.at > end) throw badBatch("record length");
    if (oldOffset !== i) throw badBatch(`offset delta ${oldOffset} of record ${i}`);
    const tailBytes = end - cursor.at;
    const newOffset = offsetDelta + i;
    const short = isShortShift && typeof oldMs === "number" ? oldMs + shift : Number.NaN;
    if (Math.abs(short) <= SHORT_DELTA_MAX) {
      sink.varint(1 + varintBytes(short) + varintBytes(newOffset) + tailBytes);
      sink.int8(attributes);
      sink.varint(short);
    } else {
      const longMs = BigInt(oldMs) + shiftMs;
      sink.varint(1 + varlongBytes(longMs) + varintBytes(newOffset) + tailBytes);
      sink.int8(attributes);
      sink.varlong(longMs);
    }
    sink.varint(newOffset);
    section.copy(sink.bytes, sink.at, cursor.at, end);
    sink.at += tailBytes;
    cursor.at = end;
  }
  if (cursor.at !== section.length) throw badBatch("bytes after the last record");
}

function badBatch(what: string): WireError {
  return new WireError({ code: "WIRE_BAD_BATCH", what });
}
