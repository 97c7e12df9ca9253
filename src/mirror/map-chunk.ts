/** The stored form of an offset map's block: one record of `tributary.offsets.internal`.
 *
 *  ```
 *  version u8 = 1
 *  number | from: source, target, count | next - end of the last run: source, target | target epoch + 1 | runs
 *  per run: source hole before it | target hole before it | length
 *  ```
 *  All but the version are unsigned LEB128 varints of at most 53 bits. A typical run costs 3 to 5 bytes.
 *  `next` reaches beyond the last run when the lane's end lies in a hole; only the tail's is used. */

import { BLOCK_RUNS_MAX, RunBlock } from "./offset-map-block.ts";
import { StoredError } from "./stored-error.ts";

/** The version that is written, and the highest that is read. */
const CHUNK_VERSION = 1;

/** 2^53 - 1 needs 8 groups of 7 bits. */
const VARINT_BYTES_MAX = 8;
const HEADER_FIELDS = 8;
const FIELDS_PER_RUN = 3;

/** A block as read, and how far the lane had come when it was written. */
export interface MapChunk {
  readonly block: RunBlock;
  readonly next: { readonly source: number; readonly target: number };
}

/** The bytes of a block. `next` is the map's progress when the block is its tail, else the block's own end. */
export function encodeMapChunk({ block, next }: MapChunk): Buffer {
  const fields = HEADER_FIELDS + block.size * FIELDS_PER_RUN;
  const bytes = Buffer.allocUnsafe(1 + fields * VARINT_BYTES_MAX);
  bytes[0] = CHUNK_VERSION;
  const { from, sourceEnd, targetEnd } = block;
  let at = 1;
  for (const value of [
    block.number,
    from.source,
    from.target,
    from.count,
    next.source - sourceEnd,
    next.target - targetEnd,
    block.targetEpoch + 1,
    block.size,
  ]) {
    at = putVarint(bytes, at, value);
  }
  let source = from.source;
  let target = from.target;
  for (let index = 0; index < block.size; index++) {
    const length = block.lengthAt(index);
    at = putVarint(bytes, at, block.sourceAt(index) - source);
    at = putVarint(bytes, at, block.targetAt(index) - target);
    at = putVarint(bytes, at, length);
    source = block.sourceAt(index) + length;
    target = block.targetAt(index) + length;
  }
  return Buffer.from(bytes.subarray(0, at));
}

/** @throws {StoredError} `STORED_MALFORMED`, `STORED_VERSION_UNSUPPORTED` */
export function decodeMapChunk(bytes: Buffer, options: { readonly blockRunsMax?: number } = {}): MapChunk {
  const version = bytes[0] ?? 0;
  if (version !== CHUNK_VERSION) {
    throw new StoredError({
      code: "STORED_VERSION_UNSUPPORTED",
      what: "map chunk",
      version,
      supportedVersion: CHUNK_VERSION,
    });
  }
  const cursor = new VarintCursor(bytes, 1);
  const number = cursor.next();
  const from = { source: cursor.next(), target: cursor.next(), count: cursor.next() };
  const beyond = { source: cursor.next(), target: cursor.next() };
  const targetEpoch = cursor.next() - 1;
  const size = cursor.next();
  const runsMax = options.blockRunsMax ?? BLOCK_RUNS_MAX;
  if (size > runsMax) throw malformed(`${size} runs, at most ${runsMax}`);
  const block = new RunBlock({ number, from, targetEpoch, runsMax });
  for (let index = 0; index < size; index++) readRun(cursor, block, index);
  cursor.expectEnd();
  const next = { source: block.sourceEnd + beyond.source, target: block.targetEnd + beyond.target };
  if (!Number.isSafeInteger(next.source) || !Number.isSafeInteger(next.target)) throw malformed("offset above 2^53");
  return { block, next };
}

/** Checks before it appends, so that hostile bytes never meet the block's own assertions. */
function readRun(cursor: VarintCursor, block: RunBlock, index: number): void {
  const sourceHole = cursor.next();
  const targetHole = cursor.next();
  const length = cursor.next();
  if (length === 0) throw malformed("empty run");
  if (index > 0 && sourceHole === 0 && targetHole === 0) throw malformed("runs that touch");
  const sourceStart = block.sourceEnd + sourceHole;
  const targetStart = block.targetEnd + targetHole;
  const ends = [sourceStart + length, targetStart + length, block.end.count + length];
  if (!ends.every(Number.isSafeInteger)) throw malformed("offset above 2^53");
  block.append({ sourceStart, targetStart, length });
}

/** Writes 7 bits at a time; plain division, because offsets exceed the 32 bits of shifts. */
function putVarint(bytes: Buffer, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 0x80) {
    bytes[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[at++] = rest;
  return at;
}

class VarintCursor {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw malformed("cut short");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) throw malformed("varint above 2^53");
        return value;
      }
      scale *= 0x80;
    }
    throw malformed("varint too long");
  }

  expectEnd(): void {
    if (this.#at !== this.#bytes.length) throw malformed(`${this.#bytes.length - this.#at} bytes too many`);
  }
}

function malformed(why: string): StoredError {
  return new StoredError({ code: "STORED_MALFORMED", what: "map chunk", why });
}
