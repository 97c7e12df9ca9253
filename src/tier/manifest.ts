/** The manifest of an archived partition: immutable, numbered, each naming its predecessor's SHA-256. Publishing number
 *  n + 1 with put-if-absent is the commit; objects no manifest names are orphans.
 *
 *  ```
 *  <prefix><clusterId>/<topic>-<topicId>/<partition>/<20-digit base>-<writer epoch>-<nonce>.log|.index|.timeindex|.txnindex
 *  <prefix><clusterId>/<topic>-<topicId>/<partition>/manifest/<20-digit number>.json
 *  ``` */

import { createHash } from "node:crypto";
import type { Uuid } from "../core/brand.ts";
import { archiveFailure } from "./archive-failure.ts";
import { JsonFields, parseJson } from "./json-fields.ts";
import { twentyDigits } from "./object-key.ts";
import type { ArchivedPartition, ArchiveEnd, GapCause, LeaderEpochStart } from "./ports.ts";

/** Minor versions add fields, a major one breaks readers. */
const MANIFEST_FORMAT_VERSION = "1.0";

/** A range of offsets inside a segment that holds no record, with the reason it has none. */
export interface ArchivedGap {
  readonly startOffset: bigint;
  readonly nextOffset: bigint;
  readonly cause: GapCause;
}

/** One archived segment. */
export interface ArchivedSegment {
  /** Key of its objects without the suffix. */
  readonly key: string;
  readonly baseOffset: bigint;
  /** Last offset of its last batch. */
  readonly lastOffset: bigint;
  /** Where the next segment begins. */
  readonly nextOffset: bigint;
  readonly logBytes: number;
  readonly logSha256: string;
  /** CRC-32C of the `.log` object, unsigned. */
  readonly logCrc32c: number;
  readonly indexBytes: number;
  readonly timeindexBytes: number;
  /** 0 when there is no such object. */
  readonly txnindexBytes: number;
  readonly recordCount: number;
  readonly maxTimestampMs: number;
  readonly leaderEpochs: readonly LeaderEpochStart[];
  readonly gaps: readonly ArchivedGap[];
  /** Transactions that no marker up to the segment's end decides, by their first archived offset: whether their records count, only
   *  later segments tell. Undefined when nobody looked, as in archives of earlier versions. */
  readonly openTransactions?: readonly OpenTransaction[] | undefined;
}

/** A transaction without its marker. */
export interface OpenTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** The oldest segments that an archive had and was told to let go of. */
export interface RemovedSegments {
  /** Offsets below it are gone. */
  readonly nextOffset: bigint;
  readonly cause: RemovalCause;
  /** When the last of them was taken out. */
  readonly atMs: number;
}

/** Why segments were taken out: their age or the archive's size, the end of their topic, or a person's word. */
export type RemovalCause = "retention" | "topic-deleted" | "command";

/** The state of an archived partition as of one commit. */
export interface Manifest {
  /** 1 for the first. */
  readonly number: number;
  /** SHA-256 of the predecessor's bytes, hex; null for the first. */
  readonly previousSha256: string | null;
  readonly partition: ArchivedPartition;
  /** Rises with every writer that takes over the partition. */
  readonly writerEpoch: number;
  readonly writtenAtMs: number;
  /** Ascending, without overlap. */
  readonly segments: readonly ArchivedSegment[];
  /** Absent while nothing was removed. */
  readonly removed?: RemovedSegments | undefined;
}

/** Where the objects of a partition live, ending in `/`. */
export function partitionPrefix(partition: ArchivedPartition): string {
  return `${partition.clusterId}/${partition.topic}-${partition.topicId}/${partition.partition}/`;
}

/** Key of a segment's objects without the suffix. */
export function segmentKey(
  partition: ArchivedPartition,
  baseOffset: bigint,
  writer: { readonly epoch: number; readonly nonce: string },
): string {
  return `${partitionPrefix(partition)}${twentyDigits(baseOffset)}-${writer.epoch}-${writer.nonce}`;
}

/** Base offset in the key of a segment's object; undefined for other keys. */
export function baseOffsetOf(key: string): bigint | undefined {
  const [, digits] = /\/(\d{20})-\d+-[^/]+$/.exec(key) ?? [];
  return digits === undefined ? undefined : BigInt(digits);
}

/** Prefix of a partition's manifests. */
export function manifestPrefix(partition: ArchivedPartition): string {
  return `${partitionPrefix(partition)}manifest/`;
}

/** Key of manifest `number`. */
export function manifestKey(partition: ArchivedPartition, number: number): string {
  return numberedKey(manifestPrefix(partition), number);
}

/** The key after this one below the same prefix of manifests; the first where there is none. */
export function nextManifestKey(prefix: string, key: string | undefined): string {
  return numberedKey(prefix, key === undefined ? 1 : Number(key.slice(prefix.length, -".json".length)) + 1);
}

function numberedKey(prefix: string, number: number): string {
  return `${prefix}${twentyDigits(BigInt(number))}.json`;
}

/** SHA-256, hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The index objects that a segment has, with their sizes. */
export function indexesOf(segment: ArchivedSegment): readonly (readonly [suffix: IndexSuffix, sizeBytes: number])[] {
  const all = [
    ["index", segment.indexBytes],
    ["timeindex", segment.timeindexBytes],
    ["txnindex", segment.txnindexBytes],
  ] as const;
  return all.filter(([suffix, sizeBytes]) => suffix !== "txnindex" || sizeBytes > 0);
}

/** The kinds of index objects. */
export type IndexSuffix = "index" | "timeindex" | "txnindex";

/** The offset after everything archived; undefined when nothing is. */
export function archivedTo(manifest: Pick<Manifest, "segments" | "removed"> | undefined): bigint | undefined {
  return manifest?.segments.at(-1)?.nextOffset ?? manifest?.removed?.nextOffset;
}

/** The same with the leader's epoch, for those who go on there. */
export function archiveEnd(manifest: Manifest | undefined): ArchiveEnd | undefined {
  const nextOffset = archivedTo(manifest);
  if (nextOffset === undefined) return undefined;
  return { nextOffset, leaderEpoch: manifest?.segments.at(-1)?.leaderEpochs.at(-1)?.epoch ?? -1 };
}

/** Place in the list of the first segment that ends behind `offset`: the one that holds it, or that follows the hole around
 *  it. The list's length when there is none. */
export function segmentIndexAt(segments: readonly ArchivedSegment[], offset: bigint): number {
  let low = 0;
  let high = segments.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((segments[middle]?.nextOffset ?? 0n) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** JSON with offsets as decimal strings, since they may pass 2^53; two spaces of indent for the people who read it. */
export function encodeManifest(manifest: Manifest): Buffer {
  const json = {
    format: "tributary-archive",
    format_version: MANIFEST_FORMAT_VERSION,
    number: manifest.number,
    previous_sha256: manifest.previousSha256,
    cluster_id: manifest.partition.clusterId,
    topic: manifest.partition.topic,
    topic_id: manifest.partition.topicId,
    partition: manifest.partition.partition,
    writer_epoch: manifest.writerEpoch,
    written_at_ms: manifest.writtenAtMs,
    ...(manifest.removed === undefined ? {} : { removed: removedJson(manifest.removed) }),
    segments: manifest.segments.map(segmentJson),
  };
  return Buffer.from(`${JSON.stringify(json, null, 2)}\n`);
}

/** Reads a manifest and checks what can be checked without its segments.
 *  @throws {ArchiveError} `ARCHIVE_BAD_MANIFEST`, or `ARCHIVE_NEWER_FORMAT` for a major version not known here */
export function decodeManifest(key: string, bytes: Uint8Array): Manifest {
  const fields = new JsonFields(key, parseJson(key, bytes));
  if (fields.string("format") !== "tributary-archive") throw fields.bad("format");
  const formatVersion = fields.string("format_version");
  if (formatVersion.split(".")[0] !== MANIFEST_FORMAT_VERSION.split(".")[0])
    throw archiveFailure({ code: "ARCHIVE_NEWER_FORMAT", key, formatVersion });
  const segments = fields.list("segments").map((entry) => segmentOf(new JsonFields(key, entry)));
  for (const [i, segment] of segments.entries()) {
    const before = segments[i - 1];
    if (before !== undefined && segment.baseOffset < before.nextOffset)
      throw fields.bad(`overlap at ${segment.baseOffset}`);
  }
  return {
    number: fields.number("number"),
    previousSha256: fields.stringOrNull("previous_sha256"),
    partition: {
      clusterId: fields.string("cluster_id"),
      topic: fields.string("topic"),
      topicId: fields.string("topic_id") as Uuid,
      partition: fields.number("partition"),
    },
    writerEpoch: fields.number("writer_epoch"),
    writtenAtMs: fields.number("written_at_ms"),
    segments,
    ...removedOf(fields),
  };
}

function removedJson({ nextOffset, cause, atMs }: RemovedSegments): unknown {
  return { next_offset: String(nextOffset), cause, at_ms: atMs };
}

function removedOf(fields: JsonFields): { readonly removed?: RemovedSegments } {
  const value = fields.optional("removed");
  if (value === undefined) return {};
  const removed = new JsonFields(fields.key, value);
  const text = removed.string("cause");
  const cause = text === "topic-deleted" || text === "command" ? text : "retention";
  return { removed: { nextOffset: removed.offset("next_offset"), cause, atMs: removed.number("at_ms") } };
}

function segmentJson(segment: ArchivedSegment): unknown {
  return {
    key: segment.key,
    base_offset: String(segment.baseOffset),
    last_offset: String(segment.lastOffset),
    next_offset: String(segment.nextOffset),
    log_bytes: segment.logBytes,
    log_sha256: segment.logSha256,
    log_crc32c: segment.logCrc32c,
    index_bytes: segment.indexBytes,
    timeindex_bytes: segment.timeindexBytes,
    txnindex_bytes: segment.txnindexBytes,
    record_count: segment.recordCount,
    max_timestamp_ms: segment.maxTimestampMs,
    leader_epochs: segment.leaderEpochs.map(({ epoch, startOffset }) => ({ epoch, start_offset: String(startOffset) })),
    gaps: segment.gaps.map(({ startOffset, nextOffset, cause }) => ({
      start_offset: String(startOffset),
      next_offset: String(nextOffset),
      cause,
    })),
    open_transactions: segment.openTransactions?.map(({ producerId, firstOffset }) => ({
      producer_id: String(producerId),
      first_offset: String(firstOffset),
    })),
  };
}

function segmentOf(fields: JsonFields): ArchivedSegment {
  return {
    key: fields.string("key"),
    baseOffset: fields.offset("base_offset"),
    lastOffset: fields.offset("last_offset"),
    nextOffset: fields.offset("next_offset"),
    logBytes: fields.number("log_bytes"),
    logSha256: fields.string("log_sha256"),
    logCrc32c: fields.number("log_crc32c"),
    indexBytes: fields.number("index_bytes"),
    timeindexBytes: fields.number("timeindex_bytes"),
    txnindexBytes: fields.number("txnindex_bytes"),
    recordCount: fields.number("record_count"),
    maxTimestampMs: fields.number("max_timestamp_ms"),
    leaderEpochs: fields.list("leader_epochs").map((entry) => {
      const epoch = new JsonFields(fields.key, entry);
      return { epoch: epoch.number("epoch"), startOffset: epoch.offset("start_offset") };
    }),
    gaps: fields.list("gaps").map((entry) => {
      const gap = new JsonFields(fields.key, entry);
      const cause = gapCause(gap.string("cause"));
      return { startOffset: gap.offset("start_offset"), nextOffset: gap.offset("next_offset"), cause };
    }),
    openTransactions: fields.optionalList("open_transactions")?.map((entry) => {
      const open = new JsonFields(fields.key, entry);
      return { producerId: open.offset("producer_id"), firstOffset: open.offset("first_offset") };
    }),
  };
}

/** Minor versions may add causes. */
function gapCause(text: string): GapCause {
  return text === "compaction" || text === "retention" ? text : "markers-or-compaction";
}
