/** Reads a compacted topic of ours: everything once, in the order of the log, up to its end.
 *
 *  "A value outlives its frame": what is handed over is a copy, because the memory of an answer is used for another one as soon as
 *  its records are taken. */

import { brokerError } from "../client/errors.ts";
import { type FetchedPartition, fetchFrom, type Isolation } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { askLeaders, inOrder, type PartitionRef } from "../client/leaders.ts";
import { logBounds } from "../client/list-offsets.ts";
import { ZERO_UUID } from "../core/brand.ts";
import { AbortedTransactions } from "../mirror/aborted.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { batchesIn } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import type { InternalTopic } from "./internal-topic.ts";

const FETCH_BYTES_MAX = 8 * 1024 * 1024;
const FETCH_WAIT_MS = 100;
/** Fetches in a row that may bring nothing although the end is not reached: with the wait, 10 s. */
const EMPTY_FETCHES_MAX = 100;
/** Times that reading begins again because the log was cut under it. */
const READ_ATTEMPTS_MAX = 5;

/** Takes a record; the value is its to keep. */
export type Apply = Parameters<InternalTopic["readNew"]>[0];

/** Hears of the end of a transaction. */
export type OnMarker = (producerId: bigint, producerEpoch: number) => void;

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

/** Which topic, and how many partitions it has; 0 while it is missing, which reads as empty. */
export interface TopicShape {
  readonly name: string;
  readonly partitions: number;
}

/** Remembers how far it has read. */
export class KafkaInternalReader {
  readonly #name: string;
  readonly #partitions: number;
  readonly #client: KafkaClient;
  readonly #positions = new Map<number, Position>();

  constructor({ name, partitions }: TopicShape, deps: { readonly client: KafkaClient }) {
    this.#name = name;
    this.#partitions = partitions;
    this.#client = deps.client;
  }

  /** `onMarker` hears of the ends of transactions on the way. */
  async readNew(apply: Apply, onMarker?: OnMarker): Promise<void> {
    const heard = { apply, onMarker };
    for (let attempt = 1; attempt <= READ_ATTEMPTS_MAX; attempt++) if (await this.#readToEnd(heard)) return;
    const { OFFSET_OUT_OF_RANGE } = ErrorCode;
    const message = "the log changed each time it was read";
    throw brokerError("Fetch", OFFSET_OUT_OF_RANGE, { subject: this.#name, message });
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
    for (const { index, errorCode, records } of releasing(await this.#fetch(this.#all(), "read_uncommitted"))) {
      if (errorCode !== ErrorCode.NONE) throw brokerError("Fetch", errorCode, { subject: `${this.#name}-${index}` });
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
    return Array.from({ length: this.#partitions }, (_, index): PartitionRef => ({ topic: this.#name, index }));
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
      for (const fetched of releasing(await this.#fetch(open, "read_committed")))
        if (!this.#take(fetched, heard)) return false;
      const isMoved = open.some(({ index }, at) => this.#at(index).offset !== before[at]);
      emptyFetches = isMoved ? 0 : emptyFetches + 1;
    }
    return false;
  }

  #at(index: number): Position {
    return this.#positions.get(index) ?? { offset: 0n, epoch: -1 };
  }

  async #fetch(open: readonly PartitionRef[], isolation: Isolation): Promise<readonly FetchedPartition[]> {
    const topicId = this.#client.metadata.topic(this.#name)?.topicId ?? ZERO_UUID;
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
    if (errorCode !== ErrorCode.NONE) throw brokerError("Fetch", errorCode, { subject: `${this.#name}-${index}` });
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
}

/** One after the other; then, or when a loop over them ends early, their memory is used for other answers. */
function* releasing(all: readonly FetchedPartition[]): Generator<FetchedPartition, void, undefined> {
  try {
    yield* all;
  } finally {
    for (const { release } of all) release();
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
