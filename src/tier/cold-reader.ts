/** Reads archived records back by offset: whole batches, byte for byte, through range reads and the archived index. */

import { BATCH_PREFIX_BYTES, batchAt, batchesIn } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import { type ArchiveHead, readHead } from "./archive.ts";
import type { ArchivedSegment } from "./manifest.ts";
import { partitionPrefix } from "./manifest.ts";
import type { ArchivedPartition, ObjectStore } from "./ports.ts";

/** Index entry: relative offset i32, position i32. */
const INDEX_ENTRY_BYTES = 8;
/** Time index entry: greatest timestamp so far i64, relative offset i32. */
const TIME_ENTRY_BYTES = 12;

/** Read at once while looking for a time within a segment. */
const SCAN_BYTES = 1024 * 1024;

/** Archived indexes kept in memory: 256 x about 20 KiB for segments of 10 MiB. */
const INDEXES_MAX = 256;

/** Partitions whose manifest is kept in memory. */
const HEADS_MAX = 10_000;

/** Read-ahead while looking for the wanted batch from an index position: an index entry comes every 4 KiB or so. */
const SEEK_BYTES = 64 * 1024;

/** What to read. */
export interface ColdRead {
  readonly partition: ArchivedPartition;
  readonly offset: bigint;
  /** Soft limit: the first batch is returned whole even when it is larger. */
  readonly maxBytes: number;
}

/** A time to look for. */
export interface ColdTimeSearch {
  readonly partition: ArchivedPartition;
  /** Milliseconds since the epoch. */
  readonly timestampMs: bigint;
  /** Offsets below it do not count. */
  readonly startOffset: bigint;
}

/** A record found by time. */
export interface TimedRecord {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly leaderEpoch: number;
}

/** Reads one store's archive. Manifests and indexes are immutable, so caching them is safe; a manifest is read again when an
 *  offset is beyond it. */
export class ColdReader {
  readonly #store: ObjectStore;
  readonly #heads = new Map<string, ArchiveHead>();
  readonly #indexes = new Map<string, Buffer>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** Complete batches from the one that contains `offset` (or the first after a hole), from one segment.
   *  Undefined when the archive does not reach there. @throws {ArchiveError | StoreError} */
  async read(request: ColdRead): Promise<Buffer | undefined> {
    const segment = await this.#segmentFor(request.partition, request.offset);
    if (segment === undefined) return undefined;
    const { position, next } = await this.#seek(segment, request.offset);
    if (position >= segment.logBytes) {
      // Only a hole is left in this segment: go on in the one after it.
      return next > request.offset ? this.read({ ...request, offset: next }) : undefined;
    }
    return this.#readBatches(segment, position, request.maxBytes);
  }

  /** The first archived record at or after a time; undefined when there is none. Only the first segment that claims to have
   *  such a time is searched, as in Kafka. @throws {ArchiveError | StoreError} */
  async offsetForTimestamp({ partition, timestampMs, startOffset }: ColdTimeSearch): Promise<TimedRecord | undefined> {
    const head = await readHead(this.#store, partition);
    const segment = head?.manifest.segments.find(
      (each) => each.nextOffset > startOffset && BigInt(each.maxTimestampMs) >= timestampMs,
    );
    if (segment === undefined) return undefined;
    const before = floorOffset(await this.#store.get(`${segment.key}.timeindex`), segment.baseOffset, timestampMs);
    let { position } = await this.#seek(segment, before > startOffset ? before : startOffset);
    while (position < segment.logBytes) {
      const chunk = await this.#readBatches(segment, position, SCAN_BYTES);
      for (const batch of batchesIn(chunk)) {
        if (batch.maxTimestamp < timestampMs) continue;
        const { baseOffset, leaderEpoch } = batch;
        for (const record of decodeRecords(batch)) {
          const offset = baseOffset + BigInt(record.offsetDelta);
          if (offset >= startOffset && record.timestampMs >= timestampMs)
            return { offset, timestampMs: record.timestampMs, leaderEpoch };
        }
      }
      position += chunk.length;
    }
    return undefined;
  }

  async #segmentFor(partition: ArchivedPartition, offset: bigint): Promise<ArchivedSegment | undefined> {
    const key = partitionPrefix(partition);
    const known = findSegment(this.#heads.get(key), offset);
    if (known !== undefined) return known;
    const head = await readHead(this.#store, partition);
    if (head === undefined) return undefined;
    keepNewest(this.#heads, key, head, HEADS_MAX);
    return findSegment(head, offset);
  }

  /** Position of the first batch whose last offset is not below `offset`; `next` is where the segment ends. */
  async #seek(segment: ArchivedSegment, offset: bigint): Promise<{ readonly position: number; readonly next: bigint }> {
    let position = floorPosition(await this.#index(segment), segment.baseOffset, offset);
    while (position < segment.logBytes) {
      const chunk = await this.#range(segment, position, SEEK_BYTES);
      let at = 0;
      for (let batch = batchAt(chunk, at); batch !== undefined; batch = batchAt(chunk, at)) {
        if (batch.lastOffset >= offset) return { position: position + at, next: segment.nextOffset };
        at += batch.sizeBytes;
      }
      // A batch longer than the chunk: its own length says where the next one begins.
      if (at === 0) {
        const lastOffset = chunk.readBigInt64BE(0) + BigInt(chunk.readInt32BE(23));
        if (lastOffset >= offset) return { position, next: segment.nextOffset };
        at = chunk.readInt32BE(8) + BATCH_PREFIX_BYTES;
      }
      position += at;
    }
    return { position, next: segment.nextOffset };
  }

  async #readBatches(segment: ArchivedSegment, position: number, maxBytes: number): Promise<Buffer> {
    const wanted = await this.#range(segment, position, Math.max(maxBytes, BATCH_PREFIX_BYTES));
    const firstBytes = wanted.readInt32BE(8) + BATCH_PREFIX_BYTES;
    const chunk = firstBytes > wanted.length ? await this.#range(segment, position, firstBytes) : wanted;
    let end = 0;
    for (let batch = batchAt(chunk, 0); batch !== undefined; batch = batchAt(chunk, end)) end += batch.sizeBytes;
    return chunk.subarray(0, end);
  }

  async #index(segment: ArchivedSegment): Promise<Buffer> {
    const known = this.#indexes.get(segment.key);
    if (known !== undefined) return known;
    const index = await this.#store.get(`${segment.key}.index`);
    keepNewest(this.#indexes, segment.key, index, INDEXES_MAX);
    return index;
  }

  #range(segment: ArchivedSegment, start: number, lengthBytes: number): Promise<Buffer> {
    return this.#store.get(`${segment.key}.log`, {
      start,
      endExclusive: Math.min(start + lengthBytes, segment.logBytes),
    });
  }
}

/** The segment whose range of offsets contains `offset`. */
function findSegment(head: ArchiveHead | undefined, offset: bigint): ArchivedSegment | undefined {
  const segments = head?.manifest.segments ?? [];
  let low = 0;
  let high = segments.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const segment = segments[middle];
    if (segment === undefined) return undefined;
    if (offset < segment.baseOffset) high = middle - 1;
    else if (offset >= segment.nextOffset) low = middle + 1;
    else return segment;
  }
  return undefined;
}

/** Position of the last index entry at or below `offset`; 0 before the first. An entry names the last offset of the
 *  batch at its position, so the batch that contains `offset` is at or after the entry found. */
function floorPosition(index: Buffer, baseOffset: bigint, offset: bigint): number {
  const relative = Number(offset - baseOffset);
  let low = 0;
  let high = Math.floor(index.length / INDEX_ENTRY_BYTES) - 1;
  let position = 0;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (index.readInt32BE(middle * INDEX_ENTRY_BYTES) <= relative) {
      position = index.readInt32BE(middle * INDEX_ENTRY_BYTES + 4);
      low = middle + 1;
    } else high = middle - 1;
  }
  return position;
}

/** Offset of the last time index entry whose timestamp is below `timestampMs`; the segment's base before the first. */
function floorOffset(timeindex: Buffer, baseOffset: bigint, timestampMs: bigint): bigint {
  let low = 0;
  let high = Math.floor(timeindex.length / TIME_ENTRY_BYTES) - 1;
  let offset = baseOffset;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (timeindex.readBigInt64BE(middle * TIME_ENTRY_BYTES) < timestampMs) {
      offset = baseOffset + BigInt(timeindex.readInt32BE(middle * TIME_ENTRY_BYTES + 8));
      low = middle + 1;
    } else high = middle - 1;
  }
  return offset;
}

function keepNewest<V>(map: Map<string, V>, key: string, value: V, limit: number): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > limit && oldest.done !== true) map.delete(oldest.value);
}
