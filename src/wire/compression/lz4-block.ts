/** One lz4 block: sequences of literals and matches. Source: lz4/lz4 `doc/lz4_Block_format.md`. */

import { badCompression } from "./codec.ts";
import { copyLiteral, copyMatch, extendMatch } from "./lz-copy.ts";

const MATCH_BYTES_MIN = 4;
const OFFSET_MAX = 0xffff;
const HASH_BITS = 13;
/** The last bytes of a block are literals... */
const LAST_LITERALS = 5;
/** ...and no match starts closer to its end than this. */
const MATCH_START_MARGIN = 12;

/** Where a block is decoded to. */
export interface InflateTarget {
  readonly output: Buffer;
  readonly out: number;
  /** Matches may not reach before this. */
  readonly windowStart: number;
  /** Writing may not pass this; at most the output's length. */
  readonly end: number;
}

/** Decodes a block; returns where the output then ends, or -1 when it would pass the end. @throws {WireError} `WIRE_BAD_COMPRESSION` */
export function inflateLz4Block(input: Buffer, target: InflateTarget): number {
  const { output, windowStart, end } = target;
  let out = target.out;
  let at = 0;
  while (at < input.length) {
    const token = input[at++] ?? 0;
    let literals = token >>> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) byte = input[at++] ?? cutShort();
    }
    if (at + literals > input.length) cutShort();
    if (out + literals > end) return -1;
    copyLiteral(input, at, output, out, literals);
    at += literals;
    out += literals;
    if (at === input.length) return out;
    if (at + 2 > input.length) cutShort();
    const offset = (input[at] ?? 0) | ((input[at + 1] ?? 0) << 8);
    at += 2;
    let length = (token & 15) + MATCH_BYTES_MIN;
    if (length === 15 + MATCH_BYTES_MIN) {
      for (let byte = 255; byte === 255; length += byte) byte = input[at++] ?? cutShort();
    }
    if (offset === 0 || out - offset < windowStart) throw badCompression("lz4", "match outside the block");
    if (out + length > end) return -1;
    copyMatch(output, out, offset, length);
    out += length;
  }
  return cutShort();
}

function cutShort(): never {
  throw badCompression("lz4", "block cut short");
}

/** Encodes `input` as one block into `output` from `start` on, which has room for the worst case; returns the end. */
export function deflateLz4Block(input: Buffer, output: Buffer, start: number): number {
  const table = new Int32Array(1 << HASH_BITS).fill(-1 - OFFSET_MAX);
  const searchEnd = input.length - MATCH_START_MARGIN;
  const matchEnd = input.length - LAST_LITERALS;
  let out = start;
  let literalStart = 0;
  let at = 0;
  // Steps grow while nothing matches, so that noise passes quickly.
  let misses = 64;
  while (at <= searchEnd) {
    const word = input.readInt32LE(at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = table[slot] ?? 0;
    table[slot] = at;
    if (at - candidate > OFFSET_MAX || input.readInt32LE(candidate) !== word) {
      at += misses++ >>> 6;
      continue;
    }
    misses = 64;
    const end = extendMatch(input, candidate + MATCH_BYTES_MIN, at + MATCH_BYTES_MIN, matchEnd);
    out = writeLiterals(input, { from: literalStart, to: at, match: end - at }, output, out);
    output[out++] = (at - candidate) & 0xff;
    output[out++] = (at - candidate) >>> 8;
    out = writeLength(output, out, end - at - MATCH_BYTES_MIN);
    at = end;
    literalStart = at;
  }
  return writeLiterals(input, { from: literalStart, to: input.length, match: MATCH_BYTES_MIN }, output, out);
}

/** Writes a sequence's token and its literals; the match's offset and the rest of its length follow. */
function writeLiterals(
  input: Buffer,
  sequence: { readonly from: number; readonly to: number; readonly match: number },
  output: Buffer,
  start: number,
): number {
  const literals = sequence.to - sequence.from;
  output[start] = (Math.min(literals, 15) << 4) | Math.min(sequence.match - MATCH_BYTES_MIN, 15);
  const out = writeLength(output, start + 1, literals);
  copyLiteral(input, sequence.from, output, out, literals);
  return out + literals;
}

/** The part of a length that does not fit in its half of the token. */
function writeLength(output: Buffer, start: number, length: number): number {
  if (length < 15) return start;
  let out = start;
  let rest = length - 15;
  for (; rest >= 255; rest -= 255) output[out++] = 255;
  output[out++] = rest;
  return out;
}
