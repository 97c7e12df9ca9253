/** Offloads one partition, oldest segment first, so that the archive never has a hole. While one segment is read back and
 *  published the next one is on its way.
 *
 *  ```
 *  send 1 | settle 1: read back, publish, drop | settle 2 ...
 *         | send 2                             | send 3   ...
 *  ``` */

import { type ArchiveHead, publish, readHead } from "./archive.ts";
import { archiveFailure } from "./archive-failure.ts";
import {
  type ArchivedSegment,
  archivedTo,
  archiveEnd,
  baseOffsetOf,
  type OpenTransaction,
  partitionPrefix,
  segmentKey,
} from "./manifest.ts";
import { type ColdPolicy, coldSegments, type OffloadDeps } from "./offload.ts";
import type { ArchivedPartition, ClosedSegment, ObjectStore, SegmentFiles } from "./ports.ts";
import { discardUpload, uploadSegment, verifyArchived, verifyReadBack } from "./segment-upload.ts";

/** How often a publication may lose against another writer before the pass gives up. */
const PUBLISH_ATTEMPTS_MAX = 5;

/** Also tells what the archive's newest manifest is. */
export interface PartitionDeps extends OffloadDeps {
  readonly onHead: (head: ArchiveHead | undefined) => void;
}

interface PartitionState {
  readonly partition: ArchivedPartition;
  readonly writerEpoch: number;
  head: ArchiveHead | undefined;
  /** Where the archive ends once everything that was sent is published. */
  sentTo: bigint | undefined;
  /** At the end of what was sent; undefined when nobody knows. */
  open: readonly OpenTransaction[] | undefined;
  /** Why a local copy could not go. It keeps those behind it, since a log loses its oldest first; they are archived all the same. */
  kept: unknown;
}

/** A cold segment; `sent` where the archive did not have it yet. */
interface Pending {
  readonly segment: ClosedSegment;
  readonly sent: { readonly entry: ArchivedSegment; readonly files: SegmentFiles } | undefined;
}

/** @throws {ArchiveError | StoreError} */
export async function offloadPartition(
  partition: ArchivedPartition,
  policy: ColdPolicy,
  deps: PartitionDeps,
): Promise<void> {
  const { source, store, clock, onHead } = deps;
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
  const head = await headOnce();
  if (head === undefined) await demandNothingBelow(partition, oldest.baseOffset, store);
  const before = head?.manifest.segments.at(-1);
  const state: PartitionState = {
    partition,
    writerEpoch: (head?.manifest.writerEpoch ?? 0) + 1,
    head,
    sentTo: archivedTo(head?.manifest),
    open: before === undefined ? [] : before.openTransactions,
    kept: undefined,
  };
  let pending: Pending | undefined;
  for (const segment of [...cold, undefined]) {
    const [settled, next] = await Promise.allSettled([
      pending && settle(pending, policy, { ...deps, state }),
      segment && send(segment, { ...deps, state }),
    ]);
    if (settled.status === "rejected") {
      if (next.status === "fulfilled" && next.value?.sent !== undefined)
        await discardUpload(next.value.sent.entry.key, store);
      throw settled.reason;
    }
    if (next.status === "rejected") throw next.reason;
    pending = next.value;
  }
  if (state.kept !== undefined) throw state.kept;
}

interface StateDeps extends PartitionDeps {
  readonly state: PartitionState;
}

async function send(segment: ClosedSegment, { source, store, random, state }: StateDeps): Promise<Pending> {
  const { partition, sentTo, writerEpoch } = state;
  if (sentTo !== undefined && segment.baseOffset < sentTo) return { segment, sent: undefined };
  demandNoGap(partition, segment, sentTo);
  const files = await source.readSegment(partition, segment.baseOffset);
  const nonce = Buffer.from(random.bytes(8)).toString("hex");
  const key = segmentKey(partition, segment.baseOffset, { epoch: writerEpoch, nonce });
  const entry = await uploadSegment({ key, segment, files, openBefore: state.open }, store);
  state.sentTo = segment.nextOffset;
  state.open = entry.openTransactions;
  return { segment, sent: { entry, files } };
}

async function settle({ segment, sent }: Pending, policy: ColdPolicy, deps: StateDeps): Promise<void> {
  const { source, store, onHead, onMoved, state } = deps;
  if (sent !== undefined) {
    await verifyReadBack(sent.entry.key, sent.files, store).catch(async (error: unknown) => {
      // It has no name yet, so nobody misses it; after a publication that failed nobody could be sure of that.
      await discardUpload(sent.entry.key, store);
      throw error;
    });
    deps.verified?.note(sent.entry.key);
    state.head = await publishSegment(sent.entry, state, deps);
    onHead(state.head);
    onMoved?.({ segmentsOffloaded: 1, bytesOffloaded: segment.sizeBytes, segmentsDropped: 0 });
  }
  const archived = archivedAs(state.head, segment);
  if (policy.deleteLocal !== "after-verify" || archived === undefined || state.kept !== undefined) return;
  try {
    // What an earlier pass or another writer archived may have been damaged since.
    if (archived.key !== sent?.entry.key) await verifyArchived(archived, store);
    await source.dropLocal(state.partition, segment.baseOffset);
    onMoved?.({ segmentsOffloaded: 0, bytesOffloaded: 0, segmentsDropped: 1 });
  } catch (error) {
    state.kept = error;
  }
}

/** Where there is no manifest there must be no older segment: an archive whose manifests are gone must not be begun anew behind
 *  what it holds, since nobody would miss that any more. */
async function demandNothingBelow(partition: ArchivedPartition, baseOffset: bigint, store: ObjectStore): Promise<void> {
  for (const key of await store.list(partitionPrefix(partition)))
    if ((baseOffsetOf(key) ?? baseOffset) < baseOffset) throw manifestsGone(partition, baseOffset, store);
}

function manifestsGone(partition: ArchivedPartition, localFrom: bigint, { location }: ObjectStore): Error {
  return archiveFailure({ code: "ARCHIVE_MANIFESTS_GONE", location, prefix: partitionPrefix(partition), localFrom });
}

/** The archive never has a hole: what another writer archived may end before this segment begins. */
function demandNoGap(
  { topic, partition }: ArchivedPartition,
  { baseOffset: localFrom }: Pick<ClosedSegment, "baseOffset">,
  archivedTo: bigint | undefined,
): void {
  if (archivedTo === undefined || localFrom <= archivedTo) return;
  throw archiveFailure({ code: "ARCHIVE_GAP", topic, partition, archivedTo, localFrom });
}

/** Adds the segment to the newest manifest. When another writer archived it meanwhile, that copy counts and ours is an orphan. */
async function publishSegment(
  entry: ArchivedSegment,
  { partition, head: known, writerEpoch }: PartitionState,
  deps: OffloadDeps,
): Promise<ArchiveHead> {
  let head = known;
  for (let attempt = 0; attempt < PUBLISH_ATTEMPTS_MAX; attempt++) {
    const reached = archivedTo(head?.manifest);
    // The topic is gone, and its id never comes back: nothing may be named any more that gc collects.
    if (head?.manifest.removed?.cause === "topic-deleted" && head.manifest.segments.length === 0) return head;
    if (head !== undefined && reached !== undefined && entry.baseOffset < reached) return head;
    demandNoGap(partition, entry, reached);
    const published = await publish(deps.store, head, {
      partition,
      writerEpoch,
      writtenAtMs: deps.clock.nowMs(),
      segments: [...(head?.manifest.segments ?? []), entry],
      removed: head?.manifest.removed,
    });
    if (published !== undefined) return published;
    const before = head;
    head = await readHead(deps.store, partition);
    if (before === undefined || head !== undefined) continue;
    await discardUpload(entry.key, deps.store);
    throw manifestsGone(partition, entry.baseOffset, deps.store);
  }
  throw archiveFailure({
    code: "ARCHIVE_CONTENDED",
    topic: partition.topic,
    partition: partition.partition,
    attempts: PUBLISH_ATTEMPTS_MAX,
  });
}

/** What the published archive holds of exactly this segment, so that its local copy is not needed. */
function archivedAs(head: ArchiveHead | undefined, segment: ClosedSegment): ArchivedSegment | undefined {
  return head?.manifest.segments.find(
    (archived) => archived.baseOffset === segment.baseOffset && archived.nextOffset === segment.nextOffset,
  );
}
