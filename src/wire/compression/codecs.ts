/** The codecs by their number in a batch's attributes. */

import { WireError } from "../errors.ts";
import { asBuffer, type Compression, DEFAULT_DECOMPRESSED_BYTES_MAX, overLimit } from "./codec.ts";
import { lz4 } from "./lz4.ts";
import { snappy } from "./snappy.ts";
import { gzip, zstd } from "./zlib.ts";

/** No compression; hands out the input's own memory. */
const none: Compression = {
  id: 0,
  name: "none",
  compress: asBuffer,
  decompress: (bytes, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX) => {
    if (bytes.byteLength > limitBytes) throw overLimit("none", limitBytes);
    return asBuffer(bytes);
  },
};

/** All codecs; the index is the codec's id. */
export const CODECS: readonly Compression[] = [none, gzip, snappy, lz4, zstd];

/** The codec that a batch names. @throws {WireError} `WIRE_BAD_COMPRESSION` for the numbers without a meaning, 5 to 7 */
export function codecFor(id: number): Compression {
  const codec = CODECS[id];
  if (codec === undefined)
    throw new WireError({ code: "WIRE_BAD_COMPRESSION", codec: String(id), what: "unknown codec" });
  return codec;
}

/** The codec of this name in Kafka's configuration, or undefined. */
export function codecNamed(name: string): Compression | undefined {
  return CODECS.find((codec) => codec.name === name);
}
