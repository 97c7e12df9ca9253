/** History mode's side of a Kafka target: fences by WriteTxnMarkers, one transactional id per lane, records in a topic of their own. */

import { createHash } from "node:crypto";
import { brokerError, ClientError, errorCodeOf, isDeniedCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, listOffsets } from "../client/list-offsets.ts";
import { mayDescribeProducers, type ProducerIdentity } from "../client/producers.ts";
import {
  type DescribedTransactionalId,
  describeTransactionalIds,
  isFencedCode,
  TransactionalWriter,
  writeAbortMarker,
} from "../client/transactions.ts";
import { type Clock, sleep } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { FenceOutcome, HistoryTarget, HistoryWriter, OpenedWriter, Peeked } from "../mirror/history/ports.ts";
import { decodeHistory, HISTORY_TOPIC, type HistoryRecord } from "../mirror/history/record.ts";
import { laneIdentity } from "../mirror/lane-id.ts";
import { type LaneIdentity, type LaneKey, laneKey } from "../mirror/offset-ports.ts";
import type { TopicPartition } from "../mirror/ports.ts";
import { storeFailure } from "../mirror/stored-error.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { gathering } from "./gather.ts";
import { AbandonedTransactions } from "./kafka-abandoned.ts";
import { KafkaHistoryWriter } from "./kafka-history-writer.ts";
import type { TopicEnds } from "./kafka-internal-reader.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";
import { KafkaWriters } from "./kafka-writers.ts";
import { Shared } from "./shared-run.ts";
import { Slots } from "./slots.ts";

/** A dead worker's transaction ends some time after this, whatever else fails. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/** Open transactions of a worker: more would only wait longer for the same brokers. */
const OPEN_TRANSACTIONS_MAX = 512;
/** Between two looks at an end that transactions of others hide. */
const HELD_POLL_MS = 20;
/** A reader gives up after this long and is told why: transactions time out before. */
const HELD_MS_MAX = 30_000;
/** For one question, leader changes included. */
const CALL_TIMEOUT_MS = 10_000;

/** Answers without a writer in them: nobody opened one yet, or this worker may not know. */
const NOT_TOLD: ReadonlySet<number> = new Set([
  ErrorCode.TRANSACTIONAL_ID_NOT_FOUND,
  ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
]);

/** What it works with; the client is opened and closed by the caller. */
export interface KafkaHistoryDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
  /** See `HistoryTarget.worker`. */
  readonly worker: string;
}

interface StoredRecord {
  readonly value: Buffer;
  decoded: HistoryRecord | undefined;
}

/** See the file's comment. */
export class KafkaHistory implements HistoryTarget {
  readonly worker: string;
  readonly #deps: KafkaHistoryDeps;
  readonly #slots = new Slots(OPEN_TRANSACTIONS_MAX);
  /** Latest values by lane: about a kilobyte for each lane that was ever in history mode. */
  readonly #records = new Map<string, StoredRecord>();
  /** Of the last markers by producer: one for each such lane and about a week. */
  readonly #epochs = new Map<bigint, number>();
  readonly #writers: KafkaWriters;
  readonly #look = new Shared(() => this.#lookAtEnds());
  readonly #refresh = new Shared(() => this.#readNew());
  readonly #settle = new Shared(() => this.#settleHeld());
  /** Writers of this process, by lane. */
  readonly #writing = new Map<LaneKey, KafkaHistoryWriter>();
  /** The latest writers that this process opened, if only to end a transaction, by lane. */
  readonly #opened = new Map<LaneKey, ProducerIdentity>();
  readonly #describe: (transactionalId: string) => Promise<DescribedTransactionalId>;
  readonly #abandoned: AbandonedTransactions;
  #topic: KafkaInternalTopic | undefined;
  /** The high watermarks as they were seen last. */
  #ends: TopicEnds = new Map();

  constructor(deps: KafkaHistoryDeps) {
    this.#deps = deps;
    this.worker = deps.worker;
    this.#writers = new KafkaWriters(deps);
    this.#abandoned = new AbandonedTransactions(deps, {
      isOurs: ({ lane }, epoch) => this.#writing.get(laneKey(lane))?.holds(epoch) === true,
      opened: ({ lane }, identity) => this.#opened.set(laneKey(lane), identity),
    });
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    this.#describe = gathering((ids) => describeTransactionalIds(deps.client, ids, options));
  }

  async fence(at: TopicPartition, producerId: bigint, epoch: number): Promise<FenceOutcome> {
    const { topic, partition: index } = at;
    const marker = { partition: { topic, index }, producerId, producerEpoch: epoch };
    const errorCode = await writeAbortMarker(this.#deps.client, marker, { timeoutMs: CALL_TIMEOUT_MS }).catch(
      (error: unknown) => {
        if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return undefined;
        throw failure(at, error);
      },
    );
    if (errorCode === undefined)
      return { kind: "impossible", why: "the target's brokers do not take WriteTxnMarkers from clients" };
    if (errorCode === ErrorCode.NONE) return { kind: "fenced" };
    if (errorCode === ErrorCode.INVALID_PRODUCER_EPOCH) return { kind: "outrun" };
    if (isDeniedCode(errorCode))
      return {
        kind: "impossible",
        why: "the worker's principal lacks ClusterAction on the target: allow it (kafka-acls --add --cluster --operation ClusterAction)",
      };
    throw doubt(at, `the fence was refused with ${errorName(errorCode)}`);
  }

  async read(lane: LaneIdentity): Promise<HistoryRecord | undefined> {
    try {
      await this.#readAll();
      return this.#latest(lane);
    } catch (error) {
      throw storeFailure(error, { topic: HISTORY_TOPIC, partition: 0 });
    }
  }

  async rival(lane: LaneIdentity): Promise<OpenedWriter | undefined> {
    try {
      const { errorCode, producerId, producerEpoch: epoch } = await this.#describe(transactionalIdOf(lane));
      const own = this.#opened.get(laneKey(lane));
      if (NOT_TOLD.has(errorCode) || (own?.producerId === producerId && own.producerEpoch === epoch)) return undefined;
      if (errorCode === ErrorCode.NONE) return { producerId, epoch };
      throw brokerError("DescribeTransactions", errorCode, { subject: "the transactional id of a lane" });
    } catch (error) {
      if (error instanceof ClientError && error.fault.code === "CLIENT_NO_VERSION") return undefined;
      throw storeFailure(error, { topic: HISTORY_TOPIC, partition: 0 });
    }
  }

  async peek(lane: LaneIdentity): Promise<Peeked> {
    try {
      await this.#refresh.run();
      const record = this.#latest(lane);
      const { producerId = -1n } = record?.stretches.at(-1) ?? {};
      return { record, writerEpoch: this.#epochs.get(producerId) ?? -1 };
    } catch (error) {
      throw storeFailure(error, { topic: HISTORY_TOPIC, partition: 0 });
    }
  }

  #latest(lane: LaneIdentity): HistoryRecord | undefined {
    const stored = this.#records.get(laneKey(lane));
    if (stored === undefined) return undefined;
    // A lane that stands by looks at the same bytes many times.
    stored.decoded ??= decodeHistory(stored.value);
    return stored.decoded;
  }

  async open(lane: LaneIdentity, at: TopicPartition): Promise<HistoryWriter> {
    const { client } = this.#deps;
    const transactionalId = transactionalIdOf(lane);
    try {
      this.#topic ??= await KafkaInternalTopic.open({ name: HISTORY_TOPIC }, this.#deps);
      const writer = await TransactionalWriter.open(client, {
        transactionalId,
        transactionTimeoutMs: TRANSACTION_TIMEOUT_MS,
      });
      this.#opened.set(laneKey(lane), writer.identity);
      await this.#writers.announce(writer.identity.producerId, laneKey(lane));
      const record = { topic: HISTORY_TOPIC, index: this.#topic.partitionOf(laneKey(lane)) };
      const opened = new KafkaHistoryWriter(
        { client, writer, slots: this.#slots, clock: this.#deps.clock, tellsStart: await this.#tellsStart(at) },
        { at, record },
      );
      this.#writing.set(laneKey(lane), opened);
      return opened;
    } catch (error) {
      throw failure(at, error);
    }
  }

  async #tellsStart({ topic, partition }: TopicPartition): Promise<boolean> {
    const { client } = this.#deps;
    const leader = client.metadata.leaderOf(topic, partition);
    return leader !== undefined && mayDescribeProducers(client, leader.leaderId, { timeoutMs: CALL_TIMEOUT_MS });
  }

  async stableEnd(at: TopicPartition): Promise<bigint> {
    const question = { topic: at.topic, index: at.partition, timestampMs: AT_END };
    const options = { isolation: "read_committed", timeoutMs: CALL_TIMEOUT_MS } as const;
    const [answer] = await listOffsets(this.#deps.client, [question], options).catch((error: unknown) => {
      throw failure(at, error);
    });
    if (answer?.errorCode === ErrorCode.NONE) return answer.offset;
    throw unavailable(at, `ListOffsets: ${errorName(answer?.errorCode ?? ErrorCode.UNKNOWN)}`);
  }

  leaderEpoch({ topic, partition }: TopicPartition): number {
    return this.#deps.client.metadata.leaderOf(topic, partition)?.leaderEpoch ?? -1;
  }

  /** Reads up to the high watermark: another lane's open transaction may stand in front of a record that is committed. */
  async #readAll(): Promise<void> {
    const { clock } = this.#deps;
    const untilMs = clock.monotonicMs() + HELD_MS_MAX;
    await this.#look.run();
    const ends = this.#ends;
    for (;;) {
      await this.#refresh.run();
      if (this.#topic?.hasReached(ends) !== false) return;
      if (clock.monotonicMs() > untilMs)
        throw unavailable({ topic: HISTORY_TOPIC, partition: 0 }, "open transactions hide its end");
      await this.#settle.run();
      await sleep(clock, HELD_POLL_MS);
    }
  }

  async #lookAtEnds(): Promise<void> {
    await this.#openTopic();
    this.#ends = (await this.#topic?.ends()) ?? new Map();
  }

  async #settleHeld(): Promise<void> {
    if (this.#topic !== undefined) await this.#abandoned.end(await this.#topic.openRecords());
  }

  /** The topic is made by the first lane that needs it; until then nobody has a record. */
  async #openTopic(): Promise<void> {
    this.#topic ??= await KafkaInternalTopic.openExisting({ name: HISTORY_TOPIC }, this.#deps);
  }

  async #readNew(): Promise<void> {
    await this.#openTopic();
    await this.#topic?.readNew(
      (key, value) => {
        if (value === null) this.#records.delete(key);
        else this.#records.set(key, { value, decoded: undefined });
      },
      (producerId, producerEpoch) => this.#epochs.set(producerId, producerEpoch),
    );
  }
}

/** The lane's transactional id: as its producer id, the same for every worker that ever copies it. */
export function transactionalIdOf(lane: LaneIdentity): string {
  return `tributary.lane.${createHash("sha256").update(laneIdentity(lane)).digest("hex").slice(0, 32)}`;
}

/** A client's error as a lane understands it. */
export function failure(at: Pick<TopicPartition, "topic" | "partition">, error: unknown): MirrorError {
  if (error instanceof MirrorError) return error;
  const { topic, partition } = at;
  const errorCode = errorCodeOf(error) ?? ErrorCode.NONE;
  const cause = toError(error);
  if (isFencedCode(errorCode)) return new MirrorError({ code: "TARGET_FENCED", topic, partition }, { cause });
  if (isDeniedCode(errorCode))
    return new MirrorError({ code: "TARGET_DENIED", topic, partition, why: errorName(errorCode) }, { cause });
  return new MirrorError({ code: "TARGET_UNAVAILABLE", topic, partition, why: cause.message }, { cause });
}

function unavailable({ topic, partition }: Pick<TopicPartition, "topic" | "partition">, why: string): MirrorError {
  return new MirrorError({ code: "TARGET_UNAVAILABLE", topic, partition, why });
}

function doubt({ topic, partition }: TopicPartition, why: string): MirrorError {
  return new MirrorError({ code: "TARGET_DOUBT", topic, partition, why });
}
