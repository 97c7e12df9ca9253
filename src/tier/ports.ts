/** What the archive needs from the outside: where closed segments come from, and where objects go. */

import type { Uuid } from "../core/brand.ts";

/** One partition of one cluster, by everything that names its objects. */
export interface ArchivedPartition {
  readonly clusterId: string;
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: number;
}

/** A segment that will not change any more. */
export interface ClosedSegment {
  readonly baseOffset: bigint;
  /** Base offset of the segment after it: where the archive has to go on. */
  readonly nextOffset: bigint;
  readonly sizeBytes: number;
  /** Largest record timestamp, milliseconds since the epoch; -1 when it holds no record. */
  readonly maxTimestampMs: number;
  /** Why no record lies between the base and the first batch, where the source knows; else it was compaction. */
  readonly leadingGap?: GapCause | undefined;
}

/** Why offsets have no record. `retention`: the cluster had deleted them before they could be archived. */
export type GapCause = "compaction" | "markers-or-compaction" | "retention";

/** A leader epoch and the first offset it wrote. */
export interface LeaderEpochStart {
  readonly epoch: number;
  readonly startOffset: bigint;
}

/** Content of an object that is too large to be held whole: read in parts, and again when one has to be repeated. */
export interface ObjectBody {
  readonly sizeBytes: number;
  /** At most `endExclusive - start` bytes; all of them within the size. */
  read(start: number, endExclusive: number): Buffer | Promise<Buffer>;
  /** Takes back what was read and is not needed any more: parts are large, and waiting for them to be collected takes more
   *  memory and time than all the rest. */
  release?(part: Buffer): void;
}

/** The files of one closed segment, byte for byte as the broker keeps them. */
export interface SegmentFiles {
  readonly log: ObjectBody;
  readonly index: Buffer;
  readonly timeindex: Buffer;
  /** Absent when no transaction was aborted in the segment. */
  readonly txnindex: Buffer | undefined;
  /** The epochs that wrote into this segment. */
  readonly leaderEpochs: readonly LeaderEpochStart[];
}

/** Where an archive goes on. */
export interface ArchiveEnd {
  readonly nextOffset: bigint;
  /** Epoch of the leader that wrote the last record; -1 when nobody knows. */
  readonly leaderEpoch: number;
}

/** Hands over closed segments and lets go of local copies. */
export interface SegmentSource {
  /** Every partition it knows, in a stable order. */
  partitions(): Promise<readonly ArchivedPartition[]>;
  /** Closed segments that are still local, oldest first; only up to the last stable offset. `archiveEnd` tells where the archive
   *  goes on, undefined when it is empty, at the price of asking the store; a source that cuts segments itself begins there. */
  closedSegments(
    partition: ArchivedPartition,
    archiveEnd: () => Promise<ArchiveEnd | undefined>,
  ): Promise<readonly ClosedSegment[]>;
  readSegment(partition: ArchivedPartition, baseOffset: bigint): Promise<SegmentFiles>;
  /** Drops the local copy. Call only after the archived copy was verified and its manifest published. */
  dropLocal(partition: ArchivedPartition, baseOffset: bigint): Promise<void>;
}

/** A half-open range of bytes of an object. */
export interface ByteRange {
  readonly start: number;
  readonly endExclusive: number;
}

/** What a store tells of an object without its content. */
export interface ObjectFacts {
  readonly sizeBytes: number;
  /** Wall time of the store at which it was written, milliseconds since the epoch; S3 tells whole seconds. */
  readonly modifiedMs: number;
}

/** A write that was begun and neither ended nor was given up: nobody can read it, and it takes room. */
export interface UnfinishedWrite {
  /** Of the object that it would have become. */
  readonly key: string;
  /** Tells the writes of one key apart; only the store knows what it means. */
  readonly id: string;
  readonly sizeBytes: number;
  /** When the store last got something of it, by the store's clock, milliseconds since the epoch. */
  readonly writtenMs: number;
}

/** A flat store of immutable objects. Keys are `/`-separated; no key is a directory of another. */
export interface ObjectStore {
  /** For messages: `file:///var/archive`. Never holds secrets. */
  readonly location: string;
  /** Writes the whole object or nothing. @throws {StoreError} */
  put(key: string, content: Uint8Array | ObjectBody): Promise<void>;
  /** Like `put`, but false when the key exists; of several concurrent callers exactly one gets true. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean>;
  /** The object, or the part of the range that exists, in memory that is the caller's alone. Ends with the signal's reason when nobody
   *  wants it any more. @throws {StoreError} `STORE_MISSING` */
  get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer>;
  /** Undefined when there is no such object. */
  stat(key: string): Promise<ObjectFacts | undefined>;
  /** All keys below a prefix, in order. */
  list(prefix: string): Promise<readonly string[]>;
  /** Nothing happens when the key does not exist. */
  remove(key: string): Promise<void>;
  /** Writes under way, and those whose writer died. @throws {StoreError} `STORE_UNSUPPORTED` or `STORE_DENIED` where it does not tell */
  unfinished(): Promise<readonly UnfinishedWrite[]>;
  /** Removes what there is of a write; a writer that lives after all fails. Nothing happens when it has ended. */
  giveUp(write: UnfinishedWrite): Promise<void>;
  /** Lets go of connections. Idempotent. */
  close(): void;
}
