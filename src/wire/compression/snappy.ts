/** Snappy in its raw block format, as librdkafka and Go write it, and read from xerial's framing too, as Java writes it.
 *  Formats: google/snappy `format_description.txt`; xerial `SnappyOutputStream`. */

import { asBuffer, badCompression, type Compression, DEFAULT_DECOMPRESSED_BYTES_MAX, overLimit } from "./codec.ts";
import { copyLiteral, copyMatch, extendMatch, growTo } from "./lz-copy.ts";

/** The encoder works in fragments of this size, so that every offset fits in 16 bits. */
const FRAGMENT_BYTES = 64 * 1024;
/** Room left at a fragment's end so that four bytes can always be read ahead. */
const MARGIN_BYTES = 15;
const HASH_BITS = 13;
/** The densest element copies 64 bytes with 3. A length beyond this many times the input is a lie. */
const RATIO_MAX = 22;
/** 0x82 then "SNAPPY" then 0, followed by two int32 versions. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

export const snappy: Compression = { id: 2, name: "snappy", compress, decompress };

function decompress(bytes: Uint8Array, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX): Buffer {
  const input = asBuffer(bytes);
  if (input.length < XERIAL_HEADER_BYTES || !input.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) {
    return inflateBlock(input, limitBytes);
  }
  const blocks: Buffer[] = [];
  let leftBytes = limitBytes;
  for (let at = XERIAL_HEADER_BYTES; at < input.length; ) {
    const lengthBytes = at + 4 <= input.length ? input.readInt32BE(at) : -1;
    if (lengthBytes < 0 || at + 4 + lengthBytes > input.length) throw badCompression("snappy", "block cut short");
    const block = inflateBlock(input.subarray(at + 4, at + 4 + lengthBytes), leftBytes);
    blocks.push(block);
    leftBytes -= block.length;
    at += 4 + lengthBytes;
  }
  return blocks.length === 1 && blocks[0] !== undefined ? blocks[0] : Buffer.concat(blocks);
}

/** Inflates one raw block. Its length comes first, so the output is allocated once. */
function inflateBlock(input: Buffer, limitBytes: number): Buffer {
  let at = 0;
  let lengthBytes = 0;
  for (let factor = 1; ; factor *= 128) {
    const byte = input[at++];
    if (byte === undefined || at > 5) throw badCompression("snappy", "no length");
    lengthBytes += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
  }
  if (lengthBytes > limitBytes) throw overLimit("snappy", limitBytes);
  if (lengthBytes > input.length * RATIO_MAX) throw badCompression("snappy", "length beyond what the input can hold");
  const output = Buffer.allocUnsafeSlow(lengthBytes);
  if (inflateElements(input, at, output) !== lengthBytes)
    throw badCompression("snappy", "output shorter than its length");
  return output;
}

/** Decodes all elements; returns the bytes written. */
function inflateElements(input: Buffer, start: number, output: Buffer): number {
  let at = start;
  let out = 0;
  while (at < input.length) {
    const tag = input[at++] ?? 0;
    const kind = tag & 3;
    let length = (tag >>> 2) + 1;
    if (kind === 0) {
      if (length > 60) {
        const extra = length - 60;
        if (at + extra > input.length) throw badCompression("snappy", "literal cut short");
        length = input.readUIntLE(at, extra) + 1;
        at += extra;
      }
      if (at + length > input.length || out + length > output.length)
        throw badCompression("snappy", "literal passes the end");
      copyLiteral(input, at, output, out, length);
      at += length;
      out += length;
      continue;
    }
    const offsetBytes = kind === 3 ? 4 : kind;
    if (at + offsetBytes > input.length) throw badCompression("snappy", "copy cut short");
    let offset = input[at] ?? 0;
    if (kind === 1) {
      length = ((tag >>> 2) & 7) + 4;
      offset |= (tag >>> 5) << 8;
    } else offset = input.readUIntLE(at, offsetBytes);
    at += offsetBytes;
    if (offset === 0 || offset > out || out + length > output.length)
      throw badCompression("snappy", "copy from outside the output");
    copyMatch(output, out, offset, length);
    out += length;
  }
  return out;
}

function compress(bytes: Uint8Array): Buffer {
  const input = asBuffer(bytes);
  // The worst case is one literal header for each fragment beside the length itself.
  const output = Buffer.allocUnsafeSlow(growTo(input.length));
  const table = new Uint16Array(1 << HASH_BITS);
  let out = 0;
  let rest = input.length;
  while (rest > 0x7f) {
    output[out++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  output[out++] = rest;
  for (let start = 0; start < input.length; start += FRAGMENT_BYTES) {
    const end = Math.min(start + FRAGMENT_BYTES, input.length);
    if (start > 0) table.fill(0);
    out = deflateFragment(input, { start, end }, output, { out, table });
  }
  return output.subarray(0, out);
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Greedy matching over one fragment; steps grow while nothing matches, so that noise passes quickly. */
function deflateFragment(
  input: Buffer,
  range: Range,
  output: Buffer,
  place: { readonly out: number; readonly table: Uint16Array },
): number {
  const { start, end } = range;
  const { table } = place;
  const searchEnd = end - MARGIN_BYTES;
  let out = place.out;
  let literalStart = start;
  let at = start + 1;
  let misses = 32;
  while (at < searchEnd) {
    const word = wordAt(input, at);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS);
    const candidate = start + (table[slot] ?? 0);
    table[slot] = at - start;
    if (candidate >= at || wordAt(input, candidate) !== word) {
      at += misses++ >>> 5;
      continue;
    }
    misses = 32;
    if (at > literalStart) out = writeLiteral(input, literalStart, at, { output, out });
    const matchEnd = extendMatch(input, candidate + 4, at + 4, end);
    out = writeCopies(output, out, at - candidate, matchEnd - at);
    at = matchEnd;
    literalStart = at;
  }
  return literalStart < end ? writeLiteral(input, literalStart, end, { output, out }) : out;
}

function wordAt(input: Buffer, at: number): number {
  return (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8) | ((input[at + 2] ?? 0) << 16) | ((input[at + 3] ?? 0) << 24);
}

function writeLiteral(
  input: Buffer,
  start: number,
  end: number,
  target: { readonly output: Buffer; readonly out: number },
): number {
  const { output } = target;
  let out = target.out;
  const length = end - start;
  const stored = length - 1;
  if (stored < 60) output[out++] = stored << 2;
  else if (stored < 0x100) {
    output[out++] = 60 << 2;
    output[out++] = stored;
  } else {
    output[out++] = 61 << 2;
    output[out++] = stored & 0xff;
    output[out++] = stored >>> 8;
  }
  copyLiteral(input, start, output, out, length);
  return out + length;
}

function writeCopies(output: Buffer, start: number, offset: number, matchLength: number): number {
  let out = start;
  let length = matchLength;
  // A copy holds at most 64 bytes, and the last one at least 4.
  while (length >= 68) {
    out = writeLongCopy(output, out, offset, 64);
    length -= 64;
  }
  if (length > 64) {
    out = writeLongCopy(output, out, offset, 60);
    length -= 60;
  }
  if (length >= 12 || offset >= 2048) return writeLongCopy(output, out, offset, length);
  output[out++] = 1 | ((length - 4) << 2) | ((offset >>> 8) << 5);
  output[out++] = offset & 0xff;
  return out;
}

function writeLongCopy(output: Buffer, start: number, offset: number, length: number): number {
  let out = start;
  output[out++] = 2 | ((length - 1) << 2);
  output[out++] = offset & 0xff;
  output[out++] = offset >>> 8;
  return out;
}
