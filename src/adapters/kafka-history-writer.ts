/** The transactional writer of one lane: batches to the lane's partition, one record per transaction to the history topic. */

import type { KafkaClient } from "../client/kafka-client.ts";
import type { PartitionRef } from "../client/leaders.ts";
import type { ProducedPartition, ProducePartition } from "../client/produce.ts";
import { describeProducers } from "../client/producers.ts";
import { isFencedCode, type TransactionalWriter } from "../client/transactions.ts";
import { ZERO_UUID } from "../core/brand.ts";
import type { Clock } from "../core/clock.ts";
import { assertInvariant } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { HistoryWriter } from "../mirror/history/ports.ts";
import { encodeHistory, type HistoryRecord } from "../mirror/history/record.ts";
import { laneKey } from "../mirror/offset-ports.ts";
import type { AppendOutcome, TopicPartition } from "../mirror/ports.ts";
import { crc32c } from "../wire/crc32c.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { type BatchView, sequenceAfter } from "../wire/record-batch.ts";
import { encodeBatch } from "../wire/records.ts";
import { failure } from "./kafka-history.ts";
import { outcomeOf, transportFault } from "./kafka-produce-queue.ts";
import type { Slots } from "./slots.ts";

/** Shorter than the transaction's own time, so that a batch that is not acknowledged is found out before. */
const ACK_TIMEOUT_MS = 5_000;
/** Connections per broker that transactions share: a broker answers one request of a connection at a time, and a transactional request
 *  carries one lane only. */
const CHANNELS = 4;

/** What a writer works with. */
export interface KafkaHistoryWriterDeps {
  readonly client: KafkaClient;
  readonly writer: TransactionalWriter;
  readonly slots: Slots;
  readonly clock: Clock;
  /** Whether the target's brokers tell where a producer's transaction begins. */
  readonly tellsStart: boolean;
}

/** Where it writes. */
export interface HistoryPlaces {
  readonly at: TopicPartition;
  readonly record: PartitionRef;
}

/** See the file's comment. */
export class KafkaHistoryWriter implements HistoryWriter {
  readonly #deps: KafkaHistoryWriterDeps;
  readonly #places: HistoryPlaces;
  readonly #channel: number;
  #recordSequence = 0;
  #release: (() => void) | undefined;
  #isClosed = false;

  constructor(deps: KafkaHistoryWriterDeps, places: HistoryPlaces) {
    this.#deps = deps;
    this.#places = places;
    const { topic, partition } = places.at;
    this.#channel = 1 + (crc32c(Buffer.from(`${topic}/${partition}`)) % CHANNELS);
  }

  get producerId(): bigint {
    return this.#deps.writer.identity.producerId;
  }
  get producerEpoch(): number {
    return this.#deps.writer.identity.producerEpoch;
  }

  /** Whether it is the writer of this epoch and still used: then its transactions are its own concern. */
  holds(producerEpoch: number): boolean {
    return !this.#isClosed && producerEpoch === this.producerEpoch;
  }

  async begin(): Promise<void> {
    const { writer, slots } = this.#deps;
    const { at, record } = this.#places;
    assertInvariant(this.#release === undefined, "A writer has one transaction at a time");
    this.#release = await slots.take();
    if (this.#isClosed) this.close();
    await writer.announce([{ topic: at.topic, index: at.partition }, record]).catch((error: unknown) => {
      throw failure(at, error);
    });
  }

  async append(batch: BatchView): Promise<AppendOutcome> {
    const { at } = this.#places;
    const { topic, partition: index, topicId } = at;
    const { metadata } = this.#deps.client;
    const leader = metadata.topic(topic)?.topicId === topicId ? metadata.leaderOf(topic, index) : undefined;
    if (leader === undefined) {
      metadata.track([topic]);
      metadata.markStale("leader needed to produce");
      const why = "no leader is known";
      return { kind: "failed", fault: { code: "TARGET_UNAVAILABLE", topic, partition: index, why } };
    }
    try {
      const outcome = await this.#produce(leader.leaderId, { topic, topicId, index, records: batch.bytes });
      if (isFencedCode(outcome.errorCode))
        return { kind: "failed", fault: { code: "TARGET_FENCED", topic, partition: index } };
      return outcomeOf(at, batch, outcome);
    } catch (error) {
      return { kind: "failed", fault: transportFault(at, error) };
    }
  }

  get start(): (() => Promise<bigint | undefined>) | undefined {
    return this.#deps.tellsStart ? () => this.#start() : undefined;
  }

  async #start(): Promise<bigint | undefined> {
    const { client, writer } = this.#deps;
    const { at } = this.#places;
    const { topic, partition: index } = at;
    const [told] = await describeProducers(client, [{ topic, index }], { timeoutMs: ACK_TIMEOUT_MS }).catch(
      (error: unknown) => {
        throw failure(at, error);
      },
    );
    if (told?.errorCode !== ErrorCode.NONE)
      throw doubt(at, `DescribeProducers: ${errorName(told?.errorCode ?? ErrorCode.UNKNOWN)}`);
    const own = told.producers.find(({ producerId }) => producerId === writer.identity.producerId);
    return own === undefined || own.currentTxnStartOffset < 0n ? undefined : own.currentTxnStartOffset;
  }

  async commit(record: HistoryRecord): Promise<void> {
    try {
      await this.#appendRecord(record);
      await this.#deps.writer.end("commit");
    } catch (error) {
      throw failure(this.#places.at, error);
    } finally {
      this.#letGo();
    }
  }

  async abort(): Promise<void> {
    const { writer } = this.#deps;
    await writer
      .end("abort")
      .catch((error: unknown) => {
        throw failure(this.#places.at, error);
      })
      .finally(() => this.#letGo());
  }

  close(): void {
    this.#isClosed = true;
    this.#letGo();
  }

  #letGo(): void {
    this.#release?.();
    this.#release = undefined;
  }

  async #appendRecord(record: HistoryRecord): Promise<void> {
    const { client, clock, writer } = this.#deps;
    const { record: place, at } = this.#places;
    const batch = encodeBatch(
      [
        {
          timestampMs: BigInt(clock.nowMs()),
          key: Buffer.from(laneKey(record.lane)),
          value: encodeHistory(record),
        },
      ],
      { ...writer.identity, baseSequence: this.#recordSequence, isTransactional: true },
    );
    this.#recordSequence = sequenceAfter(this.#recordSequence, 1);
    const leader = client.metadata.leaderOf(place.topic, place.index);
    if (leader === undefined) {
      client.metadata.markStale("leader needed to produce");
      throw doubt(at, "the history topic has no leader");
    }
    const { errorCode } = await this.#produce(leader.leaderId, { ...place, topicId: ZERO_UUID, records: batch.bytes });
    if (isFencedCode(errorCode)) throw new MirrorError({ code: "TARGET_FENCED", ...partitionOf(at) });
    if (errorCode !== ErrorCode.NONE) throw doubt(at, `the history record was refused with ${errorName(errorCode)}`);
  }

  #produce(leaderId: number, partition: ProducePartition): Promise<ProducedPartition> {
    return this.#deps.writer.produce(leaderId, partition, { ackTimeoutMs: ACK_TIMEOUT_MS, channel: this.#channel });
  }
}

function doubt(at: TopicPartition, why: string): MirrorError {
  return new MirrorError({ code: "TARGET_DOUBT", ...partitionOf(at), why });
}

function partitionOf({ topic, partition }: TopicPartition) {
  return { topic, partition };
}
