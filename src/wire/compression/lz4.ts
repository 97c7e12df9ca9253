/** lz4 in frames, as Kafka wants it: version 1, independent blocks, no dictionary.
 *  Source: lz4/lz4 `doc/lz4_Frame_format.md`; Kafka `Lz4BlockOutputStream`. */

import { asBuffer, badCompression, type Compression, DEFAULT_DECOMPRESSED_BYTES_MAX, overLimit } from "./codec.ts";
import { growTo } from "./lz-copy.ts";
import { deflateLz4Block, inflateLz4Block } from "./lz4-block.ts";
import { xxh32 } from "./xxh32.ts";

const MAGIC = 0x184d2204;
const VERSION_BITS = 0x40;
const INDEPENDENT_BIT = 0x20;
const BLOCK_CHECKSUM_BIT = 0x10;
const CONTENT_SIZE_BIT = 0x08;
const CONTENT_CHECKSUM_BIT = 0x04;
const DICTIONARY_BIT = 0x01;
/** Set in a block's length when the block is stored as it is. */
const STORED_BIT = 0x80000000;
/** What Kafka's Java producer writes: blocks of 64 KiB, also the reach of a match. */
const WRITTEN_BLOCK_BYTES = 64 * 1024;
const WRITTEN_BLOCK_CODE = 4;
/** One byte of a length encodes at most 255 bytes. */
const RATIO_MAX = 255;

export const lz4: Compression = { id: 3, name: "lz4", compress, decompress };

function compress(bytes: Uint8Array): Buffer {
  const input = asBuffer(bytes);
  const blocks = Math.ceil(input.length / WRITTEN_BLOCK_BYTES);
  const output = Buffer.allocUnsafeSlow(growTo(input.length) + blocks * 4);
  output.writeUInt32LE(MAGIC, 0);
  output[4] = VERSION_BITS | INDEPENDENT_BIT;
  output[5] = WRITTEN_BLOCK_CODE << 4;
  output[6] = (xxh32(output.subarray(4, 6)) >>> 8) & 0xff;
  let out = 7;
  for (let start = 0; start < input.length; start += WRITTEN_BLOCK_BYTES) {
    const block = input.subarray(start, Math.min(start + WRITTEN_BLOCK_BYTES, input.length));
    const end = deflateLz4Block(block, output, out + 4);
    const lengthBytes = end - out - 4;
    if (lengthBytes < block.length) {
      output.writeUInt32LE(lengthBytes, out);
      out = end;
      continue;
    }
    output.writeUInt32LE((block.length | STORED_BIT) >>> 0, out);
    block.copy(output, out + 4);
    out += 4 + block.length;
  }
  output.writeUInt32LE(0, out);
  return output.subarray(0, out + 4);
}

interface FrameHeader {
  readonly flags: number;
  readonly blockBytesMax: number;
  readonly blocksStart: number;
}

function decompress(bytes: Uint8Array, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX): Buffer {
  const input = asBuffer(bytes);
  const { flags, blockBytesMax, blocksStart } = readHeader(input, limitBytes);
  let output: Buffer = Buffer.allocUnsafeSlow(Math.min(limitBytes, input.length * 4));
  let out = 0;
  let at = blocksStart;
  for (;;) {
    const length = uint32At(input, at);
    at += 4;
    if (length === 0) break;
    const lengthBytes = length & ~STORED_BIT;
    const block = input.subarray(at, at + lengthBytes);
    if (block.length < lengthBytes) throw badCompression("lz4", "block cut short");
    at += lengthBytes;
    if ((flags & BLOCK_CHECKSUM_BIT) !== 0) {
      if (uint32At(input, at) !== xxh32(block)) throw badCompression("lz4", "block checksum");
      at += 4;
    }
    const isStored = (length & STORED_BIT) !== 0;
    const roomBytes = Math.min(blockBytesMax, isStored ? lengthBytes : lengthBytes * RATIO_MAX);
    if (isStored && lengthBytes > blockBytesMax) throw badCompression("lz4", "block too large");
    output = withRoom(output, out, roomBytes, limitBytes);
    const end = Math.min(out + roomBytes, limitBytes);
    if (isStored) {
      if (out + lengthBytes > limitBytes) throw overLimit("lz4", limitBytes);
      block.copy(output, out);
      out += lengthBytes;
    } else {
      const windowStart = (flags & INDEPENDENT_BIT) === 0 ? 0 : out;
      out = inflateLz4Block(block, { output, out, windowStart, end });
      if (out < 0) throw end === limitBytes ? overLimit("lz4", limitBytes) : badCompression("lz4", "block too large");
    }
  }
  if ((flags & CONTENT_CHECKSUM_BIT) !== 0) {
    if (uint32At(input, at) !== xxh32(output.subarray(0, out))) throw badCompression("lz4", "content checksum");
    at += 4;
  }
  if (at !== input.length) throw badCompression("lz4", "bytes after the frame");
  return output.subarray(0, out);
}

function readHeader(input: Buffer, limitBytes: number): FrameHeader {
  if (input.length < 7 || input.readUInt32LE(0) !== MAGIC) throw badCompression("lz4", "no frame");
  const flags = input[4] ?? 0;
  if ((flags & 0xc0) !== VERSION_BITS) throw badCompression("lz4", "frame version");
  if ((flags & DICTIONARY_BIT) !== 0) throw badCompression("lz4", "needs a dictionary");
  const blockCode = ((input[5] ?? 0) >>> 4) & 7;
  if (blockCode < 4) throw badCompression("lz4", "block size");
  const hasSize = (flags & CONTENT_SIZE_BIT) !== 0;
  const checksumAt = hasSize ? 14 : 6;
  if (input.length <= checksumAt) throw badCompression("lz4", "header cut short");
  if (hasSize && input.readBigUInt64LE(6) > BigInt(limitBytes)) throw overLimit("lz4", limitBytes);
  // Kafka before 0.10 took the magic number into the checksum; logs of that time are still read.
  const fits = (from: number): boolean =>
    input[checksumAt] === ((xxh32(input.subarray(from, checksumAt)) >>> 8) & 0xff);
  if (!fits(4) && !fits(0)) throw badCompression("lz4", "header checksum");
  // Codes 4 to 7 stand for 64 KiB, 256 KiB, 1 MiB and 4 MiB.
  return { flags, blockBytesMax: 1 << (8 + 2 * blockCode), blocksStart: checksumAt + 1 };
}

function uint32At(input: Buffer, at: number): number {
  if (at + 4 > input.length) throw badCompression("lz4", "frame cut short");
  return input.readUInt32LE(at);
}

/** The output, or a larger copy of it, with room for the next block as far as the limit allows. */
function withRoom(output: Buffer, out: number, roomBytes: number, limitBytes: number): Buffer {
  const neededBytes = Math.min(out + roomBytes, limitBytes);
  if (neededBytes <= output.length) return output;
  const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(neededBytes, output.length * 2), limitBytes));
  output.copy(larger, 0, 0, out);
  return larger;
}
