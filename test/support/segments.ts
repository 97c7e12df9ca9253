/** Segments made by hand, with the sparse index a broker would write, and a source that hands them out. */

import type { Uuid } from "../../src/core/brand.ts";
import { bodyOf } from "../../src/tier/object-body.ts";
import type { ArchivedPartition, ClosedSegment, SegmentFiles, SegmentSource } from "../../src/tier/ports.ts";
import { SegmentIndexer } from "../../src/tier/segment-cutting/segment-indexer.ts";
import { assembleBatch, type BatchView } from "../../src/wire/record-batch.ts";
import { encodeBatch } from "../../src/wire/records.ts";

/** The partition that hand-made segments belong to. */
export const PARTITION: ArchivedPartition = {
  clusterId: "cluster-a",
  topic: "flights",
  topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid,
  partition: 3,
};

/** Shape of one hand-made batch; its records are filler. */
export interface BatchShape {
  readonly baseOffset: number;
  readonly recordCount: number;
  readonly bytes: number;
}

const FILLER_MS = 1_000n;

/** A batch with filler for records. */
export function fillerBatch(shape: BatchShape): Buffer {
  const filler = Buffer.alloc(shape.bytes, shape.baseOffset % 251);
  return assembleBatch(
    {
      baseOffset: BigInt(shape.baseOffset),
      leaderEpoch: 0,
      attributes: 0,
      lastOffsetDelta: shape.recordCount - 1,
      baseTimestamp: FILLER_MS,
      maxTimestamp: FILLER_MS,
      recordCount: shape.recordCount,
    },
    filler,
  ).buffer;
}

/** A segment's files, and the bytes behind its data file, for those who want to damage them. */
export interface HeldFiles extends SegmentFiles {
  readonly bytes: Buffer;
}

/** The files of a segment with an index entry for every `everyBatches`-th batch but the first. */
export function segmentFiles(baseOffset: number, shapes: readonly BatchShape[], everyBatches = 3): HeldFiles {
  const batches = shapes.map(fillerBatch);
  const entries: Buffer[] = [];
  let position = 0;
  for (const [i, shape] of shapes.entries()) {
    if (i > 0 && i % everyBatches === 0) {
      const entry = Buffer.alloc(8);
      entry.writeInt32BE(shape.baseOffset + shape.recordCount - 1 - baseOffset, 0);
      entry.writeInt32BE(position, 4);
      entries.push(entry);
    }
    position += batches[i]?.length ?? 0;
  }
  const log = Buffer.concat(batches);
  return {
    log: bodyOf(log),
    bytes: log,
    index: Buffer.concat(entries),
    timeindex: timeIndex(shapes[0]?.recordCount ?? 0),
    txnindex: undefined,
    leaderEpochs: [{ epoch: 0, startOffset: BigInt(baseOffset) }],
  };
}

/** All batches are of one time, which the first one is the first to have. */
function timeIndex(recordCount: number): Buffer {
  const entry = Buffer.alloc(12);
  entry.writeBigInt64BE(FILLER_MS, 0);
  entry.writeInt32BE(recordCount - 1, 8);
  return entry;
}

/** One closed segment with its files. */
export interface HeldSegment {
  readonly info: ClosedSegment;
  readonly files: HeldFiles;
}

/** `count` consecutive segments of `batchesPerSegment` batches with five records each, newest record at `maxTimestampMs`. */
export function consecutiveSegments(
  count: number,
  options: { readonly batchesPerSegment: number; readonly maxTimestampMs: number },
): HeldSegment[] {
  return Array.from({ length: count }, (_, s) => {
    const base = s * options.batchesPerSegment * 5;
    const shapes = Array.from({ length: options.batchesPerSegment }, (_, b) => ({
      baseOffset: base + b * 5,
      recordCount: 5,
      bytes: 100 + b,
    }));
    const files = segmentFiles(base, shapes);
    const info = {
      baseOffset: BigInt(base),
      nextOffset: BigInt(base + options.batchesPerSegment * 5),
      sizeBytes: files.bytes.length,
      maxTimestampMs: options.maxTimestampMs,
    };
    return { info, files };
  });
}

/** Producer 7 begins a transaction at offset 0 in the first segment, which is aborted in the second one, from offset 2 on, after one of
 *  producer 8 at offset 3. */
export function abortedAcrossSegments(): HeldSegment[] {
  const batch = (offset: number, producerId: bigint, isAbort = false): BatchView => {
    const key = isAbort ? Buffer.from([0, 0, 0, 0]) : null;
    const record = { timestampMs: 1_000n, key, value: Buffer.alloc(isAbort ? 6 : 20) };
    const writer = { producerId, producerEpoch: 0, baseSequence: isAbort ? -1 : offset, isTransactional: true };
    return encodeBatch([record], { ...writer, baseOffset: BigInt(offset), isControl: isAbort });
  };
  return [
    [batch(0, 7n), batch(1, 7n)],
    [batch(2, 7n), batch(3, 8n), batch(4, 8n, true), batch(5, 7n, true)],
  ].map((batches, at) => {
    const baseOffset = BigInt(2 * at);
    const earlierTransactions = at === 0 ? [] : [{ producerId: 7n, firstOffset: 0n }];
    const indexer = new SegmentIndexer({ baseOffset, earlierTransactions }, { indexIntervalBytes: 100 });
    for (const each of batches) indexer.add(each);
    const bytes = Buffer.concat(batches.map((each) => each.bytes));
    const { nextOffset, leaderEpochs } = indexer;
    const info = { baseOffset, nextOffset, sizeBytes: bytes.length, maxTimestampMs: 1_000 };
    return { info, files: { ...indexer.files(), bytes, log: bodyOf(bytes), leaderEpochs } };
  });
}

/** A source over hand-made segments; what was dropped is remembered. */
export interface FakeSegmentSource extends SegmentSource {
  readonly dropped: bigint[];
}

/** Serves `segments` of `PARTITION`. */
export function fakeSegmentSource(segments: readonly HeldSegment[]): FakeSegmentSource {
  const dropped: bigint[] = [];
  return {
    dropped,
    partitions: async () => [PARTITION],
    closedSegments: async () => segments.map(({ info }) => info).filter((info) => !dropped.includes(info.baseOffset)),
    readSegment: async (_, baseOffset) => {
      const held = segments.find(({ info }) => info.baseOffset === baseOffset);
      if (held === undefined || dropped.includes(baseOffset)) throw new Error(`segment ${baseOffset} is not here`);
      return held.files;
    },
    dropLocal: async (_, baseOffset) => void dropped.push(baseOffset),
  };
}
