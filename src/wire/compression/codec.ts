/** What a compression codec of record batches is: synchronous, and never expanding past a limit. */

import { WireError } from "../errors.ts";

/** The low three bits of a batch's attributes. */
export type CodecId = 0 | 1 | 2 | 3 | 4;

/** The codecs as Kafka's configuration names them. */
export type CodecName = "none" | "gzip" | "snappy" | "lz4" | "zstd";

/** Decompressed bytes accepted from one batch by default. Kafka itself has no limit; a batch of the default 1 MiB that
 *  holds 128 times as much is a bomb rather than data. */
export const DEFAULT_DECOMPRESSED_BYTES_MAX = 128 * 1024 * 1024;

/** Turns the records section of a batch into its compressed form and back. Results never share memory with the input,
 *  except those of `none`. */
export interface Compression {
  readonly id: CodecId;
  readonly name: CodecName;
  compress(bytes: Uint8Array): Buffer;
  /** @throws {WireError} `WIRE_BAD_COMPRESSION` malformed, truncated, or longer than `limitBytes` when decompressed;
   *  no more than about the limit is ever allocated */
  decompress(bytes: Uint8Array, limitBytes?: number): Buffer;
}

/** The error of malformed or oversize compressed bytes. */
export function badCompression(codec: CodecName, what: string, cause?: unknown): WireError {
  return new WireError({ code: "WIRE_BAD_COMPRESSION", codec, what }, cause === undefined ? {} : { cause });
}

/** The error of bytes that would grow past the limit. */
export function overLimit(codec: CodecName, limitBytes: number): WireError {
  return badCompression(codec, `more than ${limitBytes} bytes decompressed`);
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
