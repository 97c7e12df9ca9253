/** What the mirror needs from the outside: a source to read and a target to write (what it stores goes
 *  through `ProgressStore` in offset-ports.ts). Everything per partition is identified by topic id, so that a recreated topic
 *  is never taken for the old one. */

import type { Uuid } from "../core/brand.ts";
import type { BatchView } from "../wire/record-batch.ts";
import type { TargetFault } from "./errors.ts";
import type { HistoryTarget } from "./history/ports.ts";
import type { LaneKey } from "./offset-ports.ts";

/** A partition of a topic incarnation. */
export interface TopicPartition {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: number;
}

/** A topic as discovery sees it. */
export interface TopicInfo {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly internal: boolean;
}

/** First readable offset and the one after the last readable. */
export interface PartitionBounds {
  readonly startOffset: bigint;
  readonly endOffset: bigint;
}

/** An aborted transaction that overlaps a chunk: from `firstOffset` to the producer's next marker. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** What one fetch brought for one partition. */
export interface SourceChunk {
  /** Concatenated batches, a cut one at the end possible. Belongs to the receiver, who may patch headers in place. */
  readonly records: Buffer;
  /** Says that `records` will never be read again, so that the source may use the memory for something else. To be called only
   *  once every byte taken from it has been acknowledged; without, the memory is left to the garbage collector. */
  readonly release: () => void;
  readonly aborted: readonly AbortedTransaction[];
  /** True when the source held more for this partition already: its reader is not at the end. */
  readonly hasMore?: boolean;
}

/** Where to read: the next offset, and the leader epoch of the record before it (-1 = unknown) by which the source
 *  detects that it lost what was read (KIP-595, Fetch `LastFetchedEpoch`). */
export interface SourcePosition {
  readonly offset: bigint;
  readonly leaderEpoch: number;
}

/** Reads one partition from a position on; prefetches within a budget of bytes that all readers share. */
export interface SourceReader {
  /** The next chunk with at least one whole batch; waits for new records. One call at a time.
   *  @throws {MirrorError} `SOURCE_*`; the reader is then of no further use. Rejects with the signal's reason. */
  next(signal: AbortSignal): Promise<SourceChunk>;
  /** The last known readable end (the last stable offset), for lag; undefined before the first answer. */
  readonly endOffset: bigint | undefined;
  /** The last known high watermark: what lies between the two waits for a transaction to end. */
  readonly highWatermark: bigint | undefined;
  /** The last known log start. */
  readonly startOffset: bigint | undefined;
  /** Idempotent. */
  close(): void;
}

/** The cluster that is read. */
export interface Source {
  readonly clusterId: string;
  /** Does no I/O by itself; `next` does. */
  open(partition: TopicPartition, from: SourcePosition): SourceReader;
  /** @throws {MirrorError} `SOURCE_*` */
  bounds(partition: TopicPartition): Promise<PartitionBounds>;
  /** The producer whose open transaction began at an offset; undefined when there is none or the source cannot tell.
   *  @throws {MirrorError} `SOURCE_*` */
  openTransaction(partition: TopicPartition, firstOffset: bigint): Promise<{ readonly producerId: bigint } | undefined>;
  /** The lane that is listed in the cluster now as the writer with this transactional producer id; see `KnownWriters`.
   *  @throws {MirrorError} `SOURCE_UNAVAILABLE` */
  laneOfWriter(producerId: bigint): Promise<LaneKey | undefined>;
  /** All topics. @throws {MirrorError} `SOURCE_UNAVAILABLE` */
  topics(): Promise<readonly TopicInfo[]>;
}

/** How an append ended. Never rejects. */
export type AppendOutcome =
  /** Acknowledged by all in-sync replicas; also the answer to an exact repeat, with the offset of the first time. */
  | { readonly kind: "appended"; readonly baseOffset: bigint }
  /** Refused, or the outcome is unknown: see the fault's code. */
  | { readonly kind: "failed"; readonly fault: TargetFault };

/** What the leader remembers of a producer (DescribeProducers); may include what is not committed yet. */
export interface ProducerPosition {
  readonly epoch: number;
  /** Sequence number of the last record; -1 when there is none since a marker began the epoch. */
  readonly lastSequence: number;
}

/** Settings of the target that decide how a lane may write. */
export interface TargetLimits {
  /** `max.message.bytes` of the topic: the largest batch. */
  readonly maxBatchBytes: number;
  /** `producer.id.expiration.ms` of the brokers: how long, by record time, a producer is remembered. */
  readonly producerIdExpirationMs: number;
  /** True when the topic replaces timestamps (`message.timestamp.type=LogAppendTime`). */
  readonly logAppendTime: boolean;
  /** `retention.ms` of the topic; undefined when unlimited or compacted. */
  readonly retentionMs: number | undefined;
}

/** A topic to be created. */
export interface NewTopic {
  readonly topic: string;
  readonly partitions: number;
  /** The source's; the adapter lowers it to the number of target brokers. */
  readonly replicationFactor: number;
}

/** The cluster that is written. */
export interface Target {
  readonly clusterId: string;
  /** Sends one stamped batch with acks=all. Calls for one partition reach its leader in call order; batches of many
   *  partitions share requests. The batch must not change until the outcome is known. */
  append(partition: TopicPartition, batch: BatchView): Promise<AppendOutcome>;
  /** What the partition's *leader* remembers of a producer. From then on batches of that producer are taken only as long as that leader
   *  leads and lives, as far as can be seen from here: else `append` answers `TARGET_DOUBT`, and the leader is to be asked again.
   *  @throws {MirrorError} `TARGET_*` */
  producer(partition: TopicPartition, producerId: bigint): Promise<ProducerPosition | undefined>;
  /** Committed bounds (log start, high watermark). @throws {MirrorError} `TARGET_*` */
  bounds(partition: TopicPartition): Promise<PartitionBounds>;
  /** Committed batches from `from` (the first may begin below it) up to `to`; a start below the log start begins there.
   *  @throws {MirrorError} `TARGET_*` */
  scan(partition: TopicPartition, from: bigint, to: bigint): AsyncIterable<Buffer>;
  /** @throws {MirrorError} `TARGET_*` */
  limits(topic: string): Promise<TargetLimits>;
  topics(): Promise<readonly TopicInfo[]>;
  /** Creates the topic, or does nothing when it exists; resolves once every partition has a leader that answers, with the
   *  topic's id if this call certainly made it. @throws {MirrorError} `TARGET_*` */
  createTopic(topic: NewTopic): Promise<Uuid | undefined>;
  /** Raises the number of partitions; nothing happens when there are as many already. @throws {MirrorError} `TARGET_*` */
  growTopic(topic: string, partitions: number): Promise<void>;
  /** For records too old for the target's memory of producers; undefined where that is not possible. */
  readonly history: HistoryTarget | undefined;
}

/** `at-least-once` never uses sequence numbers: for targets without idempotence, and for records older than the target's
 *  memory of producers. One batch in flight; after a crash what was not yet recorded is sent again. */
export type Delivery = "exactly-once" | "at-least-once";
