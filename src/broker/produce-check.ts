/** What a leader checks about a produced batch, and the few fields it corrects, before the batch reaches the log.
 *  In the order and with the codes of a running Apache Kafka (`ProduceRequest`, `UnifiedLog`, `LogValidator`). */

import { hasFaultCode, TributaryError } from "../core/errors.ts";
import { codecFor } from "../wire/compression/codecs.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { assembleBatch, type BatchView, batchAt, MAGIC_V2, withTimestamps } from "../wire/record-batch.ts";
import type { TopicSettings } from "./configs/topic-settings.ts";
import { refusal } from "./errors.ts";
import { type RecordScan, scanRecords } from "./record-scan.ts";

/** First version of Produce that may carry zstd (KIP-110). */
const ZSTD_VERSION_MIN = 7;
const ZSTD = 4;
const CODEC_IDS: Readonly<Record<string, number>> = { uncompressed: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

/** A compressed batch may unpack to this multiple of the topic's largest message, and to 64 MiB at least: real codecs
 *  stay far below, a bomb does not. */
const UNPACKED_FACTOR = 64;
const UNPACKED_BYTES_MIN = 64 * 1024 * 1024;

/** The only batch in the records of one partition. @throws {Refusal} INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE */
export function onlyBatch(records: Buffer | null, apiVersion: number): BatchView {
  if (records === null || records.length === 0)
    throw refusal(ErrorCode.INVALID_RECORD, "A produce request must carry exactly one record batch per partition");
  const batch = firstBatch(records);
  if (batch.sizeBytes !== records.length)
    throw refusal(ErrorCode.INVALID_RECORD, "A produce request must carry exactly one record batch per partition");
  if (batch.codec === ZSTD && apiVersion < ZSTD_VERSION_MIN)
    throw refusal(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs Produce version 7");
  return batch;
}

/** Checks the batch against the topic and returns it as it will be stored, offset and epoch apart.
 *  @throws {Refusal} with Kafka's code */
export function checkedBatch(batch: BatchView, settings: TopicSettings, nowMs: number): BatchView {
  checkHeader(batch, settings);
  checkCrc(batch);
  checkBatchRules(batch);
  const unpacked = unpackedRecords(batch, settings);
  const scan = scanRecords(unpacked, batch.recordCount);
  checkScan(batch, scan, settings);
  const timed = withCorrectTime(batch, scan, { settings, nowMs });
  return withTopicCodec(timed, unpacked, settings);
}

function firstBatch(records: Buffer): BatchView {
  try {
    const batch = batchAt(records, 0);
    if (batch !== undefined && batch.magic === MAGIC_V2) return batch;
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    if (hasFaultCode(error, "WIRE_BAD_MAGIC"))
      throw refusal(ErrorCode.INVALID_RECORD, "Produce requests must only contain record batches with magic version 2");
    throw refusal(ErrorCode.CORRUPT_MESSAGE, error.message);
  }
  throw refusal(ErrorCode.INVALID_RECORD, "The record batch is incomplete");
}

function checkHeader(batch: BatchView, settings: TopicSettings): void {
  if (batch.baseOffset !== 0n)
    throw refusal(
      ErrorCode.INVALID_RECORD,
      `The baseOffset of the record batch should be 0, but it is ${batch.baseOffset}`,
    );
  if (batch.sizeBytes > settings.maxMessageBytes)
    throw refusal(
      ErrorCode.MESSAGE_TOO_LARGE,
      `The record batch size of ${batch.sizeBytes} bytes exceeds the maximum of ${settings.maxMessageBytes} bytes`,
    );
  if (batch.sizeBytes > settings.segmentBytes)
    throw refusal(
      ErrorCode.RECORD_LIST_TOO_LARGE,
      `The record batch size of ${batch.sizeBytes} bytes exceeds the segment size of ${settings.segmentBytes} bytes`,
    );
}

function checkCrc(batch: BatchView): void {
  try {
    batch.verifyCrc();
  } catch (error) {
    if (error instanceof TributaryError) throw refusal(ErrorCode.CORRUPT_MESSAGE, error.message);
    throw error;
  }
}

function checkBatchRules(batch: BatchView): void {
  if (batch.recordCount <= 0 || !batch.isDense)
    throw refusal(
      ErrorCode.INVALID_RECORD,
      `Inconsistent batch offsets: last delta ${batch.lastOffsetDelta}, ${batch.recordCount} records`,
    );
  if (batch.isControl) throw refusal(ErrorCode.INVALID_RECORD, "Clients are not allowed to write control records");
  if (batch.producerId >= 0n && batch.baseSequence < 0)
    throw refusal(
      ErrorCode.INVALID_RECORD,
      `Invalid sequence number ${batch.baseSequence} in a batch with a producer id`,
    );
  if (batch.codec > ZSTD) throw refusal(ErrorCode.CORRUPT_MESSAGE, `Unknown compression type ${batch.codec}`);
}

function unpackedRecords(batch: BatchView, settings: TopicSettings): Uint8Array {
  if (batch.codec === 0) return batch.recordBytes;
  try {
    const limitBytes = Math.max(UNPACKED_BYTES_MIN, settings.maxMessageBytes * UNPACKED_FACTOR);
    return codecFor(batch.codec).decompress(batch.recordBytes, limitBytes);
  } catch (error) {
    if (error instanceof TributaryError) throw refusal(ErrorCode.CORRUPT_MESSAGE, error.message);
    throw error;
  }
}

function checkScan(batch: BatchView, scan: RecordScan, settings: TopicSettings): void {
  if (scan.count !== batch.recordCount || !scan.isExact)
    throw refusal(
      ErrorCode.INVALID_RECORD,
      `The record batch announces ${batch.recordCount} records and holds ${scan.count} well-formed ones`,
    );
  // Kafka does not look at inner deltas of uncompressed batches; for compressed ones its validator fails without a code.
  if (batch.codec !== 0 && !scan.isDense) throw refusal(ErrorCode.UNKNOWN, "Inner offsets are not consecutive");
  if (settings.compacts && scan.hasNullKey)
    throw refusal(ErrorCode.INVALID_RECORD, "Compacted topic cannot accept message without key");
}

function withCorrectTime(
  batch: BatchView,
  scan: RecordScan,
  { settings, nowMs }: { readonly settings: TopicSettings; readonly nowMs: number },
): BatchView {
  if (settings.logAppendTime) {
    if (batch.isLogAppendTime)
      throw refusal(ErrorCode.INVALID_TIMESTAMP, "Producers must not set the LogAppendTime timestamp type");
    return withTimestamps(batch, { maxTimestamp: BigInt(nowMs), logAppendTime: true });
  }
  // A batch that claims LogAppendTime has one timestamp for all its records, the header's maximum.
  const base = batch.baseTimestamp;
  const max = batch.isLogAppendTime ? batch.maxTimestamp : base + BigInt(scan.maxTimestampDelta);
  const min = batch.isLogAppendTime ? batch.maxTimestamp : base + BigInt(scan.minTimestampDelta);
  const now = BigInt(nowMs);
  if (min >= 0n && now - min > settings.timestampBeforeMaxMs) throw outsideWindow(min, settings);
  if (max - now > settings.timestampAfterMaxMs) throw outsideWindow(max, settings);
  return max === batch.maxTimestamp && !batch.isLogAppendTime
    ? batch
    : withTimestamps(batch, { maxTimestamp: max, logAppendTime: false });
}

function outsideWindow(timestamp: bigint, settings: TopicSettings): Error {
  return refusal(
    ErrorCode.INVALID_TIMESTAMP,
    `Timestamp ${timestamp} is out of range: at most ${settings.timestampBeforeMaxMs} ms before and ` +
      `${settings.timestampAfterMaxMs} ms after the broker's time`,
  );
}

function withTopicCodec(batch: BatchView, unpacked: Uint8Array, settings: TopicSettings): BatchView {
  const wanted = CODEC_IDS[settings.compressionType];
  if (wanted === undefined || wanted === batch.codec) return batch;
  return assembleBatch(
    {
      attributes: (batch.attributes & ~0x07) | wanted,
      lastOffsetDelta: batch.lastOffsetDelta,
      baseTimestamp: batch.baseTimestamp,
      maxTimestamp: batch.maxTimestamp,
      producerId: batch.producerId,
      producerEpoch: batch.producerEpoch,
      baseSequence: batch.baseSequence,
      recordCount: batch.recordCount,
    },
    wanted === 0 ? unpacked : codecFor(wanted).compress(unpacked),
  );
}
