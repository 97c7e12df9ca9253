/** Brings one closed segment into a store and reads it back: what was sent is described while it is sent, and what arrived is
 *  compared byte for byte with the local copy. */

import { assertInvariant } from "../core/errors.ts";
import { archiveFailure } from "./archive-failure.ts";
import type { ArchivedGap, ArchivedSegment, OpenTransaction } from "./manifest.ts";
import { bodyOf, freeMemory, partsOf } from "./object-body.ts";
import { OpenTransactions } from "./open-transactions.ts";
import type { ClosedSegment, ObjectBody, ObjectStore, SegmentFiles } from "./ports.ts";
import { digestOf, walkedWhileRead } from "./segment-walk.ts";

/** Of one request that reads back. */
const READ_BACK_BYTES = 4 * 1024 * 1024;
/** Requests under way while reading back: at most 8 MiB from either side in memory. */
const READ_BACKS_MAX = 2;

const SUFFIXES = ["log", "index", "timeindex", "txnindex"] as const;

/** What is known of a segment before it is sent. */
export interface SegmentFacts {
  readonly key: string;
  readonly segment: ClosedSegment;
  readonly files: SegmentFiles;
  /** At the end of the segment before; undefined when nobody knows. */
  readonly openBefore: readonly OpenTransaction[] | undefined;
}

/** Writes data, then indexes. Every batch's CRC must hold, since this is the last look before the local copy may go.
 *  @throws {StoreError | WireError} */
export async function uploadSegment(facts: SegmentFacts, store: ObjectStore): Promise<ArchivedSegment> {
  try {
    return await upload(facts, store);
  } catch (error) {
    await discardUpload(facts.key, store);
    throw error;
  }
}

/** Removes what was uploaded under a key that was never named to anybody, as far as the store can be reached: a store that
 *  fails pass after pass is not filled. */
export async function discardUpload(key: string, store: ObjectStore): Promise<void> {
  try {
    for (const suffix of SUFFIXES) await store.remove(`${key}.${suffix}`);
  } catch {
    // What failed before tells more, and gc finds it later.
  }
}

async function upload(facts: SegmentFacts, store: ObjectStore): Promise<ArchivedSegment> {
  const { key, segment, files, openBefore } = facts;
  let recordCount = 0;
  let next = segment.baseOffset;
  const gaps: ArchivedGap[] = [];
  const open = openBefore && new OpenTransactions(openBefore);
  const log = walkedWhileRead(files.log, (batch) => {
    batch.verifyCrc();
    if (batch.baseOffset > next) {
      const cause = next === segment.baseOffset ? (segment.leadingGap ?? "compaction") : "compaction";
      gaps.push({ startOffset: next, nextOffset: batch.baseOffset, cause });
    }
    if (!batch.isControl) recordCount += batch.recordCount;
    open?.see(batch);
    next = batch.nextOffset;
  });
  await store.put(`${key}.log`, log.body);
  const { trailingBytes, bytes: logBytes, sha256: logSha256, crc32c: logCrc32c } = await log.finish();
  assertInvariant(trailingBytes === 0, "a closed segment ends with a whole batch", { trailingBytes, logBytes });
  for (const { suffix, content } of indexesOf(files)) await store.put(`${key}.${suffix}`, content);
  return {
    key,
    baseOffset: segment.baseOffset,
    lastOffset: next - 1n,
    nextOffset: segment.nextOffset,
    logBytes,
    logSha256,
    logCrc32c,
    indexBytes: files.index.length,
    timeindexBytes: files.timeindex.length,
    txnindexBytes: files.txnindex?.length ?? 0,
    recordCount,
    maxTimestampMs: segment.maxTimestampMs,
    leaderEpochs: files.leaderEpochs,
    gaps,
    openTransactions: open?.list,
  };
}

/** Reads all of a segment back and compares it with what was sent.
 *  @throws {ArchiveError} `ARCHIVE_READ_BACK_DIFFERS` @throws {StoreError} */
export async function verifyReadBack(key: string, files: SegmentFiles, store: ObjectStore): Promise<void> {
  const log = { suffix: "log", content: files.log };
  for (const { suffix, content } of [log, ...indexesOf(files)])
    await demandSame(`${key}.${suffix}`, bodyOf(content), store);
}

/** Reads an archived segment's data and compares them with what its manifest says. @throws {ArchiveError | StoreError} */
export async function verifyArchived(segment: ArchivedSegment, store: ObjectStore): Promise<void> {
  const { sha256: actual } = await digestOf(stored(store, `${segment.key}.log`, segment.logBytes));
  if (actual === segment.logSha256) return;
  const what = `SHA-256 is ${actual}, archived was ${segment.logSha256}`;
  throw archiveFailure({ code: "ARCHIVE_CORRUPT", key: `${segment.key}.log`, what });
}

function indexesOf({ index, timeindex, txnindex }: SegmentFiles) {
  const files: { readonly suffix: string; readonly content: Buffer }[] = [
    { suffix: "index", content: index },
    { suffix: "timeindex", content: timeindex },
  ];
  if (txnindex !== undefined) files.push({ suffix: "txnindex", content: txnindex });
  return files;
}

/** Several ranges at a time. An object that is longer than what was sent is not the same either. */
async function demandSame(key: string, sent: ObjectBody, store: ObjectStore): Promise<void> {
  const found = stored(store, key, sent.sizeBytes);
  const ranges = partsOf({ sizeBytes: sent.sizeBytes + 1 }, READ_BACK_BYTES);
  let isSame = true;
  const worker = async (): Promise<void> => {
    for (const { start, endExclusive } of ranges) {
      if (!isSame) return;
      const end = Math.min(endExclusive, sent.sizeBytes);
      const reading = start < end ? sent.read(start, end) : Buffer.alloc(0);
      const [ours, theirs] = await Promise.all([reading, store.get(key, { start, endExclusive })]);
      if (!ours.equals(theirs)) isSame = false;
      sent.release?.(ours);
      freeMemory(theirs);
    }
  };
  await Promise.all(Array.from({ length: READ_BACKS_MAX }, worker));
  if (isSame) return;
  const [expectedSha256, actualSha256] = [(await digestOf(sent)).sha256, (await digestOf(found)).sha256];
  throw archiveFailure({ code: "ARCHIVE_READ_BACK_DIFFERS", key, expectedSha256, actualSha256 });
}

function stored(store: ObjectStore, key: string, sizeBytes: number): ObjectBody {
  return { sizeBytes, read: (start, endExclusive) => store.get(key, { start, endExclusive }), release: freeMemory };
}
