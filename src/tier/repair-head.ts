/** Finds what a repair goes on from: the newest manifest, or where that is damaged, the one before it and the objects. */

import { transactionEndIn } from "../wire/control-batch.ts";
import { WireError } from "../wire/errors.ts";
import { type ArchiveHead, listManifests } from "./archive.ts";
import type { CatalogEntry } from "./catalog.ts";
import { segmentsWithLostNames } from "./lost-names.ts";
import { type ArchivedGap, type ArchivedSegment, archivedTo, baseOffsetOf, type Manifest, sha256 } from "./manifest.ts";
import { verifyChain } from "./manifest-chain.ts";
import type { LeaderEpochStart, ObjectStore } from "./ports.ts";
import { walkSegment } from "./segment-walk.ts";
import { verifySegment } from "./verify.ts";

/** A head that a successor can be published of. */
export interface RecoveredHead {
  /** Undefined when no manifest is left. */
  readonly head: ArchiveHead | undefined;
  /** What the successor goes on from. */
  readonly manifest: Manifest;
  /** Number of the manifest that was gone back to, 0 for none at all; undefined when the newest is whole. */
  readonly from: number | undefined;
  /** Segments found by their objects alone. */
  readonly adopted: number;
}

/** Undefined when there is no manifest, nor anything that one should name. The successor names a damaged one by its hash, so that
 *  everybody sees it was known. Where the newest manifests are lost, what they named is taken up again.
 *  @throws {StoreError} */
export async function recoverHead(
  entry: CatalogEntry,
  deps: { readonly store: ObjectStore; readonly nowMs: number },
): Promise<RecoveredHead | undefined> {
  const { store } = deps;
  const manifestKeys = await listManifests(store, `${entry.prefix}manifest/`);
  const newestKey = manifestKeys.at(-1);
  if (newestKey === undefined) {
    const objectKeys = await segmentsWithLostNames(entry, undefined, deps);
    const segments = await adoptObjects(objectKeys, emptyManifest(entry), store);
    if (segments.length === 0) return undefined;
    const manifest = { ...emptyManifest(entry), segments };
    return { head: undefined, manifest, from: 0, adopted: segments.length };
  }
  const { newest, isHeadDamaged } = await verifyChain({ ...entry, manifestKeys }, store);
  const head = { sha256: sha256(await store.get(newestKey)) };
  if (newest !== undefined && !isHeadDamaged) {
    const { findings } = await verifyChain({ ...entry, manifestKeys: manifestKeys.slice(-2) }, store);
    const objectKeys = await segmentsWithLostNames(entry, newest.manifest, deps);
    const adopted = await adoptObjects(objectKeys, newest.manifest, store);
    const from = findings.length === 0 && adopted.length === 0 ? undefined : newest.manifest.number;
    const manifest = { ...newest.manifest, segments: [...newest.manifest.segments, ...adopted] };
    return { head: { ...head, manifest: newest.manifest }, manifest, from, adopted: adopted.length };
  }
  const before = newest?.manifest ?? emptyManifest(entry);
  const adopted = await adoptObjects(entry.objectKeys, before, store);
  const number = Number(newestKey.slice(-".json".length - 20, -".json".length));
  const manifest = { ...before, number, segments: [...before.segments, ...adopted] };
  return { head: { ...head, manifest }, manifest, from: before.number, adopted: adopted.length };
}

function emptyManifest({ partition }: CatalogEntry): Manifest {
  return { number: 0, previousSha256: null, partition, writerEpoch: 0, writtenAtMs: 0, segments: [] };
}

/** Whole segments that go on exactly where the manifest ends, one after the other; without a manifest from the first object on. */
async function adoptObjects(
  objectKeys: readonly string[],
  before: Manifest,
  store: ObjectStore,
): Promise<readonly ArchivedSegment[]> {
  const logs = objectKeys.flatMap((key) => {
    const baseOffset = key.endsWith(".log") ? baseOffsetOf(key) : undefined;
    return baseOffset === undefined ? [] : [{ key: key.slice(0, -".log".length), baseOffset }];
  });
  const adopted: ArchivedSegment[] = [];
  for (let next = archivedTo(before) ?? logs[0]?.baseOffset; next !== undefined; ) {
    let longest: ArchivedSegment | undefined;
    for (const { key, baseOffset } of logs) {
      const found = baseOffset === next ? await describeObjects(key, baseOffset, store) : undefined;
      if (found !== undefined && found.nextOffset > (longest?.nextOffset ?? next)) longest = found;
    }
    if (longest !== undefined) adopted.push(longest);
    next = longest?.nextOffset;
  }
  return adopted;
}

/** The entry that a manifest would have for the objects; undefined unless they are whole. */
async function describeObjects(
  key: string,
  baseOffset: bigint,
  store: ObjectStore,
): Promise<ArchivedSegment | undefined> {
  const sizes: number[] = [];
  for (const suffix of ["log", "index", "timeindex", "txnindex"])
    sizes.push((await store.stat(`${key}.${suffix}`))?.sizeBytes ?? 0);
  const [logBytes = 0, indexBytes = 0, timeindexBytes = 0, txnindexBytes = 0] = sizes;
  const read = (start: number, endExclusive: number) => store.get(`${key}.log`, { start, endExclusive });
  const gaps: ArchivedGap[] = [];
  const leaderEpochs: LeaderEpochStart[] = [];
  let [next, recordCount, maxTimestamp, hasAborts] = [baseOffset, 0, -1n, false];
  try {
    const walked = await walkSegment({ sizeBytes: logBytes, read }, (batch) => {
      if (batch.baseOffset > next)
        gaps.push({ startOffset: next, nextOffset: batch.baseOffset, cause: "markers-or-compaction" });
      if (batch.leaderEpoch !== leaderEpochs.at(-1)?.epoch)
        leaderEpochs.push({ epoch: batch.leaderEpoch, startOffset: batch.baseOffset });
      if (!batch.isControl) recordCount += batch.recordCount;
      else if (transactionEndIn(batch) === "abort") hasAborts = true;
      if (batch.maxTimestamp > maxTimestamp) maxTimestamp = batch.maxTimestamp;
      next = batch.nextOffset;
    });
    // The transaction index is uploaded last: without it, records that were aborted would be believed.
    if (hasAborts && txnindexBytes === 0) return undefined;
    const found: ArchivedSegment = {
      key,
      baseOffset,
      lastOffset: next - 1n,
      nextOffset: next,
      logBytes,
      logSha256: walked.sha256,
      logCrc32c: walked.crc32c,
      ...{ indexBytes, timeindexBytes, txnindexBytes, recordCount, leaderEpochs, gaps },
      maxTimestampMs: Number(maxTimestamp),
    };
    return (await verifySegment(found, true, store)).findings.length === 0 ? found : undefined;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
