/** Appends records to one topic, each exactly once: an idempotent producer that sends a batch for each partition and waits. */

import { createTopics } from "../client/admin.ts";
import { brokerError, isTooLargeCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { askLeaders } from "../client/leaders.ts";
import { type ProducedPartition, type ProducePartition, produceTo } from "../client/produce.ts";
import { initProducerId, type ProducerIdentity } from "../client/producers.ts";
import type { Random } from "../core/random.ts";
import type { CodecId } from "../wire/compression/codec.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { SEQUENCE_MODULUS } from "../wire/record-batch.ts";
import { encodeBatch, type RecordInput } from "../wire/records.ts";
import { CommandError, usageError } from "./errors.ts";
import { createPartitioner } from "./partitioner.ts";
import type { ParsedLine } from "./record-input.ts";

/** A disk that stays full, or leaders that stay away, for this long: the person at the keyboard should know. */
const APPEND_MS_MAX = 10_000;

/** What to write to. */
export interface TopicWriterOptions {
  readonly topic: string;
  readonly codec: CodecId;
  /** Everything goes here when given. */
  readonly partition: number | undefined;
}

/** What a writer stands on. */
export interface TopicWriterDeps {
  readonly client: KafkaClient;
  readonly random: Random;
  /** Hears that the topic was made. */
  readonly onCreated: (partitions: number) => void;
}

/** One append at a time. */
export class TopicWriter {
  readonly #options: TopicWriterOptions;
  readonly #deps: TopicWriterDeps;
  readonly #identity: ProducerIdentity;
  readonly #partitioner: ReturnType<typeof createPartitioner>;
  readonly #sequences = new Map<number, number>();

  private constructor(options: TopicWriterOptions, deps: TopicWriterDeps, identity: ProducerIdentity) {
    this.#options = options;
    this.#deps = deps;
    this.#identity = identity;
    this.#partitioner = createPartitioner(deps.random);
  }

  /** Finds the topic, or makes it with the region's defaults. @throws {ClientError} */
  static async open(options: TopicWriterOptions, deps: TopicWriterDeps): Promise<TopicWriter> {
    const { client } = deps;
    client.metadata.track([options.topic]);
    await client.metadata.refresh("topic to write");
    if (client.metadata.topic(options.topic) === undefined) await create(options.topic, deps);
    const identity = await initProducerId(client);
    const writer = new TopicWriter(options, deps, identity);
    if (options.partition !== undefined) writer.#checkPartition(options.partition);
    return writer;
  }

  /** Partitions of the topic now. */
  get partitions(): number {
    return this.#deps.client.metadata.topic(this.#options.topic)?.partitions.length ?? 0;
  }

  /** Appends all lines, acknowledged by all in-sync replicas when it resolves. @throws {CommandError | ClientError} */
  async append(lines: readonly ParsedLine[]): Promise<void> {
    const byPartition = new Map<number, RecordInput[]>();
    for (const { record, partition } of lines) {
      const wanted = partition ?? this.#options.partition;
      if (wanted !== undefined) this.#checkPartition(wanted);
      const key = record.key === null ? null : record.key;
      const index = wanted ?? this.#partitioner.partition(key, this.partitions);
      const records = byPartition.get(index) ?? [];
      records.push(record);
      byPartition.set(index, records);
    }
    this.#partitioner.nextSticky();
    const queues = new Map([...byPartition].map(([index, records]) => [index, [records]]));
    while (queues.size > 0) await this.#sendFirst(queues);
  }

  #checkPartition(index: number): void {
    if (index < this.partitions) return;
    throw usageError(
      `topic "${this.#options.topic}" has no partition ${index}; it has ${this.partitions}, counted from 0`,
    );
  }

  /** One batch of each partition. What a broker refuses as too large waits in its place as two halves. */
  async #sendFirst(queues: Map<number, RecordInput[][]>): Promise<void> {
    const batches = [...queues].map(([index, [records = []]]) => this.#batch(index, records));
    for (const { topic, index, errorCode, errorMessage } of await this.#send(batches)) {
      const queue = queues.get(index) ?? [];
      const records = queue.shift() ?? [];
      if (errorCode === ErrorCode.NONE) this.#advance(index, records.length);
      else if (isTooLargeCode(errorCode) && records.length > 1) queue.unshift(...halves(records));
      else {
        const subject = `topic ${topic} partition ${index}`;
        throw brokerError("Produce", errorCode, { subject, message: errorMessage });
      }
      if (queue.length === 0) queues.delete(index);
    }
  }

  #batch(index: number, records: readonly RecordInput[]): ProducePartition {
    const { topic, codec } = this.#options;
    const baseSequence = this.#sequences.get(index) ?? 0;
    const { bytes } = encodeBatch(records, { ...this.#identity, baseSequence, codec });
    const topicId = this.#deps.client.metadata.topic(topic)?.topicId;
    if (topicId === undefined) throw new CommandError({ code: "COMMAND_FAILED", what: `topic "${topic}" is gone` });
    return { topic, topicId, index, records: bytes };
  }

  #advance(index: number, records: number): void {
    this.#sequences.set(index, ((this.#sequences.get(index) ?? 0) + records) % SEQUENCE_MODULUS);
  }

  /** A repeat is harmless: the producer id makes the broker recognise it. */
  #send(batches: readonly ProducePartition[]): Promise<readonly ProducedPartition[]> {
    const { client } = this.#deps;
    return askLeaders<ProducePartition, ProducedPartition>(client, batches, {
      timeoutMs: APPEND_MS_MAX,
      ask: (nodeId, partitions) => produceTo(client, nodeId, { partitions, acks: -1 }),
      failed: ({ topic, topicId, index }, errorCode) => {
        const nothing = { errorMessage: null, baseOffset: -1n, logAppendTimeMs: -1n, logStartOffset: -1n };
        return { topic, topicId, index, errorCode, ...nothing };
      },
    });
  }
}

function halves<T>(list: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(list.length / 2);
  return [list.slice(0, middle), list.slice(middle)];
}

async function create(topic: string, { client, onCreated }: TopicWriterDeps): Promise<void> {
  const [outcome] = await createTopics(client, [{ name: topic }]);
  const code = outcome?.errorCode ?? ErrorCode.NONE;
  if (code !== ErrorCode.NONE && code !== ErrorCode.TOPIC_ALREADY_EXISTS) {
    throw brokerError("CreateTopics", code, { subject: `topic ${topic}`, message: outcome?.errorMessage ?? null });
  }
  const [made] = await client.metadata.require([topic]);
  onCreated(made?.partitions.length ?? 0);
}
