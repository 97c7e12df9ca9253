/** Where each reader of a source is served: with its partition's leader or a replica that the leader named, and elsewhere as soon as that
 *  changes. */

import { isDeniedCode, mayRetry } from "../client/errors.ts";
import type { FetchedPartition } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { isLeaderCode } from "../client/leaders.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { MirrorError } from "../mirror/errors.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import { lookInto } from "./fetched-contents.ts";
import { KafkaFetcher } from "./kafka-fetcher.ts";
import type { KafkaReader } from "./kafka-reader.ts";
import type { KafkaSourceTopics } from "./kafka-source-topics.ts";
import type { PrefetchBudget } from "./prefetch-budget.ts";
import { denied, unavailable } from "./source-faults.ts";

/** Trouble shorter than this (an election, a broker's restart) is nobody's concern; then the lane is told. */
const TROUBLE_MS_MAX = 5_000;

/** For so long a replica is read from before the leader is asked again: Kafka's own clients ask with their metadata. */
const NEARBY_MS_MAX = 300_000;

/** Which connections it uses, and where this worker is. */
export interface PlacementOptions {
  /** See `KafkaSourceOptions`. */
  readonly firstChannel: number;
  readonly rackId: string | undefined;
}

/** What it works with. */
export interface PlacementDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: PrefetchBudget;
  readonly topics: KafkaSourceTopics;
}

/** The readers of one source, and a fetcher for each broker that serves some. */
export class KafkaReaderPlacement {
  readonly #options: PlacementOptions;
  readonly #deps: PlacementDeps;
  readonly #fetchers = new Map<number, KafkaFetcher>();
  readonly #placed = new Map<KafkaReader, KafkaFetcher>();

  constructor(options: PlacementOptions, deps: PlacementDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Serves a reader from now on. */
  add(reader: KafkaReader): void {
    this.#place(reader, 1);
  }

  /** Lets the reader be asked for at once. */
  wake(reader: KafkaReader): void {
    this.#placed.get(reader)?.wake();
  }

  /** Serves it no more. */
  remove(reader: KafkaReader): void {
    this.#placed.get(reader)?.remove(reader);
    this.#placed.delete(reader);
  }

  /** Finds the leader, at once or as often as it takes. */
  #place(reader: KafkaReader, attempt: number): void {
    if (reader.isClosed) return;
    const { at } = reader;
    const { metadata } = this.#deps.client;
    const leader = this.#deps.topics.isCurrent(at) ? metadata.leaderOf(at.topic, at.partition) : undefined;
    if (leader === undefined) {
      metadata.track([at.topic]);
      void this.#search(reader, attempt);
      return;
    }
    const fetcher = this.#fetcherOf(this.#nearby(reader) ?? leader.leaderId);
    this.#placed.set(reader, fetcher);
    fetcher.add(reader);
  }

  /** The replica that it is to read from instead of the leader. */
  #nearby({ nearby }: KafkaReader): number | undefined {
    if (nearby === undefined || nearby.untilMs <= this.#deps.clock.monotonicMs()) return undefined;
    return this.#deps.client.metadata.brokers.has(nearby.nodeId) ? nearby.nodeId : undefined;
  }

  /** Moves a reader that is to read elsewhere from now on: to a replica that the leader named, or back when its time is up. */
  #follow(reader: KafkaReader, { preferredReadReplica: nodeId }: FetchedPartition): void {
    const nowMs = this.#deps.clock.monotonicMs();
    const isOver = reader.nearby !== undefined && reader.nearby.untilMs <= nowMs;
    if (nodeId < 0 && !isOver) return;
    this.remove(reader);
    reader.nearby = nodeId < 0 ? undefined : { nodeId, untilMs: nowMs + NEARBY_MS_MAX };
    this.#place(reader, 1);
  }

  async #search(reader: KafkaReader, attempt: number): Promise<void> {
    const fault = await this.#deps.topics.refreshed(reader.at);
    if (fault?.fault.code === "SOURCE_UNAVAILABLE") this.#trouble(reader, fault);
    else if (fault !== undefined) reader.fail(fault);
    const { topic, partition } = reader.at;
    const hasLeader = this.#deps.client.metadata.leaderOf(topic, partition) !== undefined;
    if (!hasLeader) this.#trouble(reader, unavailable(reader.at, new Error("the partition has no leader")));
    if (hasLeader && fault === undefined) this.#place(reader, attempt + 1);
    else this.#placeLater(reader, attempt + 1);
  }

  #placeLater(reader: KafkaReader, attempt: number): void {
    if (!reader.wantsMore) return;
    this.#deps.clock.after(backoffMs(attempt, this.#deps.random), () => this.#place(reader, attempt));
  }

  #fetcherOf(nodeId: number): KafkaFetcher {
    const known = this.#fetchers.get(nodeId);
    if (known !== undefined) return known;
    const events = {
      roomBytes: (isFar: boolean) => this.#deps.budget.roomBytes(isFar),
      onAsked: (bytes: number) => this.#deps.budget.add(bytes),
      onAnswer: (reader: KafkaReader, fetched: FetchedPartition) => this.#take(reader, fetched),
      onFailure: (readers: readonly KafkaReader[], error: unknown) => {
        for (const reader of readers) {
          this.remove(reader);
          reader.nearby = undefined;
          if (!mayRetry(error)) reader.fail(unavailable(reader.at, toError(error)));
          else this.#trouble(reader, unavailable(reader.at, toError(error)));
          this.#placeLater(reader, 2);
        }
      },
    };
    const fetcher = new KafkaFetcher(nodeId, {
      client: this.#deps.client,
      ...this.#options,
      events,
    });
    this.#fetchers.set(nodeId, fetcher);
    return fetcher;
  }

  #take(reader: KafkaReader, fetched: FetchedPartition): void {
    const { errorCode, divergingEpoch, records } = fetched;
    // What a replica cannot answer is no trouble before the leader says the same: it may be behind, or no replica any more.
    if (reader.nearby !== undefined && (errorCode !== ErrorCode.NONE || divergingEpoch !== undefined)) {
      this.remove(reader);
      reader.nearby = undefined;
      // Later: a leader that names the same replica again must not be asked as fast as it can answer.
      this.#placeLater(reader, 2);
      return;
    }
    if (errorCode !== ErrorCode.NONE) {
      this.#refused(reader, errorCode);
      return;
    }
    reader.troubledSinceMs = undefined;
    const { topic, partition } = reader.at;
    const fromOffset = reader.position.offset;
    if (divergingEpoch !== undefined) {
      const { endOffset } = divergingEpoch;
      reader.fail(new MirrorError({ code: "SOURCE_DIVERGED", topic, partition, fromOffset, endOffset }));
      return;
    }
    const endOffset = fetched.lastStableOffset >= 0n ? fetched.lastStableOffset : fetched.highWatermark;
    reader.saw({ startOffset: fetched.logStartOffset, endOffset, highWatermark: fetched.highWatermark });
    const { next, upgraded } = lookInto(records);
    if (next === undefined || upgraded !== undefined) fetched.release();
    if (next === undefined) {
      this.#follow(reader, fetched);
      return;
    }
    const memory =
      upgraded === undefined ? { records, release: fetched.release } : { records: upgraded, release: NOTHING };
    const hasMore = next.offset < endOffset;
    reader.deliver({ ...memory, aborted: fetched.abortedTransactions, hasMore }, next);
    this.#follow(reader, fetched);
  }

  #refused(reader: KafkaReader, errorCode: number): void {
    this.remove(reader);
    if (isDeniedCode(errorCode)) {
      reader.fail(denied(reader.at, errorCode));
      return;
    }
    if (errorCode === ErrorCode.OFFSET_OUT_OF_RANGE) {
      void this.#outOfRange(reader);
      return;
    }
    const trouble = unavailable(reader.at, new Error(errorName(errorCode)));
    // Without an id, what comes back under the name may be another topic: the lane has to look before it reads on.
    if (errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION && !isClusterId(reader.at.topicId)) {
      reader.fail(trouble);
      return;
    }
    this.#trouble(reader, trouble);
    if (isLeaderCode(errorCode)) void this.#search(reader, 1);
    else this.#placeLater(reader, 2);
  }

  /** Below the log start: a gap. Beyond the end: the source has lost what was read. */
  async #outOfRange(reader: KafkaReader): Promise<void> {
    const { topic, partition } = reader.at;
    const fromOffset = reader.position.offset;
    try {
      const { startOffset: logStartOffset, endOffset } = await this.#deps.topics.bounds(reader.at);
      if (fromOffset < logStartOffset)
        reader.fail(new MirrorError({ code: "SOURCE_GAP", topic, partition, fromOffset, logStartOffset }));
      else if (fromOffset > endOffset)
        reader.fail(new MirrorError({ code: "SOURCE_DIVERGED", topic, partition, fromOffset, endOffset }));
      else this.#placeLater(reader, 2);
    } catch (error) {
      const failure = error instanceof MirrorError ? error : unavailable(reader.at, toError(error));
      reader.fail(failure);
    }
  }

  /** Tells the lane only when it lasts. */
  #trouble(reader: KafkaReader, error: MirrorError): void {
    const nowMs = this.#deps.clock.monotonicMs();
    reader.troubledSinceMs ??= nowMs;
    if (nowMs - reader.troubledSinceMs >= TROUBLE_MS_MAX) reader.fail(error);
  }
}

const NOTHING = (): void => {};
