/** One broker's share of the batches to be produced: many lanes in each request, several requests in flight, and the
 *  batches of one partition strictly in the order in which they came. */

import { hadNoEffect, isDeniedCode } from "../client/errors.ts";
import type { KafkaClient } from "../client/kafka-client.ts";
import { type ProducedPartition, produceTo } from "../client/produce.ts";
import { toError } from "../core/errors.ts";
import type { TargetFault } from "../mirror/errors.ts";
import type { AppendOutcome, TopicPartition } from "../mirror/ports.ts";
import { ErrorCode, errorName } from "../wire/error-codes.ts";
import type { BatchView } from "../wire/record-batch.ts";
import { decodeRecords } from "../wire/records.ts";
import type { Look, TargetLooks } from "./target-looks.ts";

/** Requests in flight per broker: as many as a lane has batches, so that no lane waits for another's. */
const REQUESTS_MAX = 5;
/** Bytes per request: far below the brokers' `socket.request.max.bytes` (100 MiB), enough for 64 lanes of 64 KiB. */
const REQUEST_BYTES_MAX = 4 * 1024 * 1024;
/** The broker's time to reach its in-sync replicas. Shorter than Kafka's usual 30 s: takeover clears what is in doubt. */
const ACK_TIMEOUT_MS = 10_000;

interface Waiting {
  readonly at: TopicPartition;
  readonly batch: BatchView;
  /** What the target was like when the batch was handed over. */
  readonly look: Look | undefined;
  readonly settle: (outcome: AppendOutcome) => void;
}

/** See the file's comment. */
export class ProduceQueue {
  readonly #client: KafkaClient;
  readonly #nodeId: number;
  readonly #looks: TargetLooks;
  /** By partition, in order of arrival. Bounded by the partitions that the broker has led: taking the empty ones out for each batch
   *  would leave a chain of dead tables, on which all garbage hangs until the whole heap is collected. */
  readonly #queues = new Map<string, Waiting[]>();
  /** Those that hold something; a partition that was served goes to the end. */
  #ready: Waiting[][] = [];
  #inFlight = 0;
  #heldBytes = 0;
  #scheduled = false;

  constructor(client: KafkaClient, nodeId: number, looks: TargetLooks) {
    this.#client = client;
    this.#nodeId = nodeId;
    this.#looks = looks;
  }

  /** Bytes of batches that are not settled. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Queues one batch. Never rejects. */
  append(at: TopicPartition, batch: BatchView): Promise<AppendOutcome> {
    return new Promise((settle) => {
      const key = `${at.topicId}/${at.partition}`;
      this.#heldBytes += batch.sizeBytes;
      const waiting = { at, batch, settle, look: this.#looks.of(batch.producerId) };
      const queue = this.#queueOf(key);
      if (queue.length === 0) this.#ready.push(queue);
      queue.push(waiting);
      this.#schedule();
    });
  }

  #queueOf(key: string): Waiting[] {
    const known = this.#queues.get(key);
    if (known !== undefined) return known;
    const queue: Waiting[] = [];
    this.#queues.set(key, queue);
    return queue;
  }

  /** Waits until every lane that is about to add a batch in this turn has done so. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#inFlight < REQUESTS_MAX && this.#ready.length > 0) void this.#send(this.#take());
    });
  }

  /** One batch of each partition, as many as fit. */
  #take(): Waiting[] {
    const taken: Waiting[] = [];
    const left: Waiting[][] = [];
    const served: Waiting[][] = [];
    let bytes = 0;
    for (const queue of this.#ready) {
      const head = queue[0];
      if (head === undefined || (taken.length > 0 && bytes + head.batch.sizeBytes > REQUEST_BYTES_MAX)) {
        left.push(queue);
        continue;
      }
      bytes += head.batch.sizeBytes;
      taken.push(head);
      queue.shift();
      if (queue.length > 0) served.push(queue);
    }
    this.#ready = [...left, ...served];
    return taken;
  }

  /** Leaves out, and settles, what stands behind a look at something else than the request would reach. */
  #sure(items: readonly Waiting[]): readonly Waiting[] {
    return items.filter(({ at, batch, look, settle }) => {
      const why = this.#looks.doubt(at, batch.producerId, look);
      if (why === undefined) return true;
      const { topic, partition } = at;
      this.#heldBytes -= batch.sizeBytes;
      settle({ kind: "failed", fault: { code: "TARGET_DOUBT", topic, partition, why } });
      return false;
    });
  }

  async #send(taken: readonly Waiting[]): Promise<void> {
    const items = this.#sure(taken);
    if (items.length === 0) return;
    this.#inFlight++;
    try {
      const partitions = items.map(({ at, batch }) => ({
        topic: at.topic,
        topicId: at.topicId,
        index: at.partition,
        records: batch.bytes,
      }));
      // All looks that are left are over the same connection.
      const serial = items.find(({ look }) => look !== undefined)?.look?.serial;
      const options = { partitions, acks: -1, ackTimeoutMs: ACK_TIMEOUT_MS, serial } as const;
      const outcomes = await produceTo(this.#client, this.#nodeId, options);
      for (const [index, { at, batch, settle }] of items.entries()) settle(outcomeOf(at, batch, outcomes[index]));
    } catch (error) {
      for (const { at, settle } of items) settle({ kind: "failed", fault: transportFault(at, error) });
    } finally {
      this.#inFlight--;
      for (const { batch } of items) this.#heldBytes -= batch.sizeBytes;
      if (this.#ready.length > 0) this.#schedule();
    }
  }
}

/** Codes by which a leader says that it will never take this batch. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  ErrorCode.MESSAGE_TOO_LARGE,
  ErrorCode.RECORD_LIST_TOO_LARGE,
  ErrorCode.INVALID_RECORD,
  ErrorCode.INVALID_TIMESTAMP,
  ErrorCode.INVALID_TOPIC_EXCEPTION,
  ErrorCode.UNSUPPORTED_FOR_MESSAGE_FORMAT,
  ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
  ErrorCode.POLICY_VIOLATION,
]);

/** A broker's answer as a lane understands it. */
export function outcomeOf(at: TopicPartition, batch: BatchView, answer: ProducedPartition | undefined): AppendOutcome {
  if (answer?.errorCode === ErrorCode.NONE) return { kind: "appended", baseOffset: answer.baseOffset };
  const { topic, partition, topicId } = at;
  const errorCode = answer?.errorCode ?? ErrorCode.UNKNOWN;
  const why = errorName(errorCode);
  if (isDeniedCode(errorCode)) return { kind: "failed", fault: { code: "TARGET_DENIED", topic, partition, why } };
  if (FINAL_CODES.has(errorCode)) {
    const detail = answer?.errorMessage ?? "";
    if (errorCode === ErrorCode.INVALID_RECORD && lacksKey(batch, detail))
      return { kind: "failed", fault: { code: "TARGET_KEYLESS", topic, partition } };
    return { kind: "failed", fault: { code: "TARGET_REFUSED", topic, partition, why, detail } };
  }
  if (errorCode === ErrorCode.UNKNOWN_TOPIC_ID || errorCode === ErrorCode.INCONSISTENT_TOPIC_ID)
    return { kind: "failed", fault: { code: "TARGET_UNAVAILABLE", topic, partition, why: `${why} ${topicId}` } };
  return { kind: "failed", fault: { code: "TARGET_DOUBT", topic, partition, why } };
}

/** Brokers have one code for all that a record can lack; from Produce 8 on they say in words that it was the key. */
function lacksKey(batch: BatchView, detail: string): boolean {
  return (detail === "" || /\bkey\b/.test(detail)) && decodeRecords(batch).some(({ key }) => key === null);
}

/** A request that was never sent had no effect; of any other the outcome is unknown. */
export function transportFault({ topic, partition }: TopicPartition, error: unknown): TargetFault {
  const why = toError(error).message;
  return { code: hadNoEffect(error) ? "TARGET_UNAVAILABLE" : "TARGET_DOUBT", topic, partition, why };
}
