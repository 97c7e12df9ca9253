/** Appends to a compacted topic of ours: batches of bounded size, each partition's in order, acknowledged by all in-sync replicas. */

import { brokerError, isTooLargeCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { askLeaders, type PartitionRef } from "../client/leaders.ts";
import { type ProducePartition, produceTo } from "../client/produce.ts";
import { ZERO_UUID } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import { crc32c } from "../wire/crc32c.ts";
import { ErrorCode } from "../wire/error-codes.ts";
import { encodeBatch } from "../wire/records.ts";
import type { InternalRecord } from "./internal-topic.ts";
import { MAX_MESSAGE_BYTES } from "./kafka-ensure-topic.ts";
import type { TopicShape } from "./kafka-internal-reader.ts";

/** Half of the brokers' default `max.message.bytes`. */
const BATCH_BYTES_MAX = 512 * 1024;
/** Upper bound of what a record adds to its key and value. */
const RECORD_OVERHEAD_BYTES = 32;

/** One at a time for each topic: two would not keep each other's order. */
export class KafkaInternalWriter {
  readonly #name: string;
  readonly #partitions: number;
  readonly #client: KafkaClient;
  readonly #clock: Clock;
  /** Becomes smaller when the topic turns out to take less. */
  #batchBytesMax = BATCH_BYTES_MAX;

  constructor({ name, partitions }: TopicShape, deps: { readonly client: KafkaClient; readonly clock: Clock }) {
    this.#name = name;
    this.#partitions = partitions;
    this.#client = deps.client;
    this.#clock = deps.clock;
  }

  async append(records: readonly InternalRecord[]): Promise<void> {
    assertInvariant(this.#partitions > 0, "Readers never write", { topic: this.#name });
    const queues = new Map<number, InternalRecord[][]>();
    for (const [index, ofPartition] of Map.groupBy(records, ({ route }) => this.partitionOf(route))) {
      queues.set(index, intoBatches(ofPartition, this.#batchBytesMax));
    }
    // One batch per partition and request; the next only after the ack, so that order needs no idempotence.
    while (queues.size > 0) {
      const items = [...queues].map(([index, batches]) => ({ topic: this.#name, index, batch: batches[0] ?? [] }));
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
    const subject = `${this.#name}-${index}`;
    if (!isTooLargeCode(errorCode)) throw brokerError("Produce", errorCode, { subject });
    if (batch.length > 1) {
      const bytes = batch.reduce((sum, record) => sum + sizeOf(record), 0);
      this.#batchBytesMax = Math.max(1, Math.min(this.#batchBytesMax, Math.floor(bytes / 2)));
      return intoBatches(batch, this.#batchBytesMax);
    }
    const command = `kafka-configs --alter --entity-type topics --entity-name ${this.#name} --add-config max.message.bytes=${MAX_MESSAGE_BYTES}`;
    throw brokerError("Produce", errorCode, {
      subject,
      message: `a single record is too large; mend it with ${command}`,
    });
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
