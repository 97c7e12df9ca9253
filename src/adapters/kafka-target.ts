/** The mirror's target over a Kafka client. */

import { createPartitions, createTopics, listTopics } from "../client/admin.ts";
import { describeConfigs } from "../client/configs.ts";
import { brokerError, ClientError, errorCodeOf, isDeniedCode, mayRetry } from "../client/errors.ts";
import { fetchFrom } from "../client/fetch.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { logBounds } from "../client/list-offsets.ts";
import { describeProducers, type PartitionProducers } from "../client/producers.ts";
import { type Uuid, ZERO_UUID } from "../core/brand.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type {
  AppendOutcome,
  NewTopic,
  PartitionBounds,
  ProducerPosition,
  Target,
  TargetLimits,
  TopicInfo,
  TopicPartition,
} from "../mirror/ports.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { asBatches } from "../wire/message-set.ts";
import { type BatchView, batchesIn } from "../wire/record-batch.ts";
import { gathering } from "./gather.ts";
import { KafkaHistory } from "./kafka-history.ts";
import { boundsOf, topicInfo } from "./kafka-partitions.ts";
import { ProduceQueue } from "./kafka-produce-queue.ts";
import { TargetLooks } from "./target-looks.ts";

/** For one question about a partition, leader changes included. Shorter than a drain. */
const CALL_TIMEOUT_MS = 5_000;
/** Settings are read again this often: a lane asks at every takeover. */
const LIMITS_MAX_AGE_MS = 30_000;
/** Bytes per fetch of a scan. */
const SCAN_BYTES_MAX = 4 * 1024 * 1024;
const SCAN_WAIT_MS = 100;
/** Fetches in a row that bring nothing before a scan gives up: with the wait, 5 s. */
const SCAN_EMPTY_MAX = 50;

/** Kafka's defaults, for brokers that do not tell: they bound what is sent, so that a wrong guess is refused, not lost. */
const DEFAULT_MAX_MESSAGE_BYTES = 1_048_588;
const DEFAULT_PRODUCER_ID_EXPIRATION_MS = 86_400_000;

/** What the target works with; the client is opened and closed by the caller. */
export interface KafkaTargetDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  /** See `HistoryTarget.worker`; without it, history mode takes this worker's restart for a worker that it does not know. */
  readonly worker?: string | undefined;
}

interface CachedLimits {
  readonly untilMs: number;
  readonly limits: Promise<TargetLimits>;
}

/** See the file's comment. */
export class KafkaTarget implements Target {
  readonly clusterId: string;
  readonly history: KafkaHistory;
  readonly #client: KafkaClient;
  readonly #clock: Clock;
  readonly #looks: TargetLooks;
  readonly #queues = new Map<number, ProduceQueue>();
  readonly #limits = new Map<string, CachedLimits>();
  readonly #producers: (at: TopicPartition) => Promise<PartitionProducers>;
  readonly #bounds: (at: TopicPartition) => Promise<PartitionBounds | Error>;

  /** @throws {ClientError} when the cluster does not tell its id */
  constructor(deps: KafkaTargetDeps) {
    const { client, clock } = deps;
    const { clusterId } = client.metadata;
    if (clusterId === null)
      throw new ClientError({ code: "CLIENT_UNREACHABLE", bootstrap: "", reason: "no cluster id" });
    this.clusterId = clusterId;
    this.#client = client;
    this.#clock = clock;
    this.#looks = new TargetLooks(client);
    this.history = new KafkaHistory({ client, clock, worker: deps.worker ?? "" });
    this.#bounds = gathering((asked) => boundsOf(client, asked, "read_uncommitted", CALL_TIMEOUT_MS));
    this.#producers = gathering((asked) => {
      const partitions = asked.map(({ topic, partition }) => ({ topic, index: partition }));
      return describeProducers(client, partitions, { timeoutMs: CALL_TIMEOUT_MS });
    });
  }

  /** Bytes handed over and not yet acknowledged. */
  get inFlightBytes(): number {
    return [...this.#queues.values()].reduce((sum, queue) => sum + queue.heldBytes, 0);
  }

  append(at: TopicPartition, batch: BatchView): Promise<AppendOutcome> {
    const leader = this.#isCurrent(at) ? this.#client.metadata.leaderOf(at.topic, at.partition) : undefined;
    if (leader !== undefined) return this.#queueOf(leader.leaderId).append(at, batch);
    this.#client.metadata.track([at.topic]);
    this.#client.metadata.markStale("leader needed to produce");
    const { topic, partition } = at;
    const why = "no leader is known";
    return Promise.resolve({ kind: "failed", fault: { code: "TARGET_UNAVAILABLE", topic, partition, why } });
  }

  async producer(at: TopicPartition, producerId: bigint): Promise<ProducerPosition | undefined> {
    await this.#confirm(at);
    await this.#looks.begin(at, producerId).catch((error: unknown) => {
      throw this.#unavailable(at, error);
    });
    const described = await this.#producers(at).catch((error: unknown) => {
      if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return undefined;
      throw this.#unavailable(at, error);
    });
    if (described === undefined) return undefined;
    const { errorCode, producers } = described;
    if (errorCode === ErrorCode.UNSUPPORTED_VERSION) return undefined;
    if (errorCode !== ErrorCode.NONE)
      throw this.#unavailable(at, brokerError("DescribeProducers", errorCode, { subject: at.topic }));
    const known = producers.find((producer) => producer.producerId === producerId);
    if (known === undefined) return undefined;
    return { epoch: known.producerEpoch, lastSequence: known.lastSequence };
  }

  async bounds(at: TopicPartition): Promise<PartitionBounds> {
    await this.#confirm(at);
    const bounds = await this.#bounds(at).catch(toError);
    if (bounds instanceof Error) throw this.#unavailable(at, bounds);
    return bounds;
  }

  async *scan(at: TopicPartition, from: bigint, to: bigint): AsyncGenerator<Buffer, void, undefined> {
    let next = from;
    for (let empty = 0; next < to; ) {
      if (empty > SCAN_EMPTY_MAX) throw this.#unavailable(at, new Error(`scan found nothing at offset ${next}`));
      const records = await this.#fetch(at, next);
      if (records === undefined) {
        const { startOffset } = await this.bounds(at);
        if (next >= startOffset) empty++;
        else next = startOffset;
        await sleep(this.#clock, SCAN_WAIT_MS);
        continue;
      }
      const before = next;
      for (const batch of batchesIn(records)) next = batch.nextOffset;
      empty = next === before ? empty + 1 : 0;
      if (next > before) yield records;
    }
  }

  /** Bytes from an offset on; undefined when the leader cannot answer now or the offset is out of range. */
  async #fetch(at: TopicPartition, fetchOffset: bigint): Promise<Buffer | undefined> {
    const leader = this.#client.metadata.leaderOf(at.topic, at.partition);
    if (leader === undefined) {
      await this.#client.metadata.refresh("leader needed to scan").catch(() => undefined);
      return undefined;
    }
    const { topic, topicId, partition: index } = at;
    const where = { topic, topicId, index, fetchOffset, lastFetchedEpoch: -1, currentLeaderEpoch: -1 };
    const partitions = [{ ...where, maxBytes: SCAN_BYTES_MAX }];
    const wait = { maxWaitMs: SCAN_WAIT_MS, minBytes: 1, maxBytes: SCAN_BYTES_MAX };
    try {
      const [fetched] = await fetchFrom(this.#client, leader.leaderId, {
        partitions,
        ...wait,
        isolation: "read_uncommitted",
        timeoutMs: CALL_TIMEOUT_MS,
      });
      return fetched?.errorCode === ErrorCode.NONE ? asBatches(fetched.records) : undefined;
    } catch (error) {
      if (mayRetry(error)) return undefined;
      throw this.#unavailable(at, error);
    }
  }

  limits(topic: string): Promise<TargetLimits> {
    const nowMs = this.#clock.monotonicMs();
    const cached = this.#limits.get(topic);
    if (cached !== undefined && nowMs < cached.untilMs) return cached.limits;
    const limits = this.#readLimits(topic);
    this.#limits.set(topic, { untilMs: nowMs + LIMITS_MAX_AGE_MS, limits });
    limits.catch(() => this.#limits.delete(topic));
    return limits;
  }

  async #readLimits(topic: string): Promise<TargetLimits> {
    const broker = [...this.#client.metadata.brokers.keys()][0];
    try {
      const [ofTopic, ofBroker] = await describeConfigs(
        this.#client,
        [
          { type: "topic", name: topic },
          { type: "broker", name: String(broker ?? "") },
        ],
        { timeoutMs: CALL_TIMEOUT_MS },
      );
      const value = (name: string): string | undefined => ofTopic?.entries.get(name)?.value ?? undefined;
      const expiration = ofBroker?.entries.get("producer.id.expiration.ms")?.value;
      const isCompacted = value("cleanup.policy") === "compact";
      const retentionMs = Number(value("retention.ms") ?? -1);
      return {
        maxBatchBytes: Number(value("max.message.bytes") ?? DEFAULT_MAX_MESSAGE_BYTES),
        producerIdExpirationMs: Number(expiration ?? DEFAULT_PRODUCER_ID_EXPIRATION_MS),
        logAppendTime: value("message.timestamp.type") === "LogAppendTime",
        retentionMs: isCompacted || retentionMs < 0 ? undefined : retentionMs,
      };
    } catch (error) {
      throw this.#unavailable({ topic, partition: -1 }, error);
    }
  }

  async topics(): Promise<readonly TopicInfo[]> {
    try {
      return (await listTopics(this.#client)).map(topicInfo);
    } catch (error) {
      throw this.#unavailable({ topic: "*", partition: -1 }, error);
    }
  }

  async createTopic({ topic, partitions, replicationFactor }: NewTopic): Promise<Uuid | undefined> {
    const brokers = Math.max(1, this.#client.metadata.brokers.size);
    const spec = { name: topic, partitions, replicationFactor: Math.max(1, Math.min(replicationFactor, brokers)) };
    const [outcome] = await createTopics(this.#client, [spec]).catch((error: unknown) => {
      throw this.#unavailable({ topic, partition: -1 }, error);
    });
    this.#check("CreateTopics", topic, outcome, ErrorCode.TOPIC_ALREADY_EXISTS);
    await this.#answering(topic, partitions);
    const isMade = outcome?.errorCode === ErrorCode.NONE && outcome.topicId !== ZERO_UUID;
    return isMade ? outcome.topicId : undefined;
  }

  async growTopic(topic: string, count: number): Promise<void> {
    const [outcome] = await createPartitions(this.#client, [{ name: topic, count }]).catch((error: unknown) => {
      throw this.#unavailable({ topic, partition: -1 }, error);
    });
    this.#check("CreatePartitions", topic, outcome, ErrorCode.INVALID_PARTITIONS);
    await this.#answering(topic, count);
  }

  #check(
    api: string,
    topic: string,
    outcome: { readonly errorCode: number; readonly errorMessage: string | null } | undefined,
    harmless: number,
  ): void {
    const errorCode = outcome?.errorCode ?? ErrorCode.UNKNOWN;
    if (errorCode === ErrorCode.NONE || errorCode === harmless) return;
    const message = outcome?.errorMessage ?? null;
    throw this.#unavailable({ topic, partition: -1 }, brokerError(api, errorCode, { subject: topic, message }));
  }

  /** A leader that the metadata names may not know of its partition yet; it must, before batches are sent. */
  async #answering(topic: string, count: number): Promise<void> {
    const partitions = Array.from({ length: count }, (_, index) => ({ topic, index }));
    await logBounds(this.#client, partitions, { timeoutMs: CALL_TIMEOUT_MS }).catch((error: unknown) => {
      throw this.#unavailable({ topic, partition: -1 }, error);
    });
  }

  /** @throws {MirrorError} `TARGET_TOPIC_CHANGED` when the name now belongs to another incarnation or to none */
  async #confirm(at: TopicPartition): Promise<void> {
    const { metadata } = this.#client;
    metadata.track([at.topic]);
    if (this.#isCurrent(at)) return;
    await metadata.refresh("topic id unknown").catch((error: unknown) => {
      throw this.#unavailable(at, error);
    });
    if (this.#isCurrent(at)) return;
    const { topic, partition, topicId } = at;
    const errorCode = metadata.view.topicErrors.get(topic) ?? ErrorCode.NONE;
    if (isDeniedCode(errorCode)) throw this.#denied(at, errorCode);
    if (metadata.topic(topic) === undefined && errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
      throw this.#unavailable(at, new Error("the cluster does not describe the topic now"));
    throw new MirrorError({ code: "TARGET_TOPIC_CHANGED", topic, partition, topicId });
  }

  #isCurrent({ topic, topicId }: TopicPartition): boolean {
    return this.#client.metadata.topic(topic)?.topicId === topicId;
  }

  #queueOf(nodeId: number): ProduceQueue {
    const queue = this.#queues.get(nodeId) ?? new ProduceQueue(this.#client, nodeId, this.#looks);
    this.#queues.set(nodeId, queue);
    return queue;
  }

  #unavailable(at: Pick<TopicPartition, "topic" | "partition">, error: unknown): MirrorError {
    if (error instanceof MirrorError) return error;
    const { topic, partition } = at;
    const cause = toError(error);
    const errorCode = errorCodeOf(error);
    if (errorCode !== undefined && isDeniedCode(errorCode)) return this.#denied(at, errorCode);
    return new MirrorError({ code: "TARGET_UNAVAILABLE", topic, partition, why: cause.message }, { cause });
  }

  #denied({ topic, partition }: Pick<TopicPartition, "topic" | "partition">, errorCode: number): MirrorError {
    return new MirrorError({ code: "TARGET_DENIED", topic, partition, why: errorName(errorCode) });
  }
}
