/** Fetches for all readers of one leader: many partitions in each request, asked for ahead of their readers.
 *
 *  Two requests may be under way, each on its own connection (a broker answers one after the other on a connection). As long as
 *  readers keep up, one long poll holds all of them; a reader that held back rejoins through the second, which waits only
 *  briefly, so that the two merge again. */

import type { FetchedPartition, FetchPartition } from "../client/fetch.ts";
import { fetchFrom } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { KafkaReader } from "./kafka-reader.ts";

/** Requests under way per leader. */
const CHANNELS = 2;
/** A quiet partition costs two requests a second, whatever the number of partitions. */
const LONG_WAIT_MS = 500;
/** A request without all readers must not keep them from the next one for long. */
const SHORT_WAIT_MS = 20;
/** For one answer: little enough to stay in the processor's cache until it is sent on; with the answer's own fields it fills a
 *  frame of the pool. */
const ANSWER_BYTES_MAX = 2 * 1024 * 1024 - 64 * 1024;
/** For one partition that is asked for alone. A single batch may be larger. */
const PARTITION_BYTES_MAX = 1024 * 1024 - 64 * 1024;
/** For one of many partitions: an answer with many lanes makes produce requests with many lanes, but a few batches of each are
 *  needed to keep them going. */
const PARTITION_BYTES_MIN = 128 * 1024;
/** Time for an answer beyond the broker's wait: a hung broker is noticed, and readers look for another leader. */
const ANSWER_TIMEOUT_MS = 5_000;

/** What the fetcher tells its owner. */
export interface FetcherEvents {
  /** True when the reader may be asked for: it wants more and the shared budget has room. */
  readonly wants: (reader: KafkaReader) => boolean;
  readonly onAnswer: (reader: KafkaReader, fetched: FetchedPartition) => void;
  /** The whole request failed: these readers have to be placed again. */
  readonly onFailure: (readers: readonly KafkaReader[], error: unknown) => void;
}

/** One leader's readers. */
export class KafkaFetcher {
  readonly nodeId: number;
  readonly #client: KafkaClient;
  readonly #events: FetcherEvents;
  /** In the order in which they are asked for; one that brought records goes to the end, so that none starves. */
  readonly #readers = new Set<KafkaReader>();
  readonly #free = new Set(Array.from({ length: CHANNELS }, (_, channel) => channel));
  readonly #asked = new Set<KafkaReader>();
  #scheduled = false;

  constructor(nodeId: number, deps: { readonly client: KafkaClient; readonly events: FetcherEvents }) {
    this.nodeId = nodeId;
    this.#client = deps.client;
    this.#events = deps.events;
  }

  add(reader: KafkaReader): void {
    this.#readers.add(reader);
    this.wake();
  }

  /** An answer that is under way for it is dropped. */
  remove(reader: KafkaReader): void {
    this.#readers.delete(reader);
  }

  /** Asks soon for whoever wants more. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#ask();
    });
  }

  #ask(): void {
    const [channel] = this.#free;
    if (channel === undefined) return;
    const readers: KafkaReader[] = [];
    for (const reader of this.#readers)
      if (!this.#asked.has(reader) && this.#events.wants(reader)) readers.push(reader);
    if (readers.length > 0) void this.#fetch(channel, readers);
  }

  async #fetch(channel: number, readers: readonly KafkaReader[]): Promise<void> {
    this.#free.delete(channel);
    for (const reader of readers) this.#asked.add(reader);
    const isWhole = readers.length === this.#readers.size;
    const share = Math.floor(ANSWER_BYTES_MAX / readers.length);
    const partitionBytesMax = Math.min(PARTITION_BYTES_MAX, Math.max(PARTITION_BYTES_MIN, share));
    const maxWaitMs = isWhole ? LONG_WAIT_MS : SHORT_WAIT_MS;
    try {
      const answers = await fetchFrom(this.#client, this.nodeId, {
        partitions: readers.map((reader) => request(reader, partitionBytesMax)),
        maxWaitMs,
        minBytes: 1,
        maxBytes: ANSWER_BYTES_MAX,
        isolation: "read_committed",
        channel,
        timeoutMs: maxWaitMs + ANSWER_TIMEOUT_MS,
      });
      this.#release(channel, readers);
      this.#deliver(readers, answers);
    } catch (error) {
      this.#release(channel, readers);
      this.#events.onFailure(
        readers.filter((reader) => this.#readers.has(reader)),
        error,
      );
    }
    this.wake();
  }

  #release(channel: number, readers: readonly KafkaReader[]): void {
    this.#free.add(channel);
    for (const reader of readers) this.#asked.delete(reader);
  }

  #deliver(readers: readonly KafkaReader[], answers: readonly FetchedPartition[]): void {
    const byPlace = placesOf(readers);
    for (const answer of answers) {
      const reader = byPlace.get(answer.topicId)?.get(answer.index);
      if (reader === undefined || !this.#readers.has(reader)) {
        answer.release();
        continue;
      }
      if (answer.records.length > 0) {
        this.#readers.delete(reader);
        this.#readers.add(reader);
      }
      this.#events.onAnswer(reader, answer);
    }
  }
}

/** Readers by topic id and partition. A text for each pair would cost more than the rest of an empty answer. */
function placesOf(readers: readonly KafkaReader[]): ReadonlyMap<string, ReadonlyMap<number, KafkaReader>> {
  const places = new Map<string, Map<number, KafkaReader>>();
  for (const reader of readers) {
    const { topicId, partition } = reader.at;
    const ofTopic = places.get(topicId);
    if (ofTopic === undefined) places.set(topicId, new Map([[partition, reader]]));
    else ofTopic.set(partition, reader);
  }
  return places;
}

function request(reader: KafkaReader, maxBytes: number): FetchPartition {
  const { topic, topicId, partition: index } = reader.at;
  const { offset: fetchOffset, leaderEpoch: lastFetchedEpoch } = reader.position;
  return {
    topic,
    topicId,
    index,
    fetchOffset,
    lastFetchedEpoch,
    currentLeaderEpoch: -1,
    maxBytes,
  };
}
