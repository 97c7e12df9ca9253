/** Moves cold segments to an object store: data, indexes, read-back, manifest, and only then the local copy goes. */

import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { type ArchiveHead, publish, readHead } from "./archive.ts";
import { archiveFailure } from "./archive-failure.ts";
import {
  type ArchivedGap,
  type ArchivedSegment,
  archivedTo,
  archiveEnd,
  baseOffsetOf,
  type Manifest,
  type OpenTransaction,
  partitionPrefix,
  segmentKey,
  sha256,
} from "./manifest.ts";
import { OpenTransactions } from "./open-transactions.ts";
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
  /** Hears of each step when it is done: of a pass that fails, too, it is known what it moved. */
  readonly onMoved?: ((moved: OffloadReport) => void) | undefined;
  /** Hears what became of each partition that was looked at. */
  readonly onPartition?: ((outcome: PartitionOutcome) => void) | undefined;
  /** Partitions at work at the same time; one unless given. */
  readonly parallel?: number;
}

/** What a pass did with one partition. */
export interface PartitionOutcome {
  readonly partition: ArchivedPartition;
  readonly moved: OffloadReport;
  /** The newest manifest; undefined when there is none, or nobody had to look. */
  readonly manifest: Manifest | undefined;
  readonly error: unknown;
}

/** What one pass did. */
export interface OffloadReport {
  readonly segmentsOffloaded: number;
  /** Bytes of `.log` objects. */
  readonly bytesOffloaded: number;
  readonly segmentsDropped: number;
}

/** Nothing. */
export const NOTHING_MOVED: OffloadReport = { segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 0 };

/** What two passes did. */
export function movedBoth(a: OffloadReport, b: OffloadReport): OffloadReport {
  return {
    segmentsOffloaded: a.segmentsOffloaded + b.segmentsOffloaded,
    bytesOffloaded: a.bytesOffloaded + b.bytesOffloaded,
    segmentsDropped: a.segmentsDropped + b.segmentsDropped,
  };
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
  let total = NOTHING_MOVED;
  const onMoved = (moved: OffloadReport): void => {
    total = movedBoth(total, moved);
    deps.onMoved?.(moved);
  };
  let firstError: unknown;
  const turns = (await deps.source.partitions()).filter(({ topic }) => wanted(topic)).values();
  const work = async (): Promise<void> => {
    for (const partition of turns) {
      const outcome = await outcomeOf(partition, policy, { ...deps, onMoved });
      firstError ??= outcome.error;
      deps.onPartition?.(outcome);
    }
  };
  await Promise.all(Array.from({ length: deps.parallel ?? 1 }, work));
  if (firstError !== undefined) throw firstError;
  return total;
}

async function outcomeOf(
  partition: ArchivedPartition,
  policy: ColdPolicy,
  deps: OffloadDeps,
): Promise<PartitionOutcome> {
  let moved = NOTHING_MOVED;
  let manifest: Manifest | undefined;
  let error: unknown;
  const onMoved = (step: OffloadReport): void => {
    moved = movedBoth(moved, step);
    deps.onMoved?.(step);
  };
  const onHead = (head: ArchiveHead | undefined): void => {
    manifest = head?.manifest;
  };
  try {
    await offloadPartition(partition, policy, { ...deps, onMoved, onHead });
  } catch (thrown) {
    error = thrown;
  }
  return { partition, moved, manifest, error };
}

/** Also tells what the archive's newest manifest is. */
interface PartitionDeps extends OffloadDeps {
  readonly onHead: (head: ArchiveHead | undefined) => void;
}

/** Offloads one partition's cold segments, oldest first, so that the archive never has a hole. */
async function offloadPartition(partition: ArchivedPartition, policy: ColdPolicy, deps: PartitionDeps): Promise<void> {
  const { source, store, clock, onMoved, onHead } = deps;
  let known: Promise<ArchiveHead | undefined> | undefined;
  const headOnce = async (): Promise<ArchiveHead | undefined> => {
    known ??= readHead(store, partition);
    onHead(await known);
    return known;
  };
  const closed = await source.closedSegments(partition, async () => archiveEnd((await headOnce())?.manifest));
  const cold = coldSegments(closed, policy, clock.nowMs());
  const [oldest] = cold;
  if (oldest === undefined) return;
  let head = await headOnce();
  if (head === undefined) await demandNothingBelow(partition, oldest.baseOffset, store);
  const writerEpoch = (head?.manifest.writerEpoch ?? 0) + 1;
  // A segment that cannot go keeps those behind it, since a log loses its oldest first; they are archived all the same.
  let kept: unknown;
  for (const segment of cold) {
    let verified: ArchivedSegment | undefined;
    const reached = archivedTo(head?.manifest);
    if (reached === undefined || segment.baseOffset >= reached) {
      demandNoGap(partition, segment, reached);
      ({ head, verified } = await offloadSegment({ partition, segment, head, writerEpoch }, deps));
      onHead(head);
      onMoved?.({ ...NOTHING_MOVED, segmentsOffloaded: 1, bytesOffloaded: segment.sizeBytes });
    }
    const archived = archivedAs(head, segment);
    if (policy.deleteLocal !== "after-verify" || archived === undefined || kept !== undefined) continue;
    try {
      // What an earlier pass or another writer archived may have been damaged since.
      if (archived.key !== verified?.key) await verifyArchived(archived, store);
      await source.dropLocal(partition, segment.baseOffset);
      onMoved?.({ ...NOTHING_MOVED, segmentsDropped: 1 });
    } catch (error) {
      kept = error;
    }
  }
  if (kept !== undefined) throw kept;
}

/** Where there is no manifest there must be no older segment: an archive whose manifests are gone must not be begun anew behind
 *  what it holds, since nobody would miss that any more. */
async function demandNothingBelow(partition: ArchivedPartition, baseOffset: bigint, store: ObjectStore): Promise<void> {
  const prefix = partitionPrefix(partition);
  for (const key of await store.list(prefix)) {
    if ((baseOffsetOf(key) ?? baseOffset) < baseOffset)
      throw archiveFailure({ code: "ARCHIVE_MANIFESTS_GONE", location: store.location, prefix, localFrom: baseOffset });
  }
}

function demandNoGap({ topic, partition }: ArchivedPartition, segment: ClosedSegment, archivedTo: bigint | undefined) {
  const { baseOffset: localFrom } = segment;
  if (archivedTo === undefined || localFrom <= archivedTo) return;
  throw archiveFailure({ code: "ARCHIVE_GAP", topic, partition, archivedTo, localFrom });
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

interface Offloaded {
  readonly head: ArchiveHead;
  /** Read back whole, though perhaps not published: another writer may have been first. */
  readonly verified: ArchivedSegment;
}

async function offloadSegment(task: SegmentTask, deps: OffloadDeps): Promise<Offloaded> {
  const { partition, segment } = task;
  const files = await deps.source.readSegment(partition, segment.baseOffset);
  const nonce = Buffer.from(deps.random.bytes(8)).toString("hex");
  const key = segmentKey(partition, segment.baseOffset, { epoch: task.writerEpoch, nonce });
  const before = task.head?.manifest.segments.at(-1);
  const openBefore = before === undefined ? [] : before.openTransactions;
  const entry = await describeSegment({ key, segment, files, openBefore });
  await upload(key, files, deps.store);
  await verifyReadBack(entry, files, deps.store);
  return { head: await publishSegment(task, entry, deps), verified: entry };
}

async function upload(key: string, files: SegmentFiles, store: ObjectStore): Promise<void> {
  await store.put(`${key}.log`, files.log);
  await store.put(`${key}.index`, files.index);
  await store.put(`${key}.timeindex`, files.timeindex);
  if (files.txnindex !== undefined) await store.put(`${key}.txnindex`, files.txnindex);
}

/** Reads an archived segment's data and compares them with what its manifest says. @throws {ArchiveError | StoreError} */
async function verifyArchived(segment: ArchivedSegment, store: ObjectStore): Promise<void> {
  const { sha256: actual } = await digestOf(archivedLog(segment, store));
  if (actual === segment.logSha256) return;
  const what = `SHA-256 is ${actual}, archived was ${segment.logSha256}`;
  throw archiveFailure({ code: "ARCHIVE_CORRUPT", key: `${segment.key}.log`, what });
}

function archivedLog({ key, logBytes: sizeBytes }: ArchivedSegment, store: ObjectStore): ObjectBody {
  return { sizeBytes, read: (start, endExclusive) => store.get(`${key}.log`, { start, endExclusive }) };
}

/** Reads everything back and compares it with what was sent. */
async function verifyReadBack(entry: ArchivedSegment, files: SegmentFiles, store: ObjectStore): Promise<void> {
  demandSame(`${entry.key}.log`, entry.logSha256, (await digestOf(archivedLog(entry, store))).sha256);
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

function demandSame(key: string, expectedSha256: string, actualSha256: string): void {
  if (actualSha256 !== expectedSha256)
    throw archiveFailure({ code: "ARCHIVE_READ_BACK_DIFFERS", key, expectedSha256, actualSha256 });
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
      removed: head?.manifest.removed,
    });
    if (published !== undefined) return published;
    head = await readHead(deps.store, partition);
  }
  throw archiveFailure({
    code: "ARCHIVE_CONTENDED",
    topic: partition.topic,
    partition: partition.partition,
    attempts: PUBLISH_ATTEMPTS_MAX,
  });
}

/** What is known of a segment before it is walked. */
interface SegmentFacts {
  readonly key: string;
  readonly segment: ClosedSegment;
  readonly files: SegmentFiles;
  /** At the end of the segment before; undefined when nobody knows. */
  readonly openBefore: readonly OpenTransaction[] | undefined;
}

/** Walks the batch headers once; also the last check before the local copy may go: every batch's CRC must hold. */
async function describeSegment({ key, segment, files, openBefore }: SegmentFacts): Promise<ArchivedSegment> {
  let recordCount = 0;
  let next = segment.baseOffset;
  const gaps: ArchivedGap[] = [];
  const open = openBefore && new OpenTransactions(openBefore);
  const walked = await walkSegment(files.log, (batch) => {
    batch.verifyCrc();
    if (batch.baseOffset > next) {
      const cause = next === segment.baseOffset ? (segment.leadingGap ?? "compaction") : "compaction";
      gaps.push({ startOffset: next, nextOffset: batch.baseOffset, cause });
    }
    if (!batch.isControl) recordCount += batch.recordCount;
    open?.see(batch);
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
    openTransactions: open?.list,
  };
}

/** What the published archive holds of exactly this segment, so that its local copy is not needed. */
function archivedAs(head: ArchiveHead | undefined, segment: ClosedSegment): ArchivedSegment | undefined {
  return head?.manifest.segments.find(
    (archived) => archived.baseOffset === segment.baseOffset && archived.nextOffset === segment.nextOffset,
  );
}
