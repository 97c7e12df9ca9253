/** A compacted topic on a cluster as `KafkaProgressStore` uses it: made when missing, read to its end, appended to. */

import { brokerError } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import type { Clock } from "../core/clock.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import type { InternalRecord, InternalTopic } from "./internal-topic.ts";
import { ensureTopic } from "./kafka-ensure-topic.ts";
import {
  type Apply,
  KafkaInternalReader,
  type OnMarker,
  type OpenRecord,
  type TopicEnds,
  type TopicShape,
} from "./kafka-internal-reader.ts";
import { KafkaInternalWriter } from "./kafka-internal-writer.ts";

/** One partition keeps all lanes in one order and costs one request per flush; a thousand lanes write about 1 MB/s. */
const DEFAULT_PARTITIONS = 1;

/** Which topic, and how it is made when missing. */
export interface KafkaInternalTopicOptions {
  readonly name: string;
  /** Default 1. An existing topic keeps its number. */
  readonly partitions?: number | undefined;
  /** Default true. False is for readers: a topic that is missing then reads as empty, and nothing is ever created. */
  readonly createIfMissing?: boolean | undefined;
}

/** What a topic works with. */
export interface KafkaInternalTopicDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
}

/** An `InternalTopic` over a client that the caller opens and closes. */
export class KafkaInternalTopic implements InternalTopic {
  readonly #shape: TopicShape;
  readonly #reader: KafkaInternalReader;
  readonly #writer: KafkaInternalWriter;

  private constructor(shape: TopicShape, deps: KafkaInternalTopicDeps) {
    this.#shape = shape;
    this.#reader = new KafkaInternalReader(shape, deps);
    this.#writer = new KafkaInternalWriter(shape, deps);
  }

  /** Creates the topic when it is missing, unless told not to. @throws {ClientError} */
  static async open(options: KafkaInternalTopicOptions, deps: KafkaInternalTopicDeps): Promise<KafkaInternalTopic> {
    const { name, partitions = DEFAULT_PARTITIONS, createIfMissing = true } = options;
    const { metadata } = deps.client;
    metadata.track([name]);
    if (createIfMissing)
      return new KafkaInternalTopic({ name, partitions: await ensureTopic(deps.client, name, partitions) }, deps);
    await metadata.refresh("internal topics");
    return new KafkaInternalTopic({ name, partitions: metadata.topic(name)?.partitions.length ?? 0 }, deps);
  }

  /** Undefined while the topic is missing, which one that may not be read is not. @throws {ClientError} */
  static async openExisting(
    options: KafkaInternalTopicOptions,
    deps: KafkaInternalTopicDeps,
  ): Promise<KafkaInternalTopic | undefined> {
    const topic = await KafkaInternalTopic.open({ ...options, createIfMissing: false }, deps);
    if (topic.#shape.partitions > 0) return topic;
    const { name } = options;
    const errorCode = deps.client.metadata.view.topicErrors.get(name) ?? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;
    if (errorCode !== ErrorCode.UNKNOWN_TOPIC_OR_PARTITION) throw brokerError("Metadata", errorCode, { subject: name });
    return undefined;
  }

  get name(): string {
    return this.#shape.name;
  }

  /** `onMarker` hears of the ends of transactions on the way. */
  readNew(apply: Apply, onMarker?: OnMarker): Promise<void> {
    return this.#reader.readNew(apply, onMarker);
  }

  /** See `KafkaInternalReader.ends`. @throws {ClientError} */
  ends(): Promise<TopicEnds> {
    return this.#reader.ends();
  }

  /** Whether `readNew` has handed over everything below the ends. */
  hasReached(ends: TopicEnds): boolean {
    return this.#reader.hasReached(ends);
  }

  /** What is in the way of `readNew`, the last record of each transaction. Not while it reads. @throws {ClientError} */
  openRecords(): Promise<readonly OpenRecord[]> {
    return this.#reader.openRecords();
  }

  append(records: readonly InternalRecord[]): Promise<void> {
    return this.#writer.append(records);
  }

  /** The partition of a route's records. */
  partitionOf(route: string): number {
    return this.#writer.partitionOf(route);
  }
}
