/** Mends an archived partition: damaged segments from copies that hold the same bytes, a damaged newest manifest from the one
 *  before it and the objects.
 *
 *  ```
 *  read all -> for each damaged segment find bytes of the same SHA-256 -> upload under a new name -> read back -> publish
 *  ```
 *  "A repair never worsens": what is published differs from what was only in the names of objects whose bytes were verified. Nothing
 *  is removed or written over; `gc` collects what has no name any more. */

import type { Clock } from "../core/clock.ts";
import type { Random } from "../core/random.ts";
import { WireError } from "../wire/errors.ts";
import { type ArchiveHead, publish } from "./archive.ts";
import type { CatalogEntry } from "./catalog.ts";
import { ArchiveError, StoreError } from "./errors.ts";
import type { IndexContents } from "./index-check.ts";
import { type ArchivedSegment, type Manifest, type OpenTransaction, segmentKey } from "./manifest.ts";
import type { ArchivedPartition, ObjectBody, ObjectStore } from "./ports.ts";
import { type DamagedRange, damagedRanges } from "./repair-damage.ts";
import { recoverHead } from "./repair-head.ts";
import { fittingIndexes, indexesBeside } from "./repair-indexes.ts";
import { digestOf } from "./segment-walk.ts";
import { verifySegment } from "./verify.ts";
import type { Finding } from "./verify-segment.ts";

/** Bytes that may be those of a damaged segment; they are believed only when their SHA-256 says so. */
export interface SegmentCopy {
  /** For people: where they are. */
  readonly from: string;
  readonly log: ObjectBody;
  /** Index objects that lie beside them. */
  readonly indexes: () => Promise<IndexContents>;
}

/** Where other copies of segments may be. A copy is let go of when the next one is asked for. */
export interface SegmentCopies {
  copiesOf(partition: ArchivedPartition, segment: ArchivedSegment): AsyncIterable<SegmentCopy>;
}

/** A segment that was (or would be) mended. */
export interface MendedSegment {
  readonly baseOffset: bigint;
  readonly nextOffset: bigint;
  readonly from: string;
}

/** What a repair did, or would do. */
export interface RepairReport {
  readonly mended: readonly MendedSegment[];
  /** What no copy has. */
  readonly lost: readonly DamagedRange[];
  /** Number of the manifest that was gone on from, when the newest one is damaged or lost; 0 for none at all. */
  readonly recoveredFrom: number | undefined;
  /** Segments that only the damaged or lost manifests named, found by their objects. */
  readonly adopted: number;
  /** Number of the manifest that names what was mended; undefined when nothing was, or in a dry run. */
  readonly published: number | undefined;
}

/** What a repair works with. */
export interface RepairDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly random: Random;
  /** In the order in which they are asked. */
  readonly copies: readonly SegmentCopies[];
}

/** How to repair. */
export interface RepairOptions {
  /** Tell what would be mended, and leave it. */
  readonly dryRun: boolean;
}

/** Reads all of the partition. @throws {StoreError} when the store cannot be asked
 *  @throws {ArchiveError} `ARCHIVE_CONTENDED` when another writer published meanwhile: nothing changed, try again */
export async function repairPartition(
  entry: CatalogEntry,
  options: RepairOptions,
  deps: RepairDeps,
): Promise<RepairReport> {
  const recovered = await recoverHead(entry, { store: deps.store, nowMs: deps.clock.nowMs() });
  const nothing = { mended: [], lost: [], recoveredFrom: undefined, adopted: 0, published: undefined };
  if (recovered === undefined) return nothing;
  const { head, manifest } = recovered;
  const writer = { epoch: manifest.writerEpoch + 1, nonce: Buffer.from(deps.random.bytes(8)).toString("hex") };
  const mended: MendedSegment[] = [];
  const lost: DamagedRange[] = [];
  const segments: ArchivedSegment[] = [];
  for (const segment of manifest.segments) {
    const { findings } = await verifySegment(segment, true, deps.store);
    if (findings.length === 0) {
      segments.push(segment);
      continue;
    }
    const key = segmentKey(entry.partition, segment.baseOffset, writer);
    const before = segments.at(-1);
    const openBefore = before === undefined ? [] : before.openTransactions;
    const found = await mend({ partition: entry.partition, segment, key, findings, openBefore }, options, deps);
    segments.push(found?.segment ?? segment);
    if (found === undefined) lost.push(...(await damagedRanges(segment, findings, deps.store)));
    else mended.push({ baseOffset: segment.baseOffset, nextOffset: segment.nextOffset, from: found.from });
  }
  const isChanged = mended.length > 0 || recovered.from !== undefined;
  const published =
    isChanged && !options.dryRun
      ? await publishRepaired(entry, { head, manifest, segments, writerEpoch: writer.epoch }, deps)
      : undefined;
  return { mended, lost, recoveredFrom: recovered.from, adopted: recovered.adopted, published };
}

interface Damaged {
  readonly partition: ArchivedPartition;
  readonly segment: ArchivedSegment;
  /** What the mended one will be called. */
  readonly key: string;
  readonly findings: readonly Finding[];
  /** Where the segment begins; undefined when nobody knows. */
  readonly openBefore: readonly OpenTransaction[] | undefined;
}

async function mend(
  damaged: Damaged,
  { dryRun }: RepairOptions,
  deps: RepairDeps,
): Promise<{ readonly segment: ArchivedSegment; readonly from: string } | undefined> {
  const { segment, findings, openBefore } = damaged;
  const logKey = `${segment.key}.log`;
  const isLogWhole = !findings.some(({ key }) => key === logKey);
  const own: SegmentCopies = { copiesOf: () => ownLog(segment, deps.store) };
  for (const copies of isLogWhole ? [own, ...deps.copies] : deps.copies) {
    for await (const copy of copies.copiesOf(damaged.partition, segment)) {
      const wanted = await wholeCopy(segment, openBefore, copy);
      if (wanted === undefined) continue;
      const mended: ArchivedSegment = {
        ...segment,
        key: damaged.key,
        indexBytes: wanted.index?.length ?? 0,
        timeindexBytes: wanted.timeindex?.length ?? 0,
        txnindexBytes: wanted.txnindex?.length ?? 0,
      };
      if (dryRun || (await upload(mended, copy.log, wanted, deps.store))) return { segment: mended, from: copy.from };
    }
  }
  return undefined;
}

/** The damaged segment's own data, where only its indexes are wrong, and those that are not. */
async function* ownLog(segment: ArchivedSegment, store: ObjectStore): AsyncGenerator<SegmentCopy, void, undefined> {
  const read = (start: number, endExclusive: number) => store.get(`${segment.key}.log`, { start, endExclusive });
  const log = { sizeBytes: segment.logBytes, read };
  yield { from: "its own data", log, indexes: () => indexesBeside(segment.key, store) };
}

/** The indexes to go with the copy; undefined when its bytes are not those that were archived, or it cannot be read. */
async function wholeCopy(
  segment: ArchivedSegment,
  openBefore: Damaged["openBefore"],
  copy: SegmentCopy,
): Promise<IndexContents | undefined> {
  try {
    if (copy.log.sizeBytes !== segment.logBytes) return undefined;
    if ((await digestOf(copy.log)).sha256 !== segment.logSha256) return undefined;
    return await fittingIndexes(segment, openBefore, copy);
  } catch (error) {
    // A copy that is damaged itself is no reason to give up: another one may be whole.
    if (error instanceof WireError || error instanceof StoreError) return undefined;
    throw error;
  }
}

/** True when everything reads back as it should be. */
async function upload(
  segment: ArchivedSegment,
  log: ObjectBody,
  indexes: IndexContents,
  store: ObjectStore,
): Promise<boolean> {
  await store.put(`${segment.key}.log`, log);
  for (const suffix of ["index", "timeindex", "txnindex"] as const) {
    const content = indexes[suffix];
    if (content !== undefined) await store.put(`${segment.key}.${suffix}`, content);
  }
  return (await verifySegment(segment, true, store)).findings.length === 0;
}

interface Repaired {
  readonly head: ArchiveHead | undefined;
  readonly manifest: Manifest;
  readonly segments: readonly ArchivedSegment[];
  readonly writerEpoch: number;
}

async function publishRepaired(entry: CatalogEntry, repaired: Repaired, deps: RepairDeps): Promise<number> {
  const { head, manifest, segments, writerEpoch } = repaired;
  const { number: _number, previousSha256: _previous, ...kept } = manifest;
  const draft = { ...kept, partition: entry.partition, writerEpoch, writtenAtMs: deps.clock.nowMs(), segments };
  const published = await publish(deps.store, head, draft);
  if (published !== undefined) return published.manifest.number;
  const { topic, partition } = entry.partition;
  const message = `somebody else wrote to the archive of ${topic}-${partition} during its repair; run it again`;
  throw new ArchiveError({ code: "ARCHIVE_CONTENDED", topic, partition, attempts: 1 }, { message });
}
