/** Fetches for all readers of one leader: many partitions in each request, asked for ahead of their readers.
 *
 *  ```
 *  live     readers at their end: one long poll in a fetch session; costs nothing while nothing comes
 *     |  ^
 *     v  |  more came than one answer holds / at the end again
 *  behind   readers with more to read: two requests on connections of their own, in turns
 *  ```
 *  A broker answers the requests of one connection one after the other, and an answer holds a limited number of bytes: apart from
 *  each other, "A lane far behind does not delay lanes at their end". Among those behind, one that brought records goes to the end,
 *  so that "No reader starves": each is asked for in every round. */

import { type FetchedPartition, type FetchPartition, fetchFrom, fetchInSession } from "../client/fetch.ts";
import { FetchSession } from "../client/fetch-session.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { type FetchSize, fetchSize, isFar } from "./fetch-size.ts";
import type { KafkaReader } from "./kafka-reader.ts";

/** Connections with each leader. */
export const CHANNELS = 3;
/** The connection of the long poll. */
const LIVE_CHANNEL = 0;
/** Connections for readers that are behind: one answer is on its way while the other is worked off. */
const BEHIND_CHANNELS = [1, 2] as const;
/** A leader with idle partitions costs two requests a second, whatever their number. */
const LONG_WAIT_MS = 500;
/** Readers at their end wait for the end of a long poll in requests as short as this; then a poll as short gathers them. */
const SHORT_WAIT_MS = 20;
/** Partitions in one request for readers that are behind: far more than an answer has room for. */
const BEHIND_READERS_MAX = 256;
/** For one partition of the long poll. What brings more at once is behind. */
const LIVE_PARTITION_BYTES_MAX = 128 * 1024;
/** Time for an answer beyond the broker's wait: a hung broker is noticed, and readers look for another leader. */
const ANSWER_TIMEOUT_MS = 5_000;

/** What the fetcher tells its owner. */
export interface FetcherEvents {
  /** What may be fetched ahead of readers; 0 when the shared budget is used up. */
  readonly roomBytes: (isFar: boolean) => number;
  /** So much is on its way from now on, or (negative) has come. */
  readonly onAsked: (bytes: number) => void;
  readonly onAnswer: (reader: KafkaReader, fetched: FetchedPartition) => void;
  /** The whole request failed: these readers have to be placed again. */
  readonly onFailure: (readers: readonly KafkaReader[], error: unknown) => void;
}

/** What a fetcher works with. */
export interface FetcherDeps {
  readonly client: KafkaClient;
  /** Number of its first connection with the leader. */
  readonly firstChannel: number;
  /** Where this worker is, so that the leader may name a replica nearby (KIP-392). */
  readonly rackId: string | undefined;
  readonly events: FetcherEvents;
}

/** One leader's readers. */
export class KafkaFetcher {
  readonly nodeId: number;
  readonly #deps: FetcherDeps;
  readonly #live = new Set<KafkaReader>();
  readonly #session = new FetchSession();
  /** The poll that is under way. */
  #poll: "none" | "long" | "short" = "none";
  /** In the order in which they are asked for. */
  readonly #behind = new Set<KafkaReader>();
  readonly #asked = new Set<KafkaReader>();
  readonly #free = new Set<number>(BEHIND_CHANNELS);
  /** All of them, by topic id and partition. A text for each pair would cost more than the rest of an empty answer. */
  readonly #places = new Map<string, Map<number, KafkaReader>>();
  #scheduled = false;

  constructor(nodeId: number, deps: FetcherDeps) {
    this.nodeId = nodeId;
    this.#deps = deps;
  }

  /** One reader for each partition: another for the same one takes its place. */
  add(reader: KafkaReader): void {
    const { topicId, partition } = reader.at;
    const ofTopic = this.#places.get(topicId) ?? new Map<number, KafkaReader>();
    this.#places.set(topicId, ofTopic.set(partition, reader));
    this.#behind.add(reader);
    this.wake();
  }

  /** An answer that is under way for it is dropped. */
  remove(reader: KafkaReader): void {
    this.#behind.delete(reader);
    const wasLive = this.#live.delete(reader);
    const { topicId, partition } = reader.at;
    const ofTopic = this.#places.get(topicId);
    if (ofTopic?.get(partition) !== reader) return;
    ofTopic.delete(partition);
    if (ofTopic.size === 0) this.#places.delete(topicId);
    if (wasLive) this.#session.drop(placeOf(reader));
  }

  /** Asks soon for whoever wants more. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.#poll === "none") this.#gather();
      this.#askBehind();
    });
  }

  /** Takes readers that have come to their end into the poll, and begins it: a short one while others are being asked for. */
  #gather(): void {
    let isComplete = true;
    for (const reader of this.#behind) {
      if (!isAtEnd(reader)) continue;
      if (this.#asked.has(reader)) isComplete = false;
      else if (this.#mayPoll(reader)) this.#takeIn(reader);
    }
    if (this.#live.size > 0) void this.#pollOnce(isComplete ? "long" : "short");
  }

  #takeIn(reader: KafkaReader): void {
    this.#behind.delete(reader);
    this.#live.add(reader);
    this.#session.put(request(reader, LIVE_PARTITION_BYTES_MAX));
  }

  async #pollOnce(poll: "long" | "short"): Promise<void> {
    this.#poll = poll;
    try {
      const answers = await fetchInSession(this.#deps.client, this.nodeId, {
        session: this.#session,
        ...readable(poll === "long" ? LONG_WAIT_MS : SHORT_WAIT_MS),
        maxBytes: this.#sizeFor(this.#live.size).answerBytesMax,
        rackId: this.#deps.rackId,
        channel: this.#deps.firstChannel + LIVE_CHANNEL,
      });
      this.#poll = "none";
      for (const answer of answers) {
        const reader = this.#deliver(answer, this.#live);
        if (reader !== undefined && this.#live.has(reader)) this.#stayOrFallBehind(reader, answer);
      }
    } catch (error) {
      this.#poll = "none";
      this.#deps.events.onFailure([...this.#live], error);
    }
    this.wake();
  }

  #stayOrFallBehind(reader: KafkaReader, { records }: FetchedPartition): void {
    if (!isAtEnd(reader) || !this.#mayPoll(reader)) {
      this.#live.delete(reader);
      this.#session.drop(placeOf(reader));
      this.#behind.add(reader);
    } else if (records.length > 0) {
      this.#session.put(request(reader, LIVE_PARTITION_BYTES_MAX));
    }
  }

  /** Whether the reader may wait at its end: there it takes little, so it needs room only for what would be buffered. */
  #mayPoll(reader: KafkaReader): boolean {
    return reader.wantsMore && (reader.isDrained || this.#roomBytes > 0);
  }

  /** Whether the reader may be asked for: it wants more, and the shared budget has room or somebody waits for it. */
  #wants(reader: KafkaReader): boolean {
    return reader.wantsMore && (reader.isStarved || this.#roomBytes > 0);
  }

  get #roomBytes(): number {
    return this.#deps.events.roomBytes(isFar(this.#roundTripMs));
  }

  get #roundTripMs(): number {
    return this.#deps.client.roundTripMs(this.nodeId);
  }

  #askBehind(): void {
    for (const channel of this.#free) {
      const readers: KafkaReader[] = [];
      for (const reader of this.#behind) {
        if (readers.length === BEHIND_READERS_MAX) break;
        // Those at their end are about to be gathered.
        if (this.#asked.has(reader) || (this.#poll === "short" && isAtEnd(reader))) continue;
        if (this.#wants(reader)) readers.push(reader);
      }
      if (readers.length === 0) return;
      void this.#fetch(channel, readers);
    }
  }

  async #fetch(channel: number, readers: readonly KafkaReader[]): Promise<void> {
    this.#free.delete(channel);
    for (const reader of readers) this.#asked.add(reader);
    const asked = new Set(readers);
    const { client, firstChannel, rackId, events } = this.#deps;
    const { answerBytesMax, partitionBytesMax } = this.#sizeFor(readers.length);
    events.onAsked(answerBytesMax);
    try {
      const answers = await fetchFrom(client, this.nodeId, {
        partitions: readers.map((reader) => request(reader, partitionBytesMax)),
        ...readable(SHORT_WAIT_MS),
        maxBytes: answerBytesMax,
        rackId,
        channel: firstChannel + channel,
      });
      this.#release(channel, readers, answerBytesMax);
      for (const answer of answers) {
        const reader = this.#deliver(answer, asked);
        if (reader === undefined || answer.records.length === 0 || !this.#behind.delete(reader)) continue;
        this.#behind.add(reader);
      }
    } catch (error) {
      this.#release(channel, readers, answerBytesMax);
      const left = readers.filter((reader) => this.#behind.has(reader));
      events.onFailure(left, error);
    }
    this.wake();
  }

  #release(channel: number, readers: readonly KafkaReader[], bytes: number): void {
    if (this.#free.has(channel)) return;
    this.#free.add(channel);
    this.#deps.events.onAsked(-bytes);
    for (const reader of readers) this.#asked.delete(reader);
  }

  #sizeFor(partitions: number): FetchSize {
    return fetchSize(partitions, this.#roundTripMs, this.#roomBytes);
  }

  /** The reader that an answer was for, unless it is gone. "An answer reaches only the reader that asked": another one of the same
   *  partition reads from elsewhere. */
  #deliver(answer: FetchedPartition, asked: ReadonlySet<KafkaReader>): KafkaReader | undefined {
    const reader = this.#places.get(answer.topicId)?.get(answer.index);
    if (reader !== undefined && asked.has(reader)) {
      this.#deps.events.onAnswer(reader, answer);
      return reader;
    }
    answer.release();
    return undefined;
  }
}

/** What all requests have in common. */
function readable(maxWaitMs: number) {
  const timeoutMs = maxWaitMs + ANSWER_TIMEOUT_MS;
  return { maxWaitMs, minBytes: 1, isolation: "read_committed", timeoutMs } as const;
}

function isAtEnd({ endOffset, position }: KafkaReader): boolean {
  return endOffset !== undefined && position.offset >= endOffset;
}

function placeOf({ at: { topic, topicId, partition } }: KafkaReader) {
  return { topic, topicId, index: partition };
}

function request(reader: KafkaReader, maxBytes: number): FetchPartition {
  const { offset: fetchOffset, leaderEpoch: lastFetchedEpoch } = reader.position;
  return { ...placeOf(reader), fetchOffset, lastFetchedEpoch, currentLeaderEpoch: -1, maxBytes };
}
