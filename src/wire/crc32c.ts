/** CRC-32C (Castagnoli): computing it, and deriving the CRC of changed bytes from the old CRC without a pass over the
 *  bytes that did not change. */

import { createRequire } from "node:module";

/** Reflected Castagnoli polynomial (RFC 3720). */
const POLYNOMIAL = 0x82f63b78;

/** Below this the call into native code costs more than the table does. */
const NATIVE_BYTES_MIN = 128;

const BYTE_TABLE = buildByteTable();

type Crc32c = (bytes: Buffer, previous: number) => number;

/** Native code of about ten times the table's speed, loaded when first needed; the table where the platform has none. */
let native: Crc32c | undefined;

/** CRC-32C of `bytes`, continuing from `previous` (0 to start). Unsigned. */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  if (bytes.byteLength < NATIVE_BYTES_MIN) return byTable(bytes, previous);
  native ??= loadNative() ?? byTable;
  return native(asBuffer(bytes), previous);
}

function byTable(bytes: Uint8Array, previous: number): number {
  return (advance(~previous, bytes) ^ -1) >>> 0;
}

function loadNative(): Crc32c | undefined {
  try {
    return (createRequire(import.meta.url)("@node-rs/crc32") as { readonly crc32c: Crc32c }).crc32c;
  } catch {
    return undefined;
  }
}

/** The register after `bytes`, from `register`, without the initial and final inversion: the linear part of the CRC. */
export function rawCrc32c(bytes: Uint8Array, register = 0): number {
  return advance(register, bytes) >>> 0;
}

/** The register after `lengthBytes` zero bytes: multiplication by x^(8 n) modulo the polynomial, O(log n) table steps. */
export function shiftCrc32c(register: number, lengthBytes: number): number {
  let value = register;
  for (let power = 0, rest = lengthBytes; rest !== 0 && value !== 0; power++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 0) continue;
    const table = shiftTable(power);
    value =
      (table[value & 0xff] ?? 0) ^
      (table[256 + ((value >>> 8) & 0xff)] ?? 0) ^
      (table[512 + ((value >>> 16) & 0xff)] ?? 0) ^
      (table[768 + (value >>> 24)] ?? 0);
  }
  return value >>> 0;
}

/** The CRC after bytes changed in place: `delta` is old XOR new of a range that `tailBytes` unchanged bytes follow.
 *  CRC-32C is linear, so a wrong old CRC stays wrong: damage done earlier is still caught by whoever verifies. */
export function patchCrc32c(oldCrc: number, delta: Uint8Array, tailBytes: number): number {
  return (oldCrc ^ shiftCrc32c(rawCrc32c(delta), tailBytes)) >>> 0;
}

function advance(register: number, bytes: Uint8Array): number {
  let value = register;
  for (let i = 0; i < bytes.byteLength; i++) {
    value = (BYTE_TABLE[(value ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (value >>> 8);
  }
  return value;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function buildByteTable(): Int32Array {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
    table[byte] = value;
  }
  return table;
}

/** Tables of the shift by 2^power bytes, made when first needed: four bytes of the register, 256 entries each. */
const shiftTables: Int32Array[] = [];

function shiftTable(power: number): Int32Array {
  const known = shiftTables[power];
  if (known !== undefined) return known;
  const step =
    power === 0 ? (register: number): number => advance(register, ONE_ZERO_BYTE) : doubled(shiftTable(power - 1));
  const table = new Int32Array(1024);
  for (let byte = 0; byte < 4; byte++) {
    for (let value = 0; value < 256; value++) table[byte * 256 + value] = step(value << (8 * byte));
  }
  shiftTables[power] = table;
  return table;
}

const ONE_ZERO_BYTE = new Uint8Array(1);

function doubled(table: Int32Array): (register: number) => number {
  const once = (value: number): number =>
    (table[value & 0xff] ?? 0) ^
    (table[256 + ((value >>> 8) & 0xff)] ?? 0) ^
    (table[512 + ((value >>> 16) & 0xff)] ?? 0) ^
    (table[768 + (value >>> 24)] ?? 0);
  return (register) => once(once(register));
}
