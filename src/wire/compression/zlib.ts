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
import { WireError } from "../errors.ts";
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
/** No producer is known to write more than one frame; a small one costs much more time than its bytes are worth. */
const ZSTD_FRAMES_MAX = 256;
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
    guarded("zstd", limitBytes, () => unzstd(bytes, limitBytes)),
};

/** Node stops after the first frame and drops the rest in silence, so the frames are read one by one. */
function unzstd(bytes: Uint8Array, limitBytes: number): Buffer {
  const frames: Buffer[] = [];
  let leftBytes = limitBytes;
  let at = 0;
  do {
    if (frames.length === ZSTD_FRAMES_MAX) throw badCompression("zstd", `more than ${ZSTD_FRAMES_MAX} frames`);
    const { buffer, engine } = unzstdFrame(bytes.subarray(at), leftBytes);
    if (engine.bytesWritten === 0) throw badCompression("zstd", "no frame");
    frames.push(buffer);
    leftBytes -= buffer.length;
    at += engine.bytesWritten;
  } while (at < bytes.byteLength);
  return frames.length === 1 && frames[0] !== undefined ? frames[0] : Buffer.concat(frames);
}

/** With `info`, zlib also says how far it read. The types of Node know that of the other formats only. */
function unzstdFrame(bytes: Uint8Array, limitBytes: number): InflateInfo {
  const options = { ...unzstdOptions(limitBytes), info: true };
  return zstdDecompressSync(bytes, options) as unknown as InflateInfo;
}

interface InflateInfo {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

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
    if (thrown instanceof WireError) throw thrown;
    if (codeOf(thrown) === "ERR_BUFFER_TOO_LARGE") throw overLimit(codec, limitBytes);
    throw badCompression(codec, codeOf(thrown), thrown);
  }
  if (result.length > limitBytes) throw overLimit(codec, limitBytes);
  return result;
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : String(thrown);
}
