/** Rewriting a batch that cannot be forwarded as it is: records are taken over byte for byte, only their offset and
 *  timestamp deltas are written anew, and the codec stays the same. */

import { assertInvariant } from "../core/errors.ts";
import { DEFAULT_DECOMPRESSED_BYTES_MAX } from "./compression/codec.ts";
import { codecFor } from "./compression/codecs.ts";
import { assembleBatch, type BatchView, CODEC_MASK, type ProducerStamp } from "./record-batch.ts";
import { RecordCursor, RecordSink, varintBytes, varlongBytes } from "./record-cursor.ts";
import { type DecodedRecord, SectionScan } from "./records.ts";

/** How a batch is rebuilt. */
export interface RebuildOptions {
  /** Whether a record stays; all do by default. Called in order of offsets. */
  readonly keep?: (record: DecodedRecord) => boolean;
  /** Whether a header of a kept record is taken off; none is by default. */
  readonly dropsHeader?: (name: string) => boolean;
  /** `keep` leaves the producers' timestamps. `append-time` writes into every record of a LogAppendTime batch the time
   *  that consumers of the source see; in other batches the two are the same. */
  readonly timestamps: "keep" | "append-time";
  readonly stamp: ProducerStamp;
  /** Decompressed bytes accepted. */
  readonly limitBytes?: number;
}

/** A record that stays. */
interface Kept {
  readonly attributes: number;
  readonly timestampMs: bigint;
  /** Key, value and headers, in pieces of the old section. */
  readonly tail: readonly Buffer[];
  readonly tailBytes: number;
}

/** The kept records as a producible batch: base offset 0, offset deltas 0 to n-1, CreateTime, outside any transaction.
 *  Undefined when none is kept. Never call it for control batches: a marker would become a record.
 *  @throws {WireError} when the batch is malformed */
export function rebuildBatch(batch: BatchView, options: RebuildOptions): BatchView | undefined {
  assertInvariant(!batch.isControl, "control batches are never rebuilt");
  const codec = codecFor(batch.codec);
  const limitBytes = options.limitBytes ?? DEFAULT_DECOMPRESSED_BYTES_MAX;
  const kept = keptRecords(batch, codec.decompress(batch.recordBytes, limitBytes), options);
  const first = kept[0];
  if (first === undefined) return undefined;
  const section = writeSection(kept, first.timestampMs);
  assertDenseDeltas(section, kept.length);
  let maxTimestamp = first.timestampMs;
  for (const { timestampMs } of kept) if (timestampMs > maxTimestamp) maxTimestamp = timestampMs;
  return assembleBatch(
    {
      attributes: batch.attributes & CODEC_MASK,
      lastOffsetDelta: kept.length - 1,
      baseTimestamp: first.timestampMs,
      maxTimestamp,
      ...options.stamp,
      recordCount: kept.length,
    },
    codec.compress(section),
  );
}

function keptRecords(batch: BatchView, section: Buffer, options: RebuildOptions): Kept[] {
  const scan = new SectionScan(batch, section);
  const kept: Kept[] = [];
  const { dropsHeader } = options;
  for (let record = scan.next(); record !== undefined; record = scan.next()) {
    if (options.keep !== undefined && !options.keep(record)) continue;
    kept.push({
      attributes: scan.attributes,
      timestampMs: options.timestamps === "append-time" ? record.timestampMs : scan.storedMs,
      ...(dropsHeader === undefined ? wholeTail(scan) : tailWithout(scan, record, dropsHeader)),
    });
  }
  return kept;
}

type Tail = Pick<Kept, "tail" | "tailBytes">;

function wholeTail(scan: SectionScan): Tail {
  return { tail: [scan.tail], tailBytes: scan.tailEnd - scan.tailStart };
}

/** Key and value as they are, then the headers that stay, copied as bytes: a name that is no UTF-8 goes on as it is. */
function tailWithout(scan: SectionScan, { headers }: DecodedRecord, drops: (name: string) => boolean): Tail {
  if (!headers.some(({ key }) => drops(key))) return wholeTail(scan);
  const stay = scan.headerBytes().filter((_, index) => !drops(headers[index]?.key ?? ""));
  const tail = [scan.tail.subarray(0, scan.headersStart - scan.tailStart), countBytes(stay.length), ...stay];
  return { tail, tailBytes: tail.reduce((sum, part) => sum + part.length, 0) };
}

/** No header at all is what is left most often. */
const COUNT_ZERO = Buffer.from([0]);

function countBytes(count: number): Buffer {
  if (count === 0) return COUNT_ZERO;
  const sink = new RecordSink(varintBytes(count));
  sink.varint(count);
  return sink.bytes;
}

function writeSection(kept: readonly Kept[], baseTimestamp: bigint): Buffer {
  const bodyBytes: number[] = [];
  let totalBytes = 0;
  for (const { timestampMs, tailBytes } of kept) {
    const size = 1 + varlongBytes(timestampMs - baseTimestamp) + varintBytes(bodyBytes.length) + tailBytes;
    bodyBytes.push(size);
    totalBytes += varintBytes(size) + size;
  }
  const sink = new RecordSink(totalBytes);
  for (const [index, { attributes, timestampMs, tail }] of kept.entries()) {
    sink.varint(bodyBytes[index] ?? 0);
    sink.int8(attributes);
    sink.varlong(timestampMs - baseTimestamp);
    sink.varint(index);
    for (const part of tail) sink.raw(part);
  }
  return sink.bytes;
}

/** Reads the deltas back before anything is sent: a broker stores an uncompressed batch without looking at them, and
 *  wrong ones would be wrong offsets for good. */
function assertDenseDeltas(section: Buffer, count: number): void {
  const cursor = new RecordCursor(section);
  for (let index = 0; index < count; index++) {
    const length = cursor.varint();
    const end = cursor.at + length;
    cursor.at++;
    cursor.varlong();
    const offsetDelta = cursor.varint();
    assertInvariant(offsetDelta === index, "rebuilt offset deltas run from 0 to n-1", { offsetDelta, index });
    cursor.at = end;
  }
  assertInvariant(cursor.at === section.length, "a rebuilt section ends with its last record");
}
