/** Reads archived records back by offset and by time: whole batches, byte for byte, and what a broker has to know of them. */

import { hasFaultCode } from "../core/errors.ts";
import { batchesIn } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import { TimeIndex } from "../wire/segment/time-index.ts";
import { type AbortedTransaction, type OffsetRange, TransactionIndex } from "../wire/segment/transaction-index.ts";
import { type ArchiveHead, readHead } from "./archive.ts";
import { BoundedMap } from "./bounded-map.ts";
import { CHUNK_BYTES, type ChunkFigures, ChunkReader, type ChunkReaderDeps, type WantedChunk } from "./chunk-reader.ts";
import { dataOf, readBatches, readIndex, type SegmentBatches, seekOffset } from "./cold-segment.ts";
import { decidedBy, stableOffsetOf } from "./decided.ts";
import { type ArchivedSegment, archivedTo, type Manifest, partitionPrefix, segmentIndexAt } from "./manifest.ts";
import type { ArchivedPartition } from "./ports.ts";

/** Read at once while looking for a time within a segment. */
const SCAN_BYTES = 1024 * 1024;
/** Partitions whose manifest is kept in memory. */
const HEADS_MAX = 10_000;
/** Places where readers left off, so that going on needs no index: one for each reader, and some to spare. */
const PLACES_MAX = 4_096;
/** Chunks fetched ahead of a reader that goes on from batch to batch, of the next segment where this one ends. */
const AHEAD_CHUNKS = 2;

/** What to read. */
export interface ColdRead {
  readonly partition: ArchivedPartition;
  readonly offset: bigint;
  /** Soft limit: the first batch is returned whole even when it is larger. */
  readonly maxBytes: number;
}

/** Which records a search by time is about. */
export interface ColdRange {
  readonly partition: ArchivedPartition;
  /** Offsets below it do not count. */
  readonly startOffset: bigint;
  /** Offsets from here on do not count. */
  readonly endOffset: bigint;
}

/** A record found by time. */
export interface TimedRecord {
  readonly offset: bigint;
  readonly timestampMs: bigint;
  readonly leaderEpoch: number;
}

/** What an archive knows of the aborted transactions of a range. */
export interface AbortedAmong {
  readonly transactions: readonly AbortedTransaction[];
  /** False when others may have been aborted behind the archive. */
  readonly isComplete: boolean;
}

/** A look at the newest manifest that is under way, and the one that follows it for those who came too late for it. */
interface Refresh {
  readonly now: Promise<Manifest | undefined>;
  next: Promise<Manifest | undefined> | undefined;
}

interface TimeSearch {
  readonly range: ColdRange;
  readonly timestampMs: bigint;
  readonly signal: AbortSignal | undefined;
}

interface Place {
  readonly segmentKey: string;
  readonly position: number;
  /** Who goes on here, as far as anybody can tell. */
  readonly reader: object;
}

/** Reads one store's archive. Objects and manifests are immutable, so caching them is safe; the newest manifest is looked for
 *  again when the one at hand does not reach far enough, or names what is gone. */
export class ColdReader {
  readonly #deps: ChunkReaderDeps;
  readonly #chunks: ChunkReader;
  readonly #heads = new BoundedMap<ArchiveHead>(HEADS_MAX);
  readonly #refreshes = new Map<string, Refresh>();
  readonly #places = new BoundedMap<Place>(PLACES_MAX);

  constructor(deps: ChunkReaderDeps) {
    this.#deps = deps;
    this.#chunks = new ChunkReader(deps);
  }

  /** What reading took so far. */
  get figures(): ChunkFigures {
    return this.#chunks.figures;
  }

  /** The newest manifest; undefined when the partition was never archived. @throws {ArchiveError | StoreError} */
  refresh(partition: ArchivedPartition): Promise<Manifest | undefined> {
    const key = partitionPrefix(partition);
    const under = this.#refreshes.get(key);
    if (under === undefined) return this.#refresh(key, partition);
    // Who joins a look that has begun may miss what was published since: all of them share the one after it.
    under.next ??= under.now.then(
      () => this.#refresh(key, partition),
      () => this.#refresh(key, partition),
    );
    return under.next;
  }

  /** Complete batches from the one that contains `offset` (or the first after a hole), from one segment.
   *  Undefined when the archive does not reach there. Ends with the signal's reason when the reader goes.
   *  @throws {ArchiveError | StoreError} */
  async read(request: ColdRead, signal?: AbortSignal): Promise<SegmentBatches | undefined> {
    const { partition, offset } = request;
    const segments = await this.#segmentsPast(partition, offset + 1n);
    try {
      return await this.#readFrom(segments, request, signal);
    } catch (error) {
      if (!hasFaultCode(error, "STORE_MISSING")) throw error;
      // Retention or repair took the object since the manifest was read.
      return this.#readFrom((await this.refresh(partition))?.segments ?? [], request, signal);
    }
  }

  /** Aborted transactions that touch offsets from `fromOffset` up to `endOffset`, in the order of their markers, which may lie many
   *  segments later. @throws {ArchiveError | StoreError} */
  async abortedTransactions(partition: ArchivedPartition, range: OffsetRange): Promise<AbortedAmong> {
    const known = this.#heads.get(partitionPrefix(partition))?.manifest;
    try {
      const told = known && (await this.#abortedAmong(known.segments, range));
      if (told?.isComplete === true) return told;
    } catch (error) {
      // Repair replaced the object since the manifest was read.
      if (!hasFaultCode(error, "STORE_MISSING")) throw error;
    }
    // The markers may have been archived since.
    return this.#abortedAmong((await this.refresh(partition))?.segments ?? [], range);
  }

  /** The first record of the range at or after a time; undefined when there is none.
   *  @throws {ArchiveError | StoreError} */
  async offsetForTimestamp(
    range: ColdRange,
    timestampMs: bigint,
    signal?: AbortSignal,
  ): Promise<TimedRecord | undefined> {
    for (const segment of await this.#segmentsIn(range)) {
      if (BigInt(segment.maxTimestampMs) < timestampMs) continue;
      const found = await this.#timeIn(segment, { range, timestampMs, signal });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The first record with the greatest time of the range; undefined when it holds none.
   *  @throws {ArchiveError | StoreError} */
  async latestRecord(range: ColdRange, signal?: AbortSignal): Promise<TimedRecord | undefined> {
    const segments = [...(await this.#segmentsIn(range))];
    // A segment at the range's start may owe its greatest time to records before it: then the next greatest is asked.
    segments.sort((a, b) => b.maxTimestampMs - a.maxTimestampMs || (a.baseOffset < b.baseOffset ? -1 : 1));
    for (const segment of segments) {
      const found = await this.#timeIn(segment, { range, timestampMs: BigInt(segment.maxTimestampMs), signal });
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #abortedAmong(segments: readonly ArchivedSegment[], range: OffsetRange): Promise<AbortedAmong> {
    const transactions: AbortedTransaction[] = [];
    for (let i = segmentIndexAt(segments, range.fromOffset); i < segments.length; i++) {
      const segment = segments[i];
      if (segment === undefined || segment.txnindexBytes === 0) continue;
      const parse = (bytes: Buffer) => TransactionIndex.parse(bytes, segment.baseOffset);
      const index = await readIndex(this.#chunks, segment, { kind: "txnindex", parse });
      if (index.collect(range, transactions)) return { transactions, isComplete: true };
    }
    return { transactions, isComplete: stableOffsetOf(decidedBy({ segments })) >= range.endOffset };
  }

  #refresh(key: string, partition: ArchivedPartition): Promise<Manifest | undefined> {
    const look = async (): Promise<Manifest | undefined> => {
      const head = await readHead(this.#deps.store, partition);
      if (head !== undefined) this.#heads.set(key, head);
      return head?.manifest;
    };
    const refresh: Refresh = {
      now: look().finally(() => {
        if (this.#refreshes.get(key) === refresh) this.#refreshes.delete(key);
      }),
      next: undefined,
    };
    this.#refreshes.set(key, refresh);
    return refresh.now;
  }

  /** The newest manifest's segments, which reach `endOffset` if any manifest's do. */
  async #segmentsPast(partition: ArchivedPartition, endOffset: bigint): Promise<readonly ArchivedSegment[]> {
    const known = this.#heads.get(partitionPrefix(partition))?.manifest;
    if (known !== undefined && (archivedTo(known) ?? 0n) >= endOffset) return known.segments;
    return (await this.refresh(partition))?.segments ?? [];
  }

  async #segmentsIn({ partition, startOffset, endOffset }: ColdRange): Promise<readonly ArchivedSegment[]> {
    const segments = await this.#segmentsPast(partition, endOffset);
    return segments.filter((segment) => segment.nextOffset > startOffset && segment.baseOffset < endOffset);
  }

  async #readFrom(
    segments: readonly ArchivedSegment[],
    request: ColdRead,
    signal: AbortSignal | undefined,
  ): Promise<SegmentBatches | undefined> {
    const chunks = this.#chunks.until(signal);
    const { partition, offset, maxBytes } = request;
    const prefix = partitionPrefix(partition);
    const place = this.#places.take(`${prefix}${offset}`);
    for (let i = segmentIndexAt(segments, offset); i < segments.length; i++) {
      const segment = segments[i];
      if (segment === undefined) break;
      const known = place?.segmentKey === segment.key ? place.position : undefined;
      const position = known ?? (await seekOffset(chunks, segment, offset));
      // Only a hole is left in this segment: the one after it goes on.
      if (position >= segment.logBytes) continue;
      const batches = await readBatches(chunks, segment, { position, maxBytes });
      const reader = place?.reader ?? {};
      const { nextOffset, nextPosition } = batches;
      this.#places.set(`${prefix}${nextOffset}`, { segmentKey: segment.key, position: nextPosition, reader });
      if (place !== undefined) this.#chunks.prefetch(reader, chunksAfter(segments, i, nextPosition));
      return batches;
    }
    return undefined;
  }

  async #timeIn(
    segment: ArchivedSegment,
    { range, timestampMs, signal }: TimeSearch,
  ): Promise<TimedRecord | undefined> {
    const chunks = this.#chunks.until(signal);
    const { startOffset, endOffset } = range;
    const timeindex = await readIndex(chunks, segment, { kind: "timeindex", parse: TimeIndex.parse });
    let from = segment.baseOffset + BigInt(timeindex.offsetBefore(timestampMs));
    if (from < startOffset) from = startOffset;
    let position = await seekOffset(chunks, segment, from);
    while (position < segment.logBytes) {
      const { bytes, nextPosition } = await readBatches(chunks, segment, { position, maxBytes: SCAN_BYTES });
      for (const batch of batchesIn(bytes)) {
        if (batch.maxTimestamp < timestampMs) continue;
        const { baseOffset, leaderEpoch } = batch;
        for (const record of decodeRecords(batch)) {
          const offset = baseOffset + BigInt(record.offsetDelta);
          if (offset >= endOffset) return undefined;
          if (offset >= startOffset && record.timestampMs >= timestampMs)
            return { offset, timestampMs: record.timestampMs, leaderEpoch };
        }
      }
      position = nextPosition;
    }
    return undefined;
  }
}

/** The next chunks behind a position, across the end of its segment. */
function chunksAfter(segments: readonly ArchivedSegment[], i: number, position: number): readonly WantedChunk[] {
  const wanted: WantedChunk[] = [];
  let index = Math.ceil(position / CHUNK_BYTES);
  for (let at = i; at < segments.length && wanted.length < AHEAD_CHUNKS; at++) {
    const segment = segments[at];
    if (segment === undefined) break;
    const object = dataOf(segment);
    for (; index * CHUNK_BYTES < object.sizeBytes && wanted.length < AHEAD_CHUNKS; index++)
      wanted.push({ object, index });
    index = 0;
  }
  return wanted;
}
