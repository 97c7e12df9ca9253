/** One pass over the records section of a batch: what a broker checks about records without keeping any of them. */

/** What the pass found. */
export interface RecordScan {
  /** Complete records before the end or the first malformed one. */
  readonly count: number;
  /** All bytes belonged to well-formed records. */
  readonly isExact: boolean;
  /** Offset deltas ran 0, 1, 2 ... */
  readonly isDense: boolean;
  readonly hasNullKey: boolean;
  /** Smallest and largest timestamp delta against the batch's base timestamp; 0 without records. */
  readonly minTimestampDelta: number;
  readonly maxTimestampDelta: number;
}

/** Position of the pass; module state instead of an object per varint, since it runs for every record. */
let at = 0;

/** Scans at most `limit` records. Deltas beyond 2^53 lose precision, which only a hostile batch has. */
export function scanRecords(bytes: Uint8Array, limit: number): RecordScan {
  at = 0;
  const end = bytes.length;
  let count = 0;
  let isDense = true;
  let hasNullKey = false;
  let min = 0;
  let max = 0;
  while (at < end && count < limit) {
    const lengthBytes = zigzag(bytes, end);
    const recordEnd = at + lengthBytes;
    if (!(lengthBytes >= 6 && recordEnd <= end)) break;
    at++;
    const timestampDelta = zigzag(bytes, recordEnd);
    if (zigzag(bytes, recordEnd) !== count) isDense = false;
    const keyBytes = zigzag(bytes, recordEnd);
    if (Number.isNaN(timestampDelta) || !(keyBytes <= recordEnd - at)) break;
    if (keyBytes < 0) hasNullKey = true;
    if (count === 0 || timestampDelta < min) min = timestampDelta;
    if (count === 0 || timestampDelta > max) max = timestampDelta;
    at = recordEnd;
    count++;
  }
  return { count, isExact: at === end, isDense, hasNullKey, minTimestampDelta: min, maxTimestampDelta: max };
}

/** One record, as the search for bad ones sees it. */
export interface ScannedRecord {
  readonly hasNullKey: boolean;
  readonly timestampDelta: number;
}

/** Positions of the records that are so, in a section that `scanRecords` found exact. Slow: for error messages only. */
export function recordsWhere(bytes: Uint8Array, isSo: (record: ScannedRecord) => boolean): readonly number[] {
  const found: number[] = [];
  at = 0;
  for (let index = 0; at < bytes.length; index++) {
    const lengthBytes = zigzag(bytes, bytes.length);
    const recordEnd = at + lengthBytes;
    at++;
    const timestampDelta = zigzag(bytes, recordEnd);
    zigzag(bytes, recordEnd);
    const hasNullKey = zigzag(bytes, recordEnd) < 0;
    at = recordEnd;
    if (isSo({ hasNullKey, timestampDelta })) found.push(index);
  }
  return found;
}

/** A zigzag varint of up to ten bytes as a number; NaN when it does not end before `end`. */
function zigzag(bytes: Uint8Array, end: number): number {
  let low = 0;
  for (let shift = 0; shift < 28; shift += 7) {
    if (at >= end) return Number.NaN;
    const byte = bytes[at++] ?? 0;
    low |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
  }
  let value = low;
  for (let scale = 2 ** 28; scale < 2 ** 70; scale *= 128) {
    if (at >= end) return Number.NaN;
    const byte = bytes[at++] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
  return Number.NaN;
}
