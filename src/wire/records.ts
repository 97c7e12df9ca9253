/** The records inside a batch, one by one. Forwarding never comes here: it moves batches as they are.
 *
 *  ```
 *  length varint | attributes i8 | timestampDelta varlong | offsetDelta varint
 *  key length varint, -1 null | key | value length varint, -1 null | value
 *  header count varint | (key length varint | key | value length varint, -1 null | value)*
 *  ```
 *  Source: Kafka, `DefaultRecord`. */

import { assertInvariant } from "../core/errors.ts";
import { type CodecId, DEFAULT_DECOMPRESSED_BYTES_MAX } from "./compression/codec.ts";
import { codecFor } from "./compression/codecs.ts";
import { WireError } from "./errors.ts";
import {
  assembleBatch,
  type BatchHeader,
  type BatchView,
  CONTROL_BIT,
  LOG_APPEND_TIME_BIT,
  TRANSACTIONAL_BIT,
} from "./record-batch.ts";
import { RecordCursor, RecordSink, varintBytes, varlongBytes } from "./record-cursor.ts";

/** A record without a key, value or header still takes a length, attributes, two deltas, two lengths and a count. */
const RECORD_BYTES_MIN = 7;
/** A header takes at least two lengths. */
const HEADER_BYTES_MIN = 2;

/** A record's header. Keys may repeat and their order counts; bytes of a key that are not UTF-8 show as U+FFFD. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** One record; key, value and header values share memory with the (decompressed) batch. */
export interface DecodedRecord {
  /** Offset minus the batch's base offset. */
  readonly offsetDelta: number;
  /** What a consumer sees: the batch's append time when it has one, else the producer's. */
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** A record to be written. */
export interface RecordInput {
  /** Defaults to the record's place in the list. */
  readonly offsetDelta?: number;
  readonly timestampMs: bigint;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

/** What a batch carries beside its records. */
export interface EncodeOptions
  extends Pick<BatchHeader, "baseOffset" | "leaderEpoch" | "producerId" | "producerEpoch" | "baseSequence"> {
  readonly codec?: CodecId;
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  /** Marks the batch as LogAppendTime, with this as the time of all records. */
  readonly appendTimeMs?: bigint;
  /** Defaults to the last record's; larger when compaction took the records behind it. */
  readonly lastOffsetDelta?: number;
}

/** Decodes all records of a batch. The CRC is not checked here (see `BatchView.verifyCrc`).
 *  @throws {WireError} `WIRE_BAD_BATCH`, `WIRE_BAD_VARINT`, `WIRE_BAD_COMPRESSION` */
export function decodeRecords(batch: BatchView, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX): DecodedRecord[] {
  const section = codecFor(batch.codec).decompress(batch.recordBytes, limitBytes);
  const scan = new SectionScan(batch, section);
  const records: DecodedRecord[] = [];
  for (let record = scan.next(); record !== undefined; record = scan.next()) records.push(record);
  return records;
}

/** Walks the records of a decompressed section and knows where the parts of the current one lie. */
export class SectionScan {
  readonly #cursor: RecordCursor;
  readonly #count: number;
  readonly #baseMs: bigint;
  readonly #baseNumberMs: number | undefined;
  readonly #appendMs: bigint | undefined;
  #index = 0;
  /** The current record's attributes; no bit has a meaning yet. */
  attributes = 0;
  /** The producer's timestamp of the current record. */
  storedMs = 0n;
  /** Where the part after the deltas begins and ends: key, value and headers. */
  tailStart = 0;
  tailEnd = 0;
  /** Where its header count begins. */
  headersStart = 0;

  /** @throws {WireError} `WIRE_BAD_BATCH` when so many records cannot be in so few bytes */
  constructor(batch: BatchView, section: Buffer) {
    this.#cursor = new RecordCursor(section);
    this.#count = batch.recordCount;
    this.#baseMs = batch.baseTimestamp;
    const base = Number(this.#baseMs);
    // Sums of safe numbers below this are exact, and cheaper than sums of bigints.
    this.#baseNumberMs = Math.abs(base) < 2 ** 52 ? base : undefined;
    this.#appendMs = batch.isLogAppendTime ? batch.maxTimestamp : undefined;
    if (this.#count < 0 || this.#count * RECORD_BYTES_MIN > section.length)
      throw new WireError({ code: "WIRE_BAD_BATCH", what: `${this.#count} records in ${section.length} bytes` });
  }

  /** The next record, or undefined after the last. @throws {WireError} `WIRE_BAD_BATCH`, `WIRE_BAD_VARINT` */
  next(): DecodedRecord | undefined {
    const cursor = this.#cursor;
    if (this.#index === this.#count) {
      if (cursor.at !== cursor.bytes.length) throw badBatch("bytes after the last record");
      return undefined;
    }
    this.#index++;
    const length = cursor.varint();
    const end = cursor.at + length;
    if (length < 0 || end > cursor.bytes.length) throw badBatch("record length");
    this.attributes = cursor.bytes.readInt8(Math.min(cursor.at++, cursor.bytes.length - 1));
    this.storedMs = this.#timestamp(cursor.varlong());
    const offsetDelta = cursor.varint();
    this.tailStart = cursor.at;
    this.tailEnd = end;
    const key = readNullable(cursor, end);
    const value = readNullable(cursor, end);
    this.headersStart = cursor.at;
    const headers = readHeaders(cursor, end);
    if (cursor.at !== end) throw badBatch("record length");
    return { offsetDelta, timestampMs: this.#appendMs ?? this.storedMs, key, value, headers };
  }

  /** Key, value and headers of the current record; shares memory. */
  get tail(): Buffer {
    return this.#cursor.bytes.subarray(this.tailStart, this.tailEnd);
  }

  /** Each header of the current record, lengths included; shares memory. */
  headerBytes(): Buffer[] {
    const cursor = new RecordCursor(this.#cursor.bytes);
    cursor.at = this.headersStart;
    const count = cursor.varint();
    return Array.from({ length: count }, () => {
      const start = cursor.at;
      readNullable(cursor, this.tailEnd);
      readNullable(cursor, this.tailEnd);
      return cursor.bytes.subarray(start, cursor.at);
    });
  }

  #timestamp(delta: number | bigint): bigint {
    if (typeof delta === "bigint") return BigInt.asIntN(64, this.#baseMs + delta);
    if (this.#baseNumberMs !== undefined) return BigInt(this.#baseNumberMs + delta);
    return BigInt.asIntN(64, this.#baseMs + BigInt(delta));
  }
}

function readNullable(cursor: RecordCursor, end: number): Buffer | null {
  const length = cursor.varint();
  if (length === -1) return null;
  const start = cursor.at;
  if (length < 0 || start + length > end) throw badBatch("length inside a record");
  cursor.at = start + length;
  return cursor.bytes.subarray(start, start + length);
}

const NO_HEADERS: readonly RecordHeader[] = [];

function readHeaders(cursor: RecordCursor, end: number): readonly RecordHeader[] {
  const count = cursor.varint();
  if (count === 0) return NO_HEADERS;
  if (count < 0 || count * HEADER_BYTES_MIN > end - cursor.at) throw badBatch("header count");
  const headers: RecordHeader[] = [];
  for (let i = 0; i < count; i++) {
    const key = readNullable(cursor, end);
    if (key === null) throw badBatch("null header key");
    headers.push({ key: key.toString("utf8"), value: readNullable(cursor, end) });
  }
  return headers;
}

function badBatch(what: string): WireError {
  return new WireError({ code: "WIRE_BAD_BATCH", what });
}

/** Encodes a whole batch. `records` is not empty; offset deltas ascend. */
export function encodeBatch(records: readonly RecordInput[], options: EncodeOptions = {}): BatchView {
  const first = records[0];
  assertInvariant(first !== undefined, "a batch that is encoded holds a record");
  let maxTimestamp = first.timestampMs;
  for (const record of records) if (record.timestampMs > maxTimestamp) maxTimestamp = record.timestampMs;
  const { codec = 0, isTransactional, isControl, appendTimeMs, lastOffsetDelta, ...header } = options;
  const section = encodeSection(records, first.timestampMs);
  return assembleBatch(
    {
      ...header,
      attributes:
        codec |
        (isTransactional === true ? TRANSACTIONAL_BIT : 0) |
        (isControl === true ? CONTROL_BIT : 0) |
        (appendTimeMs === undefined ? 0 : LOG_APPEND_TIME_BIT),
      lastOffsetDelta: lastOffsetDelta ?? records.at(-1)?.offsetDelta ?? records.length - 1,
      baseTimestamp: first.timestampMs,
      maxTimestamp: appendTimeMs ?? maxTimestamp,
      recordCount: records.length,
    },
    codecFor(codec).compress(section),
  );
}

/** The uncompressed records section. */
export function encodeSection(records: readonly RecordInput[], baseTimestamp: bigint): Buffer {
  const bodyBytes: number[] = [];
  let totalBytes = 0;
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    if (record === undefined) break;
    const size =
      1 +
      varlongBytes(record.timestampMs - baseTimestamp) +
      varintBytes(record.offsetDelta ?? i) +
      nullableSize(record.key) +
      nullableSize(record.value) +
      headersSize(record.headers ?? []);
    bodyBytes.push(size);
    totalBytes += varintBytes(size) + size;
  }
  const sink = new RecordSink(totalBytes);
  for (let i = 0; i < records.length; i++) {
    const record = records[i];
    if (record === undefined) break;
    sink.varint(bodyBytes[i] ?? 0);
    sink.int8(0);
    sink.varlong(record.timestampMs - baseTimestamp);
    sink.varint(record.offsetDelta ?? i);
    sink.nullable(record.key);
    sink.nullable(record.value);
    writeHeaders(sink, record.headers ?? []);
  }
  return sink.bytes;
}

function nullableSize(value: Uint8Array | null): number {
  return value === null ? 1 : varintBytes(value.byteLength) + value.byteLength;
}

type HeaderInputs = NonNullable<RecordInput["headers"]>;

function headersSize(headers: HeaderInputs): number {
  let size = varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key);
    size += varintBytes(keyBytes) + keyBytes + nullableSize(value);
  }
  return size;
}

function writeHeaders(sink: RecordSink, headers: HeaderInputs): void {
  sink.varint(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = Buffer.byteLength(key);
    sink.varint(keyBytes);
    sink.text(key, keyBytes);
    sink.nullable(value);
  }
}
