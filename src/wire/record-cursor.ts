/** Varints of the record format over a plain byte array: one cursor to read and one to write, both made for loops. */

import { WireError } from "./errors.ts";

/** Bytes of the longest varint of 32 bits and of 64 bits. */
const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;
/** Up to this many bytes a varlong fits in the bits that JavaScript's operators work on. */
const SHORT_VARLONG_BYTES = 4;

/** Reads on from `at`. Bytes past the end read as 0: the caller checks `at` against the end of the record. */
export class RecordCursor {
  readonly bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /** Zigzag varint of an int32. @throws {WireError} `WIRE_BAD_VARINT` */
  varint(): number {
    const { bytes } = this;
    let at = this.at;
    let byte = bytes[at++] ?? 0;
    let value = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      byte = bytes[at++] ?? 0;
      // The fifth byte has room for four bits.
      if (shift === 28 && byte > 0x0f) throw new WireError({ code: "WIRE_BAD_VARINT", maxBytes: VARINT_BYTES_MAX });
      value |= (byte & 0x7f) << shift;
    }
    this.at = at;
    return (value >>> 1) ^ -(value & 1);
  }

  /** Zigzag varint of an int64: a number when short, a bigint when long. @throws {WireError} `WIRE_BAD_VARINT` */
  varlong(): number | bigint {
    const { bytes } = this;
    let at = this.at;
    let value = 0;
    for (let shift = 0; shift < 7 * SHORT_VARLONG_BYTES; shift += 7) {
      const byte = bytes[at++] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte <= 0x7f) {
        this.at = at;
        return (value >>> 1) ^ -(value & 1);
      }
    }
    return this.#longVarlong();
  }

  #longVarlong(): bigint {
    let value = 0n;
    for (let i = 0; i < VARLONG_BYTES_MAX; i++) {
      const byte = this.bytes[this.at++] ?? 0;
      // The tenth byte has room for one bit.
      if (i === VARLONG_BYTES_MAX - 1 && byte > 1) break;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte <= 0x7f) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new WireError({ code: "WIRE_BAD_VARINT", maxBytes: VARLONG_BYTES_MAX });
  }
}

/** Writes on from `at` into a buffer that the caller has sized. */
export class RecordSink {
  readonly bytes: Buffer;
  at = 0;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
  }

  int8(value: number): void {
    this.bytes[this.at++] = value;
  }

  /** Zigzag varint of an int32. */
  varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  /** Zigzag varint of an int64. */
  varlong(value: bigint): void {
    if (isShort(value)) {
      this.varint(Number(value));
      return;
    }
    let rest = zigzag(value);
    while (rest > 0x7fn) {
      this.bytes[this.at++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.bytes[this.at++] = Number(rest);
  }

  /** Bytes behind their length; null is length -1. */
  nullable(value: Uint8Array | null): void {
    if (value === null) {
      this.varint(-1);
      return;
    }
    this.varint(value.byteLength);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.bytes.set(value, this.at);
    this.at += value.byteLength;
  }

  text(value: string, lengthBytes: number): void {
    this.bytes.write(value, this.at, lengthBytes, "utf8");
    this.at += lengthBytes;
  }
}

/** Bytes of a zigzag varint. */
export function varintBytes(value: number): number {
  const rest = ((value << 1) ^ (value >> 31)) >>> 0;
  return rest < 0x80 ? 1 : rest < 0x4000 ? 2 : rest < 0x200000 ? 3 : rest < 0x10000000 ? 4 : 5;
}

/** Bytes of a zigzag varlong. */
export function varlongBytes(value: bigint): number {
  if (isShort(value)) return varintBytes(Number(value));
  let count = 1;
  for (let rest = zigzag(value) >> 7n; rest > 0n; rest >>= 7n) count++;
  return count;
}

function isShort(value: bigint): boolean {
  return value >= -0x80000000n && value <= 0x7fffffffn;
}

function zigzag(value: bigint): bigint {
  return BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
}
