/** Messages as Kafka stored them before 0.11 (magic 0 and 1), put into batches of today's format with the same offsets. Old
 *  clusters have whole logs of them, and brokers hand out what they have stored.
 *
 *  ```
 *   0 offset i64 | 8 size i32 (bytes after it) | 12 crc32 u32 | 16 magic i8 | 17 attributes i8 | [18 timestamp i64, magic 1]
 *  then key length i32, -1 null | key | value length i32, -1 null | value
 *  ```
 *  A compressed message holds messages as its value: its own offset is the last one's, theirs are relative to the first in
 *  magic 1 and whole in magic 0. Source: Kafka, `LegacyRecord`, `AbstractLegacyRecordBatch`. */

import { crc32 } from "node:zlib";
import { DEFAULT_DECOMPRESSED_BYTES_MAX } from "./compression/codec.ts";
import { codecFor } from "./compression/codecs.ts";
import { WireError } from "./errors.ts";
import { assembleBatch, batchAt, CODEC_MASK, LOG_APPEND_TIME_BIT, MAGIC_V2, OLD_FORMAT_BIT } from "./record-batch.ts";
import { encodeSection } from "./records.ts";

const SIZE_AT = 8;
const CRC_AT = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 17;
const TIMESTAMP_AT = 18;
/** Bytes before those that a message's size counts. */
const PREFIX_BYTES = 12;
/** Magic 0 knows no time; consumers see this. */
const NO_TIMESTAMP = -1n;
/** Single messages are put together up to this size, so that each does not become a request of its own. */
const GROUP_BYTES_MAX = 256 * 1024;

interface Message {
  readonly magic: number;
  readonly attributes: number;
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly sizeBytes: number;
}

/** True when the error says that bytes are of a format before 0.11. */
export function isOldFormat(error: unknown): boolean {
  return (
    error instanceof WireError &&
    error.fault.code === "WIRE_BAD_MAGIC" &&
    error.fault.magic >= 0 &&
    error.fault.magic < MAGIC_V2
  );
}

/** The bytes of a fetch response as batches: as they are, unless there are old messages among them.
 *  @throws {WireError} as `upgradeMessages` */
export function asBatches(records: Buffer): Buffer {
  for (let start = 0; start + MAGIC_AT < records.length; ) {
    if ((records[start + MAGIC_AT] ?? 0) < MAGIC_V2) return upgradeMessages(records);
    const sizeBytes = records.readInt32BE(start + SIZE_AT);
    // That is for whoever reads the batches to complain about.
    if (sizeBytes < 0) return records;
    start += sizeBytes + PREFIX_BYTES;
  }
  return records;
}

/** The bytes of a fetch response with every old message in a batch of today's format, marked with `OLD_FORMAT_BIT`; batches go
 *  over as they are, a cut tail is left out. Every old message's checksum is verified, because its batch gets one of its own. Offsets
 *  and times are those that a consumer sees; codecs are kept.
 *  @throws {WireError} `WIRE_BAD_CRC`, `WIRE_BAD_BATCH`, `WIRE_BAD_MAGIC`, `WIRE_BAD_COMPRESSION` */
export function upgradeMessages(records: Buffer): Buffer {
  const parts: Buffer[] = [];
  let group: Message[] = [];
  let groupBytes = 0;
  const endGroup = (): void => {
    if (group.length > 0) parts.push(toBatch(group, 0));
    group = [];
    groupBytes = 0;
  };
  for (let start = 0; start + ATTRIBUTES_AT <= records.length; ) {
    if (records[start + MAGIC_AT] === MAGIC_V2) {
      const batch = batchAt(records, start);
      if (batch === undefined) break;
      endGroup();
      parts.push(batch.bytes);
      start += batch.sizeBytes;
      continue;
    }
    const message = messageAt(records, start);
    if (message === undefined) break;
    start += message.sizeBytes;
    const codec = message.attributes & CODEC_MASK;
    if (codec !== 0) {
      endGroup();
      parts.push(toBatch(innerMessages(message), codec));
      continue;
    }
    if (groupBytes + message.sizeBytes > GROUP_BYTES_MAX) endGroup();
    group.push(message);
    groupBytes += message.sizeBytes;
  }
  endGroup();
  return Buffer.concat(parts);
}

/** Undefined when the buffer ends before the message does. */
function messageAt(buffer: Buffer, start: number): Message | undefined {
  if (start + ATTRIBUTES_AT >= buffer.length) return undefined;
  const magic = buffer.readInt8(start + MAGIC_AT);
  if (magic !== 0 && magic !== 1) throw new WireError({ code: "WIRE_BAD_MAGIC", magic });
  const keyAt = magic === 0 ? TIMESTAMP_AT : TIMESTAMP_AT + 8;
  const sizeBytes = buffer.readInt32BE(start + SIZE_AT) + PREFIX_BYTES;
  if (sizeBytes < keyAt + 8) throw badMessage(`size ${sizeBytes}`);
  if (start + sizeBytes > buffer.length) return undefined;
  const bytes = buffer.subarray(start, start + sizeBytes);
  const [expected, actual] = [bytes.readUInt32BE(CRC_AT), crc32(bytes.subarray(MAGIC_AT))];
  if (expected !== actual) throw new WireError({ code: "WIRE_BAD_CRC", expected, actual });
  const key = nullableAt(bytes, keyAt);
  const value = nullableAt(bytes, key.end);
  if (value.end !== sizeBytes) throw badMessage("bytes after the value");
  return {
    magic,
    attributes: bytes.readInt8(ATTRIBUTES_AT),
    offset: bytes.readBigInt64BE(0),
    timestampMs: magic === 0 ? NO_TIMESTAMP : bytes.readBigInt64BE(TIMESTAMP_AT),
    key: key.bytes,
    value: value.bytes,
    sizeBytes,
  };
}

function nullableAt(bytes: Buffer, at: number): { readonly bytes: Buffer | null; readonly end: number } {
  if (at + 4 > bytes.length) throw badMessage("length inside a message");
  const length = bytes.readInt32BE(at);
  const start = at + 4;
  if (length === -1) return { bytes: null, end: start };
  if (length < 0 || start + length > bytes.length) throw badMessage("length inside a message");
  return { bytes: bytes.subarray(start, start + length), end: start + length };
}

/** The messages inside a compressed one, with the offsets and times that consumers see. */
function innerMessages(wrapper: Message): Message[] {
  const { magic, attributes, value } = wrapper;
  if (value === null) throw badMessage("compressed message without a value");
  const section = codecFor(attributes & CODEC_MASK).decompress(value, DEFAULT_DECOMPRESSED_BYTES_MAX);
  const inner: Message[] = [];
  for (let start = 0; start < section.length; ) {
    const message = messageAt(section, start);
    if (message === undefined) throw badMessage("compressed message cut short");
    if (message.magic !== magic || (message.attributes & CODEC_MASK) !== 0) throw badMessage("message in a message");
    inner.push(message);
    start += message.sizeBytes;
  }
  const last = inner.at(-1);
  if (last === undefined) throw badMessage("compressed message without messages");
  const base = magic === 0 ? 0n : wrapper.offset - last.offset;
  const appendMs = (attributes & LOG_APPEND_TIME_BIT) === 0 ? undefined : wrapper.timestampMs;
  return inner.map((message) => ({
    ...message,
    offset: base + message.offset,
    timestampMs: appendMs ?? message.timestampMs,
  }));
}

/** Offsets ascend; what compaction took out leaves gaps. */
function toBatch(messages: readonly Message[], codec: number): Buffer {
  const baseOffset = messages[0]?.offset ?? 0n;
  const baseTimestamp = messages[0]?.timestampMs ?? NO_TIMESTAMP;
  let maxTimestamp = baseTimestamp;
  let before = -1;
  const inputs = messages.map(({ offset, timestampMs, key, value }) => {
    const offsetDelta = Number(offset - baseOffset);
    if (offsetDelta <= before || offsetDelta > 0x7fffffff) throw badMessage(`offset ${offset} after ${baseOffset}`);
    before = offsetDelta;
    if (timestampMs > maxTimestamp) maxTimestamp = timestampMs;
    return { offsetDelta, timestampMs, key, value };
  });
  const header = {
    baseOffset,
    attributes: codec | OLD_FORMAT_BIT,
    lastOffsetDelta: before,
    baseTimestamp,
    maxTimestamp,
    recordCount: inputs.length,
  };
  return assembleBatch(header, codecFor(codec).compress(encodeSection(inputs, baseTimestamp))).bytes;
}

function badMessage(what: string): WireError {
  return new WireError({ code: "WIRE_BAD_BATCH", what: `old message: ${what}` });
}
