/** The two ends of the codec: a writer that grows, a reader that never reads past its end. */

import { WireError } from "./errors.ts";

/** Payloads of at least this size are handed to the socket as they are; below, copying is cheaper than one more part. */
const SPLICE_BYTES_MIN = 4 * 1024;

const INITIAL_BYTES = 256;

/** Elements of all lists in one message. An element of two bytes becomes an object of a hundred, so the frame's size
 *  alone is no bound on memory. Metadata of half a million partitions with three replicas each needs fewer. */
const ELEMENTS_MAX = 4 * 1024 * 1024;

/** Appends big-endian primitives. Large byte fields are spliced in without a copy and must not change until sent. */
export class Writer {
  readonly version: number;
  /** Compact lengths and tagged fields (KIP-482). */
  readonly flexible: boolean;
  readonly #done: Uint8Array[] = [];
  #doneBytes = 0;
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #start = 0;
  #end = 0;

  constructor(version = 0, flexible = false) {
    this.version = version;
    this.flexible = flexible;
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#doneBytes + this.#end - this.#start;
  }

  int8(value: number): void {
    this.#room(1);
    this.#end = this.#buffer.writeInt8(value, this.#end);
  }

  int16(value: number): void {
    this.#room(2);
    this.#end = this.#buffer.writeInt16BE(value, this.#end);
  }

  int32(value: number): void {
    this.#room(4);
    this.#end = this.#buffer.writeInt32BE(value, this.#end);
  }

  uint32(value: number): void {
    this.#room(4);
    this.#end = this.#buffer.writeUInt32BE(value, this.#end);
  }

  int64(value: bigint): void {
    this.#room(8);
    this.#end = this.#buffer.writeBigInt64BE(value, this.#end);
  }

  float64(value: number): void {
    this.#room(8);
    this.#end = this.#buffer.writeDoubleBE(value, this.#end);
  }

  /** Unsigned varint, up to 2^32 - 1. */
  uvarint(value: number): void {
    this.#room(5);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#buffer[this.#end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#end++] = rest;
  }

  /** Zigzag varint of an int32. */
  varint(value: number): void {
    this.uvarint((value << 1) ^ (value >> 31));
  }

  /** Zigzag varint of an int64. */
  varlong(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 0x7fn) {
      this.#buffer[this.#end++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#buffer[this.#end++] = Number(rest);
  }

  /** Text as UTF-8, without a length. */
  utf8(text: string, lengthBytes: number): void {
    this.#room(lengthBytes);
    this.#buffer.write(text, this.#end, lengthBytes, "utf8");
    this.#end += lengthBytes;
  }

  /** Bytes as they are, without a length. */
  raw(bytes: Uint8Array): void {
    if (bytes.byteLength < SPLICE_BYTES_MIN) {
      this.#room(bytes.byteLength);
      this.#buffer.set(bytes, this.#end);
      this.#end += bytes.byteLength;
      return;
    }
    this.#cut();
    this.#done.push(bytes);
    this.#doneBytes += bytes.byteLength;
  }

  /** Everything written, as parts to be sent in order. The writer may go on afterwards. */
  parts(): Uint8Array[] {
    this.#cut();
    return [...this.#done];
  }

  /** Everything written, in one buffer. */
  bytes(): Buffer {
    const parts = this.parts();
    const first = parts[0];
    return parts.length === 1 && first !== undefined
      ? Buffer.from(first.buffer, first.byteOffset, first.byteLength)
      : Buffer.concat(parts);
  }

  #cut(): void {
    if (this.#end === this.#start) return;
    this.#done.push(this.#buffer.subarray(this.#start, this.#end));
    this.#doneBytes += this.#end - this.#start;
    this.#start = this.#end;
  }

  #room(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    this.#growTo(bytes);
  }

  #growTo(bytes: number): void {
    const pending = this.#end - this.#start;
    const next = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, pending + bytes));
    this.#buffer.copy(next, 0, this.#start, this.#end);
    this.#buffer = next;
    this.#start = 0;
    this.#end = pending;
  }
}

/** Reads big-endian primitives from one buffer; every method throws `WIRE_SHORT_READ` instead of passing the end. */
export class Reader {
  readonly buffer: Buffer;
  readonly version: number;
  readonly flexible: boolean;
  #position: number;
  #end: number;
  #elementsLeft = ELEMENTS_MAX;

  constructor(bytes: Uint8Array, version = 0, flexible = false) {
    this.buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.version = version;
    this.flexible = flexible;
    this.#position = 0;
    this.#end = this.buffer.length;
  }

  get position(): number {
    return this.#position;
  }

  get leftBytes(): number {
    return this.#end - this.#position;
  }

  int8(): number {
    return this.buffer.readInt8(this.#take(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.#take(4));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.#take(4));
  }

  int64(): bigint {
    return this.buffer.readBigInt64BE(this.#take(8));
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.#take(8));
  }

  /** Unsigned varint of at most 5 bytes. @throws {WireError} `WIRE_BAD_VARINT` */
  uvarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer[this.#take(1)] ?? 0;
      // The fifth byte has room for four bits.
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new WireError({ code: "WIRE_BAD_VARINT", maxBytes: 5 });
  }

  /** Zigzag varint of an int32. */
  varint(): number {
    const value = this.uvarint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** Zigzag varint of an int64, at most 10 bytes. */
  varlong(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.#take(1)] ?? 0;
      // The tenth byte has room for one bit.
      if (shift === 63n && byte > 1) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new WireError({ code: "WIRE_BAD_VARINT", maxBytes: 10 });
  }

  /** A view of the next `lengthBytes` bytes; shares memory with the frame. */
  raw(lengthBytes: number): Buffer {
    const start = this.#take(lengthBytes);
    return this.buffer.subarray(start, start + lengthBytes);
  }

  utf8(lengthBytes: number): string {
    const start = this.#take(lengthBytes);
    return this.buffer.toString("utf8", start, start + lengthBytes);
  }

  /** Announces a list. @throws {WireError} `WIRE_BAD_LENGTH` when the bytes left cannot hold it, or when the message
   *  holds more elements than any sound one; nothing is allocated before */
  takeElements(count: number): void {
    const limit = Math.min(this.leftBytes, this.#elementsLeft);
    if (count > limit) throw new WireError({ code: "WIRE_BAD_LENGTH", what: "array", length: count, limit });
    this.#elementsLeft -= count;
  }

  /** Reads a part that has to fill exactly the next `sizeBytes` bytes. @throws {WireError} `WIRE_LEFTOVER` */
  within<T>(sizeBytes: number, read: (reader: Reader) => T): T {
    const start = this.#take(sizeBytes);
    const outerEnd = this.#end;
    this.#position = start;
    this.#end = start + sizeBytes;
    const value = read(this);
    if (this.leftBytes > 0) throw new WireError({ code: "WIRE_LEFTOVER", leftBytes: this.leftBytes });
    this.#end = outerEnd;
    return value;
  }

  #take(bytes: number): number {
    const start = this.#position;
    if (bytes < 0 || start + bytes > this.#end) {
      throw new WireError({ code: "WIRE_SHORT_READ", wantedBytes: bytes, leftBytes: this.#end - start });
    }
    this.#position = start + bytes;
    return start;
  }
}
