/** The records of MirrorMaker 2's internal topics, byte for byte: offset syncs, checkpoints and heartbeats. */

import { Reader, Writer } from "../../wire/buffers.ts";
import { WireError } from "../../wire/errors.ts";

/** UTF-8 bytes that the length of a text (INT16) can tell. */
const TEXT_BYTES_MAX = 32_767;

/** The only version of checkpoints and heartbeats; offset syncs carry none. */
const VERSION = 0;

/** One record of an internal topic, as stored. */
export interface Mm2Record {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** A pair of offsets that name the same record: `upstreamOffset` on the source, `downstreamOffset` on the target. */
export interface OffsetSync {
  /** The topic's name on the source. */
  readonly topic: string;
  readonly partition: number;
  readonly upstreamOffset: bigint;
  readonly downstreamOffset: bigint;
}

/** A group's position on both sides; offsets are those of the next record to read. */
export interface Checkpoint {
  readonly group: string;
  /** The topic's name on the target. */
  readonly topic: string;
  readonly partition: number;
  readonly upstreamOffset: bigint;
  readonly downstreamOffset: bigint;
  /** What the group stored with its commit; empty when nothing. */
  readonly metadata: string;
}

/** A sign of life of one flow. */
export interface Heartbeat {
  readonly sourceAlias: string;
  readonly targetAlias: string;
  readonly timestampMs: bigint;
}

/** @throws {WireError} `WIRE_BAD_LENGTH` when the topic's name is longer than 32767 bytes. */
export function encodeOffsetSync(sync: OffsetSync): Mm2Record {
  const key = new Writer();
  writeText(key, "topic", sync.topic);
  key.int32(sync.partition);
  const value = new Writer();
  value.int64(sync.upstreamOffset);
  value.int64(sync.downstreamOffset);
  return { key: key.bytes(), value: value.bytes() };
}

/** Bytes after the last field are ignored, as MirrorMaker does. @throws {WireError} for truncated or malformed bytes. */
export function decodeOffsetSync(record: Mm2Record): OffsetSync {
  const key = new Reader(record.key);
  const value = new Reader(record.value);
  return {
    topic: readText(key, "topic"),
    partition: key.int32(),
    upstreamOffset: value.int64(),
    downstreamOffset: value.int64(),
  };
}

/** @throws {WireError} `WIRE_BAD_LENGTH` when a text is longer than 32767 bytes. */
export function encodeCheckpoint(checkpoint: Checkpoint): Mm2Record {
  const key = new Writer();
  writeText(key, "group", checkpoint.group);
  writeText(key, "topic", checkpoint.topic);
  key.int32(checkpoint.partition);
  const value = new Writer();
  value.int16(VERSION);
  value.int64(checkpoint.upstreamOffset);
  value.int64(checkpoint.downstreamOffset);
  writeText(value, "metadata", checkpoint.metadata);
  return { key: key.bytes(), value: value.bytes() };
}

/** Bytes after the last field are ignored, as MirrorMaker does.
 *  @throws {WireError} for truncated or malformed bytes, `WIRE_UNSUPPORTED_VERSION` for a later version. */
export function decodeCheckpoint(record: Mm2Record): Checkpoint {
  const key = new Reader(record.key);
  const value = new Reader(record.value);
  readVersion(value, "mm2 checkpoint");
  return {
    group: readText(key, "group"),
    topic: readText(key, "topic"),
    partition: key.int32(),
    upstreamOffset: value.int64(),
    downstreamOffset: value.int64(),
    metadata: readText(value, "metadata"),
  };
}

/** @throws {WireError} `WIRE_BAD_LENGTH` when an alias is longer than 32767 bytes. */
export function encodeHeartbeat(heartbeat: Heartbeat): Mm2Record {
  const key = new Writer();
  writeText(key, "sourceClusterAlias", heartbeat.sourceAlias);
  writeText(key, "targetClusterAlias", heartbeat.targetAlias);
  const value = new Writer();
  value.int16(VERSION);
  value.int64(heartbeat.timestampMs);
  return { key: key.bytes(), value: value.bytes() };
}

/** Bytes after the last field are ignored, as MirrorMaker does.
 *  @throws {WireError} for truncated or malformed bytes, `WIRE_UNSUPPORTED_VERSION` for a later version. */
export function decodeHeartbeat(record: Mm2Record): Heartbeat {
  const key = new Reader(record.key);
  const value = new Reader(record.value);
  readVersion(value, "mm2 heartbeat");
  return {
    sourceAlias: readText(key, "sourceClusterAlias"),
    targetAlias: readText(key, "targetClusterAlias"),
    timestampMs: value.int64(),
  };
}

function writeText(writer: Writer, what: string, text: string): void {
  const length = Buffer.byteLength(text, "utf8");
  if (length > TEXT_BYTES_MAX) throw new WireError({ code: "WIRE_BAD_LENGTH", what, length, limit: TEXT_BYTES_MAX });
  writer.int16(length);
  writer.utf8(text, length);
}

function readText(reader: Reader, what: string): string {
  const length = reader.int16();
  if (length < 0) throw new WireError({ code: "WIRE_BAD_LENGTH", what, length, limit: TEXT_BYTES_MAX });
  return reader.utf8(length);
}

function readVersion(reader: Reader, api: string): void {
  const version = reader.int16();
  if (version === VERSION) return;
  throw new WireError({ code: "WIRE_UNSUPPORTED_VERSION", api, version, min: VERSION, max: VERSION });
}
