/** History mode's side of a Kafka target: fences by WriteTxnMarkers, one transactional id per lane, records in a topic of their own. */

import { createHash } from "node:crypto";
import { ClientError, errorCodeOf, isDeniedCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { AT_END, listOffsets } from "../client/list-offsets.ts";
import { isFencedCode, TransactionalWriter, writeAbortMarker } from "../client/transactions.ts";
import type { Clock } from "../core/clock.ts";
import { toError } from "../core/errors.ts";
import { MirrorError } from "../mirror/errors.ts";
import type { FenceOutcome, HistoryTarget, HistoryWriter } from "../mirror/history/ports.ts";
import { decodeHistory, HISTORY_TOPIC, type HistoryRecord } from "../mirror/history/record.ts";
import { laneIdentity } from "../mirror/lane-id.ts";
import { type LaneIdentity, laneKey } from "../mirror/offset-ports.ts";
import type { TopicPartition } from "../mirror/ports.ts";
import { storeFailure } from "../mirror/stored-error.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import { KafkaHistoryWriter } from "./kafka-history-writer.ts";
import { KafkaInternalTopic } from "./kafka-internal-topic.ts";
import { KafkaWriters } from "./kafka-writers.ts";
import { Shared } from "./shared-run.ts";
import { Slots } from "./slots.ts";

/** A dead worker's transaction ends after this at the latest: until then it hides what others commit to the history topic. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/** Open transactions of a worker: more would only wait longer for the same brokers. */
const OPEN_TRANSACTIONS_MAX = 512;
/** For one question, leader changes included. */
const CALL_TIMEOUT_MS = 10_000;

/** What it works with; the client is opened and closed by the caller. */
export interface KafkaHistoryDeps {
  readonly client: KafkaClient;
  readonly clock: Clock;
}

/** See the file's comment. */
export class KafkaHistory implements HistoryTarget {
  readonly #deps: KafkaHistoryDeps;
  readonly #slots = new Slots(OPEN_TRANSACTIONS_MAX);
  /** Latest values by lane: about a kilobyte for each lane that was ever in history mode. */
  readonly #records = new Map<string, Buffer>();
  readonly #writers: KafkaWriters;
  readonly #refresh = new Shared(() => this.#readNew());
  #topic: KafkaInternalTopic | undefined;

  constructor(deps: KafkaHistoryDeps) {
    this.#deps = deps;
    this.#writers = new KafkaWriters(deps);
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
      await this.#refresh.run();
      const value = this.#records.get(laneKey(lane));
      return value && decodeHistory(value);
    } catch (error) {
      throw storeFailure(error, { topic: HISTORY_TOPIC, partition: 0 });
    }
  }

  async open(lane: LaneIdentity, at: TopicPartition): Promise<HistoryWriter> {
    const { client } = this.#deps;
    const transactionalId = transactionalIdOf(lane);
    try {
      this.#topic ??= await KafkaInternalTopic.open(TOPIC, this.#deps);
      const options = { transactionalId, transactionTimeoutMs: TRANSACTION_TIMEOUT_MS };
      const writer = await TransactionalWriter.open(client, options);
      await this.#writers.announce(writer.identity.producerId, laneKey(lane));
      const record = { topic: HISTORY_TOPIC, index: this.#topic.partitionOf(laneKey(lane)) };
      return new KafkaHistoryWriter({ client, writer, slots: this.#slots, clock: this.#deps.clock }, { at, record });
    } catch (error) {
      throw failure(at, error);
    }
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

  /** The topic is made by the first lane that needs it; until then nobody has a record. */
  async #readNew(): Promise<void> {
    this.#topic ??= await KafkaInternalTopic.openExisting(TOPIC, this.#deps);
    await this.#topic?.readNew((key, value) => {
      if (value === null) this.#records.delete(key);
      else this.#records.set(key, value);
    });
  }
}

/** Read up to the high watermark: another lane's open transaction may stand in front of a record that is committed. */
const TOPIC = { name: HISTORY_TOPIC, waitsForOpenTransactions: true } as const;

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

function unavailable({ topic, partition }: TopicPartition, why: string): MirrorError {
  return new MirrorError({ code: "TARGET_UNAVAILABLE", topic, partition, why });
}

function doubt({ topic, partition }: TopicPartition, why: string): MirrorError {
  return new MirrorError({ code: "TARGET_DOUBT", topic, partition, why });
}
