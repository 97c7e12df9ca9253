/** Record batches for the contract cases: right ones, and ones that are wrong in exactly one way. */

import { gzipSync } from "node:zlib";
import { BATCH_HEADER_BYTES } from "../../src/wire/batch-layout.ts";
import { Writer } from "../../src/wire/buffers.ts";
import { crc32c } from "../../src/wire/crc32c.ts";
import { assembleBatch } from "../../src/wire/record-batch.ts";

/** What a batch is to look like; the defaults make one sound, uncompressed, non-idempotent record. */
export interface BatchShape {
  readonly count?: number;
  readonly baseTimestamp?: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly baseOffset?: bigint;
  readonly leaderEpoch?: number;
  /** Bits beside the codec's. */
  readonly attributes?: number;
  readonly gzip?: boolean;
  /** Offset deltas of the records; by default 0, 1, 2 and so on. */
  readonly deltas?: readonly number[];
  /** Claimed in the header, whatever the records are. */
  readonly lastOffsetDelta?: number;
  readonly recordCount?: number;
  readonly maxTimestamp?: bigint;
  /** The key of every record; null for none. */
  readonly key?: string | null;
  /** Bytes of every value. */
  readonly valueBytes?: number;
}

/** One whole batch. Record `i` has a timestamp `i` ms after the base and the value `v<i>`, padded to `valueBytes`. */
export function batch(shape: BatchShape = {}): Buffer {
  const count = shape.count ?? 1;
  const deltas = shape.deltas ?? Array.from({ length: count }, (_, index) => index);
  const key = shape.key === undefined ? "k" : shape.key;
  const plain = Buffer.concat(
    deltas.map((delta, index) => record({ delta, index, key, valueBytes: shape.valueBytes ?? 2 })),
  );
  const baseTimestamp = shape.baseTimestamp ?? BigInt(Date.now());
  const header = {
    baseOffset: shape.baseOffset ?? 0n,
    leaderEpoch: shape.leaderEpoch ?? -1,
    attributes: (shape.attributes ?? 0) | (shape.gzip === true ? 1 : 0),
    lastOffsetDelta: shape.lastOffsetDelta ?? count - 1,
    baseTimestamp,
    maxTimestamp: shape.maxTimestamp ?? baseTimestamp + BigInt(Math.max(0, count - 1)),
    producerId: shape.producerId ?? -1n,
    producerEpoch: shape.producerEpoch ?? -1,
    baseSequence: shape.baseSequence ?? -1,
    recordCount: shape.recordCount ?? count,
  };
  return assembleBatch(header, shape.gzip === true ? gzipSync(plain) : plain).bytes;
}

function record(shape: { delta: number; index: number; key: string | null; valueBytes: number }): Buffer {
  const body = new Writer();
  body.int8(0);
  body.varlong(BigInt(shape.index));
  body.varint(shape.delta);
  if (shape.key === null) body.varint(-1);
  else writeText(body, shape.key);
  writeText(body, `v${shape.index}`.padEnd(shape.valueBytes, "."));
  body.varint(0);
  const framed = new Writer();
  framed.varint(body.sizeBytes);
  framed.raw(body.bytes());
  return framed.bytes();
}

function writeText(writer: Writer, text: string): void {
  const lengthBytes = Buffer.byteLength(text);
  writer.varint(lengthBytes);
  writer.utf8(text, lengthBytes);
}

/** The batch with one bit of its records flipped and the CRC left as it was. */
export function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const at = BATCH_HEADER_BYTES + 3;
  copy.writeUInt8(copy.readUInt8(at) ^ 1, at);
  return copy;
}

/** The batch with another magic, the CRC made right again. */
export function withMagic(bytes: Buffer, magic: number): Buffer {
  const copy = Buffer.from(bytes);
  copy.writeInt8(magic, 16);
  copy.writeUInt32BE(crc32c(copy.subarray(21)), 17);
  return copy;
}
