/** Moves cold segments to an object store: data, indexes, read-back, manifest, and only then the local copy goes. */

import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { type ArchiveHead, publish, readHead } from "./archive.ts";
import { ArchiveError } from "./errors.ts";
import { type ArchivedGap, type ArchivedSegment, archivedTo, archiveEnd, segmentKey, sha256 } from "./manifest.ts";
import type {
  ArchivedPartition,
  ClosedSegment,
  ObjectBody,
  ObjectStore,
  SegmentFiles,
  SegmentSource,
} from "./ports.ts";
import { digestOf, walkSegment } from "./segment-walk.ts";

/** When a closed segment is cold, and what becomes of its local copy. */
export interface ColdPolicy {
  /** Milliseconds since its newest record. */
  readonly olderThanMs: number;
  /** Bytes of closed segments per partition that stay local whatever their age. */
  readonly keepLocalBytes: number;
  readonly deleteLocal: "never" | "after-verify";
}

/** What the offloader works with. */
export interface OffloadDeps {
  readonly source: SegmentSource;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
}

/** What one pass did. */
export interface OffloadReport {
  readonly segmentsOffloaded: number;
  /** Bytes of `.log` objects. */
  readonly bytesOffloaded: number;
  readonly segmentsDropped: number;
}

/** How often a publication may lose against another writer before the pass gives up. */
const PUBLISH_ATTEMPTS_MAX = 5;

/** One pass over all partitions that `wanted` selects. Partitions fail on their own: the first error is thrown after the
 *  others had their turn. @throws {ArchiveError | StoreError} */
export async function offloadOnce(
  policy: ColdPolicy,
  wanted: (topic: string) => boolean,
  deps: OffloadDeps,
): Promise<OffloadReport> {
  const total = { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0 };
  let firstError: unknown;
  for (const partition of await deps.source.partitions()) {
    if (!wanted(partition.topic)) continue;
    try {
      const report = await offloadPartition(partition, policy, deps);
      total.segmentsOffloaded += report.segmentsOffloaded;
      total.bytesOffloaded += report.bytesOffloaded;
      total.segmentsDropped += report.segmentsDropped;
    } catch (error) {
      firstError ??= error;
    }
  }
  if (firstError !== undefined) throw firstError;
  return total;
}

/** Offloads one partition's cold segments, oldest first, so that the archive never has a hole. */
async function offloadPartition(
  partition: ArchivedPartition,
  policy: ColdPolicy,
  deps: OffloadDeps,
): Promise<OffloadReport> {
  let known: Promise<ArchiveHead | undefined> | undefined;
  const headOnce = (): Promise<ArchiveHead | undefined> => {
    known ??= readHead(deps.store, partition);
    return known;
  };
  const closed = await deps.source.closedSegments(partition, async () => archiveEnd((await headOnce())?.manifest));
  const cold = coldSegments(closed, policy, deps.clock.nowMs());
  const report = { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0 };
  if (cold.length === 0) return report;
  let head = await headOnce();
  const writerEpoch = (head?.manifest.writerEpoch ?? 0) + 1;
  for (const segment of cold) {
    const reached = archivedTo(head?.manifest);
    if (reached === undefined || segment.baseOffset >= reached) {
      if (reached !== undefined && segment.baseOffset > reached) {
        throw new ArchiveError({
          code: "ARCHIVE_GAP",
          topic: partition.topic,
          partition: partition.partition,
          archivedTo: reached,
          localFrom: segment.baseOffset,
        });
      }
      head = await offloadSegment({ partition, segment, head, writerEpoch }, deps);
      report.segmentsOffloaded += 1;
      report.bytesOffloaded += segment.sizeBytes;
    }
    if (policy.deleteLocal === "after-verify" && holds(head, segment)) {
      await deps.source.dropLocal(partition, segment.baseOffset);
      report.segmentsDropped += 1;
    }
  }
  return report;
}

/** The closed segments, from the oldest on, that are old enough and beyond what stays local. */
export function coldSegments(
  closed: readonly ClosedSegment[],
  policy: ColdPolicy,
  nowMs: number,
): readonly ClosedSegment[] {
  let localBytes = closed.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  const cold: ClosedSegment[] = [];
  for (const segment of closed) {
    localBytes -= segment.sizeBytes;
    if (localBytes < policy.keepLocalBytes) break;
    if (nowMs - segment.maxTimestampMs < policy.olderThanMs) break;
    cold.push(segment);
  }
  return cold;
}

interface SegmentTask {
  readonly partition: ArchivedPartition;
  readonly segment: ClosedSegment;
  readonly head: ArchiveHead | undefined;
  readonly writerEpoch: number;
}

async function offloadSegment(task: SegmentTask, deps: OffloadDeps): Promise<ArchiveHead> {
  const { partition, segment } = task;
  const files = await deps.source.readSegment(partition, segment.baseOffset);
  const nonce = Buffer.from(deps.random.bytes(8)).toString("hex");
  const key = segmentKey(partition, segment.baseOffset, { epoch: task.writerEpoch, nonce });
  const entry = await describeSegment(key, segment, files);
  await upload(key, files, deps.store);
  await verifyReadBack(entry, files, deps.store);
  return publishSegment(task, entry, deps);
}

async function upload(key: string, files: SegmentFiles, store: ObjectStore): Promise<void> {
  await store.put(`${key}.log`, files.log);
  await store.put(`${key}.index`, files.index);
  await store.put(`${key}.timeindex`, files.timeindex);
  if (files.txnindex !== undefined) await store.put(`${key}.txnindex`, files.txnindex);
}

/** Reads everything back and compares it with what was sent. */
async function verifyReadBack(entry: ArchivedSegment, files: SegmentFiles, store: ObjectStore): Promise<void> {
  const log = { sizeBytes: entry.logBytes, read: rangesOf(store, `${entry.key}.log`) };
  demandSame(`${entry.key}.log`, entry.logSha256, (await digestOf(log)).sha256);
  const small: readonly (readonly [suffix: string, content: Buffer | undefined])[] = [
    ["index", files.index],
    ["timeindex", files.timeindex],
    ["txnindex", files.txnindex],
  ];
  for (const [suffix, content] of small) {
    if (content === undefined) continue;
    const key = `${entry.key}.${suffix}`;
    demandSame(key, sha256(content), sha256(await store.get(key)));
  }
}

function rangesOf(store: ObjectStore, key: string): ObjectBody["read"] {
  return (start, endExclusive) => store.get(key, { start, endExclusive });
}

function demandSame(key: string, expectedSha256: string, actualSha256: string): void {
  if (actualSha256 !== expectedSha256)
    throw new ArchiveError({ code: "ARCHIVE_READ_BACK_DIFFERS", key, expectedSha256, actualSha256 });
}

/** Adds the segment to the newest manifest. When another writer archived it meanwhile, that copy counts and ours is an orphan. */
async function publishSegment(task: SegmentTask, entry: ArchivedSegment, deps: OffloadDeps): Promise<ArchiveHead> {
  const { partition } = task;
  let head = task.head;
  for (let attempt = 0; attempt < PUBLISH_ATTEMPTS_MAX; attempt++) {
    const reached = archivedTo(head?.manifest);
    if (head !== undefined && reached !== undefined && entry.baseOffset < reached) return head;
    assertInvariant(reached === undefined || reached === entry.baseOffset, "the archive never has a hole", {
      reached,
      base: entry.baseOffset,
    });
    const published = await publish(deps.store, head, {
      partition,
      writerEpoch: task.writerEpoch,
      writtenAtMs: deps.clock.nowMs(),
      segments: [...(head?.manifest.segments ?? []), entry],
    });
    if (published !== undefined) return published;
    head = await readHead(deps.store, partition);
  }
  throw new ArchiveError({
    code: "ARCHIVE_CONTENDED",
    topic: partition.topic,
    partition: partition.partition,
    attempts: PUBLISH_ATTEMPTS_MAX,
  });
}

/** Walks the batch headers once; also the last check before the local copy may go: every batch's CRC must hold. */
async function describeSegment(key: string, segment: ClosedSegment, files: SegmentFiles): Promise<ArchivedSegment> {
  let recordCount = 0;
  let next = segment.baseOffset;
  const gaps: ArchivedGap[] = [];
  const walked = await walkSegment(files.log, (batch) => {
    batch.verifyCrc();
    if (batch.baseOffset > next) {
      const cause = next === segment.baseOffset ? (segment.leadingGap ?? "compaction") : "compaction";
      gaps.push({ startOffset: next, nextOffset: batch.baseOffset, cause });
    }
    if (!batch.isControl) recordCount += batch.recordCount;
    next = batch.nextOffset;
  });
  const { trailingBytes, bytes: logBytes } = walked;
  assertInvariant(trailingBytes === 0, "a closed segment ends with a whole batch", { trailingBytes, logBytes });
  return {
    key,
    baseOffset: segment.baseOffset,
    lastOffset: next - 1n,
    nextOffset: segment.nextOffset,
    logBytes,
    logSha256: walked.sha256,
    logCrc32c: walked.crc32c,
    indexBytes: files.index.length,
    timeindexBytes: files.timeindex.length,
    txnindexBytes: files.txnindex?.length ?? 0,
    recordCount,
    maxTimestampMs: segment.maxTimestampMs,
    leaderEpochs: files.leaderEpochs,
    gaps,
  };
}

/** True when the published archive holds exactly this segment, so that its local copy is not needed. */
function holds(head: ArchiveHead | undefined, segment: ClosedSegment): boolean {
  return (
    head?.manifest.segments.some(
      (archived) => archived.baseOffset === segment.baseOffset && archived.nextOffset === segment.nextOffset,
    ) === true
  );
}
