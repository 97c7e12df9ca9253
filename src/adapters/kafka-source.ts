/** The mirror's source over a Kafka client: readers are placed with their partition's leader, and moved when it moves. */

import { listTopics } from "../client/admin.ts";
import { ClientError, errorCodeOf, isDeniedCode, mayRetry } from "../client/errors.ts";
import type { FetchedPartition } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { isLeaderCode } from "../client/leaders.ts";
import { describeProducers } from "../client/producers.ts";
import { backoffMs } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { LaneKey } from "../mirror/offset-ports.ts";
import type {
  PartitionBounds,
  Source,
  SourcePosition,
  SourceReader,
  TopicInfo,
  TopicPartition,
} from "../mirror/ports.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { isOldFormat, upgradeMessages } from "../wire/message-set.ts";
import { batchesIn } from "../wire/record-batch.ts";
import { isClusterId } from "../wire/topic-ids.ts";
import { gathering } from "./gather.ts";
import { KafkaFetcher } from "./kafka-fetcher.ts";
import { boundsOf, topicInfo } from "./kafka-partitions.ts";
import { KafkaReader } from "./kafka-reader.ts";
import { KafkaWriters, PRODUCERS_TOPIC } from "./kafka-writers.ts";
import { PrefetchBudget } from "./prefetch-budget.ts";

/** For one question about a partition. */
const CALL_TIMEOUT_MS = 5_000;
/** Trouble shorter than this (an election, a broker's restart) is nobody's concern; then the lane is told. */
const TROUBLE_MS_MAX = 5_000;

/** For so long a replica is read from before the leader is asked again: Kafka's own clients ask with their metadata. */
const NEARBY_MS_MAX = 300_000;

/** Options of a source. */
export interface KafkaSourceOptions {
  /** Tells the connections of several sources of one client apart: each takes as many as `CHANNELS`. Default 0. */
  readonly firstChannel?: number;
  /** The rack, as brokers call it, from which is read: leaders then name replicas in it to read from (KIP-392). */
  readonly rackId?: string | undefined;
}

/** What the source works with; the client is opened and closed by the caller. */
export interface KafkaSourceDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Shared with other sources; one of its own without. */
  readonly budget?: PrefetchBudget;
}

/** One for each flow: of two readers of the same partition only the one that was opened last is served. */
export class KafkaSource implements Source {
  readonly clusterId: string;
  readonly #client: KafkaClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #firstChannel: number;
  readonly #rackId: string | undefined;
  readonly #budget: PrefetchBudget;
  readonly #fetchers = new Map<number, KafkaFetcher>();
  readonly #writers: KafkaWriters;
  readonly #placed = new Map<KafkaReader, KafkaFetcher>();
  readonly #bounds: (at: TopicPartition) => Promise<PartitionBounds | Error>;
  #heldBytes = 0;

  /** @throws {ClientError} when the cluster does not tell its id */
  constructor(options: KafkaSourceOptions, deps: KafkaSourceDeps) {
    const { client, clock, random } = deps;
    const { clusterId } = client.metadata;
    if (clusterId === null)
      throw new ClientError({ code: "CLIENT_UNREACHABLE", bootstrap: "", reason: "no cluster id" });
    this.clusterId = clusterId;
    this.#client = client;
    this.#clock = clock;
    this.#random = random;
    this.#firstChannel = options.firstChannel ?? 0;
    this.#rackId = options.rackId;
    this.#writers = new KafkaWriters({ client, clock });
    this.#budget = deps.budget ?? new PrefetchBudget();
    this.#bounds = gathering((asked) => boundsOf(client, asked, "read_committed", CALL_TIMEOUT_MS));
  }

  /** Bytes fetched and not yet released by those who read them. */
  get fetchedBytes(): number {
    return this.#heldBytes;
  }

  open(at: TopicPartition, from: SourcePosition): SourceReader {
    return new KafkaReader(at, from, {
      onOpen: (reader) => this.#place(reader, 1),
      onWanting: (reader) => this.#placed.get(reader)?.wake(),
      onHeld: (bytes) => {
        this.#heldBytes += bytes;
        this.#budget.add(bytes);
      },
      onClose: (reader) => this.#displace(reader),
    });
  }

  async bounds(at: TopicPartition): Promise<PartitionBounds> {
    this.#client.metadata.track([at.topic]);
    const changed = this.#isCurrent(at) ? undefined : await this.#refreshed(at);
    if (changed !== undefined) throw changed;
    const bounds = await this.#bounds(at).catch(toError);
    if (bounds instanceof Error) throw unavailable(at, bounds);
    return bounds;
  }

  async laneOfWriter(producerId: bigint): Promise<LaneKey | undefined> {
    try {
      return await this.#writers.laneOf(producerId);
    } catch (error) {
      throw failureOf({ topic: PRODUCERS_TOPIC, partition: 0 }, error);
    }
  }

  async openTransaction(at: TopicPartition, firstOffset: bigint): Promise<{ readonly producerId: bigint } | undefined> {
    const { topic, partition: index } = at;
    const [described] = await describeProducers(this.#client, [{ topic, index }], { timeoutMs: CALL_TIMEOUT_MS }).catch(
      (error: unknown) => {
        if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return [];
        throw unavailable(at, toError(error));
      },
    );
    return described?.producers.find(({ currentTxnStartOffset }) => currentTxnStartOffset === firstOffset);
  }

  async topics(): Promise<readonly TopicInfo[]> {
    try {
      return (await listTopics(this.#client)).map(topicInfo);
    } catch (error) {
      throw unavailable({ topic: "*", partition: -1 }, toError(error));
    }
  }

  /** Finds the leader, at once or as often as it takes. */
  #place(reader: KafkaReader, attempt: number): void {
    if (reader.isClosed) return;
    const { at } = reader;
    const leader = this.#isCurrent(at) ? this.#client.metadata.leaderOf(at.topic, at.partition) : undefined;
    if (leader === undefined) {
      this.#client.metadata.track([at.topic]);
      void this.#search(reader, attempt);
      return;
    }
    const fetcher = this.#fetcherOf(this.#nearby(reader) ?? leader.leaderId);
    this.#placed.set(reader, fetcher);
    fetcher.add(reader);
  }

  /** The replica that it is to read from instead of the leader. */
  #nearby({ nearby }: KafkaReader): number | undefined {
    if (nearby === undefined || nearby.untilMs <= this.#clock.monotonicMs()) return undefined;
    return this.#client.metadata.brokers.has(nearby.nodeId) ? nearby.nodeId : undefined;
  }

  /** Moves a reader that is to read elsewhere from now on: to a replica that the leader named, or back when its time is up. */
  #follow(reader: KafkaReader, { preferredReadReplica: nodeId }: FetchedPartition): void {
    const nowMs = this.#clock.monotonicMs();
    const isOver = reader.nearby !== undefined && reader.nearby.untilMs <= nowMs;
    if (nodeId < 0 && !isOver) return;
    this.#displace(reader);
    reader.nearby = nodeId < 0 ? undefined : { nodeId, untilMs: nowMs + NEARBY_MS_MAX };
    this.#place(reader, 1);
  }

  async #search(reader: KafkaReader, attempt: number): Promise<void> {
    const fault = await this.#refreshed(reader.at);
    if (fault?.fault.code === "SOURCE_UNAVAILABLE") this.#trouble(reader, fault);
    else if (fault !== undefined) reader.fail(fault);
    const { topic, partition } = reader.at;
    const hasLeader = this.#client.metadata.leaderOf(topic, partition) !== undefined;
    if (!hasLeader) this.#trouble(reader, unavailable(reader.at, new Error("the partition has no leader")));
    if (hasLeader && fault === undefined) this.#place(reader, attempt + 1);
    else this.#placeLater(reader, attempt + 1);
  }

  #placeLater(reader: KafkaReader, attempt: number): void {
    if (!reader.wantsMore) return;
    this.#clock.after(backoffMs(attempt, this.#random), () => this.#place(reader, attempt));
  }

  #displace(reader: KafkaReader): void {
    this.#placed.get(reader)?.remove(reader);
    this.#placed.delete(reader);
  }

  #fetcherOf(nodeId: number): KafkaFetcher {
    const known = this.#fetchers.get(nodeId);
    if (known !== undefined) return known;
    const events = {
      roomBytes: (isFar: boolean) => this.#budget.roomBytes(isFar),
      onAsked: (bytes: number) => this.#budget.add(bytes),
      onAnswer: (reader: KafkaReader, fetched: FetchedPartition) => this.#take(reader, fetched),
      onFailure: (readers: readonly KafkaReader[], error: unknown) => {
        for (const reader of readers) {
          this.#displace(reader);
          reader.nearby = undefined;
          if (!mayRetry(error)) reader.fail(unavailable(reader.at, toError(error)));
          else this.#trouble(reader, unavailable(reader.at, toError(error)));
          this.#placeLater(reader, 2);
        }
      },
    };
    const fetcher = new KafkaFetcher(nodeId, {
      client: this.#client,
      firstChannel: this.#firstChannel,
      rackId: this.#rackId,
      events,
    });
    this.#fetchers.set(nodeId, fetcher);
    return fetcher;
  }

  #take(reader: KafkaReader, fetched: FetchedPartition): void {
    const { errorCode, divergingEpoch, records } = fetched;
    // What a replica cannot answer is no trouble before the leader says the same: it may be behind, or no replica any more.
    if (reader.nearby !== undefined && (errorCode !== ErrorCode.NONE || divergingEpoch !== undefined)) {
      this.#displace(reader);
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
    this.#displace(reader);
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
      const { startOffset: logStartOffset, endOffset } = await this.bounds(reader.at);
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
    const nowMs = this.#clock.monotonicMs();
    reader.troubledSinceMs ??= nowMs;
    if (nowMs - reader.troubledSinceMs >= TROUBLE_MS_MAX) reader.fail(error);
  }

  /** What is wrong with the topic according to fresh metadata; undefined when nothing is. */
  async #refreshed(at: TopicPartition): Promise<MirrorError | undefined> {
    try {
      await this.#client.metadata.refresh("source topic needed");
    } catch (error) {
      return unavailable(at, toError(error));
    }
    return this.#isCurrent(at)
      ? undefined
      : (this.#topicFault(at) ?? unavailable(at, new Error("topic not described")));
  }

  /** Set when the metadata says that the topic is another one now, or gone. */
  #topicFault({ topic, topicId, partition }: TopicPartition): MirrorError | undefined {
    const { metadata } = this.#client;
    const now = metadata.topic(topic)?.topicId;
    if (now !== undefined && now !== topicId)
      return new MirrorError({ code: "SOURCE_TOPIC_RECREATED", topic, partition, topicId, newTopicId: now });
    const errorCode = metadata.view.topicErrors.get(topic);
    if (now === undefined && errorCode !== undefined && isDeniedCode(errorCode))
      return denied({ topic, partition }, errorCode);
    if (now === undefined && errorCode === ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      return new MirrorError({ code: "SOURCE_TOPIC_DELETED", topic, partition, topicId });
    return undefined;
  }

  #isCurrent({ topic, topicId }: TopicPartition): boolean {
    return this.#client.metadata.topic(topic)?.topicId === topicId;
  }
}

const NOTHING = (): void => {};

/** What a fetch brought. */
interface Contents {
  /** The position after the last whole batch; undefined when there is none. */
  readonly next: SourcePosition | undefined;
  /** The same as batches, when some are messages of an older format. */
  readonly upgraded?: Buffer;
}

/** Bytes that are no batches are handed on as they are: the lane stops at them with their offset. */
function lookInto(records: Buffer): Contents {
  let next: SourcePosition | undefined;
  try {
    for (const batch of batchesIn(records)) next = { offset: batch.nextOffset, leaderEpoch: batch.leaderEpoch };
  } catch (error) {
    const upgraded = isOldFormat(error) ? tryUpgrade(records) : undefined;
    return upgraded === undefined
      ? { next: next ?? { offset: 0n, leaderEpoch: -1 } }
      : { ...lookInto(upgraded), upgraded };
  }
  return { next };
}

function tryUpgrade(records: Buffer): Buffer | undefined {
  try {
    return upgradeMessages(records);
  } catch {
    return undefined;
  }
}

function denied({ topic, partition }: Pick<TopicPartition, "topic" | "partition">, errorCode: number): MirrorError {
  return new MirrorError({ code: "SOURCE_DENIED", topic, partition, why: errorName(errorCode) });
}

/** Where the list may not be read, nothing can be told from loops: that needs somebody's hands. */
function failureOf(at: Pick<TopicPartition, "topic" | "partition">, error: unknown): MirrorError {
  const errorCode = errorCodeOf(error);
  if (errorCode === undefined || !isDeniedCode(errorCode)) return unavailable(at, toError(error));
  return new MirrorError({ code: "SOURCE_DENIED", ...at, why: errorName(errorCode) });
}

function unavailable({ topic, partition }: Pick<TopicPartition, "topic" | "partition">, cause: Error): MirrorError {
  return new MirrorError({ code: "SOURCE_UNAVAILABLE", topic, partition, why: cause.message }, { cause });
}
