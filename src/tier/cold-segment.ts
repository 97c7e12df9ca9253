/** Reads one archived segment: its batches by position or offset, whole and checked. */

import { BATCH_PREFIX_BYTES } from "../wire/batch-layout.ts";
import { WireError } from "../wire/errors.ts";
import { type BatchView, batchAt } from "../wire/record-batch.ts";
import { OffsetIndex } from "../wire/segment/offset-index.ts";
import { type ArchivedObject, CHUNK_BYTES, type ChunkSource } from "./chunk-reader.ts";
import { ArchiveError } from "./errors.ts";
import type { ArchivedSegment } from "./manifest.ts";

/** Read at once while looking for a batch from an index position: an entry comes every 4 KiB or so. */
const SEEK_BYTES = 64 * 1024;

/** Batches of one segment, in order and without a gap between their bytes. */
export interface SegmentBatches {
  readonly bytes: Buffer;
  /** Offset after the last batch. */
  readonly nextOffset: bigint;
  /** Where the batch after them begins. */
  readonly nextPosition: number;
}

/** The object with the segment's data. */
export function dataOf({ key, logBytes }: ArchivedSegment): ArchivedObject {
  return { key: `${key}.log`, sizeBytes: logBytes };
}

/** Parses one of the segment's indexes; what is no index is read again once.
 *  @throws {ArchiveError} `ARCHIVE_CORRUPT` @throws {StoreError} */
export async function readIndex<T>(
  chunks: ChunkSource,
  segment: ArchivedSegment,
  {
    kind,
    parse,
  }: { readonly kind: "index" | "timeindex" | "txnindex"; readonly parse: (bytes: Buffer) => T | undefined },
): Promise<T> {
  const object = { key: `${segment.key}.${kind}`, sizeBytes: segment[`${kind}Bytes`] };
  const read = async () => parse(await chunks.read(object, 0, object.sizeBytes));
  const index = await read();
  if (index !== undefined) return index;
  chunks.forget(object);
  const again = await read();
  if (again === undefined) throw corrupt(object.key, 0, "it is no index");
  return again;
}

/** Position of the first batch whose last offset is not below `offset`; the data's size when there is none.
 *  @throws {ArchiveError | StoreError} */
export async function seekOffset(chunks: ChunkSource, segment: ArchivedSegment, offset: bigint): Promise<number> {
  if (offset <= segment.baseOffset) return 0;
  const index = await readIndex(chunks, segment, { kind: "index", parse: OffsetIndex.parse });
  let position = index.floorPosition(Number(offset - segment.baseOffset));
  const data = dataOf(segment);
  while (position < segment.logBytes) {
    const bytes = await chunks.read(data, position, position + SEEK_BYTES);
    let at = 0;
    for (let batch = checked(segment, bytes, at); batch !== undefined; batch = checked(segment, bytes, at)) {
      if (batch.lastOffset >= offset) return position + at;
      at += batch.sizeBytes;
    }
    // A batch longer than what was read: its own length says where the next one begins.
    if (at === 0) {
      const last = await readBatches(chunks, segment, { position, maxBytes: 0 });
      if (last.nextOffset > offset) return position;
      at = last.bytes.length;
    }
    position += at;
  }
  return position;
}

/** Whole batches from a position on: up to about `maxBytes` and the end of a chunk, at least one. Their CRCs hold.
 *  @throws {ArchiveError} `ARCHIVE_CORRUPT`, also when read again from the store @throws {StoreError} */
export async function readBatches(
  chunks: ChunkSource,
  segment: ArchivedSegment,
  at: { readonly position: number; readonly maxBytes: number },
): Promise<SegmentBatches> {
  try {
    return await readOnce(chunks, segment, at);
  } catch (error) {
    if (!(error instanceof ArchiveError)) throw error;
    chunks.forget(dataOf(segment));
    return readOnce(chunks, segment, at);
  }
}

async function readOnce(
  chunks: ChunkSource,
  segment: ArchivedSegment,
  { position, maxBytes }: { readonly position: number; readonly maxBytes: number },
): Promise<SegmentBatches> {
  const data = dataOf(segment);
  const chunkEnd = (Math.floor(position / CHUNK_BYTES) + 1) * CHUNK_BYTES;
  const wantedEnd = Math.min(position + Math.max(maxBytes, BATCH_PREFIX_BYTES), chunkEnd);
  let bytes = await chunks.read(data, position, wantedEnd);
  if (bytes.length < BATCH_PREFIX_BYTES) bytes = await chunks.read(data, position, position + BATCH_PREFIX_BYTES);
  if (bytes.length < BATCH_PREFIX_BYTES) throw corrupt(data.key, position, "the data ends within a batch");
  const firstBytes = bytes.readInt32BE(8) + BATCH_PREFIX_BYTES;
  if (firstBytes > segment.logBytes - position) throw corrupt(data.key, position, `a batch of ${firstBytes} bytes`);
  if (firstBytes > bytes.length) bytes = await chunks.read(data, position, position + firstBytes);
  let end = 0;
  let nextOffset = -1n;
  for (let batch = checked(segment, bytes, end); batch !== undefined; batch = checked(segment, bytes, end)) {
    if (batch.baseOffset < segment.baseOffset || batch.nextOffset > segment.nextOffset)
      throw corrupt(data.key, position + end, `a batch of offset ${batch.baseOffset}`);
    end += batch.sizeBytes;
    nextOffset = batch.nextOffset;
  }
  if (end === 0) throw corrupt(data.key, position, "no batch");
  return { bytes: bytes.subarray(0, end), nextOffset, nextPosition: position + end };
}

/** The batch that begins at `at`; undefined when it is not all there. */
function checked(segment: ArchivedSegment, bytes: Buffer, at: number): BatchView | undefined {
  try {
    const batch = batchAt(bytes, at);
    batch?.verifyCrc();
    return batch;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    throw corrupt(dataOf(segment).key, at, error.message);
  }
}

function corrupt(key: string, position: number, what: string): ArchiveError {
  const message = `${key} is not what was archived (${what} at byte ${position}); check it with tier verify`;
  return new ArchiveError({ code: "ARCHIVE_CORRUPT", key, what }, { message });
}
