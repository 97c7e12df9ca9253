/** Closed segments as files, made once for all contenders, and the archive's source over them. */

import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Uuid } from "../../../src/core/brand.ts";
import { freeMemory } from "../../../src/tier/object-body.ts";
import type { ArchivedPartition, ClosedSegment, SegmentSource } from "../../../src/tier/ports.ts";
import { encodeBatch } from "../../../src/wire/records.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** Records of a batch: 16 KiB, what a stock producer writes. */
const RECORDS_PER_BATCH = 15;
const RECORD_BYTES = 1_024;
const INDEX_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;
const WRITE_BYTES = 8 * 1024 * 1024;

/** One segment on the disk. */
export interface SegmentFile extends ClosedSegment {
  readonly path: string;
}

/** A partition of a round: archives do not meet. */
export function partitionOfRound(round: number): ArchivedPartition {
  return { clusterId: "bench", topic: `round-${round}`, topicId: "AAAAAAAAAAAAAAAAAAAAAQ" as Uuid, partition: 0 };
}

/** Writes `count` segments of about `segmentBytes` below a directory. */
export async function writeSegments(
  directory: string,
  { count, segmentBytes }: { readonly count: number; readonly segmentBytes: number },
): Promise<readonly SegmentFile[]> {
  const timestampMs = BigInt(Date.now()) - 3_600_000n;
  const random = seededRandom(1);
  const value = (): Buffer => Buffer.from(random.bytes(RECORD_BYTES));
  const records = Array.from({ length: RECORDS_PER_BATCH }, () => ({ timestampMs, key: null, value: value() }));
  const batch = Buffer.from(encodeBatch(records).bytes);
  const batches = Math.floor(segmentBytes / batch.length);
  const files: SegmentFile[] = [];
  for (let at = 0; at < count; at++) {
    const baseOffset = BigInt(at * batches * RECORDS_PER_BATCH);
    const path = join(directory, String(at));
    await writeLog(`${path}.log`, batch, { baseOffset, batches });
    await writeFile(`${path}.index`, indexOf(batch.length, batches));
    await writeFile(`${path}.timeindex`, Buffer.alloc(TIME_ENTRY_BYTES));
    const nextOffset = baseOffset + BigInt(batches * RECORDS_PER_BATCH);
    const sizeBytes = batches * batch.length;
    files.push({ baseOffset, nextOffset, sizeBytes, maxTimestampMs: Number(timestampMs), path });
  }
  return files;
}

/** The offset of a batch is not part of its checksum. */
async function writeLog(
  path: string,
  batch: Buffer,
  { baseOffset, batches }: { readonly baseOffset: bigint; readonly batches: number },
): Promise<void> {
  const perWrite = Math.max(1, Math.floor(WRITE_BYTES / batch.length));
  await using file = await open(path, "w");
  for (let done = 0; done < batches; done += perWrite) {
    const copies = Math.min(perWrite, batches - done);
    const bytes = Buffer.concat(Array.from({ length: copies }, () => batch));
    for (let i = 0; i < copies; i++)
      bytes.writeBigInt64BE(baseOffset + BigInt((done + i) * RECORDS_PER_BATCH), i * batch.length);
    await file.writeFile(bytes);
  }
  await file.sync();
}

function indexOf(batchBytes: number, batches: number): Buffer {
  const index = Buffer.alloc((batches - 1) * INDEX_ENTRY_BYTES);
  for (let i = 1; i < batches; i++) {
    index.writeInt32BE((i + 1) * RECORDS_PER_BATCH - 1, (i - 1) * INDEX_ENTRY_BYTES);
    index.writeInt32BE(i * batchBytes, (i - 1) * INDEX_ENTRY_BYTES + 4);
  }
  return index;
}

/** Hands the files out; what is dropped stays, for the next round. */
export function fileSource(files: readonly SegmentFile[], partition: ArchivedPartition): SegmentSource {
  return {
    partitions: async () => [partition],
    closedSegments: async () => files,
    readSegment: async (_, baseOffset) => {
      const segment = files.find((file) => file.baseOffset === baseOffset);
      if (segment === undefined) throw new Error(`no segment at ${baseOffset}`);
      return {
        log: {
          sizeBytes: segment.sizeBytes,
          release: freeMemory,
          read: (start, endExclusive) => readFrom(`${segment.path}.log`, start, endExclusive),
        },
        index: await readFile(`${segment.path}.index`),
        timeindex: await readFile(`${segment.path}.timeindex`),
        txnindex: undefined,
        leaderEpochs: [{ epoch: 0, startOffset: 0n }],
      };
    },
    dropLocal: async () => {},
  };
}

/** The bytes of a range of a file. */
export async function readFrom(path: string, start: number, endExclusive: number): Promise<Buffer> {
  await using file = await open(path);
  const buffer = Buffer.allocUnsafeSlow(endExclusive - start);
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start);
  return buffer.subarray(0, bytesRead);
}
