/** A compacted topic on a cluster as `KafkaProgressStore` uses it: made when missing, read to its end, appended to. */

import { createTopics } from "../client/admin.ts";
import { brokerError, errorCodeOf, isTooLargeCode, mayRetry } from "../client/errors.ts";
import { type FetchedPartition, fetchFrom, type Isolation } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { askLeaders, inOrder, type PartitionRef } from "../client/leaders.ts";
import { logBounds } from "../client/list-offsets.ts";
import { type ProducePartition, produceTo } from "../client/produce.ts";
import { ZERO_UUID } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import { AbortedTransactions } from "../mirror/aborted.ts";
import { crc32c } from "../wire/crc32c.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { batchesIn } from "../wire/record-batch.ts";
import { decodeRecords, encodeBatch } from "../wire/records.ts";
import type { InternalRecord, InternalTopic } from "./internal-topic.ts";

/** One partition keeps all lanes in one order and costs one request per flush; a thousand lanes write about 1 MB/s. */
const DEFAULT_PARTITIONS = 1;

/** As Kafka's own internal topics. */
const REPLICATION_FACTOR_MAX = 3;

/** Half of the brokers' default `max.message.bytes`. */
const BATCH_BYTES_MAX = 512 * 1024;
/** Kafka's own default for that. */
const MAX_MESSAGE_BYTES = 1_048_588;
/** Upper bound of what a record adds to its key and value. */
const RECORD_OVERHEAD_BYTES = 32;

const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const FETCH_WAIT_MS = 100;
/** Fetches in a row that may bring nothing although the end is not reached: with the wait, 10 s. */
const EMPTY_FETCHES_MAX = 100;
/** Times that reading begins again because the log was cut under it. */
const READ_ATTEMPTS_MAX = 5;

/** Settings of the topic when it is made here. Small segments and an eager cleaner keep what must be read at start short; how large a
 *  batch may be is not left to what the cluster has for topics in general. */
const CONFIGS = {
  "max.message.bytes": String(MAX_MESSAGE_BYTES),
  "cleanup.policy": "compact",
  "segment.bytes": String(64 * 1024 * 1024),
  "min.cleanable.dirty.ratio": "0.1",
} as const;

/** Which topic, and how it is made when missing. */
export interface KafkaInternalTopicOptions {
  readonly name: string;
  /** Default 1. An existing topic keeps its number. */
  readonly partitions?: number | undefined;
  /** Default true. False is for readers: a topic that is missing then reads as empty, and nothing is ever created. */
  readonly createIfMissing?: boolean | undefined;
}

type Apply = Parameters<InternalTopic["readNew"]>[0];

type OnMarker = (producerId: bigint, producerEpoch: number) => void;

interface Heard {
  readonly apply: Apply;
  readonly onMarker: OnMarker | undefined;
}

/** The ends of the topic's partitions at some time. */
export type TopicEnds = ReadonlyMap<number, bigint>;

/** A record that readers of committed data do not see yet: its transaction is open, or has no marker here yet. */
export interface OpenRecord {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly offset: bigint;
  readonly value: Buffer | null;
}

/** Where reading goes on. */
interface Position {
  readonly offset: bigint;
  /** Leader epoch of the batch before, by which the broker tells a truncation. */
  readonly epoch: number;
}

/** An `InternalTopic` over a client that the caller opens and closes. */
export class KafkaInternalTopic implements InternalTopic {
  readonly name: string;
  readonly #partitions: number;
  readonly #client: KafkaClient;
  readonly #clock: Clock;
  readonly #positions = new Map<number, Position>();
  /** Becomes smaller when the topic turns out to take less. */
  #batchBytesMax = BATCH_BYTES_MAX;

  private constructor(
    { name }: KafkaInternalTopicOptions,
    partitions: number,
    deps: { readonly client: KafkaClient; readonly clock: Clock },
  ) {
    this.name = name;
    this.#partitions = partitions;
    this.#client = deps.client;
    this.#clock = deps.clock;
  }

  /** Creates the topic when it is missing, unless told not to. @throws {ClientError} */
  static async open(
    options: KafkaInternalTopicOptions,
    deps: { readonly client: KafkaClient; readonly clock: Clock },
  ): Promise<KafkaInternalTopic> {
    const { name, partitions = DEFAULT_PARTITIONS, createIfMissing = true } = options;
    const { metadata } = deps.client;
    metadata.track([name]);
    if (createIfMissing) await ensureTopic(deps.client, name, partitions);
    else await metadata.refresh("internal topics");
    return new KafkaInternalTopic(options, metadata.topic(name)?.partitions.length ?? 0, deps);
  }

  /** Undefined while the topic is missing, which one that may not be read is not. @throws {ClientError} */
  static async openExisting(
    options: KafkaInternalTopicOptions,
    deps: { readonly client: KafkaClient; readonly clock: Clock },
  ): Promise<KafkaInternalTopic | undefined> {
    const topic = await KafkaInternalTopic.open({ ...options, createIfMissing: false }, deps);
    if (topic.#partitions > 0) return topic;
    const { name } = options;
    const errorCode = deps.client.metadata.view.topicErrors.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw brokerError("Metadata", errorCode, { subject: name });
    return undefined;
  }

  /** `onMarker` hears of the ends of transactions on the way. */
  async readNew(apply: Apply, onMarker?: OnMarker): Promise<void> {
    const heard = { apply, onMarker };
    for (let attempt = 1; attempt <= READ_ATTEMPTS_MAX; attempt++) if (await this.#readToEnd(heard)) return;
    const { OFFSET_OUT_OF_RANGE } = ErrorCode;
    const message = "the log changed each time it was read";
    throw brokerError("Fetch", OFFSET_OUT_OF_RANGE, { subject: this.name, message });
  }

  /** The high watermarks now. For topics that are written in transactions: `readNew` ends where one is open, and committed records
   *  may lie behind it. @throws {ClientError} */
  async ends(): Promise<TopicEnds> {
    const bounds = await logBounds(this.#client, this.#all());
    return new Map(bounds.map(({ index, endOffset }) => [index, endOffset]));
  }

  /** Whether `readNew` has handed over everything below the ends. */
  hasReached(ends: TopicEnds): boolean {
    return [...ends].every(([index, end]) => this.#at(index).offset >= end);
  }

  /** What is in the way of `readNew`, the last record of each transaction. Not while it reads. @throws {ClientError} */
  async openRecords(): Promise<readonly OpenRecord[]> {
    const open = new Map<bigint, OpenRecord>();
    for (const { index, errorCode, records } of await this.#fetch(this.#all(), "read_uncommitted")) {
      if (errorCode !== ErrorCode.NONE) throw brokerError("Fetch", errorCode, { subject: `${this.name}-${index}` });
      for (const batch of batchesIn(records)) {
        const { producerId, producerEpoch, baseOffset: offset } = batch;
        if (batch.isControl) open.delete(producerId);
        else if (batch.isTransactional)
          for (const { value } of decodeRecords(batch))
            open.set(producerId, { producerId, producerEpoch, offset, value: value && Buffer.from(value) });
      }
    }
    return [...open.values()];
  }

  #all(): readonly PartitionRef[] {
    return Array.from({ length: this.#partitions }, (_, index): PartitionRef => ({ topic: this.name, index }));
  }

  async append(records: readonly InternalRecord[]): Promise<void> {
    assertInvariant(this.#partitions > 0, "Readers never write", { topic: this.name });
    const queues = new Map<number, InternalRecord[][]>();
    for (const [index, ofPartition] of Map.groupBy(records, ({ route }) => this.partitionOf(route))) {
      queues.set(index, intoBatches(ofPartition, this.#batchBytesMax));
    }
    // One batch per partition and request; the next only after the ack, so that order needs no idempotence.
    while (queues.size > 0) {
      const items = [...queues].map(([index, batches]) => ({ topic: this.name, index, batch: batches[0] ?? [] }));
      for (const { index, errorCode } of await this.#produce(items)) {
        const batches = queues.get(index) ?? [];
        const batch = batches.shift() ?? [];
        if (errorCode !== ErrorCode.NONE) batches.unshift(...this.#smaller(index, batch, errorCode));
        if (batches.length === 0) queues.delete(index);
      }
    }
  }

  /** What is sent instead of a batch that was too large. @throws {ClientError} for any other refusal, and when nothing is smaller */
  #smaller(index: number, batch: readonly InternalRecord[], errorCode: number): InternalRecord[][] {
    const subject = `${this.name}-${index}`;
    if (!isTooLargeCode(errorCode)) throw brokerError("Produce", errorCode, { subject });
    if (batch.length > 1) {
      const bytes = batch.reduce((sum, record) => sum + sizeOf(record), 0);
      this.#batchBytesMax = Math.max(1, Math.min(this.#batchBytesMax, Math.floor(bytes / 2)));
      return intoBatches(batch, this.#batchBytesMax);
    }
    const command = `kafka-configs --alter --entity-type topics --entity-name ${this.name} --add-config max.message.bytes=${MAX_MESSAGE_BYTES}`;
    throw brokerError("Produce", errorCode, {
      subject,
      message: `a single record is too large; mend it with ${command}`,
    });
  }

  /** False when the log was cut or cleaned away under the reader: reading again begins where the log allows. */
  async #readToEnd(heard: Heard): Promise<boolean> {
    const bounds = await logBounds(this.#client, this.#all(), { isolation: "read_committed" });
    for (const { index, startOffset, endOffset } of bounds) {
      const known = this.#positions.get(index);
      const isUsable = known !== undefined && known.offset >= startOffset && known.offset <= endOffset;
      if (!isUsable) this.#positions.set(index, { offset: startOffset, epoch: -1 });
    }
    for (let emptyFetches = 0; emptyFetches < EMPTY_FETCHES_MAX; ) {
      const open = bounds.filter(({ index, endOffset }) => this.#at(index).offset < endOffset);
      if (open.length === 0) return true;
      const before = open.map(({ index }) => this.#at(index).offset);
      for (const fetched of await this.#fetch(open, "read_committed")) if (!this.#take(fetched, heard)) return false;
      const isMoved = open.some(({ index }, at) => this.#at(index).offset !== before[at]);
      emptyFetches = isMoved ? 0 : emptyFetches + 1;
    }
    return false;
  }

  #at(index: number): Position {
    return this.#positions.get(index) ?? { offset: 0n, epoch: -1 };
  }

  async #fetch(open: readonly PartitionRef[], isolation: Isolation): Promise<readonly FetchedPartition[]> {
    const topicId = this.#client.metadata.topic(this.name)?.topicId ?? ZERO_UUID;
    const items = open.map(({ topic, index }) => {
      const { offset: fetchOffset, epoch: lastFetchedEpoch } = this.#at(index);
      return {
        topic,
        topicId,
        index,
        fetchOffset,
        lastFetchedEpoch,
        currentLeaderEpoch: -1,
        maxBytes: FETCH_BYTES_MAX,
      };
    });
    const failed = ({ topic, index }: PartitionRef, errorCode: number): FetchedPartition => {
      return { ...NOTHING_FETCHED, topic, topicId, index, errorCode };
    };
    return askLeaders(this.#client, items, {
      failed,
      ask: async (nodeId, partitions) => {
        const limits = { maxWaitMs: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_BYTES_MAX };
        const options = { ...limits, isolation, purpose: "control" } as const;
        const fetched = await fetchFrom(this.#client, nodeId, { partitions, ...options });
        return inOrder(partitions, fetched, (item) => failed(item, ErrorCode.UNKNOWN));
      },
    });
  }

  /** False when the reader's position is not in the log. */
  #take(fetched: FetchedPartition, { apply, onMarker }: Heard): boolean {
    const { index, errorCode, divergingEpoch } = fetched;
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE || divergingEpoch !== undefined) {
      this.#positions.delete(index);
      return false;
    }
    if (errorCode !== ErrorCode.NONE) throw brokerError("Fetch", errorCode, { subject: `${this.name}-${index}` });
    const aborted = new AbortedTransactions(fetched.abortedTransactions);
    let { offset } = this.#at(index);
    for (const batch of batchesIn(fetched.records)) {
      const isAborted = aborted.covers(batch);
      if (batch.isControl) onMarker?.(batch.producerId, batch.producerEpoch);
      if (!batch.isControl && !isAborted) {
        for (const record of decodeRecords(batch)) {
          if (record.key === null || batch.baseOffset + BigInt(record.offsetDelta) < offset) continue;
          apply(record.key.toString("utf8"), record.value === null ? null : Buffer.from(record.value));
        }
      }
      offset = batch.nextOffset;
      this.#positions.set(index, { offset, epoch: batch.leaderEpoch });
    }
    return true;
  }

  /** Repeats until the outcome is known: a record that lands twice says the same twice. */
  #produce(
    items: readonly (PartitionRef & { readonly batch: readonly InternalRecord[] })[],
  ): Promise<readonly (PartitionRef & { readonly errorCode: number })[]> {
    const timestampMs = BigInt(this.#clock.nowMs());
    const prepared = items.map(({ topic, index, batch }) => {
      const records = batch.map(({ key, value }) => ({ timestampMs, key: Buffer.from(key), value }));
      return { topic, topicId: ZERO_UUID, index, records: encodeBatch(records, {}).bytes };
    });
    return askLeaders<ProducePartition, PartitionRef & { readonly errorCode: number }>(this.#client, prepared, {
      failed: ({ topic, index }, errorCode) => ({ topic, index, errorCode }),
      ask: (nodeId, partitions) => produceTo(this.#client, nodeId, { partitions, acks: -1, purpose: "control" }),
    });
  }

  /** By the route, not the key: all records of a lane lie in one partition, in order. */
  partitionOf(route: string): number {
    return crc32c(Buffer.from(route)) % this.#partitions;
  }
}

const NOTHING_FETCHED = {
  highWatermark: -1n,
  lastStableOffset: -1n,
  logStartOffset: -1n,
  divergingEpoch: undefined,
  abortedTransactions: [],
  preferredReadReplica: -1,
  records: Buffer.alloc(0),
  release: () => {},
} as const;

/** Batches of bounded size. Records of one route stay together where they fit. */
function intoBatches(records: readonly InternalRecord[], bytesMax: number): InternalRecord[][] {
  const batches: InternalRecord[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const ofRoute of Map.groupBy(records, ({ route }) => route).values()) {
    const routeBytes = ofRoute.reduce((sum, record) => sum + sizeOf(record), 0);
    for (const record of ofRoute) {
      const isFirst = record === ofRoute[0];
      if (bytes + (isFirst ? Math.min(routeBytes, bytesMax) : sizeOf(record)) > bytesMax) {
        batches.push([]);
        bytes = 0;
      }
      batches.at(-1)?.push(record);
      bytes += sizeOf(record);
    }
  }
  return batches;
}

function sizeOf({ key, value }: InternalRecord): number {
  return key.length + (value?.length ?? 0) + RECORD_OVERHEAD_BYTES;
}

/** Makes a compacted topic when it is missing. Several workers may start at once: whoever comes second finds it there.
 *  @throws {ClientError} */
export async function ensureTopic(client: KafkaClient, name: string, partitions: number): Promise<void> {
  const isTooFewBrokers = (error: unknown): boolean => errorCodeOf(error) === ErrorCode.INVALID_REPLICATION_FACTOR;
  await client.retry(
    {},
    (error) => isTooFewBrokers(error) || mayRetry(error),
    async () => {
      await client.metadata.refresh("internal topics");
      if (client.metadata.topic(name) !== undefined) return;
      const replicationFactor = Math.max(1, Math.min(REPLICATION_FACTOR_MAX, client.metadata.brokers.size));
      const [outcome] = await createTopics(client, [{ name, partitions, replicationFactor, configs: CONFIGS }]);
      const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
      if (errorCode !== ErrorCode.NONE && errorCode !== ErrorCode.TOPIC_ALREADY_EXISTS)
        throw brokerError("CreateTopics", errorCode, { subject: name, message: outcome?.errorMessage ?? null });
      // Another worker may have made it a moment ago; until the broker asked shows it, nothing is known of its partitions.
      await client.metadata.refresh("internal topic made");
      if (client.metadata.topic(name) === undefined)
        throw brokerError("Metadata", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, {
          subject: name,
          message: "not shown yet",
        });
    },
  );
}
