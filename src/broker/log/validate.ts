/** What a leader checks of a produced batch before it appends it, in Kafka's order (`ProduceRequest.validateRecords`,
 *  `UnifiedLog.analyzeAndValidateRecords`, `LogValidator`). Producer state is checked later, by `ProducerStates`. */

import { ATTRIBUTES_AT, BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from "../../wire/batch-layout.ts";
import { type CodecId, type CodecName, DEFAULT_DECOMPRESSED_BYTES_MAX } from "../../wire/compression/codec.ts";
import { codecFor, codecNamed } from "../../wire/compression/codecs.ts";
import { crc32c } from "../../wire/crc32c.ts";
import { ErrorCode } from "../../wire/error-codes.ts";
import {
  assembleBatch,
  BatchView,
  CODEC_MASK,
  MAGIC_V2,
  NO_PRODUCER_ID,
  withTimestamps,
} from "../../wire/record-batch.ts";
import { inspectRecords, type RecordComplaint, type RecordFacts, recordComplaints } from "./record-checks.ts";

/** What a topic demands of batches. */
export interface ProduceRules {
  /** `max.message.bytes` */
  readonly maxMessageBytes: number;
  /** `segment.bytes` */
  readonly segmentBytes: number;
  /** `message.timestamp.type` is `LogAppendTime`. */
  readonly logAppendTime: boolean;
  /** `message.timestamp.before.max.ms` */
  readonly timestampBeforeMaxMs: number;
  /** `message.timestamp.after.max.ms` */
  readonly timestampAfterMaxMs: number;
  /** `compression.type`; `producer` keeps the batch's own codec. */
  readonly compression: CodecName | "producer";
  /** `cleanup.policy` contains `compact`: every record needs a key. */
  readonly compacted: boolean;
}

/** Kafka 4's defaults (`TopicConfig`, `ServerLogConfigs`). */
export const DEFAULT_PRODUCE_RULES: ProduceRules = {
  maxMessageBytes: 1024 * 1024 + BATCH_PREFIX_BYTES,
  segmentBytes: 1024 * 1024 * 1024,
  logAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 60 * 60 * 1_000,
  compression: "producer",
  compacted: false,
};

/** A batch that may be appended as it is returned, or the error for the producer. */
export type ProduceVerdict =
  | {
      readonly kind: "valid";
      /** The produced batch, or a copy with what the broker had to correct. */
      readonly batch: BatchView;
      /** For the response: the append time of a LogAppendTime topic, else -1. */
      readonly appendTimeMs: bigint;
    }
  | ProduceRefusal;

/** Why a batch is refused. */
export interface ProduceRefusal {
  readonly kind: "refused";
  readonly errorCode: number;
  readonly message: string;
  /** Records at fault, by their index in the batch (Produce 8 and later); at most `RECORD_COMPLAINTS_MAX`. */
  readonly recordErrors: readonly RecordComplaint[];
}

const NO_TIMESTAMP = -1n;

/** Judges the records of one partition in a produce request. `records` may be changed by a later append, not here. */
export function validateProduce(records: Buffer | null, rules: ProduceRules, nowMs: number): ProduceVerdict {
  const batch = onlyBatch(records);
  if (!(batch instanceof BatchView)) return batch;
  const refusal = checkHeader(batch, rules);
  if (refusal !== undefined) return refusal;
  const facts = inspectRecords(batch, DEFAULT_DECOMPRESSED_BYTES_MAX);
  if ("errorCode" in facts) return refused(facts.errorCode, facts.message);
  const complaint = checkRecords(batch, { facts, rules, nowMs });
  if (complaint !== undefined) return complaint;
  const stored = withCodec(withTimes(batch, { facts, rules, nowMs }), facts, rules);
  if (stored.sizeBytes > rules.segmentBytes) {
    return refused(ErrorCode.RECORD_LIST_TOO_LARGE, `${stored.sizeBytes} bytes in segments of ${rules.segmentBytes}`);
  }
  return { kind: "valid", batch: stored, appendTimeMs: rules.logAppendTime ? BigInt(nowMs) : NO_TIMESTAMP };
}

/** Exactly one batch of version 2; an incomplete rest is ignored, as Kafka does. */
export function onlyBatch(records: Buffer | null): BatchView | ProduceRefusal {
  if (records === null || records.length < BATCH_HEADER_BYTES) {
    return refused(ErrorCode.INVALID_RECORD, "a produce request carries one batch per partition");
  }
  const magic = records.readInt8(16);
  // A version that does not exist is damage, an old one is a client that should have asked.
  if (magic > MAGIC_V2) return refused(ErrorCode.CORRUPT_MESSAGE, `batch of version ${magic}`);
  if (magic < MAGIC_V2) return refused(ErrorCode.INVALID_RECORD, `batch of version ${magic}`);
  const sizeBytes = records.readInt32BE(8) + BATCH_PREFIX_BYTES;
  if (sizeBytes < BATCH_HEADER_BYTES) return refused(ErrorCode.CORRUPT_MESSAGE, `batch of ${sizeBytes} bytes`);
  if (sizeBytes > records.length) return refused(ErrorCode.INVALID_RECORD, "batch is cut");
  if (holdsBatch(records, sizeBytes)) return refused(ErrorCode.INVALID_RECORD, "more than one batch");
  return new BatchView(records, 0, sizeBytes);
}

function holdsBatch(records: Buffer, at: number): boolean {
  const leftBytes = records.length - at;
  return leftBytes > BATCH_PREFIX_BYTES && records.readInt32BE(at + 8) + BATCH_PREFIX_BYTES <= leftBytes;
}

function checkHeader(batch: BatchView, rules: ProduceRules): ProduceRefusal | undefined {
  if (batch.baseOffset !== 0n) return refused(ErrorCode.INVALID_RECORD, `base offset ${batch.baseOffset}`);
  if (batch.sizeBytes > rules.maxMessageBytes) {
    return refused(ErrorCode.MESSAGE_TOO_LARGE, `${batch.sizeBytes} bytes, allowed are ${rules.maxMessageBytes}`);
  }
  if (crc32c(batch.bytes.subarray(ATTRIBUTES_AT)) !== batch.crc) {
    return refused(ErrorCode.CORRUPT_MESSAGE, "checksum does not match");
  }
  const count = batch.recordCount;
  if (batch.lastOffsetDelta < 0 || count <= 0 || !batch.isDense) {
    return refused(ErrorCode.INVALID_RECORD, `${count} records over ${batch.lastOffsetDelta + 1} offsets`);
  }
  if (batch.producerId > NO_PRODUCER_ID && batch.baseSequence < 0) {
    return refused(ErrorCode.INVALID_RECORD, `sequence ${batch.baseSequence} with a producer id`);
  }
  if (batch.isControl) return refused(ErrorCode.INVALID_RECORD, "clients may not write control records");
  if (rules.logAppendTime && batch.isLogAppendTime) {
    const message = "producers may not set the append time";
    return refused(ErrorCode.INVALID_TIMESTAMP, message, [{ index: 0, message, isTimestamp: true }]);
  }
  return undefined;
}

/** What the record checks know. */
interface Judged {
  readonly facts: RecordFacts;
  readonly rules: ProduceRules;
  readonly nowMs: number;
}

function checkRecords(batch: BatchView, judged: Judged): ProduceRefusal | undefined {
  const { facts, rules, nowMs } = judged;
  if (facts.count !== batch.recordCount) {
    return refused(ErrorCode.INVALID_RECORD, `${facts.count} records where the batch says ${batch.recordCount}`);
  }
  const earliestMs = nowMs - rules.timestampBeforeMaxMs;
  const latestMs = nowMs + rules.timestampAfterMaxMs;
  const isTimely = rules.logAppendTime || (facts.minTimestampMs >= earliestMs && facts.maxTimestampMs <= latestMs);
  if (!isTimely || (rules.compacted && !facts.allKeyed)) {
    const window = rules.logAppendTime ? undefined : { earliestMs, latestMs };
    const errors = recordComplaints(batch, { needsKey: rules.compacted, window });
    const first = errors.find((error) => error.isTimestamp) ?? errors[0];
    if (first !== undefined) {
      const errorCode = first.isTimestamp ? ErrorCode.INVALID_TIMESTAMP : ErrorCode.INVALID_RECORD;
      return refused(errorCode, `record ${first.index}: ${first.message}`, errors);
    }
  }
  // Brokers look at inner offsets of compressed batches only, and have no better code for wrong ones.
  if (batch.codec !== 0 && !facts.isDense)
    return refused(ErrorCode.UNKNOWN, "offsets inside the batch are not 0 to n-1");
  return undefined;
}

/** Corrects a wrong greatest timestamp and sets the timestamp type of the topic. */
function withTimes(batch: BatchView, judged: Judged): BatchView {
  const { facts, rules, nowMs } = judged;
  const maxTimestamp = rules.logAppendTime ? BigInt(nowMs) : exactMaximum(batch, facts);
  if (batch.maxTimestamp === maxTimestamp && batch.isLogAppendTime === rules.logAppendTime) return batch;
  return withTimestamps(batch, { maxTimestamp, logAppendTime: rules.logAppendTime });
}

function exactMaximum(batch: BatchView, facts: RecordFacts): bigint {
  // A batch marked as LogAppendTime claims one time for all its records; brokers believe it.
  const maximum = batch.isLogAppendTime
    ? batch.maxTimestamp
    : BigInt.asIntN(64, batch.baseTimestamp + BigInt(facts.maxTimestampDelta));
  return maximum < NO_TIMESTAMP ? NO_TIMESTAMP : maximum;
}

function withCodec(batch: BatchView, facts: RecordFacts, rules: ProduceRules): BatchView {
  const codec = rules.compression === "producer" ? undefined : codecNamed(rules.compression);
  if (codec === undefined || codec.id === batch.codec) return batch;
  const { lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence } = batch;
  const attributes = (batch.attributes & ~CODEC_MASK) | (codec.id satisfies CodecId);
  const plain = codecFor(batch.codec).decompress(batch.recordBytes);
  return assembleBatch(
    {
      ...{ attributes, lastOffsetDelta, baseTimestamp, maxTimestamp, producerId, producerEpoch, baseSequence },
      recordCount: facts.count,
    },
    codec.compress(plain),
  );
}

function refused(errorCode: number, message: string, recordErrors: readonly RecordComplaint[] = []): ProduceRefusal {
  return { kind: "refused", errorCode, message, recordErrors };
}
