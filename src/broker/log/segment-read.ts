/** Reading whole batches from a segment: one index lookup and, in the usual case, one read of the file. */

import { assertInvariant } from "../../core/errors.ts";
import type { StorageFile } from "../../core/storage.ts";
import { BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES, LAST_OFFSET_DELTA_AT, LENGTH_AT } from "../../wire/batch-layout.ts";
import type { OffsetIndex } from "../../wire/segment/offset-index.ts";

/** A read of whole batches from a log. */
export interface LogRead {
  readonly fromOffset: bigint;
  readonly maxBytes: number;
  /** Nothing at or past it is returned; the log's end by default. */
  readonly endOffset?: bigint;
  /** Return the first batch even when it is larger than `maxBytes`, as a fetch must to make progress. Default true. */
  readonly atLeastOneBatch?: boolean;
}

/** What it returned. */
export interface LogSlice {
  readonly bytes: Buffer;
  /** Offset after the last batch. */
  readonly nextOffset: bigint;
}

/** What a read asks of a segment. */
export interface SegmentRead extends Required<LogRead> {
  /** Position of the batch that holds `fromOffset`, when known. */
  readonly position: number | undefined;
}

/** Whole batches, and where the next ones begin. */
export interface SegmentSlice extends LogSlice {
  readonly nextPosition: number;
}

/** What is read: a segment's data and what is known of it. Offsets inside are relative to its base. */
export interface SegmentData {
  readonly file: StorageFile;
  readonly offsets: OffsetIndex;
  readonly baseOffset: bigint;
  readonly sizeBytes: number;
  readonly lastRelative: number;
}

/** Whole batches from the one that holds `fromOffset` on; undefined when the segment has none to give. */
export function readBatches(data: SegmentData, request: SegmentRead): SegmentSlice | undefined {
  const { file, offsets } = data;
  const baseLow = lowHalf(data.baseOffset);
  const from = Math.max(0, Number(request.fromOffset - data.baseOffset));
  const end = Number(request.endOffset - data.baseOffset);
  const stop = end > data.lastRelative ? data.sizeBytes : (offsets.ceilingPosition(end) ?? data.sizeBytes);
  let position = request.position ?? offsets.floorPosition(from);
  // Without a known position the batch lies between two index entries: read that much more to need one read only.
  const next = request.position === undefined ? (offsets.ceilingPosition(from) ?? data.sizeBytes) : position;
  let wantedBytes = request.maxBytes + Math.max(0, next - position) + BATCH_HEADER_BYTES;
  while (position < stop) {
    const buffer = file.read(position, Math.min(wantedBytes, stop - position));
    const start = skipBefore(buffer, baseLow, from);
    if (start + BATCH_HEADER_BYTES <= buffer.length) {
      const sizeBytes = batchBytesAt(buffer, start);
      if (lastRelativeAt(buffer, start, baseLow) >= end) return undefined;
      if (sizeBytes > request.maxBytes && !request.atLeastOneBatch) return undefined;
      if (start + sizeBytes <= buffer.length) {
        const taken = takeWhole(buffer, start, { baseLow, end, maxBytes: request.maxBytes });
        const nextOffset = data.baseOffset + BigInt(taken.lastRelative + 1);
        return { bytes: buffer.subarray(start, taken.stop), nextOffset, nextPosition: position + taken.stop };
      }
      wantedBytes = Math.max(sizeBytes, request.maxBytes);
    }
    assertInvariant(start > 0 || buffer.length < stop - position, "a segment holds whole batches", { position });
    position += start;
  }
  return undefined;
}

/** Low half of an offset: differences of low halves are exact within a segment, and cheaper than those of bigints. */
export function lowHalf(offset: bigint): number {
  return Number(BigInt.asUintN(32, offset));
}

/** Relative last offset of the batch at `at`, given the low half of the segment's base. */
export function lastRelativeAt(buffer: Buffer, at: number, baseLow: number): number {
  return ((buffer.readUInt32BE(at + 4) - baseLow) >>> 0) + buffer.readInt32BE(at + LAST_OFFSET_DELTA_AT);
}

function batchBytesAt(buffer: Buffer, at: number): number {
  const sizeBytes = buffer.readInt32BE(at + LENGTH_AT) + BATCH_PREFIX_BYTES;
  assertInvariant(sizeBytes >= BATCH_HEADER_BYTES, "a segment holds whole batches", { sizeBytes });
  return sizeBytes;
}

/** Start of the first batch in the buffer that ends at or after `relative`, or where the headers end. */
function skipBefore(buffer: Buffer, baseLow: number, relative: number): number {
  let at = 0;
  while (at + BATCH_HEADER_BYTES <= buffer.length && lastRelativeAt(buffer, at, baseLow) < relative) {
    at += batchBytesAt(buffer, at);
  }
  return at;
}

/** The batch at `start` and those that follow it whole, within `maxBytes`, and below `end`. */
function takeWhole(
  buffer: Buffer,
  start: number,
  limits: { readonly baseLow: number; readonly end: number; readonly maxBytes: number },
): { readonly stop: number; readonly lastRelative: number } {
  const { baseLow, end, maxBytes } = limits;
  let lastRelative = lastRelativeAt(buffer, start, baseLow);
  let at = start + batchBytesAt(buffer, start);
  while (at + BATCH_HEADER_BYTES <= buffer.length) {
    const next = at + batchBytesAt(buffer, at);
    const relative = lastRelativeAt(buffer, at, baseLow);
    if (next > buffer.length || next - start > maxBytes || relative >= end) break;
    lastRelative = relative;
    at = next;
  }
  return { stop: at, lastRelative };
}
