/** What a leader checks about a produced batch, and the few fields it corrects, before the batch reaches the log.
 *  In the order and with the codes of a running Apache Kafka (`ProduceRequest`, `UnifiedLog`, `LogValidator`). */

import { TributaryError } from "../core/errors.ts";
import { codecFor } from "../wire/compression/codecs.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import {
  assembleBatch,
  BATCH_HEADER_BYTES,
  BATCH_PREFIX_BYTES,
  BatchView,
  MAGIC_V2,
  withTimestamps,
} from "../wire/record-batch.ts";
import type { TopicSettings } from "./configs/topic-settings.ts";
import { Refusal, type RefusalFault, refusal } from "./errors.ts";
import { type RecordScan, recordsWhere, scanRecords } from "./record-scan.ts";

/** Where a batch says how many bytes follow. */
const BATCH_LENGTH_AT = 8;

/** First version of Produce that may carry zstd (KIP-110). */
const ZSTD_VERSION_MIN = 7;
const ZSTD = 4;
const CODEC_IDS: Readonly<Record<string, number>> = { uncompressed: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 };

/** A compressed batch may unpack to this multiple of the topic's largest message, and to 64 MiB at least: real codecs
 *  stay far below, a bomb does not. */
const UNPACKED_FACTOR = 64;
const UNPACKED_BYTES_MIN = 64 * 1024 * 1024;

/** Some records are no good: the response lists them (KIP-467). */
export class RecordsRefusal extends Refusal {
  readonly batchIndexes: readonly number[];

  constructor(fault: RefusalFault, batchIndexes: readonly number[]) {
    super(fault);
    this.batchIndexes = batchIndexes;
  }
}

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
  checkScan(batch, scan);
  if (settings.compacts && scan.hasNullKey)
    throw badRecords(
      ErrorCode.INVALID_RECORD,
      "Compacted topic cannot accept message without key",
      recordsWhere(unpacked, (record) => record.hasNullKey),
    );
  const timed = withCorrectTime({ batch, scan, unpacked }, settings, nowMs);
  return withTopicCodec(timed, unpacked, settings);
}

/** The batch at the start, whatever its counts say: those are checked with a code of their own. */
function firstBatch(records: Buffer): BatchView {
  if (records.length < BATCH_HEADER_BYTES) throw refusal(ErrorCode.INVALID_RECORD, "The record batch is incomplete");
  const batch = new BatchView(records, 0, records.readInt32BE(BATCH_LENGTH_AT) + BATCH_PREFIX_BYTES);
  if (batch.magic > MAGIC_V2) throw refusal(ErrorCode.CORRUPT_MESSAGE, `Invalid magic ${batch.magic}`);
  if (batch.magic < MAGIC_V2)
    throw refusal(ErrorCode.INVALID_RECORD, "Produce requests must only contain record batches with magic version 2");
  if (batch.sizeBytes < BATCH_HEADER_BYTES)
    throw refusal(ErrorCode.CORRUPT_MESSAGE, `Record batch of ${batch.sizeBytes} bytes is smaller than its header`);
  return batch;
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

function badRecords(errorCode: number, reason: string, batchIndexes: readonly number[]): RecordsRefusal {
  return new RecordsRefusal({ code: "BROKER_REFUSED", errorCode, reason }, batchIndexes);
}

function checkScan(batch: BatchView, scan: RecordScan): void {
  if (scan.count !== batch.recordCount || !scan.isExact)
    throw refusal(
      ErrorCode.INVALID_RECORD,
      `The record batch announces ${batch.recordCount} records and holds ${scan.count} well-formed ones`,
    );
  // Kafka does not look at inner deltas of uncompressed batches; for compressed ones its validator fails without a code.
  if (batch.codec !== 0 && !scan.isDense) throw refusal(ErrorCode.UNKNOWN, "Inner offsets are not consecutive");
}

interface ScannedBatch {
  readonly batch: BatchView;
  readonly scan: RecordScan;
  readonly unpacked: Uint8Array;
}

function withCorrectTime({ batch, scan, unpacked }: ScannedBatch, settings: TopicSettings, nowMs: number): BatchView {
  const now = BigInt(nowMs);
  if (settings.logAppendTime) {
    if (batch.isLogAppendTime)
      throw badRecords(
        ErrorCode.INVALID_TIMESTAMP,
        "Invalid timestamp type in message. Producer should not set timestamp type to LogAppendTime.",
        [0],
      );
    return withTimestamps(batch, { maxTimestamp: now, logAppendTime: true });
  }
  // A batch that claims LogAppendTime has one timestamp for all its records, the header's maximum.
  const base = batch.isLogAppendTime ? batch.maxTimestamp : batch.baseTimestamp;
  const minDelta = batch.isLogAppendTime ? 0 : scan.minTimestampDelta;
  const maxDelta = batch.isLogAppendTime ? 0 : scan.maxTimestampDelta;
  const isOutside = (timestamp: bigint): boolean =>
    (timestamp >= 0n && now - timestamp > settings.timestampBeforeMaxMs) ||
    timestamp - now > settings.timestampAfterMaxMs;
  if (isOutside(base + BigInt(minDelta)) || isOutside(base + BigInt(maxDelta)))
    throw badRecords(
      ErrorCode.INVALID_TIMESTAMP,
      `Timestamp of a record is out of range: at most ${settings.timestampBeforeMaxMs} ms before and ` +
        `${settings.timestampAfterMaxMs} ms after the broker's time`,
      recordsWhere(unpacked, (record) =>
        isOutside(batch.isLogAppendTime ? base : base + BigInt(record.timestampDelta)),
      ),
    );
  const max = base + BigInt(maxDelta);
  return max === batch.maxTimestamp && !batch.isLogAppendTime
    ? batch
    : withTimestamps(batch, { maxTimestamp: max, logAppendTime: false });
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
