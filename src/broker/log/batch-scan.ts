/** The walk over a segment file that may be damaged: batch by batch, in chunks, up to the first bytes that are no batch. */

import type { StorageFile } from "../../core/storage.ts";
import { BATCH_HEADER_BYTES, BATCH_PREFIX_BYTES } from "../../wire/batch-layout.ts";
import { BatchView, MAGIC_V2 } from "../../wire/record-batch.ts";

/** Bytes read at once: large enough that system calls do not count, small enough to stay in the cache. */
const CHUNK_BYTES = 512 * 1024;

/** A batch and where it lies in the file. The view is valid until the next step of the walk. */
export interface PlacedBatch {
  readonly batch: BatchView;
  readonly position: number;
}

/** Complete batches from `position` on. Ends without an error where the file ends or stops making sense: the place of
 *  the damage is the end of the last batch yielded. CRCs are the caller's to check. */
export function* scanBatches(file: StorageFile, position: number): Generator<PlacedBatch, void, undefined> {
  let chunk: Buffer = Buffer.alloc(0);
  let chunkPosition = position;
  for (let at = position; ; ) {
    let start = at - chunkPosition;
    if (start + BATCH_HEADER_BYTES > chunk.length) {
      chunk = file.read(at, CHUNK_BYTES);
      chunkPosition = at;
      start = 0;
      if (chunk.length < BATCH_HEADER_BYTES) return;
    }
    const sizeBytes = chunk.readInt32BE(start + 8) + BATCH_PREFIX_BYTES;
    const isSane = sizeBytes >= BATCH_HEADER_BYTES && sizeBytes <= file.sizeBytes - at;
    if (!isSane || chunk.readInt8(start + 16) !== MAGIC_V2) return;
    if (start + sizeBytes > chunk.length) {
      chunk = file.read(at, Math.max(CHUNK_BYTES, sizeBytes));
      chunkPosition = at;
      start = 0;
      if (chunk.length < sizeBytes) return;
    }
    yield { batch: new BatchView(chunk, start, sizeBytes), position: at };
    at += sizeBytes;
  }
}
