/** Reads a range of an archived partition from end to end: whole batches, byte for byte, with what tells committed transactions from
 *  aborted ones. A batch that reaches beyond the range is cut.
 *
 *  "Nothing leaves an archive unchecked": every batch's CRC is computed before it is handed on. */

import { toError } from "../../core/errors.ts";
import { BATCH_PREFIX_BYTES } from "../../wire/batch-layout.ts";
import { type BatchView, batchAt } from "../../wire/record-batch.ts";
import { OffsetIndex } from "../../wire/segment/offset-index.ts";
import { type AbortedTransaction, type OffsetRange, TransactionIndex } from "../../wire/segment/transaction-index.ts";
import { archiveFailure } from "../archive-failure.ts";
import type { ArchiveError } from "../errors.ts";
import type { ArchivedSegment } from "../manifest.ts";
import type { ObjectStore } from "../ports.ts";
import { cutBatch } from "./cut-batch.ts";

/** Per request to the store: large enough that its latency hardly counts, small enough for some partitions at once. */
export const READ_BYTES = 1024 * 1024;

/** A part of a partition's archive. */
export interface ArchiveRange extends OffsetRange {
  /** Of the partition, ascending; those outside the range do no harm. */
  readonly segments: readonly ArchivedSegment[];
}

/** Some batches of the range. */
export interface ArchiveChunk {
  /** Whole batches. Belongs to the receiver, who may change it. */
  readonly records: Buffer;
  /** Complete for these batches. */
  readonly aborted: readonly AbortedTransaction[];
}

/** Reads on from call to call; one call at a time. */
export class RangeReader {
  readonly #range: ArchiveRange;
  readonly #store: ObjectStore;
  readonly #aborted = new Map<string, TransactionIndex>();
  /** Index of the segment that is read. */
  #at: number;
  /** Where in its data the next batch begins; undefined before it was looked for. */
  #position: number | undefined;
  #nextOffset: bigint;

  constructor(range: ArchiveRange, store: ObjectStore) {
    this.#range = range;
    this.#store = store;
    this.#nextOffset = range.fromOffset;
    const at = range.segments.findIndex(({ nextOffset }) => nextOffset > range.fromOffset);
    this.#at = at < 0 ? range.segments.length : at;
  }

  /** The offset after everything that was read. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /** Undefined at the end of the range. @throws {StoreError | ArchiveError | WireError} */
  async next(): Promise<ArchiveChunk | undefined> {
    for (;;) {
      const segment = this.#range.segments[this.#at];
      if (segment === undefined || segment.baseOffset >= this.#range.endOffset) return undefined;
      this.#position ??= await this.#placeIn(segment);
      const records = this.#position < segment.logBytes ? await this.#readFrom(segment, this.#position) : undefined;
      if (records === undefined) {
        this.#at++;
        this.#position = undefined;
        this.#aborted.delete(segment.key);
      } else if (records.length > 0) return { records, aborted: await this.#abortedAmong(records) };
    }
  }

  async #placeIn(segment: ArchivedSegment): Promise<number> {
    if (segment.baseOffset >= this.#nextOffset) return 0;
    const key = `${segment.key}.index`;
    const index = OffsetIndex.parse(await this.#store.get(key));
    if (index === undefined) throw damaged(key);
    return index.floorPosition(Number(this.#nextOffset - segment.baseOffset));
  }

  /** Empty when all that was read lies before the range; undefined when the range is at its end. */
  async #readFrom(segment: ArchivedSegment, position: number): Promise<Buffer | undefined> {
    const bytes = await this.#bytesAt(segment, position);
    const parts: Buffer[] = [];
    let at = 0;
    for (let batch = batchAt(bytes, 0); batch !== undefined; batch = batchAt(bytes, at)) {
      if (batch.baseOffset >= this.#range.endOffset) {
        this.#position = segment.logBytes;
        return joined(parts);
      }
      at += batch.sizeBytes;
      if (batch.nextOffset <= this.#nextOffset) continue;
      demandCrc(batch, `${segment.key}.log`);
      parts.push(...this.#within(batch));
      this.#nextOffset = batch.nextOffset;
      if (this.#nextOffset > this.#range.endOffset) this.#nextOffset = this.#range.endOffset;
    }
    if (at === 0) throw damaged(`${segment.key}.log`);
    this.#position = position + at;
    return joined(parts);
  }

  #within(batch: BatchView): readonly Buffer[] {
    const { fromOffset, endOffset } = this.#range;
    const isWhole = batch.baseOffset >= fromOffset && batch.nextOffset <= endOffset;
    return isWhole || batch.isControl ? [batch.bytes] : cutBatch(batch, this.#range).map(({ bytes }) => bytes);
  }

  /** Enough for the batch that begins there. */
  async #bytesAt(segment: ArchivedSegment, position: number): Promise<Buffer> {
    const range = (lengthBytes: number): Promise<Buffer> => {
      const endExclusive = Math.min(position + lengthBytes, segment.logBytes);
      return this.#store.get(`${segment.key}.log`, { start: position, endExclusive });
    };
    const bytes = await range(READ_BYTES);
    if (bytes.length < BATCH_PREFIX_BYTES) throw damaged(`${segment.key}.log`);
    const firstBytes = bytes.readInt32BE(8) + BATCH_PREFIX_BYTES;
    return firstBytes > bytes.length && firstBytes <= segment.logBytes - position ? range(firstBytes) : bytes;
  }

  /** Looks into the indexes of this and later segments, where the markers are. */
  async #abortedAmong(records: Buffer): Promise<readonly AbortedTransaction[]> {
    const found: AbortedTransaction[] = [];
    const asked = { fromOffset: records.readBigInt64BE(0), endOffset: this.#nextOffset };
    for (const segment of this.#range.segments.slice(this.#at))
      if (segment.txnindexBytes > 0 && (await this.#indexOf(segment)).collect(asked, found)) break;
    return found;
  }

  async #indexOf(segment: ArchivedSegment): Promise<TransactionIndex> {
    const known = this.#aborted.get(segment.key);
    if (known !== undefined) return known;
    const key = `${segment.key}.txnindex`;
    const index = TransactionIndex.parse(await this.#store.get(key), segment.baseOffset);
    if (index === undefined) throw damaged(key);
    this.#aborted.set(segment.key, index);
    return index;
  }
}

/** Batches that lie side by side, as nearly all do, are not copied. */
function joined(parts: readonly Buffer[]): Buffer {
  const [first, ...others] = parts;
  if (first === undefined) return Buffer.alloc(0);
  let end = first.byteOffset + first.length;
  for (const part of others) {
    if (part.buffer !== first.buffer || part.byteOffset !== end) return Buffer.concat(parts);
    end += part.length;
  }
  return Buffer.from(first.buffer, first.byteOffset, end - first.byteOffset);
}

function damaged(key: string, what = "it is cut or no such file"): ArchiveError {
  return archiveFailure({ code: "ARCHIVE_CORRUPT", key, what });
}

function demandCrc(batch: BatchView, key: string): void {
  try {
    batch.verifyCrc();
  } catch (error) {
    throw damaged(key, `CRC of the batch at offset ${batch.baseOffset}: ${toError(error).message}`);
  }
}
