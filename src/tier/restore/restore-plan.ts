/** What a restore will read: which archived topics, which offsets of each partition, and whether the same offsets can be had again.
 *  From the store alone. */

import type { Uuid } from "../../core/brand.ts";
import type { Clock } from "../../core/clock.ts";
import { readCatalog } from "../catalog.ts";
import { type ColdRange, ColdReader } from "../cold-reader.ts";
import { decidedBy, nextToWalk, stableOffsetOf, walkOver } from "../decided.ts";
import { type ArchivedSegment, decodeManifest, type Manifest } from "../manifest.ts";
import type { ArchivedPartition, ObjectStore } from "../ports.ts";
import { readTopicRecord, type TopicRecord } from "../topic-record.ts";
import { type ArchiveRange, READ_BYTES } from "./range-reader.ts";
import { restoreError } from "./restore-error.ts";

/** An end of a range: an offset, or the first record at or after a time (milliseconds since the epoch). */
export type RangeBound = { readonly offset: bigint } | { readonly timeMs: number };

/** What is wanted. */
export interface RestoreRequest {
  /** Whether a topic is wanted. */
  readonly topics: (topic: string) => boolean;
  /** Of an archive that holds several clusters. */
  readonly clusterId?: string | undefined;
  /** Of a topic that was archived more than once; the last one otherwise. */
  readonly topicId?: string | undefined;
  readonly from?: RangeBound | undefined;
  /** Exclusive. */
  readonly until?: RangeBound | undefined;
}

/** One partition of it. */
export interface PartitionRestore {
  readonly partition: ArchivedPartition;
  readonly range: ArchiveRange;
  /** Requests to the store, and bytes of data they bring: whole segments, of which a range may need less. */
  readonly requests: number;
  readonly bytes: number;
  /** Records in these segments. */
  readonly records: number;
  /** From the largest timestamp of each segment; -1 when there is none. */
  readonly oldestMs: number;
  /** Offsets without a record to be restored: transaction markers and what compaction removed. With none, every record can have
   *  its own offset again. */
  readonly holes: bigint;
  /** Set when the range ends in front of a transaction that the archive does not decide yet: where the archive ends. */
  readonly undecidedUntil: bigint | undefined;
  /** In front of these all offsets stay the same, whatever follows. */
  readonly firstHoleFrom: bigint | undefined;
}

/** One topic of it. */
export interface TopicRestore {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly clusterId: string;
  /** Undefined when the topic was archived without one. */
  readonly record: TopicRecord | undefined;
  /** Partitions of the topic, archived or not. */
  readonly partitionCount: number;
  readonly partitions: readonly PartitionRestore[];
}

/** Everything, topics in order of their names. */
export interface RestorePlan {
  readonly clusterId: string;
  readonly topics: readonly TopicRestore[];
}

/** What planning works with. */
export interface PlanDeps {
  readonly store: ObjectStore;
  readonly clock: Clock;
}

/** @throws {RestoreError} nothing fits, or it is not clear which archive is meant @throws {StoreError | ArchiveError} */
export async function planRestore(request: RestoreRequest, deps: PlanDeps): Promise<RestorePlan> {
  const { store } = deps;
  const manifests = await newestManifests(request, store);
  const clusters = [...new Set(manifests.map(({ partition }) => partition.clusterId))];
  const [clusterId, ...others] = clusters;
  if (clusterId === undefined) throw restoreError({ code: "RESTORE_NOTHING", location: store.location });
  if (others.length > 0) throw restoreError({ code: "RESTORE_AMBIGUOUS", location: store.location, clusters });
  const topics: TopicRestore[] = [];
  const byTopic = Map.groupBy(manifests, ({ partition }) => partition.topic);
  for (const [topic, ofTopic] of [...byTopic].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const newest = ofTopic.reduce((a, b) => (b.writtenAtMs > a.writtenAtMs ? b : a));
    const { topicId } = newest.partition;
    const record = await readTopicRecord(store, { clusterId, topic, topicId });
    const own = ofTopic
      .filter(({ partition }) => partition.topicId === topicId)
      .toSorted((a, b) => a.partition.partition - b.partition.partition);
    const partitions: PartitionRestore[] = [];
    for (const manifest of own) partitions.push(await planPartition(manifest, request, deps));
    const highest = own.at(-1)?.partition.partition ?? 0;
    const partitionCount = Math.max(record?.partitions ?? 0, highest + 1);
    topics.push({ topic, topicId, clusterId, record, partitionCount, partitions });
  }
  return { clusterId, topics };
}

async function newestManifests(request: RestoreRequest, store: ObjectStore): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  const below = request.clusterId === undefined ? "" : `${request.clusterId}/`;
  for (const { manifestKeys } of await readCatalog(store, below)) {
    const newest = manifestKeys.at(-1);
    if (newest === undefined) continue;
    const manifest = decodeManifest(newest, await store.get(newest));
    const { topic, topicId } = manifest.partition;
    if (!request.topics(topic) || manifest.segments.length === 0) continue;
    if (request.topicId === undefined || request.topicId === topicId) manifests.push(manifest);
  }
  return manifests;
}

async function planPartition(manifest: Manifest, request: RestoreRequest, deps: PlanDeps): Promise<PartitionRestore> {
  const { partition, segments } = manifest;
  const first = segments[0]?.baseOffset ?? 0n;
  const end = await stableEnd(manifest, deps.store);
  const reader = new ColdReader(deps);
  const whole = { partition, startOffset: first, endOffset: end };
  const offsetOf = async (bound: RangeBound): Promise<bigint> => {
    const offset = "offset" in bound ? bound.offset : await offsetAt(reader, whole, bound.timeMs);
    if (offset < first) return first;
    if (offset > end) return end;
    return offset;
  };
  const fromOffset = request.from === undefined ? first : await offsetOf(request.from);
  const until = request.until === undefined ? end : await offsetOf(request.until);
  const endOffset = until < fromOffset ? fromOffset : until;
  const inRange = segments.filter(({ baseOffset, nextOffset }) => nextOffset > fromOffset && baseOffset < endOffset);
  // Aborted transactions may have their markers behind the range.
  const range = { fromOffset, endOffset, segments: segments.filter(({ nextOffset }) => nextOffset > fromOffset) };
  const archivedEnd = segments.at(-1)?.nextOffset ?? end;
  const undecidedUntil = endOffset === end && end < archivedEnd ? archivedEnd : undefined;
  return { partition, range, undecidedUntil, ...costOf(inRange), ...holesOf(inRange, range) };
}

/** Of the first record at or after the time; the range's end when there is none. */
async function offsetAt(reader: ColdReader, range: ColdRange, timeMs: number): Promise<bigint> {
  return (await reader.offsetForTimestamp(range, BigInt(Math.ceil(timeMs))))?.offset ?? range.endOffset;
}

function costOf(
  segments: readonly ArchivedSegment[],
): Pick<PartitionRestore, "requests" | "bytes" | "records" | "oldestMs"> {
  let [requests, bytes, records] = [0, 0, 0];
  const times: number[] = [];
  for (const { logBytes, txnindexBytes, recordCount, maxTimestampMs } of segments) {
    requests += Math.ceil(logBytes / READ_BYTES) + (txnindexBytes > 0 ? 1 : 0);
    bytes += logBytes + txnindexBytes;
    records += recordCount;
    if (maxTimestampMs >= 0) times.push(maxTimestampMs);
  }
  return { requests, bytes, records, oldestMs: times.length === 0 ? -1 : Math.min(...times) };
}

/** What is not decided is not restored. */
async function stableEnd(manifest: Manifest, store: ObjectStore): Promise<bigint> {
  let decided = decidedBy(manifest);
  // Without a bound: whoever restores reads the data anyway.
  for (let next = nextToWalk(manifest, decided); next !== undefined; next = nextToWalk(manifest, decided))
    decided = await walkOver(next, decided, store);
  return stableOffsetOf(decided);
}

/** A segment counts as a whole: where in it its holes are, only its data tells. */
function holesOf(
  segments: readonly ArchivedSegment[],
  { fromOffset, endOffset }: ArchiveRange,
): Pick<PartitionRestore, "holes" | "firstHoleFrom"> {
  let holes = 0n;
  let firstHoleFrom: bigint | undefined;
  let next = fromOffset;
  for (const { baseOffset, nextOffset, recordCount } of segments) {
    const own = nextOffset - baseOffset - BigInt(recordCount) + (baseOffset > next ? baseOffset - next : 0n);
    if (own > 0n) firstHoleFrom ??= baseOffset > next ? next : baseOffset < fromOffset ? fromOffset : baseOffset;
    holes += own;
    next = nextOffset;
  }
  if (next < endOffset) holes += endOffset - next;
  // A transaction whose marker lies behind the range may have been aborted, which takes its records away.
  const undecided = segments.at(-1)?.openTransactions?.find(({ firstOffset }) => firstOffset < endOffset);
  if (holes === 0n && undecided !== undefined) return { holes: 1n, firstHoleFrom: undecided.firstOffset };
  return { holes, firstHoleFrom };
}
