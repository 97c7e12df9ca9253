/** gzip and zstd, by Node's own zlib. */

import {
  constants,
  gunzipSync,
  gzipSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import {
  badCompression,
  type CodecName,
  type Compression,
  DEFAULT_DECOMPRESSED_BYTES_MAX,
  overLimit,
} from "./codec.ts";

/** Output is gathered in chunks of this size; the default of 16 KiB costs a loop turn and a concat for each. */
const CHUNK_BYTES = 128 * 1024;

/** Every decoder has to accept windows of 8 MiB (RFC 8878, 3.1.1.1.2), whatever the limit on the output. */
const ZSTD_WINDOW_LOG_MIN = 23;
/** The largest window that zstd makes at any ordinary level. */
const ZSTD_WINDOW_LOG_MAX = 27;

export const gzip: Compression = {
  id: 1,
  name: "gzip",
  compress: (bytes) => gzipSync(bytes, { chunkSize: CHUNK_BYTES }),
  decompress: (bytes, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX) =>
    guarded("gzip", limitBytes, () => gunzipSync(bytes, gunzipOptions(limitBytes))),
};

export const zstd: Compression = {
  id: 4,
  name: "zstd",
  compress: (bytes) => zstdCompressSync(bytes, { chunkSize: CHUNK_BYTES }),
  decompress: (bytes, limitBytes = DEFAULT_DECOMPRESSED_BYTES_MAX) =>
    guarded("zstd", limitBytes, () => zstdDecompressSync(bytes, unzstdOptions(limitBytes))),
};

function gunzipOptions(limitBytes: number): ZlibOptions {
  return { chunkSize: CHUNK_BYTES, maxOutputLength: outputLimit(limitBytes) };
}

function unzstdOptions(limitBytes: number): ZstdOptions {
  const windowLog = Math.ceil(Math.log2(outputLimit(limitBytes)));
  return {
    chunkSize: CHUNK_BYTES,
    maxOutputLength: outputLimit(limitBytes),
    // A header of a few bytes may ask for a window of gigabytes.
    params: {
      [constants.ZSTD_d_windowLogMax]: Math.min(Math.max(windowLog, ZSTD_WINDOW_LOG_MIN), ZSTD_WINDOW_LOG_MAX),
    },
  };
}

/** zlib refuses a limit of 0. */
function outputLimit(limitBytes: number): number {
  return Math.max(limitBytes, 1);
}

function guarded(codec: CodecName, limitBytes: number, inflate: () => Buffer): Buffer {
  let result: Buffer;
  try {
    result = inflate();
  } catch (thrown) {
    if (codeOf(thrown) === "ERR_BUFFER_TOO_LARGE") throw overLimit(codec, limitBytes);
    throw badCompression(codec, codeOf(thrown), thrown);
  }
  if (result.length > limitBytes) throw overLimit(codec, limitBytes);
  return result;
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
